// Numbers of 16 bits as floats, exactly.
#ifndef DISTILL_HALF_H
#define DISTILL_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

// IEEE binary16.
static inline float half_to_float(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = (float)fraction * 0x1p-24F;
    else
        value = ldexpf((float)(1024 + fraction), exponent - 25);
    return bits >> 15 ? -value : value;
}

// The upper half of a float.
static inline float bfloat16_to_float(uint16_t bits) {
    const uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

#endif
