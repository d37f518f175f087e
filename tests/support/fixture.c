#include "fixture.h"

#include <string.h>

void fixture_init(fixture *f) {
    memset(f, 0, sizeof *f);
    gdkd_config_init(&f->config);
    gdkd_batch_init(&f->batch);
    gdkd_result_init(&f->result);
    for (int i = 0; i < COUNT; i++) {
        f->student[i] = (float)(i % 7) * 0.3f;
        f->teacher[i] = (float)(i % 5) * 0.4f;
        f->groups[i] = (uint8_t)(i % 3);
    }
    for (int i = 0; i < COUNT + 8; i++) f->grad[i] = 123.5f;
    for (int i = 0; i < ROWS; i++) {
        f->target[i] = i % CLASSES;
        f->k_table[i] = 1 + i % 3;
        f->low_weight[i] = 1.0;
        f->row_weight[i] = 1.0;
        f->row_loss[i] = 321.5;
    }
    f->config.partition = GDKD_PARTITION_TOP;
    f->config.k = 2;
    f->config.k_max = 3;
    f->config.ce_weight = 1.0;
    f->config.low_weight_groups = 1;
    f->config.low_weight_index = GDKD_LOW_WEIGHT_PER_ROW;
    f->batch.outer = OUTER;
    f->batch.classes = CLASSES;
    f->batch.inner = INNER;
    f->batch.student = f->student;
    f->batch.teacher = f->teacher;
    f->batch.target = f->target;
    f->batch.low_weight = f->low_weight;
    f->batch.row_weight = f->row_weight;
    f->result.grad = f->grad;
    f->result.row_loss = f->row_loss;
}

gdkd_status fixture_run(fixture *f) {
    return gdkd_loss(&f->config, &f->batch, &f->result, NULL, 0);
}

void fixture_choose(fixture *f, variant v) {
    static int32_t narrow[ROWS];
    switch (v) {
    case PLAIN:
        break;
    case PER_ROW_K:
        f->config.k_rule = GDKD_K_PER_ROW;
        break;
    case PER_CLASS_K:
        f->config.k_rule = GDKD_K_PER_CLASS;
        break;
    case BY_RATIO:
        f->config.k_rule = GDKD_K_RATIO;
        break;
    case BY_MASS:
        f->config.k_rule = GDKD_K_MASS;
        break;
    case ONE_MAP:
        f->config.partition = GDKD_PARTITION_MAP;
        break;
    case MAP_PER_ROW:
        f->config.partition = GDKD_PARTITION_MAP;
        f->batch.groups_stride = CLASSES * INNER;
        break;
    case TARGET_32:
        for (int i = 0; i < ROWS; i++) narrow[i] = i == 4 ? CLASSES : i % CLASSES;
        f->batch.target_dtype = GDKD_INT32;
        f->batch.target = narrow;
        break;
    }
    if (v == PER_ROW_K || v == PER_CLASS_K) f->batch.k_table = f->k_table;
    if (v == ONE_MAP || v == MAP_PER_ROW) f->batch.groups = f->groups;
}
