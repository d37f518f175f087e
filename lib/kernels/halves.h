// Rows of 16-bit floats to floats, and back.
#ifndef GDKD_HALVES_H
#define GDKD_HALVES_H

#include "simd/half.h"

static void widen(int32_t dtype, const uint16_t *from, int64_t count, float *to) {
    const bool brain = dtype == GDKD_BF16;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        v_store(to + i, brain ? v_load_bf16(from + i) : v_load_f16(from + i));
    for (; i < count; i++) to[i] = brain ? bf16_to_float(from[i]) : f16_to_float(from[i]);
}

static void narrow(int32_t dtype, const float *from, int64_t count, uint16_t *to) {
    const bool brain = dtype == GDKD_BF16;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        if (brain)
            v_store_bf16(to + i, v_load(from + i));
        else
            v_store_f16(to + i, v_load(from + i));
    }
    for (; i < count; i++) to[i] = brain ? float_to_bf16(from[i]) : float_to_f16(from[i]);
}

#endif
