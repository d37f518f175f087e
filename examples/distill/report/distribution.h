// What a network's distribution over the classes looks like to a partition of them.
#ifndef DISTILL_DISTRIBUTION_H
#define DISTILL_DISTRIBUTION_H

#include "base/npy.h"

typedef struct {
    double mean, low, median, high; // low and high: 10 % and 90 % of the values lie below
} spread;

// Sorts the values.
spread spread_of(double *values, size_t count);

// The softmax of logits / temperature, each row sorted from the largest down:
// [logits->rows][logits->columns], to be freed. NULL when there is no memory.
double *sorted_softmax(const npy_matrix *logits, double temperature);

// The k that GDKD_K_RATIO and GDKD_K_MASS find for such a row, without a k_max. With v the row
// sorted from the smallest up, C - j for the first j with v_j / mean(v_0..v_j) >= ratio, or 1 where
// there is none; the smallest k whose largest classes hold at least `mass`.
int k_by_ratio(const double *sorted, int classes, double ratio);
int k_by_mass(const double *sorted, int classes, double mass);

#endif
