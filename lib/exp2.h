// exp(d / T) on vectors: at most 1 ULP where the result is a normal number (tests/long checks every
// float), 0 below, infinity above.
//
// With c = log2(e) / T = hi + lo, d c = n + f, n whole and |f| <= 1/2: adding MAGIC rounds d hi to
// n, leaves n plus the exponent's bias in the low bits of the sum, and one shift makes 2^n of them.
// The product d hi enters f unrounded through the fused operations, so no error of x = d / T is
// ever made. The polynomials of 2^f are minimax in relative error with constant term 1, by
// tools/exp2_coefficients.py: degree 6 to 2^-28.5, degree 11 to 2^-55.6.
#ifndef GDKD_EXP2_H
#define GDKD_EXP2_H

#include "kernel.h"

typedef struct {
    vec hi, lo, min, max;
} v_scale;

OP v_scale v_scale_of(const exp_scale *s) {
    return (v_scale){v_splat((real)s->hi), v_splat((real)s->lo), v_splat((real)s->min),
                     v_splat((real)s->max)};
}

#ifdef REAL_IS_FLOAT
#    define MAGIC (12582912.0F + 127.0F) // 1.5 * 2^23 and the bias of the exponent
static const real exp2_coefficient[] = {0x1.62e432p-1F, 0x1.ebfbe2p-3F,  0x1.c6ae72p-5F,
                                        0x1.3b270ep-7F, 0x1.5f7278p-10F, 0x1.470b4cp-13F};
#else
#    define MAGIC (6755399441055744.0 + 1023.0) // 1.5 * 2^52 and the bias of the exponent
static const real exp2_coefficient[] = {
    0x1.62e42fefa39f3p-1,  0x1.ebfbdff82c598p-3,  0x1.c6b08d7048f31p-5,  0x1.3b2ab6fba1e1cp-7,
    0x1.5d87fe7bbbe2cp-10, 0x1.430913096122fp-13, 0x1.ffcbee3b03e2fp-17, 0x1.62bfd49ea9e24p-20,
    0x1.b54167a7cda03p-24, 0x1.e605f9c777615p-28, 0x1.c063853d8f978p-32};
#endif
enum { EXP2_DEGREE = sizeof exp2_coefficient / sizeof *exp2_coefficient };

// exp(d / T) = unit + part, unit = 2^n and part = 2^n (2^f - 1). The sum of the two is the rounded
// result; sums of many are better kept apart: units add up without rounding, and the error of a
// part is but a fraction of the result's last place.
typedef struct {
    vec unit, part;
} v_power;

// The bounds stand first in max and min, so that a NaN passes through both.
LARGE_OP v_power v_exp(vec d, v_scale c) {
    d = v_min(c.max, v_max(c.min, d));
    vec shifted = v_fma(d, c.hi, v_splat(MAGIC));
    vec n = v_sub(shifted, v_splat(MAGIC));
    vec f = v_fma(d, c.lo, v_fms(d, c.hi, n));
    vec p = v_splat(exp2_coefficient[EXP2_DEGREE - 1]);
    for (int i = EXP2_DEGREE - 2; i >= 0; i--) p = v_fma(p, f, v_splat(exp2_coefficient[i]));
    vec unit = v_shift_to_exponent(shifted);
    return (v_power){unit, v_mul(unit, v_mul(p, f))};
}

OP vec v_whole(v_power e) {
    return v_add(e.unit, e.part);
}

#endif
