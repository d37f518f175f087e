#include <gdkd.h>
#include <stdio.h>

int main(void) { // GDKD of 2 rows with 4 classes: the loss, and its gradient for the student
    const float student[] = {1.0F, 0.5F, -0.3F, 0.2F, 2.0F, 1.0F, 0.0F, -1.0F};
    const float teacher[] = {3.0F, 1.0F, 0.5F, -1.0F, 0.0F, 4.0F, 2.0F, -2.0F};
    float gradient[8];
    double loss = 0;
    gdkd_config config;
    gdkd_config_gdkd(&config, 4.0, 2, 1.0, 1.0, 2.0); // T, k, w0, w1, w2
    gdkd_status status = gdkd_loss_f32(&config, student, teacher, NULL, 2, 4, gradient, &loss);
    if (status != GDKD_OK) {
        fprintf(stderr, "%s\n", gdkd_status_string(status));
        return 1;
    }
    printf("loss %.6f, gradient of the first logit %.6f\n", loss, (double)gradient[0]);
    return 0;
}
