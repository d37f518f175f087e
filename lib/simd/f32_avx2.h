// The vector operations on 16 floats: AVX2 with FMA, two registers each. See simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include <immintrin.h>
#include <stdint.h>

#define REAL_IS_FLOAT
typedef float real;
enum { LANES = 16 };

typedef struct {
    __m256 lo, hi;
} vec;
typedef struct {
    __m256 lo, hi;
} mask; // every lane all ones or all zeros

#define OP                 static inline __attribute__((always_inline))
#define LARGE_OP           OP
#define PAIR(type, lo, hi) ((type){(lo), (hi)})

OP __m256i mask_bits(__m256 m) { return _mm256_castps_si256(m); }

OP vec v_splat(real x) { return PAIR(vec, _mm256_set1_ps(x), _mm256_set1_ps(x)); }
OP vec v_load(const real *p) { return PAIR(vec, _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
OP vec v_load_some(const real *p, mask m) {
    return PAIR(vec, _mm256_maskload_ps(p, mask_bits(m.lo)),
                _mm256_maskload_ps(p + 8, mask_bits(m.hi)));
}
OP void v_store(real *p, vec a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
OP void v_store_some(real *p, mask m, vec a) {
    _mm256_maskstore_ps(p, mask_bits(m.lo), a.lo);
    _mm256_maskstore_ps(p + 8, mask_bits(m.hi), a.hi);
}

OP vec v_add(vec a, vec b) {
    return PAIR(vec, _mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi));
}
OP vec v_sub(vec a, vec b) {
    return PAIR(vec, _mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi));
}
OP vec v_mul(vec a, vec b) {
    return PAIR(vec, _mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi));
}
OP vec v_fma(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
OP vec v_fms(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi));
}
OP vec v_fnma(vec a, vec b, vec c) {
    return PAIR(vec, _mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi));
}
OP vec v_max(vec a, vec b) {
    return PAIR(vec, _mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi));
}
OP vec v_min(vec a, vec b) {
    return PAIR(vec, _mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi));
}
OP vec v_shift_to_exponent(vec a) {
    return PAIR(vec, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.lo), 23)),
                _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.hi), 23)));
}

OP vec v_select(mask m, vec a, vec b) {
    return PAIR(vec, _mm256_blendv_ps(b.lo, a.lo, m.lo), _mm256_blendv_ps(b.hi, a.hi, m.hi));
}
OP vec v_only(mask m, vec a) {
    return PAIR(vec, _mm256_and_ps(m.lo, a.lo), _mm256_and_ps(m.hi, a.hi));
}
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return v_select(m, v_fma(a, b, acc), acc); }
OP vec v_max_where(vec acc, mask m, vec a) { return v_select(m, v_max(acc, a), acc); }

#define COMPARE(a, b, how)                                                                         \
    PAIR(mask, _mm256_cmp_ps((a).lo, (b).lo, how), _mm256_cmp_ps((a).hi, (b).hi, how))
OP mask v_lt(vec a, vec b) { return COMPARE(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return COMPARE(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return COMPARE(a, b, _CMP_EQ_OQ); }
#undef COMPARE

OP mask m_of_bits(uint32_t bits) {
    const __m256i all = _mm256_set1_epi32((int32_t)bits);
    const __m256i lo = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128),
                  hi = _mm256_slli_epi32(lo, 8);
    return PAIR(mask, _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, lo), lo)),
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, hi), hi)));
}
OP mask m_and(mask a, mask b) {
    return PAIR(mask, _mm256_and_ps(a.lo, b.lo), _mm256_and_ps(a.hi, b.hi));
}
OP mask m_or(mask a, mask b) {
    return PAIR(mask, _mm256_or_ps(a.lo, b.lo), _mm256_or_ps(a.hi, b.hi));
}
OP mask m_andnot(mask a, mask b) {
    return PAIR(mask, _mm256_andnot_ps(a.lo, b.lo), _mm256_andnot_ps(a.hi, b.hi));
}
OP uint32_t m_bits(mask m) {
    return (uint32_t)_mm256_movemask_ps(m.lo) | (uint32_t)_mm256_movemask_ps(m.hi) << 8;
}

OP vec v_from_doubles(const double *p) {
    return PAIR(vec,
                _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(p + 4)),
                                _mm256_cvtpd_ps(_mm256_loadu_pd(p))),
                _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(p + 12)),
                                _mm256_cvtpd_ps(_mm256_loadu_pd(p + 8))));
}
OP void v_to_doubles(double *p, vec a) {
    _mm256_storeu_pd(p, _mm256_cvtps_pd(_mm256_castps256_ps128(a.lo)));
    _mm256_storeu_pd(p + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(a.lo, 1)));
    _mm256_storeu_pd(p + 8, _mm256_cvtps_pd(_mm256_castps256_ps128(a.hi)));
    _mm256_storeu_pd(p + 12, _mm256_cvtps_pd(_mm256_extractf128_ps(a.hi, 1)));
}
OP void add_four(double *sums, __m128 a) {
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), _mm256_cvtps_pd(a)));
}
OP void v_add_to_doubles(double *sums, vec a) {
    add_four(sums, _mm256_castps256_ps128(a.lo));
    add_four(sums + 4, _mm256_extractf128_ps(a.lo, 1));
    add_four(sums + 8, _mm256_castps256_ps128(a.hi));
    add_four(sums + 12, _mm256_extractf128_ps(a.hi, 1));
}
OP double v_sum(vec a) {
    __m256d lo = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a.lo)),
                               _mm256_cvtps_pd(_mm256_castps256_ps128(a.hi)));
    __m256d hi = _mm256_add_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a.lo, 1)),
                               _mm256_cvtps_pd(_mm256_extractf128_ps(a.hi, 1)));
    __m256d c = _mm256_add_pd(lo, hi);
    __m128d d = _mm_add_pd(_mm256_castpd256_pd128(c), _mm256_extractf128_pd(c, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
}

OP vec v_load_f16(const uint16_t *p) {
    return PAIR(vec, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8))));
}
OP void v_store_f16(uint16_t *p, vec a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(void *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

OP __m256 eight_bf16(const uint16_t *p) {
    const __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
OP vec v_load_bf16(const uint16_t *p) { return PAIR(vec, eight_bf16(p), eight_bf16(p + 8)); }
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

// Four lanes at a time: row b of the table has the numbers of the bits that are set in b.
OP int store_lanes_4(int32_t *p, unsigned bits, int32_t first) {
    static const int32_t numbers[16][4] = {
        {0}, {0},    {1},    {0, 1},    {2},    {0, 2},    {1, 2},    {0, 1, 2},
        {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
    const __m128i lanes = _mm_loadu_si128((const __m128i *)(const void *)numbers[bits]);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_add_epi32(lanes, _mm_set1_epi32(first)));
    return __builtin_popcount(bits);
}
#undef PAIR
#include "transpose_avx.h"

#endif
