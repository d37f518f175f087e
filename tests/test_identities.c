// What mathematics says must hold, with no implementation to compare with; and the promise of the
// same bits for any number of threads and any instruction set.
#include "call.h"
#include "number.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_rows(problem *p, rng *r) {
    for (int64_t row = 0; row < p->rows; row++) {
        rng_logits(r, LOGITS_UNIT, p->student + row * p->classes, p->classes);
        rng_logits(r, LOGITS_MULTIMODAL, p->teacher + row * p->classes, p->classes);
    }
}

// A problem that any partition can use.
static void general_problem(problem *p, rng *r, int64_t rows, int64_t classes) {
    problem_init(p, rows, classes);
    random_rows(p, r);
    p->target = checked_calloc((size_t)rows, sizeof *p->target);
    p->groups = checked_calloc((size_t)classes, 1);
    for (int64_t i = 0; i < rows; i++) p->target[i] = rng_below(r, classes);
    for (int64_t c = 0; c < classes; c++) p->groups[c] = (uint8_t)rng_below(r, GDKD_MAX_GROUPS);
    p->config.k = 1 + classes / 4;
    p->config.temperature = 2.0;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) p->config.w_low[g] = 1.0;
}

static void run(const problem *p, int32_t dtype, answer *a) {
    call how;
    memset(&how, 0, sizeof how);
    how.student_dtype = how.teacher_dtype = dtype;
    call_run(p, &how, a);
    ck_assert_msg(a->status == GDKD_OK, "%s", gdkd_status_string(a->status));
}

static void near(const char *what, const answer *a, const answer *b, int64_t count,
                 double tolerance) {
    ck_assert_msg(fabs(a->result.total - b->result.total) <= tolerance * fabs(b->result.total),
                  "%s: loss %.17g and %.17g", what, a->result.total, b->result.total);
    double steepest = 0.0;
    for (int64_t i = 0; i < count; i++) steepest = fmax(steepest, fabs(b->grad[i]));
    for (int64_t i = 0; i < count; i++) {
        ck_assert_msg(fabs(a->grad[i] - b->grad[i]) <= tolerance * steepest,
                      "%s: grad[%d] %.17g and %.17g", what, (int)i, a->grad[i], b->grad[i]);
    }
}

// KL = high + sum_g Q_g low_g: the chain rule of the divergence.
START_TEST(every_partition_makes_kd) {
    rng r = {1};
    problem p;
    answer kd;
    answer split;
    const int64_t rows = 12;
    const int64_t classes = 45;
    general_problem(&p, &r, rows, classes);
    run(&p, GDKD_F64, &kd);
    p.config.w_high = 1.0;
    p.config.mass_scaled_groups = 0xff;
    for (int32_t partition = 0; partition <= GDKD_PARTITION_MAP; partition++) {
        char what[32];
        snprintf(what, sizeof what, "partition %d", partition);
        p.config.partition = partition;
        run(&p, GDKD_F64, &split);
        near(what, &split, &kd, rows * classes, 1e-12);
        answer_free(&split);
    }
    answer_free(&kd);
    problem_free(&p);
}
END_TEST

START_TEST(one_class_group_has_no_low_term) {
    rng r = {2};
    problem p;
    answer a;
    general_problem(&p, &r, 9, 33);
    p.config.k = 1;
    for (int32_t divergence = 0; divergence <= GDKD_DIVERGENCE_SYMMETRIC_KL; divergence++) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F64; dtype++) {
            for (int32_t partition = GDKD_PARTITION_TARGET; partition <= GDKD_PARTITION_TOP1_TOPK;
                 ++partition) {
                p.config.divergence = divergence;
                p.config.partition = partition;
                run(&p, dtype, &a);
                ck_assert_double_eq(a.result.low[0], 0.0);
                ck_assert_double_gt(a.result.low[partition == GDKD_PARTITION_TOP1_TOPK ? 2 : 1],
                                    0.0);
                answer_free(&a);
            }
        }
    }
    problem_free(&p);
}
END_TEST

