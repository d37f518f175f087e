// The door: the calls of gdkd.h on top of plan and driver.
#include "layouts.h"
#include "plan.h"

#include <stdlib.h>

static gdkd_status adopt(const gdkd_config *config, const gdkd_batch *batch,
                         gdkd_config *own_config, gdkd_batch *own_batch) {
    const gdkd_status status = gdkd_adopt(GDKD_STRUCT_CONFIG, config, own_config);
    return status == GDKD_OK ? gdkd_adopt(GDKD_STRUCT_BATCH, batch, own_batch) : status;
}

size_t gdkd_workspace_size(const gdkd_config *config, const gdkd_batch *batch) {
    gdkd_config own_config;
    gdkd_batch own_batch;
    plan p;
    gdkd_status status = adopt(config, batch, &own_config, &own_batch);
    if (status == GDKD_OK) status = gdkd_plan(&own_config, &own_batch, NULL, &p);
    return status == GDKD_OK ? gdkd_plan_room(&p) : 0;
}

static gdkd_status loss_of_today(const gdkd_config *config, const gdkd_batch *batch,
                                 gdkd_result *result, void *workspace, size_t workspace_bytes) {
    plan p;
    gdkd_status status = gdkd_plan(config, batch, result, &p);
    if (status == GDKD_OK && workspace && workspace_bytes < gdkd_plan_room(&p))
        status = GDKD_ERROR_WORKSPACE;
    if (status == GDKD_OK) status = gdkd_plan_rows(&p);
    if (status != GDKD_OK) return status;

    void *own = workspace ? NULL : malloc(gdkd_plan_workspace(&p));
    if (!workspace && !own) return GDKD_ERROR_MEMORY;
    gdkd_run(&p, workspace ? workspace : own);
    free(own);
    return GDKD_OK;
}

gdkd_status gdkd_loss(const gdkd_config *config, const gdkd_batch *batch, gdkd_result *result,
                      void *workspace, size_t workspace_bytes) {
    gdkd_config own_config;
    gdkd_batch own_batch;
    gdkd_result own_result;
    gdkd_status status = gdkd_adopt(GDKD_STRUCT_RESULT, result, &own_result);
    if (status != GDKD_OK) return status;
    own_result.error_row = -1;
    status = adopt(config, batch, &own_config, &own_batch);
    if (status == GDKD_OK)
        status = loss_of_today(&own_config, &own_batch, &own_result, workspace, workspace_bytes);
    gdkd_hand_back(status, &own_result, result);
    return status;
}

gdkd_status gdkd_loss_f32(const gdkd_config *config, const float *student, const float *teacher,
                          const int64_t *target, int64_t rows, int64_t classes, float *grad,
                          double *loss) {
    if (!loss) return GDKD_ERROR_NULL;
    gdkd_batch batch;
    gdkd_result result;
    gdkd_batch_init(&batch);
    gdkd_result_init(&result);
    batch.outer = rows;
    batch.classes = classes;
    batch.inner = 1;
    batch.student = student;
    batch.teacher = teacher;
    batch.target = target;
    result.grad = grad;
    gdkd_status status = gdkd_loss(config, &batch, &result, NULL, 0);
    if (status == GDKD_OK) *loss = result.total;
    return status;
}
