// The same from C++11, through the general call and with std::vector.
#include <gdkd.h>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
    const std::vector<double> student = {1.0, 2.0, 3.0, 0.5, -1.0, 4.0};
    const std::vector<double> teacher = {0.0, 2.5, 3.5, 1.5, -2.0, 3.0};
    std::vector<double> grad(student.size());
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    if (gdkd_config_gdkd(&config, 4.0, 1, 1.0, 1.0, 2.0) != GDKD_OK) return 1;
    if (gdkd_batch_init(&batch) != GDKD_OK) return 1;
    if (gdkd_result_init(&result) != GDKD_OK) return 1;
    batch.student_dtype = batch.teacher_dtype = GDKD_F64;
    batch.outer = 2;
    batch.classes = 3;
    batch.inner = 1;
    batch.student = student.data();
    batch.teacher = teacher.data();
    result.grad = grad.data();
    std::vector<unsigned char> workspace(gdkd_workspace_size(&config, &batch));
    const gdkd_status status =
        gdkd_loss(&config, &batch, &result, workspace.data(), workspace.size());
    if (status != GDKD_OK) {
        std::printf("%s\n", gdkd_status_string(status));
        return 1;
    }
    if (!(result.total > 0.0) || std::fabs(grad[3] + grad[4] + grad[5]) > 1e-12) return 1;
    std::printf("ok: libgdkd %s\n", gdkd_version_string());
    return 0;
}
