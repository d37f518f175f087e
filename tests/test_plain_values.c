// The plain implementation, and the tests' own half precision, on values worked out by hand.
#include "number.h"
#include "plain.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

// One row of three classes, T = 1: student (0, 0, s), teacher (0, 0, t).
static void three(double s, double t, int32_t divergence, plain_result *r) {
    problem p;
    problem_init(&p, 1, 3);
    p.student[2] = s;
    p.teacher[2] = t;
    p.config.divergence = divergence;
    plain_loss(&p, r);
    problem_free(&p);
}

START_TEST(masked_classes) {
    plain_result r;
    // q = (1/2, 1/2, 0), p = (1/3, 1/3, 1/3): log 3/2; p - q.
    three(0.0, -INFINITY, GDKD_DIVERGENCE_FORWARD_KL, &r);
    ck_assert_double_eq_tol(r.total, log(1.5), 1e-15);
    ck_assert_double_eq_tol(r.grad[0], -1.0 / 6.0, 1e-15);
    ck_assert_double_eq_tol(r.grad[2], 1.0 / 3.0, 1e-15);
    ck_assert_int_eq(r.rows_nonfinite, 0);
    plain_free(&r);
    // The same, reverse: p_2 log(p_2 / 0).
    three(0.0, -INFINITY, GDKD_DIVERGENCE_REVERSE_KL, &r);
    ck_assert_double_eq(r.total, (double)INFINITY);
    ck_assert_double_eq(r.grad[0], 0.0);
    ck_assert_int_eq(r.rows_nonfinite, 1);
    plain_free(&r);
    // p = (1/2, 1/2, 0), q all 1/3: infinite, and the lost class pulls with -q.
    three(-INFINITY, 0.0, GDKD_DIVERGENCE_FORWARD_KL, &r);
    ck_assert_double_eq(r.total, (double)INFINITY);
    ck_assert_double_eq_tol(r.grad[0], 1.0 / 6.0, 1e-15);
    ck_assert_double_eq_tol(r.grad[2], -1.0 / 3.0, 1e-15);
    plain_free(&r);
    three(-INFINITY, 0.0, GDKD_DIVERGENCE_REVERSE_KL, &r);
    ck_assert_double_eq_tol(r.total, log(1.5), 1e-15);
    ck_assert_double_eq_tol(r.grad[0], 0.0, 1e-15);
    ck_assert_double_eq(r.grad[2], 0.0);
    plain_free(&r);
    three(-INFINITY, -INFINITY, GDKD_DIVERGENCE_SYMMETRIC_KL, &r);
    ck_assert_double_eq(r.total, 0.0);
    ck_assert_double_eq(r.grad[2], 0.0);
    plain_free(&r);
}
END_TEST

START_TEST(not_numbers) {
    static const double values[] = {(double)NAN, (double)INFINITY};
    for (int i = 0; i < 2; i++) {
        plain_result r;
        three(values[i], 0.0, GDKD_DIVERGENCE_FORWARD_KL, &r);
        ck_assert(isnan(r.total) && isnan(r.grad[0]));
        ck_assert_int_eq(r.first_nonfinite, 0);
        plain_free(&r);
        three(0.0, values[i], GDKD_DIVERGENCE_FORWARD_KL, &r);
        ck_assert(isnan(r.total) && isnan(r.grad[0]));
        plain_free(&r);
    }
}
END_TEST

// (1 - e) onehot + e / C, weights, divisors.
START_TEST(cross_entropy_by_hand) {
    problem p;
    plain_result r;
    int64_t target[2] = {1, -100};
    problem_init(&p, 2, 2);
    p.student[0] = log(3.0); // p = (3/4, 1/4)
    p.config.kd_weight = 0.0;
    p.config.ce_weight = 2.0;
    p.config.label_smoothing = 0.2; // y = (0.1, 0.9)
    p.target = target;
    plain_loss(&p, &r);
    ck_assert_double_eq_tol(r.ce, 0.1 * log(4.0 / 3.0) + 0.9 * log(4.0), 1e-15);
    ck_assert_double_eq_tol(r.total, 2.0 * r.ce, 1e-15);
    ck_assert_double_eq_tol(r.grad[0], 2.0 * (0.75 - 0.1), 1e-15);
    ck_assert_double_eq(r.grad[2], 0.0);
    ck_assert_int_eq(r.rows_used, 1);
    plain_free(&r);
    p.config.divisor = 4.0;
    plain_loss(&p, &r);
    ck_assert_double_eq_tol(r.grad[0], 0.5 * (0.75 - 0.1), 1e-15);
    plain_free(&r);
    p.target = NULL;
    problem_free(&p);
}
END_TEST

