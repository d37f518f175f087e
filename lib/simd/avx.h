// What AVX2 and AVX-512 share. See simd/ops.md.
#ifndef GDKD_AVX_H
#define GDKD_AVX_H

#include <immintrin.h>
#include <stdint.h>

#define OP       static inline __attribute__((always_inline))
#define LARGE_OP OP

OP double sum_of_four(__m256d a) {
    __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}

#ifdef REAL_IS_FLOAT
OP void transpose_8x8(const float *const *from, float *const *to) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from[i]);
    for (int i = 0; i < 8; i += 2) { // pairs of rows
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { // fours
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to[i], _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to[i + 4], _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
#endif

#endif
