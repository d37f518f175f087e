// The table of special values of gdkd.h: each of its lines, for every loss, every instruction set,
// every element type and three layouts, against the plain implementation.
#include "compare.h"
#include "number.h"
#include "plain.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 34, SPECIAL = 5 }; // the row that is made special, among ordinary ones

static double *student_row(problem *p) {
    return p->student + SPECIAL * p->classes;
}
static double *teacher_row(problem *p) {
    return p->teacher + SPECIAL * p->classes;
}

// A class of the special row that is not its target and, where there are enough, not in the same
// group as any other special one.
static int64_t some_class(const problem *p, int64_t which) {
    return (SPECIAL + 1 + which) % p->classes;
}

// --- Lines of the table -------------------------------------------------------------------------

static void ordinary(problem *p) {
    (void)p;
}

static void k_is_classes(problem *p) {
    p->config.k = p->classes;
}
static void k_beyond_classes(problem *p) {
    p->config.k = p->classes + 1000000;
}
static void k_of_one(problem *p) {
    p->config.k = 1;
}

static void all_ignored(problem *p) {
    if (!p->target) p->target = checked_calloc((size_t)p->rows, sizeof *p->target);
    for (int64_t r = 0; r < p->rows; r++) p->target[r] = p->config.ignore_index;
}

static void not_read(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) {
        student_row(p)[c] = NAN;
        teacher_row(p)[c] = INFINITY;
    }
}

static void ignored_row(problem *p) {
    if (!p->target) p->target = checked_calloc((size_t)p->rows, sizeof *p->target);
    p->target[SPECIAL] = p->config.ignore_index;
    not_read(p);
}

static void weightless_row(problem *p) {
    p->row_weight = checked_calloc((size_t)p->rows, sizeof *p->row_weight);
    for (int64_t r = 0; r < p->rows; r++) p->row_weight[r] = 1.0 + 0.5 * (double)(r % 3);
    p->row_weight[SPECIAL] = 0.0;
    not_read(p);
}

static void equal_teacher(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) teacher_row(p)[c] = 1.5;
}

static void ties(problem *p) {
    for (int64_t i = 0; i < p->rows * p->classes; i++) p->teacher[i] = floor(p->teacher[i]);
}

// -0 and +0 are the same number: the lower index comes first.
static void zeros_of_both_signs(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) teacher_row(p)[c] = c % 2 ? 0.0 : -0.0;
}

static void large_logits(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) {
        student_row(p)[c] = 1e4 * (c % 3 ? 1.0 : -1.0) + (double)c;
        teacher_row(p)[c] = 1e4 * (c % 2 ? 1.0 : -1.0) + (double)c;
    }
}

static void largest_logits(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) {
        student_row(p)[c] = c % 3 ? 60000.0 : -60000.0;
        teacher_row(p)[c] = c % 2 ? 60000.0 : -60000.0;
    }
}

static void small_temperature(problem *p) {
    p->config.temperature = 0.01;
}
static void large_temperature(problem *p) {
    p->config.temperature = 1e4;
}

static void student_is_teacher(problem *p) {
    memcpy(p->student, p->teacher, (size_t)(p->rows * p->classes) * sizeof(double));
}

static void peak_of_60(problem *p) {
    p->config.temperature = 0.5;
    student_row(p)[some_class(p, 0)] = 60.0;
    teacher_row(p)[some_class(p, 1)] = 60.0;
}

static void teacher_masks_one(problem *p) {
    teacher_row(p)[some_class(p, 0)] = -INFINITY;
}

static void teacher_masks_half(problem *p) {
    for (int64_t c = 1; c < p->classes; c += 2) teacher_row(p)[c] = -INFINITY;
}

static void both_mask_one(problem *p) {
    student_row(p)[some_class(p, 0)] = -INFINITY;
    teacher_row(p)[some_class(p, 0)] = -INFINITY;
}

static void both_mask_all_but_two(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) {
        if (c == SPECIAL % p->classes || c == some_class(p, 1)) continue;
        student_row(p)[c] = teacher_row(p)[c] = -INFINITY;
    }
}

static void both_mask_all(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) student_row(p)[c] = teacher_row(p)[c] = -INFINITY;
}

// More classes than k are gone from the teacher, some of them from the student as well: those are
// in no group.
static void both_mask_some_of_the_teachers(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) {
        if (c % 4 == 1) continue;
        teacher_row(p)[c] = -INFINITY;
        if (c % 4 < 2) student_row(p)[c] = -INFINITY;
    }
}

