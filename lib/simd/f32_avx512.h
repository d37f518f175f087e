// The vector operations on 16 floats: AVX-512. See simd/ops.md for what each operation means.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include <immintrin.h>
#include <stdint.h>

#define REAL_IS_FLOAT
typedef float real;
enum { LANES = 16 };

typedef __m512 vec;
typedef __mmask16 mask;

#define OP       static inline __attribute__((always_inline))
#define LARGE_OP OP

OP vec v_splat(real x) { return _mm512_set1_ps(x); }
OP vec v_load(const real *p) { return _mm512_loadu_ps(p); }
OP vec v_load_some(const real *p, mask m) { return _mm512_maskz_loadu_ps(m, p); }
OP void v_store(real *p, vec a) { _mm512_storeu_ps(p, a); }
OP void v_store_some(real *p, mask m, vec a) { _mm512_mask_storeu_ps(p, m, a); }

OP vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
OP vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
OP vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
OP vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
OP vec v_fms(vec a, vec b, vec c) { return _mm512_fmsub_ps(a, b, c); }
OP vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
OP vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
OP vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
OP vec v_shift_to_exponent(vec a) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 23));
}

OP vec v_select(mask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); }
OP vec v_only(mask m, vec a) { return _mm512_maskz_mov_ps(m, a); }
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return _mm512_mask3_fmadd_ps(a, b, acc, m); }
OP vec v_max_where(vec acc, mask m, vec a) { return _mm512_mask_max_ps(acc, m, acc, a); }

OP mask v_lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }

OP mask m_of_bits(uint32_t bits) { return (mask)bits; }
OP mask m_and(mask a, mask b) { return _kand_mask16(a, b); }
OP mask m_or(mask a, mask b) { return _kor_mask16(a, b); }
OP mask m_andnot(mask a, mask b) { return _kandn_mask16(a, b); }
OP uint32_t m_bits(mask m) { return m; }

OP vec v_from_doubles(const double *p) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_loadu_pd(p))),
                              _mm512_cvtpd_ps(_mm512_loadu_pd(p + 8)), 1);
}
OP void v_to_doubles(double *p, vec a) {
    _mm512_storeu_pd(p, _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
    _mm512_storeu_pd(p + 8, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
}
OP void v_add_to_doubles(double *sums, vec a) {
    __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    __m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), lo));
    _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), hi));
}
OP double v_sum(vec a) {
    __m512d b = _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                              _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
    __m256d c = _mm256_add_pd(_mm512_castpd512_pd256(b), _mm512_extractf64x4_pd(b, 1));
    __m128d d = _mm_add_pd(_mm256_castpd256_pd128(c), _mm256_extractf128_pd(c, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
}

OP vec v_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
OP void v_store_f16(uint16_t *p, vec a) {
    // Masked by all lanes: where the other is a macro (gcc -O0), it warns of its own -1.
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_maskz_cvtps_ph(0xFFFF, a, _MM_FROUND_TO_NEAREST_INT));
}

OP vec v_load_bf16(const uint16_t *p) {
    const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// The upper halves, rounded to nearest even.
OP void v_store_bf16(uint16_t *p, vec a) {
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
    const __m512i upper = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(upper));
}

#include "transpose_avx.h"

#endif
