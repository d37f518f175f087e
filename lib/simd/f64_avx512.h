// The vector operations on 8 doubles: AVX-512. See simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include <immintrin.h>
#include <stdint.h>

#define REAL_IS_DOUBLE
typedef double real;
enum { LANES = 8 };

typedef __m512d vec;
typedef __mmask8 mask;

#define OP       static inline __attribute__((always_inline))
#define LARGE_OP OP

OP vec v_splat(real x) { return _mm512_set1_pd(x); }
OP vec v_load(const real *p) { return _mm512_loadu_pd(p); }
OP vec v_load_some(const real *p, mask m) { return _mm512_maskz_loadu_pd(m, p); }
OP void v_store(real *p, vec a) { _mm512_storeu_pd(p, a); }
OP void v_store_some(real *p, mask m, vec a) { _mm512_mask_storeu_pd(p, m, a); }

OP vec v_add(vec a, vec b) { return _mm512_add_pd(a, b); }
OP vec v_sub(vec a, vec b) { return _mm512_sub_pd(a, b); }
OP vec v_mul(vec a, vec b) { return _mm512_mul_pd(a, b); }
OP vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_pd(a, b, c); }
OP vec v_fms(vec a, vec b, vec c) { return _mm512_fmsub_pd(a, b, c); }
OP vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_pd(a, b, c); }
OP vec v_max(vec a, vec b) { return _mm512_max_pd(a, b); }
OP vec v_min(vec a, vec b) { return _mm512_min_pd(a, b); }
OP vec v_shift_to_exponent(vec a) {
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a), 52));
}

OP vec v_div(vec a, vec b) { return _mm512_div_pd(a, b); }
OP vec v_sqrt(vec a) { return _mm512_sqrt_pd(a); }
// x = 2^e m with m in [sqrt(1/2), sqrt 2), for normal x > 0. e is made a double in the low bits of
// 2^52, from which 2^52 and the exponent's bias are taken off again.
OP vec v_exponent(vec x, vec *m) {
    const __m512i one = _mm512_set1_epi64(0x3FF0000000000000),
                  root_half = _mm512_set1_epi64(0x3FE6A09E667F3BCD),
                  carrier = _mm512_set1_epi64(0x4330000000000000);
    __m512i bits = _mm512_castpd_si512(x);
    __m512i e = _mm512_srli_epi64(_mm512_add_epi64(bits, _mm512_sub_epi64(one, root_half)), 52);
    *m = _mm512_castsi512_pd(
        _mm512_add_epi64(_mm512_sub_epi64(bits, _mm512_slli_epi64(e, 52)), one));
    return v_sub(_mm512_castsi512_pd(_mm512_or_si512(e, carrier)),
                 v_splat(4503599627370496.0 + 1023.0));
}

OP vec v_select(mask m, vec a, vec b) { return _mm512_mask_blend_pd(m, b, a); }
OP vec v_only(mask m, vec a) { return _mm512_maskz_mov_pd(m, a); }
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return _mm512_mask3_fmadd_pd(a, b, acc, m); }
OP vec v_max_where(vec acc, mask m, vec a) { return _mm512_mask_max_pd(acc, m, acc, a); }

OP mask v_lt(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }

OP mask m_of_bits(uint32_t bits) { return (mask)bits; }
OP mask m_and(mask a, mask b) { return _kand_mask8(a, b); }
OP mask m_or(mask a, mask b) { return _kor_mask8(a, b); }
OP mask m_andnot(mask a, mask b) { return _kandn_mask8(a, b); }
OP uint32_t m_bits(mask m) { return m; }

OP vec v_from_doubles(const double *p) { return v_load(p); }
OP void v_to_doubles(double *p, vec a) { v_store(p, a); }
OP void v_add_to_doubles(double *sums, vec a) { v_store(sums, v_add(v_load(sums), a)); }
OP double v_sum(vec a) {
    __m256d c = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
    __m128d d = _mm_add_pd(_mm256_castpd256_pd128(c), _mm256_extractf128_pd(c, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
}

#endif