START_TEST(empty_group_contributes_nothing) {
    rng r = {3};
    problem p;
    answer kd;
    answer a;
    general_problem(&p, &r, 9, 33);
    run(&p, GDKD_F64, &kd);
    for (int64_t k = 33; k < 36; k++) {
        for (int32_t partition = GDKD_PARTITION_TOP; partition <= GDKD_PARTITION_BOTTOM;
             ++partition) {
            p.config.partition = partition;
            p.config.k = k;
            p.config.w_low[1] = 1e6; // of {rest}
            run(&p, GDKD_F64, &a);
            near("k >= C", &a, &kd, 9 * 33, 1e-13);
            ck_assert_double_eq(a.result.low[1], 0.0);
            ck_assert_double_eq(a.result.student_mass[1], 0.0);
            answer_free(&a);
        }
    }
    answer_free(&kd);
    problem_free(&p);
}
END_TEST

static void rich_config(problem *p, int32_t partition, int32_t divergence, int32_t standardize) {
    p->config.partition = partition;
    p->config.divergence = divergence;
    p->config.standardize = standardize;
    p->config.w_high = 0.7;
    p->config.w_low[1] = 3.0;
    p->config.ce_weight = 0.5;
    p->config.label_smoothing = 0.1;
}

// A loss that does not change along (1, 1, ..., 1) has a gradient orthogonal to it; and one that
// does not change, does not change.
START_TEST(constants_do_not_matter) {
    rng r = {4};
    const int64_t rows = 7;
    const int64_t classes = 29;
    for (int32_t i = 0; i < 6 * 3 * 4; i++) {
        problem p;
        answer a;
        answer shifted;
        general_problem(&p, &r, rows, classes);
        rich_config(&p, i % 6, i / 6 % 3, i / 18);
        run(&p, GDKD_F64, &a);
        for (int64_t row = 0; row < rows; row++) {
            double sum = 0.0;
            double size = 0.0;
            for (int64_t c = 0; c < classes; c++) {
                sum += a.grad[row * classes + c];
                size += fabs(a.grad[row * classes + c]);
            }
            ck_assert_msg(fabs(sum) <= 1e-13 * size, "config %d: the gradient sums to %g of %g", i,
                          sum, size);
        }
        for (int64_t j = 0; j < rows * classes; j++) {
            const int64_t which = j / classes;
            const double row = (double)which;
            p.student[j] += 8.0 * row; // rounded to 2^-48 or better
            p.teacher[j] -= 4.0 * row;
        }
        run(&p, GDKD_F64, &shifted);
        near("shifted", &shifted, &a, rows * classes, 1e-11);
        answer_free(&a);
        answer_free(&shifted);
        problem_free(&p);
    }
}
END_TEST

START_TEST(symmetric_is_half_of_each) {
    rng r = {5};
    const int64_t rows = 7;
    const int64_t classes = 29;
    for (int32_t partition = 0; partition <= GDKD_PARTITION_MAP; partition++) {
        problem p;
        answer a[3];
        general_problem(&p, &r, rows, classes);
        p.config.partition = partition;
        p.config.w_high = 0.0;
        for (int32_t divergence = 0; divergence < 3; divergence++) {
            p.config.divergence = divergence;
            run(&p, GDKD_F64, &a[divergence]);
        }
        a[0].result.total = 0.5 * (a[0].result.total + a[1].result.total);
        for (int64_t i = 0; i < rows * classes; i++) {
            a[0].grad[i] = 0.5 * (a[0].grad[i] + a[1].grad[i]);
        }
        near("symmetric", &a[2], &a[0], rows * classes, 1e-12);
        for (int divergence = 0; divergence < 3; divergence++) answer_free(&a[divergence]);
        problem_free(&p);
    }
}
END_TEST

// Reverse KD of (s, t) is KD of (t, s).
START_TEST(reverse_is_forward_exchanged) {
    rng r = {6};
    problem p;
    answer a;
    answer b;
    general_problem(&p, &r, 8, 50);
    p.config.divergence = GDKD_DIVERGENCE_REVERSE_KL;
    run(&p, GDKD_F64, &a);
    double *swap = p.student;
    p.student = p.teacher;
    p.teacher = swap;
    p.config.divergence = GDKD_DIVERGENCE_FORWARD_KL;
    run(&p, GDKD_F64, &b);
    ck_assert_double_eq_tol(a.result.total, b.result.total, 1e-13 * b.result.total);
    answer_free(&a);
    answer_free(&b);
    problem_free(&p);
}
END_TEST

