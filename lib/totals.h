// The rows' terms, added up.
#ifndef GDKD_TOTALS_H
#define GDKD_TOTALS_H

#include "plan.h"

typedef struct {
    union {
        struct {
            double total, ce, kd, high, norm2_ce, norm2_high;
        };
        double of_rows[6]; // these
    };
    union {
        struct {
            double low[MAX_GROUPS], norm2_low[MAX_GROUPS];
            double student_mass[MAX_GROUPS], teacher_mass[MAX_GROUPS];
        };
        double of_groups[4 * MAX_GROUPS]; // these
    };
    int64_t nonfinite, first_nonfinite;
    int64_t grad_nonfinite; // elements of the gradient, not rows
} totals;

// Adds the terms of a block's used rows, of which `first` is the batch's number of the first.
void gdkd_add_terms(const plan *p, const block *b, int64_t first, totals *sum);

// Adds their gradients' squared norms, once those are there.
void gdkd_add_norms(const plan *p, const block *b, totals *sum);

void gdkd_add_totals(const totals *restrict from, totals *restrict to);

// Fills the caller's result.
void gdkd_report(const plan *p, const totals *sum);

#endif
