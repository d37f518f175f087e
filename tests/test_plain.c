// The oracle's own trial: the plain implementation against the authors' values in all 193 reference
// cases, and its gradients against central differences of its losses.
#include "case_config.h"
#include "cases.h"
#include "plain.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double term_of(const plain_result *r, term_kind kind, int group) {
    switch (kind) {
    case TERM_HIGH:
        return r->high;
    case TERM_LOW:
        return r->low[group];
    case TERM_MASS:
        return r->teacher_mass[group];
    case TERM_INTER:
        return r->inter;
    case TERM_INTRA:
        return r->intra;
    default:
        return NAN;
    }
}

static void check_case(const ref_case *c) {
    char error[256];
    double beta = 0.0;
    double gamma = 0.0;
    double largest = fabs(c->loss);
    double steepest = 0.0;
    problem p;
    plain_result r;
    ck_assert_msg(case_problem(c, &p, &beta, &gamma, error, sizeof error) == 0, "%s", error);
    if (case_is_dist(c)) {
        plain_dist(&p, beta, gamma, &r);
    } else {
        plain_loss(&p, &r);
    }
    for (int i = 0; i < c->term_count; i++) largest = fmax(largest, fabs(c->terms[i].value));
    ck_assert_msg(fabs(r.total - c->loss) <= 1e-10 * largest, "case %ld %s: loss %.17g, not %.17g",
                  c->number, c->name, r.total, c->loss);
    for (int i = 0; i < c->term_count; i++) {
        int group;
        const term_kind kind = case_term(c, c->terms[i].key, &group);
        const double value = term_of(&r, kind, group);
        ck_assert_msg(fabs(value - c->terms[i].value) <= 1e-10 * largest,
                      "case %ld %s: %s %.17g, not %.17g", c->number, c->name, c->terms[i].key,
                      value, c->terms[i].value);
    }
    for (int64_t i = 0; i < p.rows * p.classes; i++) steepest = fmax(steepest, fabs(c->grad[i]));
    for (int64_t i = 0; i < p.rows * p.classes; i++) {
        ck_assert_msg(fabs(r.grad[i] - c->grad[i]) <= 1e-10 * steepest,
                      "case %ld %s: grad[%lld] %.17g, not %.17g", c->number, c->name, (long long)i,
                      r.grad[i], c->grad[i]);
    }
    plain_free(&r);
    problem_free(&p);
}

START_TEST(reference_cases) {
    char error[256];
    ref_cases cases;
    ck_assert_msg(cases_read(TEST_DATA "/reference_cases.txt", &cases, error, sizeof error) == 0,
                  "%s", error);
    ck_assert_int_eq(cases.count, 193);
    for (long i = 0; i < cases.count; i++) check_case(&cases.items[i]);
    cases_free(&cases);
}
END_TEST

// The k that the reference found for itself, in the cases of adaptive k.
START_TEST(adaptive_k) {
    char error[256];
    ref_cases cases;
    long seen = 0;
    ck_assert_int_eq(cases_read(TEST_DATA "/reference_cases.txt", &cases, error, sizeof error), 0);
    for (long i = 0; i < cases.count; i++) {
        const ref_case *c = &cases.items[i];
        problem p;
        double unused;
        if (strcmp(c->name, "gdkd_autok") != 0) continue;
        ck_assert_int_eq(case_problem(c, &p, &unused, &unused, error, sizeof error), 0);
        int64_t *index = checked_calloc((size_t)c->classes, sizeof *index);
        uint8_t *group = checked_calloc((size_t)c->classes, 1);
        for (int64_t j = 0; j < c->classes; j++) index[j] = j;
        for (int64_t row = 0; row < c->rows; row++) {
            int64_t k = 0;
            plain_partition(&p, row, -1, index, c->classes, group);
            for (int64_t j = 0; j < c->classes; j++) k += group[j] == 0;
            ck_assert_msg(k == c->row_k[row], "case %ld row %lld: k %lld, the reference has %lld",
                          c->number, (long long)row, (long long)k, (long long)c->row_k[row]);
            seen++;
        }
        free(index);
        free(group);
        problem_free(&p);
    }
    ck_assert_int_gt(seen, 50);
    cases_free(&cases);
}
END_TEST

// --- Central differences ------------------------------------------------------------------------

static double beta_of_dist = 0.0; // > 0: the loss under test is DIST

static double total_of(const problem *p) {
    plain_result r;
    if (beta_of_dist > 0.0) {
        plain_dist(p, beta_of_dist, 0.7, &r);
    } else {
        plain_loss(p, &r);
    }
    const double total = r.total;
    plain_free(&r);
    return total;
}

