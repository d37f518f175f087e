// Where the time of a model goes: what `gdkd-distill speed` prints.
#ifndef DISTILL_MODEL_SPEED_H
#define DISTILL_MODEL_SPEED_H

#include "net/model.h"

// Seconds since model_profile was called, added up over the threads.
typedef struct {
    double conv_forward;
    double conv_backward; // gradient of the input
    double conv_weights;  // gradient of the weights
    double norm;          // batch normalisation, ReLU, residual sum; both directions
    double head;          // pooling and linear layer
    double other;         // packing of images and weights, update
} model_times;

// Starts measuring, from zero, or stops it. Costs two looks at the clock per layer and image.
void model_profile(model *m, bool on);
const model_times *model_profile_times(const model *m);

#endif
