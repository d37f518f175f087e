// The random numbers: published vectors of the generators, and the shapes of the distributions.
#include "base/rng.h"
#include "test_suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

// xoshiro256** from the state 1, 2, 3, 4: the vector that other implementations test against, too.
START_TEST(generator_is_xoshiro256starstar) {
    rng r = {{1, 2, 3, 4}};
    const uint64_t expected[] = {
        11520U, 0U, 1509978240U, 1215971899390074240U, 1216172134540287360U, 607988272756665600U};
    for (int i = 0; i < 6; i++) ck_assert_uint_eq(rng_next(&r), expected[i]);
}
END_TEST

// The first numbers of splitmix64 from 0.
START_TEST(seed_is_spread_by_splitmix64) {
    rng r;
    rng_seed(&r, 0);
    ck_assert_uint_eq(r.state[0], 0xe220a8397b1dcdafU);
    ck_assert_uint_eq(r.state[1], 0x6e789e6aa1b965f4U);
    ck_assert_uint_eq(r.state[2], 0x06c45d188009454fU);
}
END_TEST

START_TEST(a_copied_state_goes_on_the_same) {
    rng r;
    rng_seed(&r, 9);
    rng_normal(&r);
    rng copy = r;
    for (int i = 0; i < 10; i++) ck_assert(rng_normal(&r) == rng_normal(&copy));
    ck_assert_uint_eq(rng_next(&r), rng_next(&copy));
}
END_TEST

enum { DRAWS = 200000 };

// Bounds of six deviations of a mean of that many draws.
START_TEST(uniform_and_normal_have_their_moments) {
    rng r;
    rng_seed(&r, 3);
    double uniform = 0;
    double mean = 0;
    double square = 0;
    double fourth = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double u = rng_uniform(&r);
        const double z = rng_normal(&r);
        ck_assert(u >= 0 && u < 1);
        uniform += u / DRAWS;
        mean += z / DRAWS;
        square += z * z / DRAWS;
        fourth += z * z * z * z / DRAWS;
    }
    ck_assert(fabs(uniform - 0.5) < 6 * sqrt(1.0 / 12 / DRAWS));
    ck_assert(fabs(mean) < 6 * sqrt(1.0 / DRAWS));
    ck_assert(fabs(square - 1) < 6 * sqrt(2.0 / DRAWS));
    ck_assert(fabs(fourth - 3) < 6 * sqrt(96.0 / DRAWS));
}
END_TEST

START_TEST(below_reaches_every_number_equally) {
    rng r;
    rng_seed(&r, 4);
    int seen[9] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const uint32_t x = rng_below(&r, 9);
        ck_assert_uint_lt(x, 9);
        seen[x]++;
    }
    for (int i = 0; i < 9; i++) ck_assert(fabs(seen[i] - DRAWS / 9.0) < 6 * sqrt(DRAWS / 9.0));
    ck_assert_uint_eq(rng_below(&r, 1), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("rng");
    TCase *c = tcase_create("rng");
    tcase_add_test(c, generator_is_xoshiro256starstar);
    tcase_add_test(c, seed_is_spread_by_splitmix64);
    tcase_add_test(c, a_copied_state_goes_on_the_same);
    tcase_add_test(c, uniform_and_normal_have_their_moments);
    tcase_add_test(c, below_reaches_every_number_equally);
    suite_add_tcase(s, c);
    return test_run(s);
}
