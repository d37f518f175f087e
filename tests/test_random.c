// The library against the plain implementation on random problems: every partition, divergence,
// standardisation, layout, element type and instruction set that a seed can reach. A failure
// prints the seed and the call.
#include "compare.h"
#include "number.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// GDKD_TEST_LONG=1 (make check-long) multiplies the number of problems by ten.
static int64_t effort(int64_t count) {
    return getenv("GDKD_TEST_LONG") ? 10 * count : count;
}

static double pick(rng *r, const double *from, int64_t n) {
    return from[rng_below(r, n)];
}

// Ties, subnormal numbers, masked classes, what is no number.
static void make_odd(rng *r, double *s, double *t, int64_t classes) {
    const int64_t way = rng_below(r, 8);
    const int64_t some = 1 + rng_below(r, 4);
    for (int64_t c = 0; c < classes; c++) {
        const int hit = rng_below(r, some) == 0;
        if (way == 0) t[c] = floor(t[c]);
        if (way == 1) s[c] *= 1e-42, t[c] *= 1e-42;
        if ((way == 2 || way == 3 || way == 4) && hit) t[c] = -INFINITY;
        if ((way == 3 || way == 5) && hit) s[c] = -INFINITY;
    }
    if (way == 6) (rng_below(r, 2) ? s : t)[rng_below(r, classes)] = NAN;
    if (way == 7) (rng_below(r, 2) ? s : t)[rng_below(r, classes)] = INFINITY;
}

static void random_logits(rng *r, problem *p) {
    for (int64_t row = 0; row < p->rows; row++) {
        double *s = p->student + row * p->classes;
        double *t = p->teacher + row * p->classes;
        rng_logits(r, (logit_kind)rng_below(r, LOGIT_KINDS), s, p->classes);
        rng_logits(r, (logit_kind)rng_below(r, LOGIT_KINDS), t, p->classes);
        if (rng_below(r, 5) == 0) {
            for (int64_t c = 0; c < p->classes; c++) s[c] = t[c] + 1e-3 * rng_normal(r);
        }
        if (rng_below(r, 8) == 0) make_odd(r, s, t, p->classes);
    }
}

static void random_tables(rng *r, problem *p) {
    const gdkd_config *f = &p->config;
    if (f->k_rule == GDKD_K_PER_ROW || f->k_rule == GDKD_K_PER_CLASS) {
        const int64_t n = f->k_rule == GDKD_K_PER_ROW ? p->rows : p->classes;
        p->k_table = checked_calloc((size_t)n, sizeof *p->k_table);
        for (int64_t i = 0; i < n; i++) p->k_table[i] = 1 + rng_below(r, p->classes + 2);
    }
    if (f->partition == GDKD_PARTITION_MAP) {
        const int64_t groups = 1 + rng_below(r, GDKD_MAX_GROUPS);
        p->groups_per_row = (int32_t)rng_below(r, 2);
        const int64_t n = p->groups_per_row ? p->rows * p->classes : p->classes;
        p->groups = checked_calloc((size_t)n, 1);
        for (int64_t i = 0; i < n; i++) p->groups[i] = (uint8_t)rng_below(r, groups);
    }
    if (f->low_weight_index != GDKD_LOW_WEIGHT_NONE) {
        const int64_t n = f->low_weight_index == GDKD_LOW_WEIGHT_PER_ROW ? p->rows : p->classes;
        p->low_weight = checked_calloc((size_t)n, sizeof *p->low_weight);
        for (int64_t i = 0; i < n; i++) p->low_weight[i] = rng_between(r, 0.1, 3.0);
    }
    if (rng_below(r, 3) == 0) {
        p->row_weight = checked_calloc((size_t)p->rows, sizeof *p->row_weight);
        for (int64_t i = 0; i < p->rows; i++) {
            p->row_weight[i] = rng_below(r, 4) ? rng_between(r, 0.1, 2.0) : 0.0;
        }
    }
}

static void random_target(rng *r, problem *p) {
    const gdkd_config *f = &p->config;
    const int needed = f->partition == GDKD_PARTITION_TARGET || f->ce_weight != 0.0 ||
                       f->k_rule == GDKD_K_PER_CLASS ||
                       f->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS;
    if (!needed && rng_below(r, 2)) return;
    if (needed && rng_below(r, 4) == 0) {
        p->config.target_from_teacher = 1;
        return;
    }
    p->target = checked_calloc((size_t)p->rows, sizeof *p->target);
    p->config.ignore_index = rng_below(r, 2) ? -100 : 0;
    for (int64_t row = 0; row < p->rows; row++) {
        p->target[row] = rng_below(r, 6) ? rng_below(r, p->classes) : p->config.ignore_index;
    }
}

