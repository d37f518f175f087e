// One row of the plain implementation: its terms and their gradients, before any weight.
#ifndef GDKD_TESTS_PLAIN_ROW_H
#define GDKD_TESTS_PLAIN_ROW_H

#include "plain.h"

// One term of a row: its value, the sum of the absolute values of what it is the sum of, that sum
// with the logarithms before their subtraction, its gradient with respect to the row's student
// logits, and the largest part of that.
typedef struct term {
    real value;
    real size;
    real logs;
    real *grad; // [classes]
    real grad_size;
} term;

typedef struct plain_row {
    term ce, high, low[GDKD_MAX_GROUPS];
    real student_mass[GDKD_MAX_GROUPS], teacher_mass[GDKD_MAX_GROUPS];
    int invalid; // NaN, +inf or no distribution: loss and gradient are NaN
    real *memory;
} plain_row;

void plain_row_init(plain_row *out, int64_t classes);
void plain_row_free(plain_row *out);
void plain_row_terms(const problem *p, int64_t row, plain_row *out);

#endif