static void student_masks_one(problem *p) {
    student_row(p)[some_class(p, 0)] = -INFINITY;
}

static void teacher_masks_all(problem *p) {
    for (int64_t c = 0; c < p->classes; c++) teacher_row(p)[c] = -INFINITY;
}

static void student_nan(problem *p) {
    student_row(p)[some_class(p, 2)] = NAN;
}
static void teacher_nan(problem *p) {
    teacher_row(p)[some_class(p, 2)] = NAN;
}
static void student_plus_infinity(problem *p) {
    student_row(p)[some_class(p, 2)] = INFINITY;
}
static void teacher_plus_infinity(problem *p) {
    teacher_row(p)[some_class(p, 2)] = INFINITY;
}

static void nan_beside_mask(problem *p) {
    teacher_masks_one(p);
    student_nan(p);
}

typedef struct line {
    const char *name;
    void (*make)(problem *p);
} line;

static const line lines[] = {
    {"ordinary", ordinary},
    {"k = C", k_is_classes},
    {"k > C", k_beyond_classes},
    {"k = 1", k_of_one},
    {"all rows ignored", all_ignored},
    {"an ignored row", ignored_row},
    {"a row of weight 0", weightless_row},
    {"equal teacher logits", equal_teacher},
    {"ties", ties},
    {"zeros of both signs", zeros_of_both_signs},
    {"logits of 1e4", large_logits},
    {"logits of 6e4", largest_logits},
    {"T = 0.01", small_temperature},
    {"T = 1e4", large_temperature},
    {"student = teacher", student_is_teacher},
    {"a peak of 60 at T = 0.5", peak_of_60},
    {"-inf in the teacher", teacher_masks_one},
    {"-inf in half of the teacher", teacher_masks_half},
    {"-inf in both", both_mask_one},
    {"-inf in both, two classes left", both_mask_all_but_two},
    {"-inf in both, no class left", both_mask_all},
    {"-inf in both, and more in the teacher", both_mask_some_of_the_teachers},
    {"-inf in the student", student_masks_one},
    {"-inf in the whole teacher", teacher_masks_all},
    {"NaN in the student", student_nan},
    {"NaN in the teacher", teacher_nan},
    {"+inf in the student", student_plus_infinity},
    {"+inf in the teacher", teacher_plus_infinity},
    {"NaN beside -inf", nan_beside_mask},
};
enum { LINES = sizeof lines / sizeof lines[0] };

// --- Every line, loss, type, layout -------------------------------------------------------------

typedef struct layout {
    int64_t inner, pad;
} layout;
static const layout layouts[] = {{1, 0}, {1, 3}, {17, 0}, {17, 5}};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static int failures;
static char first_failure[900];

static void note(const line *l, const loss_preset *loss, const problem *p, const call *how,
                 const verdict *v) {
    if (failures++ > 0) return;
    char text[400];
    describe_call(p, how, text, sizeof text);
    snprintf(first_failure, sizeof first_failure, "%s, %s: %s\n    %s", l->name, loss->name,
             v->message, text);
}

static void lay_out(call *how, int32_t dtype, const layout *lay) {
    memset(how, 0, sizeof *how);
    how->student_dtype = how->teacher_dtype = dtype;
    how->inner = lay->inner;
    how->student_pad = lay->pad;
    how->teacher_pad = 2 * lay->pad;
    how->grad_pad = 3 * lay->pad;
}

static void try_line(const line *l, const loss_preset *loss, int32_t dtype, int64_t classes) {
    rng r = {(uint64_t)(31 * classes + dtype)};
    problem p;
    call ways[LAYOUTS];
    verdict v;
    for (int i = 0; i < LAYOUTS; i++) lay_out(&ways[i], dtype, &layouts[i]);
    problem_init(&p, ROWS, classes);
    for (int64_t row = 0; row < ROWS; row++) {
        rng_logits(&r, LOGITS_UNIT, p.student + row * classes, classes);
        rng_logits(&r, LOGITS_MULTIMODAL, p.teacher + row * classes, classes);
    }
    p.config = loss->config;
    p.config.num_threads = 2;
    preset_inputs(&p);
    l->make(&p);
    const call *failed = compare_every_way(&p, ways, LAYOUTS, &v);
    if (failed) note(l, loss, &p, failed, &v);
    problem_free(&p);
}

