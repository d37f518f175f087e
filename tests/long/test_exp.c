// The exponential of lib/kernels/exp2.h at T = 1: over every float of its domain, up to 0, and over
// a dense sample of doubles, on each instruction set of this machine. Where the result is a normal
// number, the error is at most what exp2.h states; below, it is 0 or within a unit of a subnormal.
// And the bits are the same on every instruction set.
#include "exp_arrays.h"
#include "scale.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 14 };

typedef struct worst {
    double ulp; // the largest error where the result is a normal number
    double at;
    long wrong; // results beyond the range that are not what they should be
    double wrong_at;
    uint64_t hash;
} worst;

static void merge(worst *all, const worst *part) {
    if (part->ulp > all->ulp) {
        all->ulp = part->ulp;
        all->at = part->at;
    }
    if (part->wrong > 0 && all->wrong == 0) all->wrong_at = part->wrong_at;
    all->wrong += part->wrong;
    all->hash += part->hash; // chunks come in any order
}

static void note_wrong(worst *w, double x) {
    if (w->wrong++ == 0) w->wrong_at = x;
}

static void note_error(worst *w, double x, double error) {
    if (error <= w->ulp) return;
    w->ulp = error;
    w->at = x;
}

// FNV-1a over the bytes of a chunk, begun with its number.
static uint64_t hash_of(const void *data, size_t bytes, uint64_t number) {
    uint64_t h = 14695981039346656037U ^ number;
    for (size_t i = 0; i < bytes; i++) {
        h = (h ^ ((const unsigned char *)data)[i]) * 1099511628211U;
    }
    return h;
}

// --- float --------------------------------------------------------------------------------------

static void check_float(float x, float y, worst *w) {
    if (isnan(x)) {
        if (!isnan(y)) note_wrong(w, (double)x);
        return;
    }
    // The double's own error is 1e-9 of a float's unit.
    const double truth = exp((double)x);
    if (truth < (double)FLT_MIN) {
        if (y != 0.0F && fabs((double)y - truth) > 0x1p-149) note_wrong(w, (double)x);
    } else if (isfinite(y)) {
        note_error(w, (double)x, fabs((double)y - truth) / ldexp(1.0, ilogb(truth) - 23));
    } else {
        note_wrong(w, (double)x);
    }
}

typedef void (*exp_f32)(const exp_scale *, const float *, float *, size_t);
typedef void (*exp_f64)(const exp_scale *, const double *, double *, size_t);

static void float_chunk(exp_f32 f, const exp_scale *scale, uint64_t number, worst *w) {
    static _Thread_local float x[CHUNK];
    static _Thread_local float y[CHUNK];
    for (uint32_t i = 0; i < CHUNK; i++) {
        const uint32_t bits = (uint32_t)(number * CHUNK) + i;
        memcpy(&x[i], &bits, sizeof x[i]);
    }
    f(scale, x, y, CHUNK);
    // The payload of a NaN is nobody's business.
    for (int i = 0; i < CHUNK; i++) {
        check_float(x[i], y[i], w);
        if (isnan(y[i])) y[i] = 0.0F;
    }
    w->hash += hash_of(y, sizeof y, number);
}

// The upper half of the bit patterns: from -0 down to -inf, and NaNs.
static worst every_float(exp_f32 f) {
    const exp_scale scale = scale_f32(1.0);
    worst all = {0};
#pragma omp parallel
    {
        worst mine = {0};
#pragma omp for schedule(dynamic, 64)
        for (int64_t number = (INT64_C(1) << 31) / CHUNK; number < (INT64_C(1) << 32) / CHUNK;
             ++number) {
            float_chunk(f, &scale, (uint64_t)number, &mine);
        }
#pragma omp critical
        merge(&all, &mine);
    }
    return all;
}

// --- double -------------------------------------------------------------------------------------

