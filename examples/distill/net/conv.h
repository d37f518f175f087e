// Convolution without bias, kernel 1x1 or 3x3 with padding kernel / 2, stride 1 or 2, on feature
// maps (map.h).
//
// conv_forward and conv_backward are the fast ones (direct convolution, kernels_conv.h);
// conv_plain_forward and conv_plain_backward compute the same by im2col and GEMM, for reading and
// for the tests.
#ifndef DISTILL_CONV_H
#define DISTILL_CONV_H

#include "net/kernels.h"
#include "net/map.h"

#include <stddef.h>

typedef struct {
    map_shape in;
    map_shape out;
    int kernel;
    int stride;
    conv_pass forward;
    conv_pass backward[4]; // stride 2: one for each parity of row and column
    int backward_passes;
} conv;

conv conv_make(map_shape in, int channels, int kernel, int stride);

// Numbers of the weights [out][in][kernel][kernel].
size_t conv_weights_count(const conv *c);

// The fast ones want the weights in blocks: conv_packed_size floats, 64-byte aligned, for each
// direction.
size_t conv_packed_size(const conv *c);
void conv_pack_forward(const conv *c, const float *weights, float *packed);
void conv_pack_backward(const conv *c, const float *weights, float *packed);

// One image: y = conv(x) + start; start NULL means zeros, and it may be y.
void conv_forward(const conv *c, const kernels *k, const float *packed, const float *x,
                  const float *start, float *y);

// One image: grad_x = the gradient of x + start; start as above. packed by conv_pack_backward.
void conv_backward(const conv *c, const kernels *k, const float *packed, const float *grad_y,
                   const float *start, float *grad_x);

// The weights' gradient over a batch: images of map_size floats, one behind the other. It is cut
// into conv_parts(c) x conv_slices(c) pieces that can be computed at the same time, in the same way
// for any number of threads. partial: conv_partial_size floats. conv_gradient_sum adds them up, one
// output channel at a time.
size_t conv_partial_size(const conv *c);
int conv_parts(const conv *c);
int conv_slices(const conv *c);
void conv_gradient_piece(const conv *c, const kernels *k, int part, int slice, int count,
                         const float *x, const float *grad_y, float *partial);
void conv_gradient_sum(const conv *c, const float *partial, int channel, float *gradient);

// One image, weights as they are: y = conv(x) + start;
void conv_plain_forward(const conv *c, const float *weights, const float *x, const float *start,
                        float *y);

// grad_x = gradient of x + start (grad_x NULL: not wanted); gradient += the gradient of the
// weights.
void conv_plain_backward(const conv *c, const float *weights, const float *x, const float *grad_y,
                         const float *start, float *grad_x, float *gradient);

#endif
