// Batch normalisation as PyTorch's BatchNorm2d: eps 1e-5, momentum 0.1, the biased variance to
// normalise with and the unbiased one for the running statistics. Here is what needs the whole
// batch; the passes over the images are norm_* of kernels.h, and leave their sums for each image.
#ifndef DISTILL_BATCHNORM_H
#define DISTILL_BATCHNORM_H

#include "net/map.h"

#include <stdint.h>

enum { NORM_SUMS = 3 }; // numbers per image and channel that a pass leaves

typedef struct {
    map_shape shape;
    // The entries of the state_dict, and the gradients. [channels]
    const float *weight;
    const float *bias;
    float *running_mean;
    float *running_var;
    int64_t *steps;
    float *grad_weight;
    float *grad_bias;
    // For the passes: [padded channels], zero where a block is filled up.
    float *mean;
    float *scale;     // weight / deviation
    float *offset;    // bias
    float *deviation; // inverse of sqrt(variance + eps)
    float *shift;     // backward: mean of the gradient
    float *slope;     // backward: how the gradient goes with x
    float *sums;      // [images][NORM_SUMS][padded channels]
} norm;

// Floats of the six arrays and of the sums together.
size_t norm_buffer_size(map_shape shape, int images);
void norm_set_buffers(norm *n, map_shape shape, float *buffers);

static inline float *norm_image_sums(const norm *n, size_t image) {
    return n->sums + image * NORM_SUMS * map_padded(n->shape);
}

// Before norm_apply: statistics of the batch from the sums of norm_sums, or the running ones.
void norm_begin_training(norm *n, int count);
void norm_begin_evaluation(norm *n);

// Before norm_backward: from the sums of norm_reduce; gives the two parameters' gradients.
void norm_begin_backward(norm *n, int count);

#endif