static void random_config(rng *r, problem *p) {
    static const double temperatures[] = {0.001, 0.05, 0.3, 1.0, 2.0, 4.0, 20.0, 1000.0};
    static const double weights[] = {0.0, 0.5, 1.0, -1.5, 2.0, 8.0};
    gdkd_config *f = &p->config;
    f->partition = (int32_t)rng_below(r, 6);
    const int ranked = f->partition == GDKD_PARTITION_TOP ||
                       f->partition == GDKD_PARTITION_BOTTOM ||
                       f->partition == GDKD_PARTITION_TOP1_TOPK;
    if (ranked) f->k_rule = (int32_t)rng_below(r, 5);
    f->k = 1 + rng_below(r, rng_below(r, 2) ? 6 : p->classes + 1);
    f->k_max = 1 + rng_below(r, p->classes + 1);
    f->k_ratio = rng_between(r, 0.9, 4.0);
    f->k_mass = rng_between(r, 0.05, 0.999);
    f->divergence = (int32_t)rng_below(r, 4);
    if (rng_below(r, 3) == 0) f->standardize = (int32_t)rng_below(r, 4);
    f->reduction = (int32_t)rng_below(r, 3);
    f->temperature = pick(r, temperatures, 8);
    f->teacher_temperature = rng_below(r, 4) ? 0.0 : pick(r, temperatures, 8);
    f->temperature_squared = rng_below(r, 4) > 0;
    f->mass_scaled_groups = rng_below(r, 3) ? 0u : (uint32_t)rng_below(r, 256);
    f->low_weight_groups = rng_below(r, 3) ? 0u : (uint32_t)rng_below(r, 256);
    if (f->low_weight_groups) f->low_weight_index = (int32_t)(1 + rng_below(r, 2));
    f->w_high = pick(r, weights, 6);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) f->w_low[g] = pick(r, weights, 6);
    f->kd_weight = pick(r, weights, 6);
    f->ce_weight = rng_below(r, 2) ? 0.0 : pick(r, weights, 6);
    if (rng_below(r, 2)) f->label_smoothing = rng_uniform(r);
    if (rng_below(r, 4) == 0) f->divisor = rng_between(r, 0.5, 50.0);
    f->num_threads = (int32_t)(1 + rng_below(r, 4));
}

static void random_layout(rng *r, const problem *p, int64_t inner, call *how) {
    how->inner = inner;
    if (rng_below(r, 2)) how->student_pad = 1 + rng_below(r, 20);
    if (rng_below(r, 2)) how->teacher_pad = 1 + rng_below(r, 20);
    if (rng_below(r, 2)) how->groups_pad = 1 + rng_below(r, 20);
    how->target_dtype = (int32_t)rng_below(r, 2);
    how->own_workspace = (int32_t)rng_below(r, 2);
    how->want_norms = (int32_t)rng_below(r, 2);
    how->grad_scale = rng_below(r, 3) ? 0.0 : rng_between(r, -4.0, 64.0);
    const int64_t way = rng_below(r, 6);
    how->loss_only = way == 0;
    how->in_place = way == 1 || way == 2;
    how->accumulate = way == 3 || way == 4;
    if (!how->in_place && rng_below(r, 2)) how->grad_pad = 1 + rng_below(r, 20);
    (void)p;
}

typedef struct plan {
    int64_t classes, rows, inner;
    int32_t student_dtype, teacher_dtype;
} plan;

// One problem on every instruction set.
static void run_seed(uint64_t seed, const plan *shape) {
    rng r = {seed};
    problem p;
    call how;
    memset(&how, 0, sizeof how);
    how.student_dtype = shape->student_dtype;
    how.teacher_dtype = shape->teacher_dtype;
    problem_init(&p, shape->rows * shape->inner, shape->classes);
    random_logits(&r, &p);
    random_config(&r, &p);
    random_target(&r, &p);
    random_tables(&r, &p);
    random_layout(&r, &p, shape->inner, &how);
    verdict v;
    if (compare_on_every_isa(&p, &how, &v)) {
        char text[400];
        describe_call(&p, &how, text, sizeof text);
        ck_abort_msg("seed %llu: %s\n    %s", (unsigned long long)seed, v.message, text);
    }
    problem_free(&p);
}

static const int64_t class_counts[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 100, 257, 1000, 4099};
enum { CLASS_COUNTS = sizeof class_counts / sizeof class_counts[0] };

// About the same work whatever the number of classes.
static int64_t some_rows(rng *r, int64_t classes) {
    const int64_t most = classes < 300 ? 40 : classes < 2000 ? 8 : 3;
    return 1 + rng_below(r, most);
}