static void check_gradient(problem *p, const char *what) {
    const double h = 1e-3;
    double steepest = 0.0;
    plain_result r;
    if (beta_of_dist > 0.0) {
        plain_dist(p, beta_of_dist, 0.7, &r);
    } else {
        plain_loss(p, &r);
    }
    for (int64_t i = 0; i < p->rows * p->classes; i++) steepest = fmax(steepest, fabs(r.grad[i]));
    ck_assert_msg(steepest > 1e-4, "%s: the gradient is nothing but zeros", what);
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        // Five points: the error is h^4 times the fifth derivative.
        static const double steps[4] = {1.0, -1.0, 2.0, -2.0};
        static const double factors[4] = {8.0, -8.0, -1.0, 1.0};
        const double at = p->student[i];
        double slope = 0.0;
        for (int k = 0; k < 4; k++) {
            p->student[i] = at + steps[k] * h;
            slope += factors[k] * total_of(p) / (12.0 * h);
        }
        p->student[i] = at;
        ck_assert_msg(fabs(slope - r.grad[i]) <= 1e-8 * steepest + 1e-10,
                      "%s: grad[%lld] is %.12g, the differences say %.12g", what, (long long)i,
                      r.grad[i], slope);
    }
    plain_free(&r);
}

// A problem in which every field matters.
static void rich_problem(problem *p, rng *r, int32_t partition, int32_t divergence,
                         int32_t standardize) {
    const int64_t rows = 4;
    const int64_t classes = 9;
    problem_init(p, rows, classes);
    for (int64_t row = 0; row < rows; row++) {
        rng_logits(r, LOGITS_UNIT, p->student + row * classes, classes);
        rng_logits(r, LOGITS_UNIT, p->teacher + row * classes, classes);
    }
    gdkd_config *f = &p->config;
    f->partition = partition;
    f->divergence = divergence;
    f->standardize = standardize;
    f->k = 3;
    f->temperature = 1.7;
    f->teacher_temperature = rng_below(r, 2) ? 2.3 : 0.0;
    f->temperature_squared = (int32_t)rng_below(r, 2);
    f->mass_scaled_groups = (uint32_t)rng_below(r, 8);
    f->low_weight_groups = (uint32_t)rng_below(r, 8);
    f->low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
    f->w_high = 0.8;
    f->w_low[0] = 1.3;
    f->w_low[1] = 0.6;
    f->w_low[2] = 2.1;
    f->kd_weight = 0.9;
    f->ce_weight = 0.4;
    f->label_smoothing = 0.1;
    p->target = checked_calloc((size_t)rows, sizeof *p->target);
    p->row_weight = checked_calloc((size_t)rows, sizeof *p->row_weight);
    p->groups = checked_calloc((size_t)classes, 1);
    p->low_weight = checked_calloc((size_t)classes, sizeof *p->low_weight);
    for (int64_t row = 0; row < rows; row++) {
        p->target[row] = rng_below(r, classes);
        p->row_weight[row] = rng_between(r, 0.5, 2.0);
    }
    p->target[1] = f->ignore_index;
    for (int64_t c = 0; c < classes; c++) {
        p->groups[c] = (uint8_t)(c % 3);
        p->low_weight[c] = rng_between(r, 0.5, 2.0);
    }
}

START_TEST(central_differences) {
    rng r = {20};
    for (int32_t partition = 0; partition <= GDKD_PARTITION_MAP; partition++) {
        for (int32_t divergence = 0; divergence <= GDKD_DIVERGENCE_TOTAL_VARIATION; divergence++) {
            for (int32_t standardize = 0; standardize <= GDKD_STANDARDIZE_OTHER; standardize++) {
                char what[96];
                problem p;
                snprintf(what, sizeof what, "partition %d divergence %d standardize %d", partition,
                         divergence, standardize);
                rich_problem(&p, &r, partition, divergence, standardize);
                check_gradient(&p, what);
                problem_free(&p);
            }
        }
    }
}
END_TEST

START_TEST(central_differences_of_dist) {
    rng r = {21};
    problem p;
    rich_problem(&p, &r, 0, 0, 0);
    free(p.row_weight);
    p.row_weight = NULL;
    beta_of_dist = 1.9;
    check_gradient(&p, "dist");
    beta_of_dist = 0.0;
    problem_free(&p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plain implementation");
    TCase *tcase = tcase_create("plain");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, reference_cases);
    tcase_add_test(tcase, adaptive_k);
    tcase_add_test(tcase, central_differences);
    tcase_add_test(tcase, central_differences_of_dist);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
