// What the terms of a loss weigh in a finished student.
#ifndef DISTILL_TERM_SHARES_H
#define DISTILL_TERM_SHARES_H

#include "base/npy.h"
#include "train/criterion.h"

// Of each part of the loss, weights included, after the warm-up: its share of the mean loss, and the
// share of the images in which it is the largest part. Percent; NaN for what is no part.
typedef struct {
    double loss[TERMS];
    double largest[TERMS];
} term_shares;

bool term_shares_of(const loss_settings *s, const npy_matrix *student, const npy_matrix *teacher,
                    const int64_t *labels, term_shares *shares, error_line *e);

// GDKD's terms before their weights, the factor T^2 included, for each of `count` k: means over the
// images.
bool terms_by_k(double temperature, const npy_matrix *student, const npy_matrix *teacher,
                const int64_t *labels, const int *k, int count, double (*terms)[TERMS],
                error_line *e);

#endif