START_TEST(table_of_special_values) {
    static const int64_t class_counts[] = {2, 9, 37};
    const line *l = &lines[_i];
    failures = 0;
    for (int i = 0; i < LOSS_PRESETS; i++) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
            for (int c = 0; c < 3; c++) try_line(l, &loss_presets()[i], dtype, class_counts[c]);
        }
    }
    ck_assert_msg(failures == 0, "%d calls fail; first: %s", failures, first_failure);
}
END_TEST

// One class, every loss: no teacher can say anything.
START_TEST(one_class) {
    for (int i = 0; i < LOSS_PRESETS; i++) {
        problem p;
        call how;
        answer got;
        memset(&how, 0, sizeof how);
        how.inner = 2;
        problem_init(&p, 4, 1);
        p.config = loss_presets()[i].config;
        preset_inputs(&p);
        for (int row = 0; row < 4; row++) p.student[row] = 3.0 * row, p.teacher[row] = 5.0 - row;
        call_run(&p, &how, &got);
        ck_assert_int_eq(got.status, GDKD_OK);
        ck_assert_msg(got.result.total == 0.0 && got.result.kd == 0.0, "%s",
                      loss_presets()[i].name);
        for (int row = 0; row < 4; row++) ck_assert_double_eq(got.grad[row], 0.0);
        answer_free(&got);
        problem_free(&p);
    }
}
END_TEST

// Binary classes, DKD, confident logits: {rest} is one class, so its term is 0 and not 0/0.
START_TEST(two_classes_dkd) {
    for (int i = 0; i < 9; i++) {
        const double logit = pow(3.0, i);
        const float student[2] = {(float)logit, (float)-logit};
        const float teacher[2] = {(float)-logit, (float)logit};
        const int64_t target = 0;
        float grad[2];
        double loss;
        gdkd_config c;
        gdkd_config_dkd(&c, 1.0, 1.0, 8.0);
        ck_assert_int_eq(gdkd_loss_f32(&c, student, teacher, &target, 1, 2, grad, &loss), GDKD_OK);
        // KL of two Bernoulli distributions with log odds 2 logit and -2 logit.
        const double x = 2.0 * (double)(float)logit;
        const double expected = x * (1.0 - 2.0 / (1.0 + exp(x)));
        ck_assert_msg(fabs(loss - expected) <= 2e-6 * expected, "%g: %g, not %g", logit, loss,
                      expected);
        ck_assert(isfinite(grad[0]) && isfinite(grad[1]));
    }
}
END_TEST

// A masked class is out of the row: the rest is what a row without it gives.
START_TEST(masked_in_both_is_absent) {
    rng r = {77};
    for (int i = 0; i < LOSS_PRESETS; i++) {
        const gdkd_config config = loss_presets()[i].config;
        if (config.ce_weight != 0.0 || config.partition == GDKD_PARTITION_MAP) continue;
        const int64_t n = 11;
        problem with;
        problem without;
        plain_result truth;
        call how;
        verdict v;
        memset(&how, 0, sizeof how);
        how.student_dtype = how.teacher_dtype = GDKD_F64;
        how.loss_only = 1;
        problem_init(&with, 1, n + 2);
        problem_init(&without, 1, n);
        with.config = without.config = config;
        preset_inputs(&with);
        preset_inputs(&without);
        rng_logits(&r, LOGITS_UNIT, without.student, n);
        rng_logits(&r, LOGITS_UNIT, without.teacher, n);
        for (int64_t c = 0; c < n + 2; c++) {
            // Classes 4 and 9 are masked; the others keep their order.
            const int64_t from = c - (c > 4) - (c > 9);
            const int masked = c == 4 || c == 9;
            with.student[c] = masked ? -INFINITY : without.student[from];
            with.teacher[c] = masked ? -INFINITY : without.teacher[from];
        }
        plain_loss(&without, &truth);
        answer got;
        call_run(&with, &how, &got);
        compare(&without, &how, &truth, &got, &v);
        ck_assert_msg(!v.wrong, "%s: %s", loss_presets()[i].name, v.message);
        answer_free(&got);
        plain_free(&truth);
        problem_free(&with);
        problem_free(&without);
    }
}
END_TEST

