// High temperatures, up to the largest that is accepted: distributions are flat, and a loss is T^2
// times a divergence of the order of 1 / T^2, which arithmetic loses that takes differences of
// logarithms. The tests' own implementation takes them too, in long double, so it is given what
// that loses; for KD there is the limit besides.
#include "compare.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double temperatures[] = {1e2, 1e3, 1e4, 1e5, 3.3e5, 1e6};
enum { TEMPERATURES = sizeof temperatures / sizeof temperatures[0] };

typedef enum apart { DIFFERENT, ALIKE, NEARLY_THE_SAME, APARTS } apart;

static void random_rows(problem *p, apart how) {
    rng r = {51};
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        p->teacher[i] = 3 * rng_normal(&r);
        p->student[i] = how == DIFFERENT
                            ? 3 * rng_normal(&r)
                            : p->teacher[i] + (how == ALIKE ? 1e-1 : 1e-3) * rng_normal(&r);
    }
}

static void set_up(problem *p, const gdkd_config *config, double t, int64_t classes, apart how,
                   int32_t dtype) {
    problem_init(p, 20, classes);
    p->config = *config;
    p->config.teacher_temperature *= t / config->temperature;
    p->config.temperature = t;
    p->config.teacher_temperature = fmin(p->config.teacher_temperature, 1e6);
    preset_inputs(p);
    random_rows(p, how);
    problem_round(p, dtype, dtype);
}

static const call *ways_of(int32_t dtype, int i) {
    static call how;
    how = (call){.inner = i % 2 ? 20 : 1, .student_dtype = dtype, .teacher_dtype = dtype};
    return &how;
}

// Terms that are no differences: none is negative, whatever its rounding.
static void check_signs(const problem *p, const answer *a) {
    const gdkd_result *r = &a->result;
    ck_assert_msg(r->kd >= 0 && r->high >= 0, "kd %g, high %g", r->kd, r->high);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++)
        ck_assert_msg(r->low[g] >= 0, "low[%d] %g", g, r->low[g]);
    for (int64_t row = 0; row < p->rows; row++)
        ck_assert_msg(a->row_loss[row] >= 0, "row %d: %g", (int)row, a->row_loss[row]);
}

// The high term's gradient is a difference of the groups' masses, in float32 of sums that are off
// by 1e-7: low terms, which the second pass finds anew, are closer.
static int has_high(const gdkd_config *c) {
    return c->kd_weight != 0 && c->w_high != 0 && c->partition != GDKD_PARTITION_ALL;
}

static void check_values(const char *name, const problem *p, const answer *a, int32_t dtype) {
    const double loss = dtype == GDKD_F64 ? 1e-9 : 1e-6;
    const double grad = has_high(&p->config) ? (dtype == GDKD_F64 ? 1e-6 : 1e-3)
                                             : (dtype == GDKD_F64 ? 1e-9 : 1e-5);
    plain_result truth;
    plain_loss(p, &truth);
    for (int64_t row = 0; row < p->rows; row++) {
        const double lost = 1e-18 * truth.row_logs[row]; // by long double
        ck_assert_msg(fabs(a->row_loss[row] - truth.row_loss[row]) <=
                          loss * fabs(truth.row_size[row]) + lost,
                      "row %d: %.12g, not %.12g", (int)row, a->row_loss[row], truth.row_loss[row]);
    }
    double largest = 0, most = 0;
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        largest = fmax(largest, fabs(truth.grad[i]));
        most = fmax(most, fabs(a->grad[i] - truth.grad[i]));
    }
    ck_assert_msg(most <= grad * largest,
                  "%s, T %g, type %d: the gradient is off by %.3g of its largest element", name,
                  p->config.temperature, dtype, most / largest);
    plain_free(&truth);
}

START_TEST(every_loss) {
    for (int i = 0; i < LOSS_PRESETS * 2 * 2 * 2 * APARTS; i++) {
        const loss_preset *loss = &loss_presets()[i / (8 * APARTS)];
        const int32_t dtype = i / 2 % 2 ? GDKD_F64 : GDKD_F32;
        problem p;
        set_up(&p, &loss->config, temperatures[_i], i / 4 % 2 ? 200 : 30, (apart)(i / 8 % APARTS),
               dtype);
        for (p.config.isa = GDKD_ISA_SCALAR; p.config.isa <= gdkd_isa(); p.config.isa++) {
            answer a;
            const call *how = ways_of(dtype, i);
            call_run(&p, how, &a);
            ck_assert_int_eq(a.status, GDKD_OK);
            check_signs(&p, &a);
            check_values(loss->name, &p, &a, dtype);
            answer_free(&a);
        }
        problem_free(&p);
    }
}
END_TEST

// Of KD remains half the variance of the logits' difference over the classes, and of its gradient
// the difference from its mean over the number of classes; both to the order of the logits over T.
START_TEST(limit_of_kd) {
    enum { C = 150 };
    const double t = temperatures[_i];
    for (int i = 0; i < 3 * 2 * 2 * APARTS; i++) {
        const int32_t dtype = i / 2 % 2 ? GDKD_F64 : GDKD_F32;
        gdkd_config config;
        problem p;
        answer a;
        ck_assert_int_eq(gdkd_config_kd(&config, 2), GDKD_OK);
        config.divergence = i / 4 % 3;
        config.reduction = GDKD_REDUCTION_SUM;
        set_up(&p, &config, t, C, (apart)(i / 12), dtype);
        call_run(&p, ways_of(dtype, i), &a);
        ck_assert_int_eq(a.status, GDKD_OK);
        const double allowed = 40 / t + 1e-5;
        for (int64_t row = 0; row < p.rows; row++) {
            const double *s = p.student + row * C, *teacher = p.teacher + row * C;
            double mean = 0, variance = 0, steepest = 0;
            for (int c = 0; c < C; c++) mean += (s[c] - teacher[c]) / C;
            for (int c = 0; c < C; c++) {
                const double d = s[c] - teacher[c] - mean;
                variance += d * d / C;
                steepest = fmax(steepest, fabs(d) / C);
            }
            ck_assert_msg(fabs(a.row_loss[row] - variance / 2) <= allowed * variance / 2,
                          "T %g: %.9g, not %.9g", t, a.row_loss[row], variance / 2);
            for (int c = 0; c < C; c++) {
                const double want = (s[c] - teacher[c] - mean) / C;
                ck_assert_msg(fabs(a.grad[row * C + c] - want) <= allowed * steepest,
                              "T %g, class %d: %.9g, not %.9g", t, c, a.grad[row * C + c], want);
            }
        }
        answer_free(&a);
        problem_free(&p);
    }
}
END_TEST

START_TEST(the_largest) {
    static const struct {
        double t;
        gdkd_status status;
    } cases[] = {{1e6, GDKD_OK},
                 {0x1.e848000000001p19, GDKD_ERROR_TEMPERATURE},
                 {1e12, GDKD_ERROR_TEMPERATURE}};
    for (int i = 0; i < 3; i++) {
        gdkd_config config;
        problem p;
        answer a;
        ck_assert_int_eq(gdkd_config_kd(&config, 1), GDKD_OK);
        set_up(&p, &config, cases[i].t, 5, DIFFERENT, GDKD_F64);
        call_run(&p, ways_of(GDKD_F64, 0), &a);
        ck_assert_int_eq(a.status, cases[i].status);
        answer_free(&a);
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("high temperatures");
    TCase *tcase = tcase_create("temperatures");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, every_loss, 0, TEMPERATURES);
    tcase_add_loop_test(tcase, limit_of_kd, 0, TEMPERATURES);
    tcase_add_test(tcase, the_largest);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
