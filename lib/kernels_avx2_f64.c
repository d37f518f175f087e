// The double kernels: AVX2 with FMA.
#include "simd/f64_avx2.h"

#include "exact_body.h"

void gdkd_exact_sums_avx2(const criterion *c, block *b, int lane, const scratch *x) {
    exact_sums(c, b, lane, x);
}

void gdkd_exact_gradient_avx2(const criterion *c, block *b, int lane, const scratch *x) {
    exact_gradient(c, b, lane, x);
}
