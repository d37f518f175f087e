// The double kernels: AVX-512.
#include "simd/f64_avx512.h"

#include "exact_body.h"

void gdkd_exact_sums_avx512(const criterion *c, block *b, int lane, const scratch *x) {
    exact_sums(c, b, lane, x);
}

void gdkd_exact_gradient_avx512(const criterion *c, block *b, int lane, const scratch *x) {
    exact_gradient(c, b, lane, x);
}
