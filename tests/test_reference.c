// The library against the reference's 193 cases, on every instruction set of this machine and in
// every element type; and the presets against configurations written out by hand.
#include "case_check.h"
#include "case_config.h"
#include "cases.h"
#include "compare.h"
#include "number.h"
#include "plain.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ref_cases cases;

static void load(void) {
    char error[256];
    const int status = cases_read(TEST_DATA "/reference_cases.txt", &cases, error, sizeof error);
    ck_assert_msg(status == 0, "%s", error);
    ck_assert_int_eq(cases.count, 193);
}

static void unload(void) {
    cases_free(&cases);
}

static void open_case(const ref_case *c, problem *p, call *how, int32_t dtype, int32_t isa) {
    char error[256];
    memset(how, 0, sizeof *how);
    ck_assert_msg(case_problem(c, p, &how->beta, &how->gamma, error, sizeof error) == 0, "%s",
                  error);
    how->student_dtype = dtype;
    how->teacher_dtype = dtype;
    how->dist = case_is_dist(c);
    p->config.isa = isa;
}

static void check_against_file(const ref_case *c, const answer *got, const char *isa) {
    const case_errors e = case_check(c, got);
    ck_assert_msg(e.loss <= CASE_TOLERANCE && e.terms <= CASE_TOLERANCE && e.grad <= CASE_TOLERANCE,
                  "case %ld %s on %s: errors of loss %.3g, terms %.3g, gradient %.3g", c->number,
                  c->name, isa, e.loss, e.terms, e.grad);
}

START_TEST(float64_against_the_file) {
    const int32_t isa = _i;
    if (isa > gdkd_isa()) return;
    for (long i = 0; i < cases.count; i++) {
        problem p;
        call how;
        answer got;
        open_case(&cases.items[i], &p, &how, GDKD_F64, isa);
        call_run(&p, &how, &got);
        ck_assert_msg(got.status == GDKD_OK, "case %ld: %s", i + 1, gdkd_status_string(got.status));
        ck_assert_int_eq(got.trespassed, 0);
        check_against_file(&cases.items[i], &got, gdkd_isa_name(isa));
        answer_free(&got);
        problem_free(&p);
    }
}
END_TEST

// The other types against the plain value at the inputs rounded to the type.
START_TEST(narrow_types) {
    static const int32_t types[] = {GDKD_F32, GDKD_BF16, GDKD_F16};
    const int32_t isa = 1 + _i / 3;
    const int32_t dtype = types[_i % 3];
    long failures = 0;
    char first[512] = "";
    if (isa > gdkd_isa()) return;
    for (long i = 0; i < cases.count; i++) {
        problem p;
        call how;
        verdict v;
        open_case(&cases.items[i], &p, &how, dtype, isa);
        if (compare_call(&p, &how, &v) && failures++ == 0) {
            snprintf(first, sizeof first, "case %ld %s on %s in %s: %s", i + 1, cases.items[i].name,
                     gdkd_isa_name(isa), number_name(dtype), v.message);
        }
        problem_free(&p);
    }
    ck_assert_msg(failures == 0, "%ld cases fail; first: %s", failures, first);
}
END_TEST

// --- Presets ------------------------------------------------------------------------------------

static double real_of(const ref_case *c, const char *key) {
    double value = NAN;
    const char *text = case_param(c, key);
    ck_assert_msg(text && parse_real(text, &value) == 0, "case %ld: param %s", c->number, key);
    return value;
}

static int64_t int_of(const ref_case *c, const char *key) {
    int64_t value = 0;
    const char *text = case_param(c, key);
    ck_assert_msg(text && parse_int(text, &value) == 0, "case %ld: param %s", c->number, key);
    return value;
}

static int word(const ref_case *c, const char *key, const char *value) {
    const char *text = case_param(c, key);
    return text && strcmp(text, value) == 0;
}

