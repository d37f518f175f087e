#include "problem.h"

#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *checked_calloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "out of memory (%zu x %zu bytes)\n", count, size);
        abort();
    }
    return memory;
}

int same_bytes(const void *a, const void *b, size_t n) {
    return memcmp(a, b, n) == 0;
}

void config_defaults(gdkd_config *config) {
    memset(config, 0, sizeof *config);
    config->struct_size = (uint32_t)sizeof *config;
    config->k = 1;
    config->k_max = 1;
    config->k_ratio = 1.0;
    config->k_mass = 1.0;
    config->temperature = 1.0;
    config->temperature_squared = 1;
    config->w_high = 1.0;
    config->w_low[0] = 1.0;
    config->kd_weight = 1.0;
    config->ignore_index = -100;
}

void problem_init(problem *p, int64_t rows, int64_t classes) {
    memset(p, 0, sizeof *p);
    config_defaults(&p->config);
    p->rows = rows;
    p->classes = classes;
    p->student = checked_calloc((size_t)(rows * classes), sizeof *p->student);
    p->teacher = checked_calloc((size_t)(rows * classes), sizeof *p->teacher);
}

void problem_free(problem *p) {
    free(p->student);
    free(p->teacher);
    free(p->target);
    free(p->k_table);
    free(p->groups);
    free(p->low_weight);
    free(p->row_weight);
    memset(p, 0, sizeof *p);
}

static void *duplicate(const void *from, int64_t count, size_t size) {
    if (!from) return NULL;
    void *to = checked_calloc((size_t)count, size);
    memcpy(to, from, (size_t)count * size);
    return to;
}

void problem_copy(problem *to, const problem *from) {
    const int64_t rows = from->rows;
    const int64_t classes = from->classes;
    const gdkd_config *c = &from->config;
    const int64_t ks = c->k_rule == GDKD_K_PER_CLASS ? classes : rows;
    const int64_t weights = c->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS ? classes : rows;
    *to = *from;
    to->student = duplicate(from->student, rows * classes, sizeof(double));
    to->teacher = duplicate(from->teacher, rows * classes, sizeof(double));
    to->target = duplicate(from->target, rows, sizeof(int64_t));
    to->k_table = duplicate(from->k_table, ks, sizeof(int64_t));
    to->groups = duplicate(from->groups, from->groups_per_row ? rows * classes : classes, 1);
    to->low_weight = duplicate(from->low_weight, weights, sizeof(double));
    to->row_weight = duplicate(from->row_weight, rows, sizeof(double));
}

void problem_round(problem *p, int32_t student_dtype, int32_t teacher_dtype) {
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        p->student[i] = number_round(student_dtype, p->student[i]);
        p->teacher[i] = number_round(teacher_dtype, p->teacher[i]);
    }
}
