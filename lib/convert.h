// The caller's element types and strides.
#ifndef GDKD_CONVERT_H
#define GDKD_CONVERT_H

#include "gdkd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t gdkd_dtype_size(int32_t dtype) {
    return dtype == GDKD_F64 ? 8 : dtype == GDKD_F32 ? 4 : 2;
}

// Where elements lie that are `step` apart.
typedef struct {
    void *data;
    int32_t dtype;
    int64_t step;
} gdkd_strided;

// out[i * out_step] = element i. To float from double rounds: nobody asks for that.
void gdkd_gather_f32(const gdkd_strided *in, int64_t count, float *out, int64_t out_step);
void gdkd_gather_f64(const gdkd_strided *in, int64_t count, double *out);

// Element i = in[i * in_step], added to what is there when accumulate; rounded to nearest even.
void gdkd_scatter_f32(const float *in, int64_t in_step, int64_t count, bool accumulate,
                      const gdkd_strided *out);
void gdkd_scatter_f64(const double *in, int64_t count, bool accumulate, const gdkd_strided *out);

// How many elements are infinite or NaN.
int64_t gdkd_count_nonfinite(const gdkd_strided *in, int64_t count);

// The first index of the largest element; NaNs are passed over.
int32_t gdkd_argmax(const gdkd_strided *in, int32_t count);

#endif
