// A C99 program that uses an installed libgdkd: prints "ok" when the loss of a row against itself
// is 0, of two different rows is not, and a bad temperature is refused.
#include <gdkd.h>

#include <math.h>
#include <stdio.h>

int main(void) {
    const float student[6] = {1.0f, 2.0f, 3.0f, 0.5f, -1.0f, 4.0f};
    const float teacher[6] = {0.0f, 2.5f, 3.5f, 1.5f, -2.0f, 3.0f};
    const int64_t target[2] = {2, 0};
    float grad[6];
    double loss = -1.0;
    gdkd_config config;

    if (gdkd_config_dkd(&config, 4.0, 1.0, 8.0) != GDKD_OK) return 1;
    if (gdkd_loss_f32(&config, student, teacher, target, 2, 3, grad, &loss) != GDKD_OK) return 1;
    if (!(loss > 0.0) || fabs((double)grad[0] + (double)grad[1] + (double)grad[2]) > 1e-6) return 1;
    if (gdkd_loss_f32(&config, student, student, target, 2, 3, NULL, &loss) != GDKD_OK) return 1;
    if (fabs(loss) > 1e-6) return 1;
    config.temperature = 0.0;
    if (gdkd_loss_f32(&config, student, teacher, target, 2, 3, grad, &loss) !=
        GDKD_ERROR_TEMPERATURE) {
        return 1;
    }
    printf("ok: libgdkd %s, %s\n", gdkd_version_string(), gdkd_isa_name(gdkd_isa()));
    return 0;
}
