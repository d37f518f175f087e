// The 16-bit floats, one by one, for any processor. simd/ops.md has vector operations for it.
#ifndef GDKD_HALF_H
#define GDKD_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// bfloat16 is the upper half of a float.
static inline float bf16_to_float(uint16_t h) { return float_of_bits((uint32_t)h << 16); }

static inline uint16_t float_to_bf16(float x) {
    uint32_t bits = bits_of_float(x);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40U); // stays a NaN when its payload is cut
    return (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

// binary16: 5 bits of exponent, bias 15; 10 of fraction. The fields are moved to their places in a
// float, whose bias is larger by 112: one multiplication mends that, for subnormal numbers too.
static inline float f16_to_float(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7FFFU) << 13, sign = (uint32_t)(h & 0x8000U) << 16;
    float x = float_of_bits(magnitude) * 0x1p112F;
    uint32_t special = (h & 0x7C00U) == 0x7C00U ? 0x7F800000U : 0; // infinity, NaN
    return float_of_bits(bits_of_float(x) | special | sign);
}

static inline uint16_t float_to_f16(float x) {
    uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
    uint32_t half;
    if (magnitude > 0x7F800000U)
        half = 0x7E00U; // NaN
    else if (magnitude >= 0x477FF000U)
        half = 0x7C00U; // 65520 and above round to infinity
    else if (magnitude <
             0x38800000U) // below 2^-14: subnormal; adding 1/2 lines the bits up and rounds them
        half = bits_of_float(float_of_bits(magnitude) + 0.5F) - 0x3F000000U;
    else
        half = (magnitude - 0x38000000U + 0xFFFU + (magnitude >> 13 & 1U)) >> 13;
    return (uint16_t)(sign | half);
}

#endif