// The case's configuration by the header's preset; 0 where none is meant for it.
static int preset(const ref_case *c, const gdkd_config *by_hand, gdkd_config *f) {
    const double T = by_hand->temperature;
    const double *w = by_hand->w_low;
    const double w0 = by_hand->w_high;
    const char *n = c->name;
    gdkd_status status = GDKD_ERROR_NULL;
    if (strcmp(n, "kd") == 0) status = gdkd_config_kd(f, T);
    if (strcmp(n, "ce") == 0) status = gdkd_config_ce(f, real_of(c, "label_smoothing"));
    if (strcmp(n, "dkd") == 0 || word(c, "strategy", "target")) {
        status = gdkd_config_dkd(f, T, real_of(c, "alpha"), real_of(c, "beta"));
    }
    if (word(c, "strategy", "top1")) {
        status = gdkd_config_dkd_top1(f, T, real_of(c, "alpha"), real_of(c, "beta"));
    }
    if (strcmp(n, "gdkd") == 0 && word(c, "strategy", "best")) {
        status = gdkd_config_gdkd(f, T, int_of(c, "k"), w0, w[0], w[1]);
    }
    if (strcmp(n, "gdkd") == 0 && word(c, "strategy", "worst")) {
        status = gdkd_config_gdkd_bottom(f, T, int_of(c, "k"), w0, w[0], w[1]);
    }
    if (strcmp(n, "gdkd3") == 0) {
        status = gdkd_config_gdkd3(f, T, int_of(c, "k"), w0, w[1], w[2]);
    }
    if (strcmp(n, "gdkd_autok") == 0) {
        status = gdkd_config_gdkd_autok(f, T, real_of(c, "ratio"), int_of(c, "topk_max"), w0, w[0],
                                        w[1]);
    }
    if (strcmp(n, "gdkd_autow") == 0) {
        const int32_t version = case_param(c, "mode")[1] - '0';
        status = gdkd_config_gdkd_autow(f, T, int_of(c, "k"), version, w[0], w[1]);
    }
    if (strcmp(n, "lskd") == 0) status = gdkd_config_lskd(f, T);
    if (strcmp(n, "ls_gdkd") == 0) {
        status = gdkd_config_ls_gdkd(f, T, int_of(c, "k"), by_hand->standardize, w0, w[0], w[1]);
    }
    if (strcmp(n, "skd") == 0) status = gdkd_config_skd(f, T);
    if (strcmp(n, "sgdkd") == 0) status = gdkd_config_sgdkd(f, T, w0, w[1]);
    if (strcmp(n, "adkd") == 0) {
        status = gdkd_config_adkd(f, T, real_of(c, "alpha"), real_of(c, "gamma"));
    }
    if (status == GDKD_ERROR_NULL) return 0;
    ck_assert_int_eq(status, GDKD_OK);
    f->divergence = by_hand->divergence; // no preset sets it
    return 1;
}

START_TEST(presets_give_the_same_loss) {
    long seen = 0;
    for (long i = 0; i < cases.count; i++) {
        problem p;
        call how;
        answer got;
        gdkd_config made;
        memset(&made, 0xaa, sizeof made);
        open_case(&cases.items[i], &p, &how, GDKD_F64, GDKD_ISA_BEST);
        if (preset(&cases.items[i], &p.config, &made)) {
            p.config = made;
            call_run(&p, &how, &got);
            ck_assert_int_eq(got.status, GDKD_OK);
            check_against_file(&cases.items[i], &got, "preset");
            answer_free(&got);
            seen++;
        }
        problem_free(&p);
    }
    ck_assert_int_eq(seen, 193 - 4 - 15); // all but dist and the k of each row
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reference cases");
    TCase *tcase = tcase_create("reference");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, load, unload);
    tcase_add_loop_test(tcase, float64_against_the_file, GDKD_ISA_SCALAR, GDKD_ISA_AVX512 + 1);
    tcase_add_loop_test(tcase, narrow_types, 0, 9);
    tcase_add_test(tcase, presets_give_the_same_loss);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