// DIST ties all rows together: one bad row spoils the total and the whole gradient.
START_TEST(dist_with_a_bad_row) {
    rng r = {78};
    for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
        problem p;
        call how;
        answer got;
        memset(&how, 0, sizeof how);
        how.dist = 1;
        how.beta = how.gamma = 1.0;
        how.student_dtype = how.teacher_dtype = dtype;
        problem_init(&p, 6, 9);
        rng_logits(&r, LOGITS_UNIT, p.student, 54);
        rng_logits(&r, LOGITS_UNIT, p.teacher, 54);
        p.student[20] = NAN;
        call_run(&p, &how, &got);
        ck_assert_int_eq(got.status, GDKD_OK);
        ck_assert(isnan(got.result.total));
        for (int i = 0; i < 54; i++) ck_assert(isnan(got.grad[i]));
        answer_free(&got);
        // Left out, it does no harm.
        p.target = checked_calloc(6, sizeof *p.target);
        p.target[2] = p.config.ignore_index;
        verdict v;
        ck_assert_msg(compare_call(&p, &how, &v) == 0, "%s", v.message);
        for (int row = 0; row < 6; row++) p.target[row] = p.config.ignore_index;
        call_run(&p, &how, &got);
        ck_assert_int_eq(got.status, GDKD_OK);
        ck_assert_double_eq(got.result.total, 0.0);
        ck_assert_int_eq(got.result.rows_used, 0);
        for (int i = 0; i < 54; i++) ck_assert_double_eq(got.grad[i], 0.0);
        answer_free(&got);
        problem_free(&p);
    }
}
END_TEST

// Two equal largest logits share the mass at any temperature; a common offset changes nothing.
START_TEST(dist_far_from_0_and_cold) {
    static const double temperatures[] = {1e-30, 1e-16, 1e-12, 0.01, 3.0, 1e4};
    static const double offsets[] = {0.0, -0x1p50, 0x1p50};
    static const double student[] = {4, 4, 1, 0, 2, 1}, teacher[] = {4, 4, 0, 1, 3, 1};
    for (int i = 0; i < 18; i++) {
        problem p;
        call how;
        verdict v;
        memset(&how, 0, sizeof how);
        how.dist = 1;
        how.beta = how.gamma = 1.0;
        how.student_dtype = how.teacher_dtype = GDKD_F64;
        problem_init(&p, 2, 3);
        p.config.temperature = temperatures[i % 6];
        p.config.temperature_squared = 0;
        for (int k = 0; k < 6; k++) p.student[k] = student[k] + offsets[i / 6];
        for (int k = 0; k < 6; k++) p.teacher[k] = teacher[k] + offsets[i / 6];
        ck_assert_msg(compare_call(&p, &how, &v) == 0, "T %g, offset %g: %s", p.config.temperature,
                      offsets[i / 6], v.message);
        problem_free(&p);
    }
}
END_TEST

// A result that gdkd_loss has filled says nothing about DIST.
START_TEST(dist_clears_what_it_has_not) {
    const double student[] = {1, 2, 3, 0, 2, 1}, teacher[] = {3, 1, 0, 1, 3, 1};
    gdkd_config c;
    gdkd_dist_config d;
    gdkd_batch b;
    gdkd_result r;
    gdkd_config_gdkd(&c, 2.0, 1, 1.0, 1.0, 1.0);
    gdkd_dist_config_init(&d);
    gdkd_batch_init(&b);
    gdkd_result_init(&r);
    b.student_dtype = b.teacher_dtype = GDKD_F64;
    b.outer = 2, b.classes = 3, b.inner = 1;
    b.student = student, b.teacher = teacher;
    r.want_norms = 1;
    ck_assert_int_eq(gdkd_loss(&c, &b, &r, NULL, 0), GDKD_OK);
    ck_assert(r.high > 0.0 && r.low[1] > 0.0 && r.student_mass[1] > 0.0 &&
              r.grad_norm_low[1] > 0.0);
    ck_assert_int_eq(gdkd_dist(&d, &b, &r, NULL, 0), GDKD_OK);
    ck_assert(r.dist_inter > 0.0 && r.dist_intra > 0.0);
    ck_assert_double_eq(r.high + r.ce + r.grad_norm_ce + r.grad_norm_high, 0.0);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++)
        ck_assert_double_eq(r.low[g] + r.student_mass[g] + r.teacher_mass[g] + r.grad_norm_low[g],
                            0.0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("special values");
    TCase *tcase = tcase_create("edges");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, table_of_special_values, 0, LINES);
    tcase_add_test(tcase, one_class);
    tcase_add_test(tcase, two_classes_dkd);
    tcase_add_test(tcase, masked_in_both_is_absent);
    tcase_add_test(tcase, dist_with_a_bad_row);
    tcase_add_test(tcase, dist_far_from_0_and_cold);
    tcase_add_test(tcase, dist_clears_what_it_has_not);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
