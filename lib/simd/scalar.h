// The vector operations for every other machine, in GCC's and clang's portable vectors, which the
// compiler maps onto whatever the target has. The includer defines REAL_IS_FLOAT or REAL_IS_DOUBLE.
// Lanes are as many as those of the other files, so that sums add up in the same order. See
// simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include "half.h"

#include <math.h>

#include <stdint.h>
#include <string.h>

#ifdef REAL_IS_FLOAT
typedef float real;
typedef int32_t word; // of the same size
enum { LANES = 16, EXPONENT_BIT = 23 };
#    define FMA       fmaf
#    define LANE_BITS 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768
#else
typedef double real;
typedef int64_t word;
enum { LANES = 8, EXPONENT_BIT = 52 };
#    define FMA       fma
#    define LANE_BITS 1, 2, 4, 8, 16, 32, 64, 128
#endif

typedef real real_lanes __attribute__((vector_size(LANES * sizeof(real))));
typedef word word_lanes __attribute__((vector_size(LANES * sizeof(word))));
typedef double double_lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t long_lanes __attribute__((vector_size(LANES * sizeof(int64_t))));

// In structures: a bare vector wider than the machine's registers has no settled calling
// convention.
typedef struct {
    real_lanes v;
} vec;
typedef struct {
    word_lanes v;
} mask; // every lane all ones or all zeros

#define OP static inline __attribute__((always_inline))
// For what becomes hundreds of instructions here: called, with vectors by pointer, since gcc leaves
// what it pushes for arguments by value on the stack until the caller returns.
#define LARGE_OP static __attribute__((noinline, unused))
#define SMALL_CODE

OP vec v_splat(real x) { return (vec){x - (real_lanes){0}}; }
OP vec v_load(const real *p) {
    vec a;
    memcpy(&a, p, sizeof a);
    return a;
}
LARGE_OP void load_lanes(const real *p, const mask *m, vec *to) {
    for (int l = 0; l < LANES; l++) to->v[l] = m->v[l] ? p[l] : 0;
}
OP vec v_load_some(const real *p, mask m) {
    vec a;
    load_lanes(p, &m, &a);
    return a;
}
OP void v_store(real *p, vec a) { memcpy(p, &a, sizeof a); }
LARGE_OP void store_lanes(real *p, const mask *m, const vec *a) {
    for (int l = 0; l < LANES; l++)
        if (m->v[l]) p[l] = a->v[l];
}
OP void v_store_some(real *p, mask m, vec a) { store_lanes(p, &m, &a); }

OP mask v_lt(vec a, vec b) { return (mask){a.v < b.v}; }
OP mask v_le(vec a, vec b) { return (mask){a.v <= b.v}; }
OP mask v_eq(vec a, vec b) { return (mask){a.v == b.v}; }
OP vec v_select(mask m, vec a, vec b) {
    return (vec){(real_lanes)(((word_lanes)a.v & m.v) | ((word_lanes)b.v & ~m.v))};
}

OP vec v_add(vec a, vec b) { return (vec){a.v + b.v}; }
OP vec v_sub(vec a, vec b) { return (vec){a.v - b.v}; }
OP vec v_mul(vec a, vec b) { return (vec){a.v * b.v}; }
OP vec v_max(vec a, vec b) { return v_select(v_lt(b, a), a, b); }
OP vec v_min(vec a, vec b) { return v_select(v_lt(a, b), a, b); }
OP vec v_shift_to_exponent(vec a) { return (vec){(real_lanes)((word_lanes)a.v << EXPONENT_BIT)}; }

