// Accuracy.
#ifndef DISTILL_EVALUATE_H
#define DISTILL_EVALUATE_H

#include "data/loader.h"
#include "net/model.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double top1, top5; // percent
} accuracy;

// Classes that the network likes better than the target: 0 means right. Among equal logits the
// lower class comes first; a NaN comes before everything, so that a broken network is never right.
int target_rank(const float *logits, int classes, int64_t target);

// Over all images of the loader; logits is room for a batch of them. They go to the file `npy` too
// when that is not NULL, which is only there when every image went through. Fails with
// EXIT_INTERRUPTED when a stop is requested.
bool evaluate(model *m, loader *images, int classes, float *logits, const char *npy,
              accuracy *result, error_line *e);

// The same with a loader and room of its own, for one part of a data set.
bool evaluate_alone(model *m, const dataset *d, dataset_parts part, int batch, const char *npy,
                    accuracy *result, error_line *e);

#endif
