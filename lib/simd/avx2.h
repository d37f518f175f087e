// The vector operations for AVX2 with FMA, two registers each. The includer defines REAL_IS_FLOAT
// or REAL_IS_DOUBLE. See simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include "avx.h"

// OF(add): the intrinsic for this type of element. INT: for integers of its size.
#ifdef REAL_IS_FLOAT
typedef float real;
typedef __m256 reg;
enum { LANES = 16, HALF = 8, EXPONENT_BIT = 23 };
#    define OF(name)    _mm256_##name##_ps
#    define INT(name)   _mm256_##name##_epi32
#    define BITS(a)     _mm256_castps_si256(a)
#    define INTS(x)     _mm256_set1_epi32((int32_t)(x))
#    define LANE_BITS() _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128)
#else
typedef double real;
typedef __m256d reg;
enum { LANES = 8, HALF = 4, EXPONENT_BIT = 52 };
#    define OF(name)    _mm256_##name##_pd
#    define INT(name)   _mm256_##name##_epi64
#    define BITS(a)     _mm256_castpd_si256(a)
#    define INTS(x)     _mm256_set1_epi64x(x)
#    define LANE_BITS() _mm256_setr_epi64x(1, 2, 4, 8)
#endif

typedef struct {
    reg lo, hi;
} vec;
typedef struct {
    reg lo, hi;
} mask; // every lane all ones or all zeros

OP vec v_splat(real x) { return (vec){OF(set1)(x), OF(set1)(x)}; }
OP vec v_load(const real *p) { return (vec){OF(loadu)(p), OF(loadu)(p + HALF)}; }
OP vec v_load_some(const real *p, mask m) {
    return (vec){OF(maskload)(p, BITS(m.lo)), OF(maskload)(p + HALF, BITS(m.hi))};
}
OP void v_store(real *p, vec a) { OF(storeu)(p, a.lo), OF(storeu)(p + HALF, a.hi); }
OP void v_store_some(real *p, mask m, vec a) {
    OF(maskstore)(p, BITS(m.lo), a.lo);
    OF(maskstore)(p + HALF, BITS(m.hi), a.hi);
}

OP vec v_add(vec a, vec b) { return (vec){OF(add)(a.lo, b.lo), OF(add)(a.hi, b.hi)}; }
OP vec v_sub(vec a, vec b) { return (vec){OF(sub)(a.lo, b.lo), OF(sub)(a.hi, b.hi)}; }
OP vec v_mul(vec a, vec b) { return (vec){OF(mul)(a.lo, b.lo), OF(mul)(a.hi, b.hi)}; }
OP vec v_fma(vec a, vec b, vec c) {
    return (vec){OF(fmadd)(a.lo, b.lo, c.lo), OF(fmadd)(a.hi, b.hi, c.hi)};
}
OP vec v_fms(vec a, vec b, vec c) {
    return (vec){OF(fmsub)(a.lo, b.lo, c.lo), OF(fmsub)(a.hi, b.hi, c.hi)};
}
OP vec v_fnma(vec a, vec b, vec c) {
    return (vec){OF(fnmadd)(a.lo, b.lo, c.lo), OF(fnmadd)(a.hi, b.hi, c.hi)};
}
OP vec v_max(vec a, vec b) { return (vec){OF(max)(a.lo, b.lo), OF(max)(a.hi, b.hi)}; }
OP vec v_min(vec a, vec b) { return (vec){OF(min)(a.lo, b.lo), OF(min)(a.hi, b.hi)}; }
OP vec v_shift_to_exponent(vec a) {
    return (vec){OF(castsi256)(INT(slli)(BITS(a.lo), EXPONENT_BIT)),
                 OF(castsi256)(INT(slli)(BITS(a.hi), EXPONENT_BIT))};
}

OP vec v_select(mask m, vec a, vec b) {
    return (vec){OF(blendv)(b.lo, a.lo, m.lo), OF(blendv)(b.hi, a.hi, m.hi)};
}
OP vec v_only(mask m, vec a) { return (vec){OF(and)(m.lo, a.lo), OF(and)(m.hi, a.hi)}; }
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return v_select(m, v_fma(a, b, acc), acc); }
OP vec v_max_where(vec acc, mask m, vec a) { return v_select(m, v_max(acc, a), acc); }

