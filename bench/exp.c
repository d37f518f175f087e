// The arithmetic yardstick: float32 exponentials in L1, about 0.10 ns each with AVX-512 on a Zen 5.
// It counts the work of an accurate exponential (error 2e-7) and no more: a load, the reduction of
// x to n ln 2 + f with the constant in two parts, a polynomial of degree 6, 2^n by a shift into the
// exponent, a store. Two bounds keep 2^n a normal number.
#include <stdint.h>
#include <string.h>

#include "target.h"
#include "yardstick.h"

// The coefficients of e^f are Taylor's: good to 1e-7 for |f| <= ln(2) / 2, and the time is the same
// with any others.
LOOP exp_loop(const float *restrict x, float *restrict y) {
    const float magic = 12582912.0F + 127.0F; // 1.5 * 2^23 rounds to whole; 127 is the bias
    for (int i = 0; i < EXP_ELEMENTS; i++) {
        float d = x[i] < -87.0F ? -87.0F : x[i];
        d = d > 88.0F ? 88.0F : d;
        float shifted = d * 0x1.715476p+0F + magic;
        float n = shifted - magic;
        float f = d - n * 0x1.62e400p-1F - n * 0x1.7f7d1cp-20F;
        float p = 1.0F / 720.0F;
        p = p * f + 1.0F / 120.0F;
        p = p * f + 1.0F / 24.0F;
        p = p * f + 1.0F / 6.0F;
        p = p * f + 0.5F;
        p = p * f + 1.0F;
        p = p * f + 1.0F;
        uint32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        bits <<= 23U;
        float power;
        memcpy(&power, &bits, sizeof power);
        y[i] = p * power;
    }
}

FOR_EACH_TARGET(exp_best, (const float *x, float *y), (x, y), exp_loop(x, y))

static void exp_thread(void) {
    float x[EXP_ELEMENTS];
    float y[EXP_ELEMENTS];
    for (int i = 0; i < EXP_ELEMENTS; i++) x[i] = -0.01F * (float)i;
    for (int pass = 0; pass < EXP_PASSES; pass++) {
        exp_best(x, y);
        __asm__ volatile("" : : "r"(x), "r"(y) : "memory"); // y counts as read, x as written
    }
}

void run_exp(void *exp) {
    int threads = ((const exp_yardstick *)exp)->threads;
    if (threads == 1) {
        exp_thread();
        return;
    }
#pragma omp parallel num_threads(threads)
    exp_thread();
}

double exp_elements(int threads) {
    return (double)EXP_ELEMENTS * EXP_PASSES * threads;
}
