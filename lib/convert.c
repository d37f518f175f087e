#include "convert.h"

#include "simd/half.h"

#include <math.h>
#include <string.h>

static inline float load_f32(const void *data, int32_t dtype, int64_t i) {
    switch (dtype) {
    case GDKD_F32: return ((const float *)data)[i];
    case GDKD_F64: return (float)((const double *)data)[i];
    case GDKD_BF16: return bf16_to_float(((const uint16_t *)data)[i]);
    default: return f16_to_float(((const uint16_t *)data)[i]);
    }
}

static inline double load_f64(const void *data, int32_t dtype, int64_t i) {
    return dtype == GDKD_F64 ? ((const double *)data)[i] : (double)load_f32(data, dtype, i);
}

// A float on the way to 16 bits: rounded to odd, it rounds on as the double would. Of the two
// floats around a double, the odd one is no tie and lies on the double's side of any.
static inline float float_to_odd(double x) {
    const float nearest = (float)x;
    const uint32_t bits = bits_of_float(nearest);
    if ((double)nearest == x || x != x || bits & 1U) return nearest;
    return float_of_bits(fabs((double)nearest) > fabs(x) ? bits - 1 : bits + 1);
}

static inline void store_f64(void *data, int32_t dtype, int64_t i, double x) {
    switch (dtype) {
    case GDKD_F64: ((double *)data)[i] = x; break;
    case GDKD_F32: ((float *)data)[i] = (float)x; break;
    case GDKD_BF16: ((uint16_t *)data)[i] = float_to_bf16(float_to_odd(x)); break;
    default: ((uint16_t *)data)[i] = float_to_f16(float_to_odd(x));
    }
}

// The loops are written once and compiled for each type: `dtype`, and `dense` where neither side
// has gaps, are constants in each call, so that the compiler can use vectors.
#define CONSTANT_FOLDED static inline __attribute__((always_inline))

CONSTANT_FOLDED void gather_as(int32_t dtype, bool dense, const gdkd_strided *in, int64_t count,
                               float *out, int64_t out_step) {
    const int64_t from = dense ? 1 : in->step, to = dense ? 1 : out_step;
    for (int64_t i = 0; i < count; i++) out[i * to] = load_f32(in->data, dtype, i * from);
}

void gdkd_gather_f32(const gdkd_strided *in, int64_t count, float *out, int64_t out_step) {
    const bool dense = in->step == 1 && out_step == 1;
    if (in->dtype == GDKD_F32 && dense)
        gather_as(GDKD_F32, true, in, count, out, 1);
    else if (in->dtype == GDKD_F32)
        gather_as(GDKD_F32, false, in, count, out, out_step);
    else if (in->dtype == GDKD_BF16)
        gather_as(GDKD_BF16, false, in, count, out, out_step);
    else if (in->dtype == GDKD_F16)
        gather_as(GDKD_F16, false, in, count, out, out_step);
    else
        gather_as(GDKD_F64, false, in, count, out, out_step);
}

void gdkd_gather_f64(const gdkd_strided *in, int64_t count, double *out) {
    if (in->dtype == GDKD_F64 && in->step == 1) {
        memcpy(out, in->data, sizeof *out * (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i++) out[i] = load_f64(in->data, in->dtype, i * in->step);
}

CONSTANT_FOLDED void scatter_as(int32_t dtype, bool accumulate, const float *in, int64_t in_step,
                                int64_t count, const gdkd_strided *out) {
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)in[i * in_step];
        const double old = accumulate ? load_f64(out->data, dtype, i * out->step) : 0;
        store_f64(out->data, dtype, i * out->step, accumulate ? old + x : x);
    }
}

void gdkd_scatter_f32(const float *in, int64_t in_step, int64_t count, bool accumulate,
                      const gdkd_strided *out) {
    if (accumulate)
        scatter_as(out->dtype, true, in, in_step, count, out);
    else if (out->dtype == GDKD_F32)
        scatter_as(GDKD_F32, false, in, in_step, count, out);
    else if (out->dtype == GDKD_BF16)
        scatter_as(GDKD_BF16, false, in, in_step, count, out);
    else
        scatter_as(out->dtype, false, in, in_step, count, out);
}

void gdkd_scatter_f64(const double *in, int64_t count, bool accumulate, const gdkd_strided *out) {
    for (int64_t i = 0; i < count; i++) {
        const double old = accumulate ? load_f64(out->data, out->dtype, i * out->step) : 0;
        store_f64(out->data, out->dtype, i * out->step, accumulate ? old + in[i] : in[i]);
    }
}

int64_t gdkd_count_nonfinite(const gdkd_strided *in, int64_t count) {
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        const double x = load_f64(in->data, in->dtype, i * in->step);
        found += !(x - x == 0);
    }
    return found;
}

int32_t gdkd_argmax(const gdkd_strided *in, int32_t count) {
    int32_t best = 0;
    double top = -(double)INFINITY;
    for (int32_t i = 0; i < count; i++) {
        double x = load_f64(in->data, in->dtype, i * in->step);
        if (x > top) {
            top = x;
            best = i;
        }
    }
    return best;
}