#define COMPARE(a, b, how) ((mask){OF(cmp)((a).lo, (b).lo, how), OF(cmp)((a).hi, (b).hi, how)})
OP mask v_lt(vec a, vec b) { return COMPARE(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return COMPARE(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return COMPARE(a, b, _CMP_EQ_OQ); }

OP mask m_of_bits(uint32_t bits) {
    const __m256i all = INTS(bits), lo = LANE_BITS(), hi = INT(slli)(lo, HALF);
    return (mask){OF(castsi256)(INT(cmpeq)(_mm256_and_si256(all, lo), lo)),
                  OF(castsi256)(INT(cmpeq)(_mm256_and_si256(all, hi), hi))};
}
OP mask m_and(mask a, mask b) { return (mask){OF(and)(a.lo, b.lo), OF(and)(a.hi, b.hi)}; }
OP mask m_or(mask a, mask b) { return (mask){OF(or)(a.lo, b.lo), OF(or)(a.hi, b.hi)}; }
OP mask m_andnot(mask a, mask b) { return (mask){OF(andnot)(a.lo, b.lo), OF(andnot)(a.hi, b.hi)}; }
OP uint32_t m_bits(mask m) {
    return (uint32_t)OF(movemask)(m.lo) | (uint32_t)OF(movemask)(m.hi) << HALF;
}

#ifdef REAL_IS_FLOAT

OP __m256 eight_doubles(const double *p) {
    return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(p + 4)),
                           _mm256_cvtpd_ps(_mm256_loadu_pd(p)));
}
OP vec v_from_doubles(const double *p) { return (vec){eight_doubles(p), eight_doubles(p + 8)}; }
// Lanes 4 i to 4 i + 3.
OP __m256d quarter(vec a, int i) {
    const __m256 half = i < 2 ? a.lo : a.hi;
    return _mm256_cvtps_pd(i % 2 ? _mm256_extractf128_ps(half, 1) : _mm256_castps256_ps128(half));
}
OP void v_to_doubles(double *p, vec a) {
    _mm256_storeu_pd(p, quarter(a, 0));
    _mm256_storeu_pd(p + 4, quarter(a, 1));
    _mm256_storeu_pd(p + 8, quarter(a, 2));
    _mm256_storeu_pd(p + 12, quarter(a, 3));
}
OP void add_four(double *sums, __m256d a) {
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), a));
}
OP void v_add_to_doubles(double *sums, vec a) {
    add_four(sums, quarter(a, 0));
    add_four(sums + 4, quarter(a, 1));
    add_four(sums + 8, quarter(a, 2));
    add_four(sums + 12, quarter(a, 3));
}
OP double v_sum(vec a) {
    const __m256d lo = _mm256_add_pd(quarter(a, 0), quarter(a, 2)),
                  hi = _mm256_add_pd(quarter(a, 1), quarter(a, 3));
    return sum_of_four(_mm256_add_pd(lo, hi));
}

OP __m128i eight_halves(const uint16_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
OP vec v_load_f16(const uint16_t *p) {
    return (vec){_mm256_cvtph_ps(eight_halves(p)), _mm256_cvtph_ps(eight_halves(p + 8))};
}
OP void v_store_f16(uint16_t *p, vec a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(void *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

OP __m256 eight_bf16(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(eight_halves(p)), 16));
}
OP vec v_load_bf16(const uint16_t *p) { return (vec){eight_bf16(p), eight_bf16(p + 8)}; }
// The upper halves, rounded to nearest even.
OP __m256i upper_halves(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x), half = _mm256_set1_epi32(0x7FFF);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(half, odd)), 16);
}
OP void v_store_bf16(uint16_t *p, vec a) {
    const __m256i mixed = _mm256_packus_epi32(upper_halves(a.lo), upper_halves(a.hi));
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm256_permute4x64_epi64(mixed, _MM_SHUFFLE(3, 1, 2, 0)));
}

#else

OP vec v_div(vec a, vec b) { return (vec){_mm256_div_pd(a.lo, b.lo), _mm256_div_pd(a.hi, b.hi)}; }
OP vec v_sqrt(vec a) { return (vec){_mm256_sqrt_pd(a.lo), _mm256_sqrt_pd(a.hi)}; }
// e is made a double in the low bits of 2^52, from which 2^52 and the exponent's bias are taken off
// again.
OP __m256d exponent_of_four(__m256d x, __m256d *m) {
    const __m256i one = INTS(0x3FF0000000000000), root_half = INTS(0x3FE6A09E667F3BCD),
                  carrier = INTS(0x4330000000000000);
    __m256i bits = BITS(x);
    __m256i e = INT(srli)(INT(add)(bits, INT(sub)(one, root_half)), 52);
    *m = OF(castsi256)(INT(add)(INT(sub)(bits, INT(slli)(e, 52)), one));
    return _mm256_sub_pd(OF(castsi256)(_mm256_or_si256(e, carrier)),
                         _mm256_set1_pd(4503599627370496.0 + 1023.0));
}
OP vec v_exponent(vec x, vec *m) {
    vec e;
    e.lo = exponent_of_four(x.lo, &m->lo);
    e.hi = exponent_of_four(x.hi, &m->hi);
    return e;
}

OP vec v_from_doubles(const double *p) { return v_load(p); }
OP void v_to_doubles(double *p, vec a) { v_store(p, a); }
OP void v_add_to_doubles(double *sums, vec a) { v_store(sums, v_add(v_load(sums), a)); }
OP double v_sum(vec a) { return sum_of_four(_mm256_add_pd(a.lo, a.hi)); }

#endif

#undef OF
#undef INT
#undef BITS
#undef INTS
#undef LANE_BITS
#undef COMPARE
#endif