// Standardised logits do not change with a power of 2 that multiplies them, however large: the
// gradient is divided by it.
START_TEST(standardised_at_any_size) {
    enum { MANY = 7 };
    const double student[MANY] = {3, -1, 0.5, 2, -2.5, 1, 0};
    const double teacher[MANY] = {1, 0, 2, -1, 0.25, -3, 4};
    for (int grouped = 0; grouped < 2; grouped++) {
        gdkd_config config;
        double loss[2], grad[2][MANY];
        const int power[2] = {100, 620};
        if (grouped)
            gdkd_config_ls_gdkd(&config, 2, 3, 1, 1, 1, GDKD_STANDARDIZE_GROUPS);
        else
            gdkd_config_lskd(&config, 2);
        for (int i = 0; i < 2; i++) {
            double s[MANY], t[MANY];
            gdkd_batch batch;
            gdkd_result result;
            for (int c = 0; c < MANY; c++) {
                s[c] = ldexp(student[c], power[i]);
                t[c] = ldexp(teacher[c], power[i]);
            }
            gdkd_batch_init(&batch);
            gdkd_result_init(&result);
            batch.outer = batch.inner = 1;
            batch.classes = MANY;
            batch.student_dtype = batch.teacher_dtype = GDKD_F64;
            batch.student = s;
            batch.teacher = t;
            result.grad = grad[i];
            result.grad_scale = ldexp(1, power[i] - 100);
            ck_assert_int_eq(gdkd_loss(&config, &batch, &result, NULL, 0), GDKD_OK);
            loss[i] = result.total;
        }
        ck_assert_double_gt(loss[0], 0.01);
        ck_assert_double_eq_tol(loss[0], loss[1], 1e-13);
        for (int c = 0; c < MANY; c++) {
            ck_assert_double_gt(fabs(grad[0][c]), 1e-36);
            ck_assert_double_eq_tol(grad[0][c] / grad[1][c], 1, 1e-11);
        }
    }
}
END_TEST

START_TEST(equal_models_have_no_loss) {
    rng r = {7};
    for (int32_t i = 0; i < 6 * 3 * 4 * 2; i++) {
        problem p;
        answer a;
        general_problem(&p, &r, 5, 40);
        memcpy(p.teacher, p.student, 200 * sizeof *p.teacher);
        rich_config(&p, i % 6, i / 6 % 3, i / 18 % 4);
        p.config.ce_weight = 0.0;
        const int32_t dtype = i / 72 ? GDKD_F64 : GDKD_F32;
        run(&p, dtype, &a);
        const double nothing = dtype == GDKD_F64 ? 1e-13 : 1e-6;
        ck_assert_msg(fabs(a.result.total) <= nothing, "config %d: %g", i, a.result.total);
        // Standardisation multiplies by 1 / deviation, which is about 1 here.
        for (int j = 0; j < 200; j++) ck_assert_double_le(fabs(a.grad[j]), 10.0 * nothing);
        answer_free(&a);
        problem_free(&p);
    }
}
END_TEST

// --- The same bits ------------------------------------------------------------------------------

// A pass of many blocks, so that threads and vectors have something to disagree about.
static void bits_problem(problem *p, rng *r, int32_t kind, int64_t rows, int64_t classes) {
    general_problem(p, r, rows, classes);
    rich_config(p, kind % 6, kind / 6 % 3, kind / 18);
    for (int64_t i = 0; i < rows; i += 11) p->target[i] = p->config.ignore_index;
}

static int same_bits(const answer *a, const answer *b, const problem *p) {
    // All that comes out, from total on; before it stand pointers and padding.
    const size_t from = offsetof(gdkd_result, total);
    return memcmp((const char *)&a->result + from, (const char *)&b->result + from,
                  sizeof a->result - from) == 0 &&
           memcmp(a->grad, b->grad, (size_t)(p->rows * p->classes) * sizeof(double)) == 0 &&
           memcmp(a->row_loss, b->row_loss, (size_t)p->rows * sizeof(double)) == 0;
}

