// The end of every network here: global average pooling, then one linear layer.
#ifndef DISTILL_HEAD_H
#define DISTILL_HEAD_H

#include "net/map.h"

// One image: features [padded channels] = mean over the pixels; grad_x = that gradient, spread
// evenly.
void pool_forward(map_shape s, const float *x, float *features);
void pool_backward(map_shape s, const float *grad_features, float *grad_x);

typedef struct {
    int features;
    int classes;
    size_t feature_step; // floats from one image's features to the next's
    const float *weight; // [classes][features]
    const float *bias;   // [classes]
    float *grad_weight;
    float *grad_bias;
} linear;

// A batch: logits [count][classes] = features weight^T + bias, and backward.
void linear_forward(const linear *l, int count, const float *features, float *logits);
void linear_backward(const linear *l, int count, const float *features, const float *grad_logits,
                     float *grad_features);

#endif
