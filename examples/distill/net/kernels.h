// The arithmetic on feature maps, one image at a time. Written once (kernels_conv.h,
// kernels_norm.h) over vectors of 16, 32 or 64 bytes and compiled once per instruction set; the CPU
// decides which table is used.
#ifndef DISTILL_KERNELS_H
#define DISTILL_KERNELS_H

#include "net/map.h"

#include <stdbool.h>

enum { MAX_TAPS = 9 };

// A convolution, or a part of its backward pass, seen from the map that is written: the pixel
// number (i, j) of the pass is (row + i * spread, column + j * spread) in `to`, and it is the sum
// over the taps of weights times the pixel of `from` that lies offset[tap] floats from pixel (i *
// stride, j * stride).
typedef struct {
    map_shape from;
    map_shape to;
    int row;
    int column;
    int rows;
    int columns;
    int spread;
    int stride;                 // 1 or 2
    int kernel_taps;            // taps per block in the weights
    int taps;                   // taps that this pass uses
    int weight[MAX_TAPS];       // which of the kernel's taps
    ptrdiff_t offset[MAX_TAPS]; // where it reads
} conv_pass;

typedef struct {
    const char *name;

    // to = start + the pass; start NULL means zeros. weights: [to block][from
    // block][kernel_taps][16 from][16 to].
    void (*conv)(const conv_pass *p, const float *weights, const float *from, const float *start,
                 float *to);

    // For the `count` blocks of `to` from `block` on: gradient += what this image adds, in the
    // layout of conv's weights. The pass is that of the forward direction; grad is the gradient of
    // `to`.
    void (*conv_weights)(const conv_pass *p, size_t block, size_t count, const float *from,
                         const float *grad, float *gradient);

    // Per channel: sums[0] = a pixel p of the map, sums[1] = sum of (x - p), sums[2] = sum of (x -
    // p)^2; each [padded channels]. The pixel keeps large means from eating the variance's digits.
    void (*norm_sums)(map_shape s, const float *x, float *sums);

    // y = (x - mean) * scale + bias [+ add], and max(0, y) with relu. y may be x.
    void (*norm_apply)(map_shape s, const float *x, const float *mean, const float *scale,
                       const float *bias, const float *add, bool relu, float *y);

    // Where y <= 0 (y NULL: nowhere) grad becomes 0; then sums[0] = sum of grad, sums[1] = sum of
    // grad * (x - mean).
    void (*norm_reduce)(map_shape s, const float *x, const float *mean, const float *y, float *grad,
                        float *sums);

    // to = [add +] scale * (grad - shift - (x - mean) * slope). to may be grad or add.
    void (*norm_backward)(map_shape s, const float *x, const float *grad, const float *mean,
                          const float *scale, const float *shift, const float *slope,
                          const float *add, float *to);
} kernels;

// The best table that this CPU can run. GDKD_ISA=scalar|avx2|avx512 in the environment can only
// lower the choice.
const kernels *kernels_get(void);

// The table of that name, or NULL when this build or this CPU does not have it; index them from 0.
const kernels *kernels_number(int index);

extern const kernels kernels_base;
#ifdef __x86_64__
extern const kernels kernels_avx2;
extern const kernels kernels_avx512;
#endif

#endif