typedef struct shape {
    int64_t outer, classes, inner;
} shape;

static void bits_over(const shape *s, int32_t kind, int by_isa, const int32_t *settings,
                      int count) {
    // Norms are found in double alone; without them floats take the float kernels.
    for (int32_t way = 0; way < 3; way++) {
        const int32_t dtype = way == 2 ? GDKD_F64 : GDKD_F32;
        rng r = {(uint64_t)(kind + 1)};
        problem p;
        call how;
        answer first;
        memset(&how, 0, sizeof how);
        how.student_dtype = how.teacher_dtype = dtype;
        how.inner = s->inner;
        how.want_norms = way == 1;
        bits_problem(&p, &r, kind, s->outer * s->inner, s->classes);
        p.config.num_threads = 2;
        int32_t *setting = by_isa ? &p.config.isa : &p.config.num_threads;
        *setting = settings[0];
        call_run(&p, &how, &first);
        ck_assert_int_eq(first.status, GDKD_OK);
        for (int i = 1; i < count; i++) {
            answer a;
            *setting = settings[i];
            call_run(&p, &how, &a);
            ck_assert_int_eq(a.status, GDKD_OK);
            ck_assert_msg(same_bits(&a, &first, &p),
                          "config %d, %s, %lldx%lldx%lld: %s %d gives other bits than %d", kind,
                          number_name(dtype), (long long)s->outer, (long long)s->classes,
                          (long long)s->inner, by_isa ? "isa" : "threads", settings[i],
                          settings[0]);
            answer_free(&a);
        }
        answer_free(&first);
        problem_free(&p);
    }
}

// Large enough that the driver takes several threads.
static const shape shapes[] = {{4001, 17, 1}, {80, 1003, 1}, {3, 19, 1150}, {17, 4099, 1}};

START_TEST(same_bits_for_any_threads) {
    static const int32_t threads[] = {1, 2, 3, 4, 7};
    for (int32_t kind = 0; kind < 72; kind += 7) bits_over(&shapes[_i], kind, 0, threads, 5);
}
END_TEST

START_TEST(same_bits_for_any_isa) {
    static const int32_t isas[] = {GDKD_ISA_SCALAR, GDKD_ISA_AVX2, GDKD_ISA_AVX512};
    // On a smaller machine the larger ones are bounds that change nothing.
    for (int32_t kind = 0; kind < 72; kind += 7) bits_over(&shapes[_i], kind, 1, isas, 3);
}
END_TEST

// A team inside a team has one thread, whatever is asked for: all rows must be done all the same.
START_TEST(inside_a_parallel_region) {
    rng r = {77};
    problem p;
    call how;
    answer alone;
    answer inside[2];
    memset(&how, 0, sizeof how);
    how.student_dtype = how.teacher_dtype = GDKD_F32;
    bits_problem(&p, &r, 2, 400, 300);
    p.config.num_threads = 4;
    call_run(&p, &how, &alone);
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 2; i++) call_run(&p, &how, &inside[i]);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(same_bits(&inside[i], &alone, &p), "other bits inside a parallel region");
        answer_free(&inside[i]);
    }
    answer_free(&alone);
    problem_free(&p);
}
END_TEST

// --- Several callers at once --------------------------------------------------------------------

typedef struct caller {
    problem p;
    answer alone;
    int32_t dtype;
    int failures;
} caller;

static void *call_often(void *data) {
    caller *c = data;
    for (int i = 0; i < 60; i++) {
        call how;
        answer a;
        memset(&how, 0, sizeof how);
        how.student_dtype = how.teacher_dtype = c->dtype;
        call_run(&c->p, &how, &a);
        c->failures += a.status != GDKD_OK || !same_bits(&a, &c->alone, &c->p);
        answer_free(&a);
    }
    return NULL;
}

START_TEST(re_entrant) {
    rng r = {8};
    caller callers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        bits_problem(&callers[i].p, &r, 23 * i, 50 + 30 * i, 100 + 77 * i);
        callers[i].p.config.num_threads = 1 + i;
        callers[i].dtype = i % 2;
        callers[i].failures = 0;
        run(&callers[i].p, callers[i].dtype, &callers[i].alone);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(callers[i].failures, 0);
        answer_free(&callers[i].alone);
        problem_free(&callers[i].p);
    }
}
END_TEST