static void many(int32_t dtype, int64_t classes, uint64_t first_seed) {
    const int64_t count = effort(classes < 300 ? 60 : classes < 2000 ? 12 : 5);
    for (int64_t i = 0; i < count; i++) {
        rng r = {first_seed + (uint64_t)i};
        const plan shape = {classes, some_rows(&r, classes), 1, dtype, dtype};
        run_seed(rng_bits(&r), &shape);
    }
}

START_TEST(float32) {
    many(GDKD_F32, class_counts[_i], 1000u * (uint64_t)_i);
}
END_TEST

START_TEST(float64) {
    many(GDKD_F64, class_counts[_i], 100000u + 1000u * (uint64_t)_i);
}
END_TEST

// The vocabularies of language models.
START_TEST(large_vocabulary) {
    static const int64_t sizes[] = {32000, 151936};
    for (int64_t i = 0; i < effort(4); i++) {
        rng r = {500000u + 1000u * (uint64_t)_i + (uint64_t)i};
        const plan shape = {sizes[_i / 2], 2, 1, _i % 2 ? GDKD_BF16 : GDKD_F32,
                            _i % 2 ? GDKD_BF16 : GDKD_F32};
        run_seed(rng_bits(&r), &shape);
    }
}
END_TEST

// Every pair of types.
START_TEST(type_pairs) {
    for (int64_t i = 0; i < effort(30); i++) {
        rng r = {200000u + 1000u * (uint64_t)_i + (uint64_t)i};
        const int64_t classes = class_counts[rng_below(&r, CLASS_COUNTS - 2)];
        const plan shape = {classes, some_rows(&r, classes), 1, _i / 4, _i % 4};
        run_seed(rng_bits(&r), &shape);
    }
}
END_TEST

// [outer][classes][inner]: the classes of a row lie apart.
START_TEST(inner_dimension) {
    static const int64_t inners[] = {2, 3, 16, 17, 50};
    for (int64_t i = 0; i < effort(40); i++) {
        rng r = {300000u + 1000u * (uint64_t)_i + (uint64_t)i};
        const int64_t classes = class_counts[rng_below(&r, CLASS_COUNTS - 3)];
        const int32_t student = (int32_t)rng_below(&r, 4);
        const int32_t teacher = rng_below(&r, 2) ? student : (int32_t)rng_below(&r, 4);
        const plan shape = {classes, 1 + rng_below(&r, 3), inners[_i], student, teacher};
        run_seed(rng_bits(&r), &shape);
    }
}
END_TEST

START_TEST(dist) {
    static const double temperatures[] = {0.01, 0.5, 1.0, 4.0};
    for (int64_t i = 0; i < effort(25); i++) {
        rng r = {400000u + 1000u * (uint64_t)_i + (uint64_t)i};
        problem p;
        call how;
        memset(&how, 0, sizeof how);
        how.student_dtype = _i;
        how.teacher_dtype = rng_below(&r, 2) ? _i : (int32_t)rng_below(&r, 4);
        how.dist = 1;
        how.beta = rng_between(&r, 0.0, 3.0);
        how.gamma = rng_between(&r, 0.0, 3.0);
        const int64_t inner = rng_below(&r, 2) ? 1 : 1 + rng_below(&r, 20);
        problem_init(&p, inner * (2 + rng_below(&r, 12)), 2 + rng_below(&r, 120));
        for (int64_t row = 0; row < p.rows; row++) {
            rng_logits(&r, LOGITS_UNIT, p.student + row * p.classes, p.classes);
            rng_logits(&r, LOGITS_MULTIMODAL, p.teacher + row * p.classes, p.classes);
        }
        p.config.temperature = pick(&r, temperatures, 4);
        p.config.temperature_squared = rng_below(&r, 3) > 0;
        p.config.num_threads = (int32_t)(1 + rng_below(&r, 4));
        if (rng_below(&r, 2)) random_target(&r, &p);
        p.config.target_from_teacher = 0;
        random_layout(&r, &p, inner, &how);
        how.want_norms = 0;
        verdict v;
        if (compare_call(&p, &how, &v)) {
            char text[400];
            describe_call(&p, &how, text, sizeof text);
            ck_abort_msg("dist, i %d: %s\n    %s", (int)i, v.message, text);
        }
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random problems");
    TCase *tcase = tcase_create("random");
    tcase_set_timeout(tcase, 900);
    tcase_add_loop_test(tcase, float32, 0, CLASS_COUNTS);
    tcase_add_loop_test(tcase, float64, 0, CLASS_COUNTS);
    tcase_add_loop_test(tcase, large_vocabulary, 0, 4);
    tcase_add_loop_test(tcase, type_pairs, 0, 16);
    tcase_add_loop_test(tcase, inner_dimension, 0, 5);
    tcase_add_loop_test(tcase, dist, GDKD_F32, GDKD_F16 + 1);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