static void check_double(double x, double y, worst *w) {
    const long double truth = expl((long double)x);
    if (truth < (long double)DBL_MIN) {
        const long double error = fabsl((long double)y - truth);
        if (y != 0.0 && error > 0x1p-1074L) note_wrong(w, x);
    } else if (isfinite(y)) {
        const long double unit = ldexpl(1.0L, ilogbl(truth) - 52);
        note_error(w, x, (double)(fabsl((long double)y - truth) / unit));
    } else {
        note_wrong(w, x);
    }
}

static uint64_t mixed(uint64_t z) { // splitmix64
    z += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

// Half of the numbers evenly over the range and somewhat beyond, half close to 0 in all magnitudes.
static double sample(uint64_t i) {
    const uint64_t bits = mixed(i);
    const double unit = (double)(bits >> 11) * 0x1p-53;
    return i % 2 ? -760.0 * unit : ldexp(-1.0 - unit, (int)(i / 2 % 64) - 62);
}

static void double_chunk(exp_f64 f, const exp_scale *scale, uint64_t number, worst *w) {
    static _Thread_local double x[CHUNK];
    static _Thread_local double y[CHUNK];
    for (uint64_t i = 0; i < CHUNK; i++) x[i] = sample(number * CHUNK + i);
    f(scale, x, y, CHUNK);
    for (int i = 0; i < CHUNK; i++) check_double(x[i], y[i], w);
    w->hash += hash_of(y, sizeof y, number);
}

static worst many_doubles(exp_f64 f) {
    const exp_scale scale = scale_f64(1.0);
    worst all = {0};
#pragma omp parallel
    {
        worst mine = {0};
#pragma omp for schedule(dynamic, 16)
        for (int64_t number = 0; number < 4096; number++) {
            double_chunk(f, &scale, (uint64_t)number, &mine);
        }
#pragma omp critical
        merge(&all, &mine);
    }
    return all;
}

// --- The instruction sets -----------------------------------------------------------------------

typedef struct version {
    int32_t isa;
    exp_f32 f32;
    exp_f64 f64;
} version;

static const version versions[] = {
    {GDKD_ISA_SCALAR, exp_f32_scalar, exp_f64_scalar},
#ifdef __x86_64__
    {GDKD_ISA_AVX2, exp_f32_avx2, exp_f64_avx2},
    {GDKD_ISA_AVX512, exp_f32_avx512, exp_f64_avx512},
#endif
};
enum { VERSIONS = sizeof versions / sizeof versions[0] };

static void report(const char *type, int32_t isa, double bound, const worst *w,
                   const worst *first) {
    printf("exp %s %s: worst %.4f ULP at %a\n", type, gdkd_isa_name(isa), w->ulp, w->at);
    ck_assert_msg(w->wrong == 0, "%s on %s: %ld results out of range are wrong, the first at %a",
                  type, gdkd_isa_name(isa), w->wrong, w->wrong_at);
    ck_assert_msg(w->ulp <= bound, "%s on %s: %.4f ULP at %a", type, gdkd_isa_name(isa), w->ulp,
                  w->at);
    ck_assert_msg(w->hash == first->hash, "%s: %s gives other bits than scalar", type,
                  gdkd_isa_name(isa));
}

START_TEST(floats) {
    worst first = {0};
    for (int i = 0; i < VERSIONS && versions[i].isa <= gdkd_isa(); i++) {
        const worst w = every_float(versions[i].f32);
        if (i == 0) first = w;
        report("f32", versions[i].isa, 1.0, &w, &first);
    }
}
END_TEST

START_TEST(doubles) {
    worst first = {0};
    for (int i = 0; i < VERSIONS && versions[i].isa <= gdkd_isa(); i++) {
        const worst w = many_doubles(versions[i].f64);
        if (i == 0) first = w;
        report("f64", versions[i].isa, 1.1, &w, &first);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("the exponential");
    TCase *tcase = tcase_create("exp");
    tcase_set_timeout(tcase, 3600);
    tcase_add_test(tcase, floats);
    tcase_add_test(tcase, doubles);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); // OpenMP's threads do not survive a fork
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
