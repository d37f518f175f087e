// Between the caller's element types and layouts, and the rows and tiles that the kernels work on.
#ifndef GDKD_CONVERT_H
#define GDKD_CONVERT_H

#include "gdkd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t gdkd_dtype_size(int32_t dtype) {
    switch (dtype) {
    case GDKD_F64:
        return 8;
    case GDKD_F32:
        return 4;
    default:
        return 2;
    }
}

// Where `count` elements lie that are `step` apart.
typedef struct {
    const void *data;
    int32_t dtype;
    int64_t step;
} gdkd_strided;

// out[i * out_step] = element i. To float from double rounds: the driver never asks for that.
void gdkd_gather_f32(const gdkd_strided *in, int64_t count, float *out, int64_t out_step);
void gdkd_gather_f64(const gdkd_strided *in, int64_t count, double *out);

// Element i = in[i * in_step], added to what is there when accumulate; rounded to nearest even.
void gdkd_scatter_f32(const float *in, int64_t in_step, int64_t count, bool accumulate, void *out,
                      int32_t dtype, int64_t step);
void gdkd_scatter_f64(const double *in, int64_t count, bool accumulate, void *out, int32_t dtype,
                      int64_t step);

// How many of the elements are not finite.
int64_t gdkd_count_nonfinite(const gdkd_strided *in, int64_t count);

// The first index of the largest element; NaNs are passed over.
int32_t gdkd_argmax(const gdkd_strided *in, int32_t count);

#endif
