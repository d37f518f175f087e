// The losses a second time, straight from the formulas of gdkd.h, in long double: no blocking, no
// vectors, nothing shared with the library. Slow and readable; the oracle of the other tests.
#ifndef GDKD_TESTS_PLAIN_H
#define GDKD_TESTS_PLAIN_H

#include "problem.h"

typedef long double real;

typedef struct plain_result {
    // As the fields of gdkd_result (grad_scale = 1).
    double total, ce, kd, high, low[GDKD_MAX_GROUPS];
    double student_mass[GDKD_MAX_GROUPS], teacher_mass[GDKD_MAX_GROUPS];
    double inter, intra;
    double grad_norm_ce, grad_norm_high, grad_norm_low[GDKD_MAX_GROUPS];
    double divisor;
    int64_t rows_used, rows_nonfinite, first_nonfinite;
    double *grad;     // [rows][classes]
    double *row_loss; // [rows]: ce_weight ce + kd_weight kd, without the row's weight

    // What errors are measured against: sums of the absolute values of a loss's terms, such as
    // |w q_i (log q_i - log p_i)|, reduced as the loss is; and the largest of a row's gradient
    // terms, a p_i or q_i times its weight, before they are subtracted.
    double total_size, ce_size, kd_size, high_size, low_size[GDKD_MAX_GROUPS];
    double *row_size; // [rows]
    // The same with |log q_i| + |log p_i| + 1 for the difference of the logarithms: what a rounding
    // of the logarithms themselves is relative to.
    double total_logs, ce_logs, kd_logs, high_logs, low_logs[GDKD_MAX_GROUPS];
    double *row_logs;     // [rows]
    double *grad_size;    // [rows]
    double largest_input; // the largest finite |s/T|, |t/T|, |s| that was read
} plain_result;

void plain_loss(const problem *p, plain_result *out); // allocates grad and the arrays per row
void plain_free(plain_result *out);

// DIST, of which problem.config carries temperature, temperature_squared and ignore_index.
void plain_dist(const problem *p, double beta, double gamma, plain_result *out);

// --- Parts, open to tests of their own ----------------------------------------------------------

// The group of each of a row's n classes that are not masked; index[j] is the class of the j-th.
void plain_partition(const problem *p, int64_t row, int64_t target, const int64_t *index, int64_t n,
                     uint8_t *group);

// The row's target, or -1 when there is none; the teacher's argmax where that is asked for.
int64_t plain_target(const problem *p, int64_t row);
int plain_row_is_read(const problem *p, int64_t row);

#endif
