// exp(d / T) on vectors, for d <= 0: every exponential here is taken relative to the largest of its
// kind. Where the result is a normal number, at most 1 ULP for float (tests/long tries every one)
// and 1.02 for any double that it tried; 0 below.
//
// With c = log2(e) / T = hi + lo, d c = n + f, n whole and |f| <= 1/2: adding MAGIC rounds d hi to
// n, leaves n plus the exponent's bias in the low bits of the sum, and one shift makes 2^n of them.
// The product d hi enters f unrounded through the fused operations, so no error of x = d / T is
// ever made. The polynomials of 2^f have constant term 1 and come from tools/exp2_coefficients.py:
// degree 7 to 2^-31.7, degree 11 to 2^-57.5, both with the rounded coefficients.
#ifndef GDKD_EXP2_H
#define GDKD_EXP2_H

#include "criterion.h"

typedef struct {
    vec hi, lo, min;
} v_scale;

OP v_scale v_scale_of(const exp_scale *s) {
    return (v_scale){v_splat((real)s->hi), v_splat((real)s->lo), v_splat((real)s->min)};
}

#ifdef REAL_IS_FLOAT
#    define MAGIC (12582912.0F + 127.0F) // 1.5 * 2^23 and the bias of the exponent
static const real exp2_coefficient[] = {0x1.62e430p-1F, 0x1.ebfbe0p-3F,  0x1.c6b066p-5F,
                                        0x1.3b2a42p-7F, 0x1.5db136p-10F, 0x1.442bfep-13F,
                                        0x1.d19c38p-17F};
#else
#    define MAGIC (6755399441055744.0 + 1023.0) // 1.5 * 2^52 and the bias of the exponent
static const real exp2_coefficient[] = {
    0x1.62e42fefa39efp-1,  0x1.ebfbdff82c59cp-3,  0x1.c6b08d704a0d4p-5,  0x1.3b2ab6fba1263p-7,
    0x1.5d87fe78b3f0fp-10, 0x1.4309130bdde33p-13, 0x1.ffcbfbf6b3263p-17, 0x1.62bfce4a7bff8p-20,
    0x1.b526136df1f32p-24, 0x1.e610d65a7a8dap-28, 0x1.e805357490731p-32};
#endif
enum { EXP2_DEGREE = sizeof exp2_coefficient / sizeof *exp2_coefficient };

// d becomes its exponential. The bound stands first in max, so that a NaN passes through.
LARGE_OP void exponentiate(vec *d, const v_scale *c) {
    const vec x = v_max(c->min, *d);
    const vec shifted = v_fma(x, c->hi, v_splat(MAGIC)), n = v_sub(shifted, v_splat(MAGIC));
    const vec f = v_fma(x, c->lo, v_fms(x, c->hi, n));
    vec p = v_splat(exp2_coefficient[EXP2_DEGREE - 1]);
    for (int i = EXP2_DEGREE - 2; i >= 0; i--) p = v_fma(p, f, v_splat(exp2_coefficient[i]));
    *d = v_mul(v_shift_to_exponent(shifted), v_fma(p, f, v_splat(1)));
}

OP vec v_exp(vec d, v_scale c) {
    exponentiate(&d, &c);
    return d;
}

#endif
