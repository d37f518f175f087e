// Accuracy.
#ifndef DISTILL_EVALUATE_H
#define DISTILL_EVALUATE_H

#include "loader.h"
#include "model.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    double top1, top5; // percent
} accuracy;

// Classes that the network likes better than the target: 0 means right. Among equal logits the
// lower class comes first; a NaN comes before everything, so that a broken network is never right.
int target_rank(const float *logits, int classes, int64_t target);

// Over all images of the loader; logits is room for a batch of them, and they go to `copy` too when
// it is not NULL. Ends early when a stop is requested, with what it has.
accuracy evaluate(model *m, loader *images, int classes, float *logits, FILE *copy);

#endif
