// The double kernels: plain C.
#define REAL_IS_DOUBLE
#include "simd/scalar.h"

#include "exact_body.h"

void gdkd_exact_sums_scalar(const criterion *c, block *b, int lane, const scratch *x) {
    exact_sums(c, b, lane, x);
}

void gdkd_exact_gradient_scalar(const criterion *c, block *b, int lane, const scratch *x) {
    exact_gradient(c, b, lane, x);
}
