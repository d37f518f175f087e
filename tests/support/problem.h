// One call's worth of data, as mathematics sees it: rows of doubles, without layout or type.
#ifndef GDKD_TESTS_PROBLEM_H
#define GDKD_TESTS_PROBLEM_H

#include "gdkd.h"

typedef struct problem {
    gdkd_config config;
    int64_t rows;
    int64_t classes;
    double *student;    // [rows][classes]
    double *teacher;    // [rows][classes]
    int64_t *target;    // [rows], or NULL
    int64_t *k_table;   // [rows] or [classes], or NULL
    uint8_t *groups;    // [classes], or [rows][classes] with groups_per_row; or NULL
    double *low_weight; // [rows] or [classes], or NULL
    double *row_weight; // [rows], or NULL
    int32_t groups_per_row;
} problem;

// What gdkd_config_init promises, written down a second time.
void config_defaults(gdkd_config *config);

// Default config, logits of zero, everything else NULL. Allocation never fails: it aborts.
void problem_init(problem *p, int64_t rows, int64_t classes);
void problem_free(problem *p);
void problem_copy(problem *to, const problem *from); // all buffers are copied
void problem_round(problem *p, int32_t student_dtype, int32_t teacher_dtype);

// Whether n bytes are the same: for numbers that must agree in every bit.
int same_bytes(const void *a, const void *b, size_t n);

void *checked_calloc(size_t count, size_t size); // never NULL, also for count 0

#endif