// a * b + c rounded once, as the hardware's fused multiply-add.
#if defined(REAL_IS_DOUBLE) || defined(__FP_FAST_FMAF)
LARGE_OP void fuse(const real_lanes *a, const real_lanes *b, real_lanes *c) {
    for (int l = 0; l < LANES; l++) (*c)[l] = FMA((*a)[l], (*b)[l], (*c)[l]);
}
#else
// The product is exact in double. Its sum with c is rounded to odd (when inexact, the neighbour
// with an odd last bit is taken), after which rounding to float is as if it were the only rounding:
// S. Boldo, G. Melquiond, Emulation of a FMA and correctly rounded sums, IEEE Trans. Computers 57
// (2008).
LARGE_OP void fuse(const real_lanes *a, const real_lanes *b, real_lanes *c) {
    double_lanes product =
        __builtin_convertvector(*a, double_lanes) * __builtin_convertvector(*b, double_lanes);
    double_lanes addend = __builtin_convertvector(*c, double_lanes), sum = product + addend,
                 part = sum - product;
    double_lanes lost = (product - (sum - part)) + (addend - part), zero = {0};
    long_lanes up = lost > zero, down = lost < zero, even = ((long_lanes)sum & 1) - 1;
    // inwards: all ones where the lost part points towards 0. step: -1 towards 0, +1 away from it.
    long_lanes inwards = up ^ (long_lanes)(sum > zero);
    long_lanes step = (up | down) & even & (inwards | 1);
    sum = (double_lanes)((long_lanes)sum + step);
    *c = __builtin_convertvector(sum, real_lanes);
}
#endif
OP vec v_fma(vec a, vec b, vec c) {
    fuse(&a.v, &b.v, &c.v);
    return c;
}
OP vec v_fms(vec a, vec b, vec c) { return v_fma(a, b, (vec){-c.v}); }
OP vec v_fnma(vec a, vec b, vec c) { return v_fma((vec){-a.v}, b, c); }

#ifdef REAL_IS_DOUBLE
OP vec v_div(vec a, vec b) { return (vec){a.v / b.v}; }
OP vec v_sqrt(vec a) {
    for (int l = 0; l < LANES; l++) a.v[l] = sqrt(a.v[l]);
    return a;
}
// e is made a double in the low bits of 2^52, from which 2^52 and the exponent's bias are taken off
// again.
OP vec v_exponent(vec x, vec *m) {
    typedef uint64_t bits __attribute__((vector_size(sizeof(real_lanes))));
    const uint64_t one = 0x3FF0000000000000, root_half = 0x3FE6A09E667F3BCD,
                   carrier = 0x4330000000000000;
    bits b = (bits)x.v, e = (b + (one - root_half)) >> 52;
    m->v = (real_lanes)(b - (e << 52) + one);
    return (vec){(real_lanes)(e | carrier) - (4503599627370496.0 + 1023.0)};
}
#endif

OP vec v_only(mask m, vec a) { return (vec){(real_lanes)((word_lanes)a.v & m.v)}; }
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return v_select(m, v_fma(a, b, acc), acc); }
OP vec v_max_where(vec acc, mask m, vec a) { return v_select(m, v_max(acc, a), acc); }

OP mask m_of_bits(uint32_t bits) {
    const word_lanes lane = {LANE_BITS};
    return (mask){(((word_lanes){0} + (word)bits) & lane) == lane};
}
OP mask m_and(mask a, mask b) { return (mask){a.v & b.v}; }
OP mask m_or(mask a, mask b) { return (mask){a.v | b.v}; }
OP mask m_andnot(mask a, mask b) { return (mask){~a.v & b.v}; }
OP uint32_t m_bits(mask m) {
    uint32_t bits = 0;
    for (int l = 0; l < LANES; l++) bits |= (uint32_t)(m.v[l] & 1) << l;
    return bits;
}

OP vec v_from_doubles(const double *p) {
    double_lanes a;
    memcpy(&a, p, sizeof a);
    return (vec){__builtin_convertvector(a, real_lanes)};
}
OP void v_to_doubles(double *p, vec a) {
    double_lanes x = __builtin_convertvector(a.v, double_lanes);
    memcpy(p, &x, sizeof x);
}
OP void v_add_to_doubles(double *sums, vec a) {
    double_lanes x;
    memcpy(&x, sums, sizeof x);
    x += __builtin_convertvector(a.v, double_lanes);
    memcpy(sums, &x, sizeof x);
}
OP double v_sum(vec a) {
    double_lanes half = __builtin_convertvector(a.v, double_lanes);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++) half[l] += half[l + width];
    return half[0];
}

#ifdef REAL_IS_FLOAT
OP vec v_load_f16(const uint16_t *p) {
    vec a;
    for (int l = 0; l < LANES; l++) a.v[l] = f16_to_float(p[l]);
    return a;
}
OP void v_store_f16(uint16_t *p, vec a) {
    for (int l = 0; l < LANES; l++) p[l] = float_to_f16(a.v[l]);
}
OP vec v_load_bf16(const uint16_t *p) {
    vec a;
    for (int l = 0; l < LANES; l++) a.v[l] = bf16_to_float(p[l]);
    return a;
}
OP void v_store_bf16(uint16_t *p, vec a) {
    for (int l = 0; l < LANES; l++) p[l] = float_to_bf16(a.v[l]);
}
OP void transpose_8x8(const float *const *from, float *const *to) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) to[i][j] = from[j][i];
}
#endif

#endif
