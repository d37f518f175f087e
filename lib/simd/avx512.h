// The vector operations for AVX-512. The includer defines REAL_IS_FLOAT or REAL_IS_DOUBLE. See
// simd/ops.md.
#ifndef GDKD_SIMD_OPS_H
#define GDKD_SIMD_OPS_H

#include "avx.h"

// OF(add): the intrinsic for this type of element. INT: for integers of its size. MASK: for masks.
#ifdef REAL_IS_FLOAT
typedef float real;
typedef __m512 vec;
typedef __mmask16 mask;
enum { LANES = 16, EXPONENT_BIT = 23 };
#    define OF(name)           _mm512_##name##_ps
#    define INT(name)          _mm512_##name##_epi32
#    define BITS(a)            _mm512_castps_si512(a)
#    define COMPARE(a, b, how) _mm512_cmp_ps_mask(a, b, how)
#    define MASK(name)         name##_mask16
#else
typedef double real;
typedef __m512d vec;
typedef __mmask8 mask;
enum { LANES = 8, EXPONENT_BIT = 52 };
#    define OF(name)           _mm512_##name##_pd
#    define INT(name)          _mm512_##name##_epi64
#    define BITS(a)            _mm512_castpd_si512(a)
#    define COMPARE(a, b, how) _mm512_cmp_pd_mask(a, b, how)
#    define MASK(name)         name##_mask8
#endif

OP vec v_splat(real x) { return OF(set1)(x); }
OP vec v_load(const real *p) { return OF(loadu)(p); }
OP vec v_load_some(const real *p, mask m) { return OF(maskz_loadu)(m, p); }
OP void v_store(real *p, vec a) { OF(storeu)(p, a); }
OP void v_store_some(real *p, mask m, vec a) { OF(mask_storeu)(p, m, a); }

OP vec v_add(vec a, vec b) { return OF(add)(a, b); }
OP vec v_sub(vec a, vec b) { return OF(sub)(a, b); }
OP vec v_mul(vec a, vec b) { return OF(mul)(a, b); }
OP vec v_fma(vec a, vec b, vec c) { return OF(fmadd)(a, b, c); }
OP vec v_fms(vec a, vec b, vec c) { return OF(fmsub)(a, b, c); }
OP vec v_fnma(vec a, vec b, vec c) { return OF(fnmadd)(a, b, c); }
OP vec v_max(vec a, vec b) { return OF(max)(a, b); }
OP vec v_min(vec a, vec b) { return OF(min)(a, b); }
OP vec v_shift_to_exponent(vec a) { return OF(castsi512)(INT(slli)(BITS(a), EXPONENT_BIT)); }

OP vec v_select(mask m, vec a, vec b) { return OF(mask_blend)(m, b, a); }
OP vec v_only(mask m, vec a) { return OF(maskz_mov)(m, a); }
OP vec v_fma_where(vec acc, mask m, vec a, vec b) { return OF(mask3_fmadd)(a, b, acc, m); }
OP vec v_max_where(vec acc, mask m, vec a) { return OF(mask_max)(acc, m, acc, a); }

OP mask v_lt(vec a, vec b) { return COMPARE(a, b, _CMP_LT_OQ); }
OP mask v_le(vec a, vec b) { return COMPARE(a, b, _CMP_LE_OQ); }
OP mask v_eq(vec a, vec b) { return COMPARE(a, b, _CMP_EQ_OQ); }

OP mask m_of_bits(uint32_t bits) { return (mask)bits; }
OP mask m_and(mask a, mask b) { return MASK(_kand)(a, b); }
OP mask m_or(mask a, mask b) { return MASK(_kor)(a, b); }
OP mask m_andnot(mask a, mask b) { return MASK(_kandn)(a, b); }
OP uint32_t m_bits(mask m) { return m; }

OP double sum_of_eight(__m512d a) {
    return sum_of_four(_mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1)));
}

#ifdef REAL_IS_FLOAT

OP vec v_from_doubles(const double *p) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_loadu_pd(p))),
                              _mm512_cvtpd_ps(_mm512_loadu_pd(p + 8)), 1);
}
OP __m512d lower_half(vec a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
OP __m512d upper_half(vec a) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
OP void v_to_doubles(double *p, vec a) {
    _mm512_storeu_pd(p, lower_half(a));
    _mm512_storeu_pd(p + 8, upper_half(a));
}
OP void v_add_to_doubles(double *sums, vec a) {
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), lower_half(a)));
    _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), upper_half(a)));
}
OP double v_sum(vec a) { return sum_of_eight(_mm512_add_pd(lower_half(a), upper_half(a))); }

OP __m256i sixteen_halves(const uint16_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
OP vec v_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(sixteen_halves(p)); }
OP void v_store_f16(uint16_t *p, vec a) {
    // Masked by all lanes: where the other is a macro (gcc -O0), it warns of its own -1.
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_maskz_cvtps_ph(0xFFFF, a, _MM_FROUND_TO_NEAREST_INT));
}

OP vec v_load_bf16(const uint16_t *p) {
    return OF(castsi512)(INT(slli)(_mm512_cvtepu16_epi32(sixteen_halves(p)), 16));
}
// The upper halves, rounded to nearest even.
OP void v_store_bf16(uint16_t *p, vec a) {
    const __m512i odd = _mm512_and_si512(INT(srli)(BITS(a), 16), INT(set1)(1));
    const __m512i half = INT(add)(odd, INT(set1)(0x7FFF));
    const __m512i upper = INT(srli)(INT(add)(BITS(a), half), 16);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(upper));
}

#else

OP vec v_div(vec a, vec b) { return _mm512_div_pd(a, b); }
OP vec v_sqrt(vec a) { return _mm512_sqrt_pd(a); }
// e is made a double in the low bits of 2^52, from which 2^52 and the exponent's bias are taken off
// again.
OP vec v_exponent(vec x, vec *m) {
    const __m512i one = INT(set1)(0x3FF0000000000000), root_half = INT(set1)(0x3FE6A09E667F3BCD),
                  carrier = INT(set1)(0x4330000000000000);
    __m512i e = INT(srli)(INT(add)(BITS(x), INT(sub)(one, root_half)), 52);
    *m = OF(castsi512)(INT(add)(INT(sub)(BITS(x), INT(slli)(e, 52)), one));
    return v_sub(OF(castsi512)(_mm512_or_si512(e, carrier)), v_splat(4503599627370496.0 + 1023.0));
}

OP vec v_from_doubles(const double *p) { return v_load(p); }
OP void v_to_doubles(double *p, vec a) { v_store(p, a); }
OP void v_add_to_doubles(double *sums, vec a) { v_store(sums, v_add(v_load(sums), a)); }
OP double v_sum(vec a) { return sum_of_eight(a); }

#endif

#undef OF
#undef INT
#undef BITS
#undef COMPARE
#undef MASK
#endif
