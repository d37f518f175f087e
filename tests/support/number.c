#include "number.h"

#include <math.h>
#include <string.h>

typedef struct format {
    const char *name;
    size_t size;
    int digits;   // of the significand, the hidden one included
    int smallest; // the smallest positive number is 2^smallest
    double largest;
} format;

static const format formats[] = {
    [GDKD_F32] = {"f32", 4, 24, -149, 0x1.fffffep127},
    [GDKD_F64] = {"f64", 8, 53, -1074, 0x1.fffffffffffffp1023},
    [GDKD_BF16] = {"bf16", 2, 8, -133, 0x1.fep127},
    [GDKD_F16] = {"f16", 2, 11, -24, 65504.0},
};

size_t number_size(int32_t dtype) {
    return formats[dtype].size;
}

const char *number_name(int32_t dtype) {
    return dtype >= GDKD_F32 && dtype <= GDKD_F16 ? formats[dtype].name : NULL;
}

int32_t number_type(const char *name) {
    for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
        if (strcmp(name, formats[dtype].name) == 0) return dtype;
    }
    return -1;
}

// The exponent of the last digit that the type has at this value.
static int last_digit(const format *f, double value) {
    int exponent;
    frexp(value, &exponent);
    const int last = exponent - f->digits;
    return last < f->smallest ? f->smallest : last;
}

double number_round(int32_t dtype, double value) {
    const format *f = &formats[dtype];
    if (dtype == GDKD_F64 || !isfinite(value) || value == 0.0) return value;
    const int last = last_digit(f, value);
    const double rounded = ldexp(nearbyint(ldexp(value, -last)), last);
    return fabs(rounded) > f->largest ? copysign(INFINITY, value) : rounded;
}

double number_half_ulp(int32_t dtype, double value) {
    const format *f = &formats[dtype];
    return ldexp(0.5, value == 0.0 ? f->smallest : last_digit(f, value));
}

static uint16_t encode_f16(double value) {
    const uint16_t sign = signbit(value) ? 0x8000u : 0u;
    const double v = fabs(value);
    if (isnan(v)) return 0x7e00u;
    if (isinf(v)) return (uint16_t)(sign | 0x7c00u);
    // A subnormal counts in units of 2^-24; the smallest normal number is 1024 of them.
    if (v < 0x1p-14) return (uint16_t)(sign | (uint16_t)ldexp(v, 24));
    const int e = ilogb(v);
    return (uint16_t)(sign | ((unsigned)(e + 14) * 1024u + (unsigned)ldexp(v, 10 - e)));
}

static double decode_f16(uint16_t bits) {
    const int exponent = (bits >> 10) & 31;
    const double mantissa = bits & 1023;
    double v = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024.0 + mantissa, exponent - 25);
    if (exponent == 31) v = mantissa == 0.0 ? (double)INFINITY : (double)NAN;
    return bits & 0x8000 ? -v : v;
}

void number_store(int32_t dtype, void *base, int64_t index, double value) {
    unsigned char *at = (unsigned char *)base + (size_t)index * number_size(dtype);
    const double rounded = number_round(dtype, value);
    const float single = (float)rounded;
    uint32_t word;
    uint16_t half;
    switch (dtype) {
    case GDKD_F64:
        memcpy(at, &rounded, 8);
        break;
    case GDKD_F32:
        memcpy(at, &single, 4);
        break;
    case GDKD_BF16:
        memcpy(&word, &single, 4);
        half = (uint16_t)(word >> 16);
        memcpy(at, &half, 2);
        break;
    default:
        half = encode_f16(rounded);
        memcpy(at, &half, 2);
        break;
    }
}

double number_load(int32_t dtype, const void *base, int64_t index) {
    const unsigned char *at = (const unsigned char *)base + (size_t)index * number_size(dtype);
    double value;
    float single;
    uint32_t word;
    uint16_t half;
    switch (dtype) {
    case GDKD_F64:
        memcpy(&value, at, 8);
        return value;
    case GDKD_F32:
        memcpy(&single, at, 4);
        return (double)single;
    case GDKD_BF16:
        memcpy(&half, at, 2);
        word = (uint32_t)half << 16;
        memcpy(&single, &word, 4);
        return (double)single;
    default:
        memcpy(&half, at, 2);
        return decode_f16(half);
    }
}
