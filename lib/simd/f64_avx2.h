// The vector operations on 8 doubles: AVX2 with FMA, two registers each. See simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include <immintrin.h>
#include <stdint.h>

#define REAL_IS_DOUBLE
typedef double real;
enum { LANES = 8 };

typedef struct {
    __m256d lo, hi;
} vec;
typedef struct {
    __m256d lo, hi;
} mask; // every lane all ones or all zeros

#define OP                 static inline __attribute__((always_inline))
#define LARGE_OP           OP
#define PAIR(type, lo, hi) ((type){(lo), (hi)})

OP __m256i mask_bits(__m256d m) { return _mm256_castpd_si256(m); }

OP vec v_splat(real x) { return PAIR(vec, _mm256_set1_pd(x), _mm256_set1_pd(x)); }
OP vec v_load(const real *p) { return PAIR(vec, _mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)); }
OP vec v_load_some(const real *p, mask m) {
    return PAIR(vec, _mm256_maskload_pd(p, mask_bits(m.lo)),
                _mm256_maskload_pd(p + 4, mask_bits(m.hi)));
}
OP void v_store(real *p, vec a) {
    _mm256_storeu_pd(p, a.lo);
    _mm256_storeu_pd(p + 4, a.hi);
}
OP void v_store_some(real *p, mask m, vec a) {
    _mm256_maskstore_pd(p, mask_bits(m.lo), a.lo);
    _mm256_maskstore_pd(p + 4, mask_bits(m.hi), a.hi);
}

OP vec v_add(vec a, vec b) {
    return PAIR(vec, _mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi));
}
OP vec v_sub(vec a, vec b) {
    return PAIR(vec, _mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi));
}
OP vec v_mul(vec a, vec b) {
    return PAIR(vec, _mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi));
}
OP vec v_fma(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi));
}
OP vec v_fms(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fmsub_pd(a.lo, b.lo, c.lo), _mm256_fmsub_pd(a.hi, b.hi, c.hi));
}
OP vec v_fnma(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fnmadd_pd(a.lo, b.lo, c.lo), _mm256_fnmadd_pd(a.hi, b.hi, c.hi));
}
OP vec v_max(vec a, vec b) {
    return PAIR(vec, _mm256_max_pd(a.lo, b.lo), _mm256_max_pd(a.hi, b.hi));
}
OP vec v_min(vec a, vec b) {
    return PAIR(vec, _mm256_min_pd(a.lo, b.lo), _mm256_min_pd(a.hi, b.hi));
}
OP vec v_shift_to_exponent(vec a) {
    return PAIR(vec, _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.lo), 52)),
                _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.hi), 52)));
}

OP vec v_div(vec a, vec b) {
    return PAIR(vec, _mm256_div_pd(a.lo, b.lo), _mm256_div_pd(a.hi, b.hi));
}
OP vec v_sqrt(vec a) { return PAIR(vec, _mm256_sqrt_pd(a.lo), _mm256_sqrt_pd(a.hi)); }
// x = 2^e m with m in [sqrt(1/2), sqrt 2), for normal x > 0. e is made a double in the low bits of
// 2^52, from which 2^52 and the exponent's bias are taken off again.
OP __m256d exponent_of_four(__m256d x, __m256d *m) {
    const __m256i one = _mm256_set1_epi64x(0x3FF0000000000000),
                  root_half = _mm256_set1_epi64x(0x3FE6A09E667F3BCD),
                  carrier = _mm256_set1_epi64x(0x4330000000000000);
    __m256i bits = _mm256_castpd_si256(x);
    __m256i e = _mm256_srli_epi64(_mm256_add_epi64(bits, _mm256_sub_epi64(one, root_half)), 52);
    *m = _mm256_castsi256_pd(
        _mm256_add_epi64(_mm256_sub_epi64(bits, _mm256_slli_epi64(e, 52)), one));
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(e, carrier)),
                         _mm256_set1_pd(4503599627370496.0 + 1023.0));
}
OP vec v_exponent(vec x, vec *m) {
    vec e;
    e.lo = exponent_of_four(x.lo, &m->lo);
    e.hi = exponent_of_four(x.hi, &m->hi);
    return e;
}

OP vec v_select(mask m, vec a, vec b) {
    return PAIR(vec, _mm256_blendv_pd(b.lo, a.lo, m.lo), _mm256_blendv_pd(b.hi, a.hi, m.hi));
}
OP vec v_only(mask m, vec a) {
    return PAIR(vec, _mm256_and_pd(m.lo, a.lo), _mm256_and_pd(m.hi, a.hi));
}
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return v_select(m, v_fma(a, b, acc), acc); }
OP vec v_max_where(vec acc, mask m, vec a) { return v_select(m, v_max(acc, a), acc); }

#define COMPARE(a, b, how)                                                                         \
    PAIR(mask, _mm256_cmp_pd((a).lo, (b).lo, how), _mm256_cmp_pd((a).hi, (b).hi, how))
OP mask v_lt(vec a, vec b) { return COMPARE(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return COMPARE(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return COMPARE(a, b, _CMP_EQ_OQ); }
#undef COMPARE

OP mask m_of_bits(uint32_t bits) {
    const __m256i all = _mm256_set1_epi64x(bits), lo = _mm256_setr_epi64x(1, 2, 4, 8),
                  hi = _mm256_slli_epi64(lo, 4);
    return PAIR(mask, _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, lo), lo)),
                _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, hi), hi)));
}
OP mask m_and(mask a, mask b) {
    return PAIR(mask, _mm256_and_pd(a.lo, b.lo), _mm256_and_pd(a.hi, b.hi));
}
OP mask m_or(mask a, mask b) {
    return PAIR(mask, _mm256_or_pd(a.lo, b.lo), _mm256_or_pd(a.hi, b.hi));
}
OP mask m_andnot(mask a, mask b) {
    return PAIR(mask, _mm256_andnot_pd(a.lo, b.lo), _mm256_andnot_pd(a.hi, b.hi));
}
OP uint32_t m_bits(mask m) {
    return (uint32_t)_mm256_movemask_pd(m.lo) | (uint32_t)_mm256_movemask_pd(m.hi) << 4;
}

OP vec v_from_doubles(const double *p) { return v_load(p); }
OP void v_to_doubles(double *p, vec a) { v_store(p, a); }
OP void v_add_to_doubles(double *sums, vec a) { v_store(sums, v_add(v_load(sums), a)); }
OP double v_sum(vec a) {
    __m256d c = _mm256_add_pd(a.lo, a.hi);
    __m128d d = _mm_add_pd(_mm256_castpd256_pd128(c), _mm256_extractf128_pd(c, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
}

#undef PAIR
#endif