// What takes a gradient, or a part of it, to nothing.
typedef enum nothing {
    SAME_MODELS,
    NO_KD,
    NO_LOW,
    NO_HIGH,
    NEGATIVE_ZERO_WEIGHT,
    ALL_CLASSES, // are in the first group
    FAR_BELOW,   // one class has all the weight
    NOTHINGS
} nothing;

static void take_away(problem *p, nothing what) {
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        if (what == SAME_MODELS || i / p->classes % 3 == 0) p->student[i] = p->teacher[i];
        if (what == FAR_BELOW && i % p->classes != 1) p->student[i] -= 500, p->teacher[i] -= 1000;
    }
    if (what == NO_KD) p->config.kd_weight = 0;
    if (what == NO_HIGH) p->config.w_high = 0;
    if (what == NEGATIVE_ZERO_WEIGHT)
        p->config.kd_weight = -p->config.kd_weight, p->config.w_high = -0.0;
    if (what == ALL_CLASSES) p->config.k = p->config.k_max = p->classes;
    for (int g = 0; g < GDKD_MAX_GROUPS && what == NO_LOW; g++) p->config.w_low[g] = 0;
}

// Zeros have a sign, which is a bit like the others.
START_TEST(zeros_have_one_sign) {
    static const int64_t inners[] = {1, 20, 40};
    for (int i = 0; i < LOSS_PRESETS * 2 * 3 * 2 * 2; i++) {
        const int32_t dtype = i / 6 % 2 ? GDKD_F64 : GDKD_F32;
        const call how = {.inner = inners[i / 2 % 3],
                          .student_dtype = dtype,
                          .teacher_dtype = dtype,
                          .accumulate = i / 12 % 2};
        rng r = {61};
        problem p;
        answer first = {0};
        int64_t zeros = 0;
        problem_init(&p, 40, i % 2 ? 150 : 21);
        random_rows(&p, &r);
        p.config = loss_presets()[i / 24].config;
        preset_inputs(&p);
        take_away(&p, (nothing)_i);
        for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
            answer a;
            p.config.isa = isa;
            call_run(&p, &how, &a);
            ck_assert_int_eq(a.status, GDKD_OK);
            for (int64_t j = 0; j < p.rows * p.classes; j++) {
                zeros += a.grad[j] == 0;
                if (isa == GDKD_ISA_SCALAR ||
                    same_bytes(&a.grad[j], &first.grad[j], sizeof a.grad[j]))
                    continue; // an assertion for each element would take most of the time
                ck_abort_msg("%s, inner %d, C %d, type %d: %a on %d, %a on %d",
                             loss_presets()[i / 24].name, (int)how.inner, (int)p.classes, dtype,
                             a.grad[j], isa, first.grad[j], GDKD_ISA_SCALAR);
            }
            if (isa == GDKD_ISA_SCALAR)
                first = a;
            else
                answer_free(&a);
        }
        if (_i == NO_KD && p.config.ce_weight == 0 && !how.accumulate) ck_assert_int_gt(zeros, 0);
        answer_free(&first);
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("identities");
    TCase *tcase = tcase_create("identities");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_partition_makes_kd);
    tcase_add_test(tcase, one_class_group_has_no_low_term);
    tcase_add_test(tcase, empty_group_contributes_nothing);
    tcase_add_test(tcase, constants_do_not_matter);
    tcase_add_test(tcase, symmetric_is_half_of_each);
    tcase_add_test(tcase, reverse_is_forward_exchanged);
    tcase_add_test(tcase, standardised_at_any_size);
    tcase_add_test(tcase, equal_models_have_no_loss);
    tcase_add_loop_test(tcase, same_bits_for_any_threads, 0, 4);
    tcase_add_loop_test(tcase, same_bits_for_any_isa, 0, 4);
    tcase_add_loop_test(tcase, zeros_have_one_sign, 0, NOTHINGS);
    tcase_add_test(tcase, inside_a_parallel_region);
    tcase_add_test(tcase, re_entrant);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
