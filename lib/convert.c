#include "convert.h"

#include "half.h"

#include <math.h>

static inline float load_f32(const void *data, int32_t dtype, int64_t i) {
    switch (dtype) {
    case GDKD_F32:
        return ((const float *)data)[i];
    case GDKD_F64:
        return (float)((const double *)data)[i];
    case GDKD_BF16:
        return bf16_to_float(((const uint16_t *)data)[i]);
    default:
        return f16_to_float(((const uint16_t *)data)[i]);
    }
}

static inline double load_f64(const void *data, int32_t dtype, int64_t i) {
    return dtype == GDKD_F64 ? ((const double *)data)[i] : (double)load_f32(data, dtype, i);
}

// A float on the way to 16 bits: rounded to odd, it rounds on as the double would. Of the two floats around a double, the
// odd one is no tie and lies on the double's side of any.
static inline float float_to_odd(double x) {
    const float nearest = (float)x;
    const uint32_t bits = bits_of_float(nearest);
    if ((double)nearest == x || x != x || bits & 1U) return nearest;
    return float_of_bits(fabs((double)nearest) > fabs(x) ? bits - 1 : bits + 1);
}

static inline void store_f64(void *data, int32_t dtype, int64_t i, double x) {
    switch (dtype) {
    case GDKD_F64:
        ((double *)data)[i] = x;
        break;
    case GDKD_F32:
        ((float *)data)[i] = (float)x;
        break;
    case GDKD_BF16:
        ((uint16_t *)data)[i] = float_to_bf16(float_to_odd(x));
        break;
    default:
        ((uint16_t *)data)[i] = float_to_f16(float_to_odd(x));
    }
}

// The loops are written once and compiled per type: `dtype` is a constant in each call.
#define CONSTANT_FOLDED static inline __attribute__((always_inline))
#define FOR_DTYPE(dtype, body)                                                                     \
    switch (dtype) {                                                                               \
    case GDKD_F32:                                                                                 \
        body(GDKD_F32);                                                                            \
        break;                                                                                     \
    case GDKD_F64:                                                                                 \
        body(GDKD_F64);                                                                            \
        break;                                                                                     \
    case GDKD_BF16:                                                                                \
        body(GDKD_BF16);                                                                           \
        break;                                                                                     \
    default:                                                                                       \
        body(GDKD_F16);                                                                            \
    }

// Where neither side has gaps, that is a constant too, and the compiler uses vectors.
#define EACH_STEP(dense, body, dtype, from, to)                                                    \
    do {                                                                                           \
        if (dense)                                                                                 \
            body(dtype, 1, 1);                                                                     \
        else                                                                                       \
            body(dtype, from, to);                                                                 \
    } while (0)

CONSTANT_FOLDED void gather(int32_t dtype, const void *data, int64_t from, int64_t count,
                            float *out, int64_t to) {
    for (int64_t i = 0; i < count; i++) out[i * to] = load_f32(data, dtype, i * from);
}

void gdkd_gather_f32(const gdkd_strided *in, int64_t count, float *out, int64_t out_step) {
    const bool dense = in->step == 1 && out_step == 1;
#define ALL(dtype, from, to) gather(dtype, in->data, from, count, out, to)
#define BODY(dtype)          EACH_STEP(dense, ALL, dtype, in->step, out_step)
    FOR_DTYPE(in->dtype, BODY)
#undef BODY
#undef ALL
}

void gdkd_gather_f64(const gdkd_strided *in, int64_t count, double *out) {
#define BODY(dtype)                                                                                \
    for (int64_t i = 0; i < count; i++) out[i] = load_f64(in->data, dtype, i * in->step)
    FOR_DTYPE(in->dtype, BODY)
#undef BODY
}

CONSTANT_FOLDED void scatter(int32_t dtype, bool accumulate, const float *in, int64_t from,
                             int64_t count, void *out, int64_t to) {
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)in[i * from];
        store_f64(out, dtype, i * to, accumulate ? load_f64(out, dtype, i * to) + x : x);
    }
}

void gdkd_scatter_f32(const float *in, int64_t in_step, int64_t count, bool accumulate, void *out,
                      int32_t dtype, int64_t step) {
    const bool dense = in_step == 1 && step == 1;
#define PUT(dtype, from, to) scatter(dtype, false, in, from, count, out, to)
#define ADD(dtype, from, to) scatter(dtype, true, in, from, count, out, to)
#define BODY(dtype)                                                                                \
    if (accumulate)                                                                                \
        EACH_STEP(dense, ADD, dtype, in_step, step);                                               \
    else                                                                                           \
        EACH_STEP(dense, PUT, dtype, in_step, step)
    FOR_DTYPE(dtype, BODY)
#undef BODY
#undef ADD
#undef PUT
}

void gdkd_scatter_f64(const double *in, int64_t count, bool accumulate, void *out, int32_t dtype,
                      int64_t step) {
#define BODY(dtype)                                                                                \
    for (int64_t i = 0; i < count; i++) {                                                          \
        double old = accumulate ? load_f64(out, dtype, i * step) : 0;                              \
        store_f64(out, dtype, i *step, old + in[i]);                                               \
    }
    FOR_DTYPE(dtype, BODY)
#undef BODY
}

int64_t gdkd_count_nonfinite(const gdkd_strided *in, int64_t count) {
    int64_t nonfinite = 0;
#define BODY(dtype)                                                                                \
    for (int64_t i = 0; i < count; i++) {                                                          \
        const double x = load_f64(in->data, dtype, i * in->step);                                  \
        nonfinite += x - x != 0;                                                                   \
    }
    FOR_DTYPE(in->dtype, BODY)
#undef BODY
    return nonfinite;
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