// z = t / T_teacher, and the factor is the student's T^2.
START_TEST(separate_temperatures) {
    rng r = {22};
    problem p;
    plain_result apart;
    plain_result same;
    problem_init(&p, 3, 7);
    for (int i = 0; i < 21; i++) {
        p.student[i] = rng_normal(&r);
        p.teacher[i] = rng_normal(&r);
    }
    p.config.temperature = 2.0;
    p.config.teacher_temperature = 8.0;
    plain_loss(&p, &apart);
    for (int i = 0; i < 21; i++) p.teacher[i] /= 4.0;
    p.config.teacher_temperature = 0.0;
    plain_loss(&p, &same);
    ck_assert_double_eq_tol(apart.total, same.total, 1e-15);
    p.config.temperature_squared = 0;
    plain_free(&apart);
    plain_loss(&p, &apart);
    ck_assert_double_eq_tol(4.0 * apart.total, same.total, 1e-15);
    plain_free(&apart);
    plain_free(&same);
    problem_free(&p);
}
END_TEST

// The first group's size, for probabilities 0.15, 0.5, 0.05, 0.3.
static int64_t group_size(int32_t k_rule, double mass, int64_t k_max, int64_t target) {
    static const int64_t index[4] = {0, 1, 2, 3};
    static const double q[4] = {0.15, 0.5, 0.05, 0.3};
    int64_t table[4] = {1, 4, 9, 2};
    uint8_t group[4];
    int64_t size = 0;
    problem p;
    problem_init(&p, 1, 4);
    for (int i = 0; i < 4; i++) p.teacher[i] = log(q[i]);
    p.config.partition = GDKD_PARTITION_TOP;
    p.config.k_rule = k_rule;
    p.config.k_mass = mass;
    p.config.k_max = k_max;
    p.k_table = table;
    plain_partition(&p, 0, target, index, 4, group);
    for (int i = 0; i < 4; i++) size += group[i] == 0;
    ck_assert_int_eq(group[1], 0); // the largest
    p.k_table = NULL;
    problem_free(&p);
    return size;
}

START_TEST(other_k_rules) {
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.49, 4, 0), 1);
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.51, 4, 0), 2);
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.79, 4, 0), 2);
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.81, 4, 0), 3);
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.96, 4, 0), 4);
    ck_assert_int_eq(group_size(GDKD_K_MASS, 0.96, 2, 0), 2);
    ck_assert_int_eq(group_size(GDKD_K_PER_CLASS, 0.5, 1, 0), 1);
    ck_assert_int_eq(group_size(GDKD_K_PER_CLASS, 0.5, 1, 1), 4);
    ck_assert_int_eq(group_size(GDKD_K_PER_CLASS, 0.5, 1, 2), 4); // k > C
    ck_assert_int_eq(group_size(GDKD_K_PER_CLASS, 0.5, 1, 3), 2);
    ck_assert_int_eq(group_size(GDKD_K_PER_ROW, 0.5, 1, 3), 1);
}
END_TEST

// Half precision as the tests write it: every pattern there and back, and roundings by hand.
START_TEST(half_precision) {
    for (int dtype = GDKD_BF16; dtype <= GDKD_F16; dtype++) {
        for (uint32_t bits = 0; bits < 65536; bits++) {
            const uint16_t word = (uint16_t)bits;
            uint16_t back;
            const double value = number_load(dtype, &word, 0);
            number_store(dtype, &back, 0, value);
            ck_assert_msg(back == word || isnan(value), "%04x became %04x", bits, (unsigned)back);
        }
    }
    const uint16_t one = 0x3c00;
    const uint16_t smallest = 0x0001;
    const uint16_t largest = 0x7bff;
    const uint16_t bf16_pi = 0x4049;
    ck_assert_double_eq(number_load(GDKD_F16, &one, 0), 1.0);
    ck_assert_double_eq(number_load(GDKD_F16, &smallest, 0), 0x1p-24);
    ck_assert_double_eq(number_load(GDKD_F16, &largest, 0), 65504.0);
    ck_assert_double_eq(number_load(GDKD_BF16, &bf16_pi, 0), 3.140625);
    ck_assert_double_eq(number_round(GDKD_F16, 65519.9), 65504.0);
    ck_assert_double_eq(number_round(GDKD_F16, 65520.0), (double)INFINITY);
    ck_assert_double_eq(number_round(GDKD_F16, 2049.0), 2048.0); // ties to even
    ck_assert_double_eq(number_round(GDKD_F16, 2051.0), 2052.0);
    ck_assert_double_eq(number_round(GDKD_F16, -0x1p-25), 0.0);
    ck_assert_double_eq(number_round(GDKD_BF16, 1.00390625), 1.0);
    ck_assert_double_eq(number_round(GDKD_BF16, 1.01171875), 1.015625);
    ck_assert_double_eq(number_round(GDKD_F32, 16777217.0), 16777216.0);
    ck_assert_double_eq(number_half_ulp(GDKD_F16, 1.0), 0x1p-11);
    ck_assert_double_eq(number_half_ulp(GDKD_BF16, 1.5), 0x1p-8);
    ck_assert_double_eq(number_half_ulp(GDKD_F16, 0.0), 0x1p-25);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plain values");
    TCase *tcase = tcase_create("plain");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, masked_classes);
    tcase_add_test(tcase, not_numbers);
    tcase_add_test(tcase, cross_entropy_by_hand);
    tcase_add_test(tcase, separate_temperatures);
    tcase_add_test(tcase, other_k_rules);
    tcase_add_test(tcase, half_precision);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
