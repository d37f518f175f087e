// The learning rate against values worked out from the formulas.
#include "test_suite.h"
#include "train/schedule.h"

#include <check.h>
#include <math.h>

START_TEST(cosine_follows_the_formula) {
    const schedule s = {SCHEDULE_COSINE, 10, 0.05, 0};
    // cos of 0, 60, 90 and 120 degrees is 1, 1/2, 0, -1/2; epoch e stands at (e - 1) / epochs of
    // 180 degrees.
    const schedule three = {SCHEDULE_COSINE, 3, 0.08, 0.02};
    ck_assert_double_eq_tol(schedule_lr(&s, 1), 0.05, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 6), 0.025, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&three, 1), 0.08, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&three, 2), 0.02 + 0.06 * 0.75, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&three, 3), 0.02 + 0.06 * 0.25, 1e-15);
    // cos 18 degrees = sqrt(10 + 2 sqrt 5) / 4
    ck_assert_double_eq_tol(schedule_lr(&s, 2), 0.025 * (1 + sqrt(10 + 2 * sqrt(5)) / 4), 1e-15);
}
END_TEST

START_TEST(steps_are_the_references) {
    const schedule s = {SCHEDULE_STEP, 240, 0.05, 0};
    ck_assert_double_eq_tol(schedule_lr(&s, 150), 0.05, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 151), 0.005, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 180), 0.005, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 181), 0.0005, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 210), 0.0005, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 211), 0.00005, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&s, 240), 0.00005, 1e-15);
}
END_TEST

START_TEST(steps_scale_with_the_epochs) {
    const schedule s = {SCHEDULE_STEP, 8, 1, 0};
    const double expected[8] = {1, 1, 1, 1, 1, 0.1, 0.01, 0.001};
    for (int epoch = 1; epoch <= 8; epoch++)
        ck_assert_double_eq_tol(schedule_lr(&s, epoch), expected[epoch - 1], 1e-15);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule");
    TCase *all = tcase_create("all");
    tcase_add_test(all, cosine_follows_the_formula);
    tcase_add_test(all, steps_are_the_references);
    tcase_add_test(all, steps_scale_with_the_epochs);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
