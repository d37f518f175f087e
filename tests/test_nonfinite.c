// grad_nonfinite of a result, a loss scaler's found_inf: equal to what a walk over the gradient's
// buffer counts after the call, for every loss, type and shape, where the type overflows, where
// what is added to overflows, and where logits are no numbers.
#include "number.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { MOST = 20000 };

// One for each way of the rows to the kernels: long and short rows, side by side or not, whole
// blocks or not.
typedef struct shape {
    int64_t outer, classes, inner;
} shape;

static const shape shapes[] = {{18, 150, 1}, {3, 150, 5}, {37, 13, 1},
                               {5, 13, 7},   {2, 13, 32}, {2, 13, 19}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

typedef enum way { APART, IN_PLACE, ACCUMULATE, WAYS } way;

typedef struct buffers {
    double student[MOST], teacher[MOST], gradient[MOST]; // large enough for every type
} buffers;

static int64_t row_of(const shape *s, int64_t at) {
    return at / (s->classes * s->inner) * s->inner + at % s->inner;
}

static int is_bad_row(int64_t row) {
    return row % 11 == 5;
}

static void fill(const shape *s, buffers *b, int32_t dtype, int bad, double old) {
    rng r = {41};
    for (int64_t i = 0; i < s->outer * s->classes * s->inner; i++) {
        const int64_t row = row_of(s, i);
        const double t = 2 * rng_normal(&r);
        const double x = row % 3 == 1 ? t + 1e-3 * rng_normal(&r) : 2 * rng_normal(&r);
        const int no_number = bad && is_bad_row(row) && i / s->inner % s->classes == 1;
        number_store(dtype, b->student, i, no_number ? (double)NAN : x);
        number_store(dtype, b->teacher, i, t);
        number_store(dtype, b->gradient, i, i % 2 ? old : -old);
    }
}

// Elements of rows that the call wrote: with something to add to, only those of used rows.
static int64_t count(const problem *p, const shape *s, way how, int32_t dtype, const void *from) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->outer * s->classes * s->inner; i++) {
        const int used = !p->target || p->target[row_of(s, i)] != p->config.ignore_index;
        n += (used || how != ACCUMULATE) && !isfinite(number_load(dtype, from, i));
    }
    return n;
}

// Runs a call and returns what it counted, once that has been counted again.
static int64_t run(problem *p, const shape *s, way how, int32_t dtype, double scale,
                   buffers *data) {
    gdkd_batch b;
    gdkd_result r;
    gdkd_batch_init(&b);
    gdkd_result_init(&r);
    b.student_dtype = b.teacher_dtype = dtype;
    b.outer = s->outer, b.classes = s->classes, b.inner = s->inner;
    b.student = data->student, b.teacher = data->teacher;
    b.target = p->target, b.groups = p->groups, b.low_weight = p->low_weight;
    void *grad = how == IN_PLACE ? data->student : data->gradient;
    r.grad = grad;
    r.accumulate = how == ACCUMULATE;
    r.grad_scale = scale;
    r.grad_nonfinite = 12345; // of a call before
    ck_assert_int_eq(gdkd_loss(&p->config, &b, &r, NULL, 0), GDKD_OK);
    const int64_t truth = count(p, s, how, dtype, grad);
    ck_assert_msg(r.grad_nonfinite == truth,
                  "partition %d, standardize %d, type %s, %dx%dx%d, way %d, isa %d, scale %g: %d "
                  "counted, %d there",
                  p->config.partition, p->config.standardize, number_name(dtype), (int)s->outer,
                  (int)s->classes, (int)s->inner, how, p->config.isa, scale, (int)r.grad_nonfinite,
                  (int)truth);
    return truth;
}

static void set_up(problem *p, const shape *s, const gdkd_config *config) {
    problem_init(p, s->outer * s->inner, s->classes);
    p->config = *config;
    preset_inputs(p);
    for (int64_t row = 0; p->target && row < p->rows; row += 9)
        p->target[row] = config->ignore_index;
}

static const double largest[] = {
    [GDKD_F32] = 3.4e38, [GDKD_F64] = 1.797e308, [GDKD_BF16] = 3.38e38, [GDKD_F16] = 65500};

START_TEST(every_loss) {
    static buffers data;
    int64_t by_scale[4] = {0}, by_sum[4] = {0}; // of each type
    for (int i = 0; i < LOSS_PRESETS * 4 * WAYS; i++) {
        const way how = (way)(i % WAYS);
        const int32_t dtype = i / WAYS % 4;
        const double most = largest[dtype];
        problem p;
        set_up(&p, &shapes[_i], &loss_presets()[i / WAYS / 4].config);
        for (p.config.isa = GDKD_ISA_SCALAR; p.config.isa <= gdkd_isa(); p.config.isa++) {
            fill(&shapes[_i], &data, dtype, 0, 1);
            ck_assert_int_eq(run(&p, &shapes[_i], how, dtype, 1, &data), 0);
            // Gradients of rows that are a mean's are far below 1: some are above the type's
            // largest now, and some are not.
            fill(&shapes[_i], &data, dtype, 0, 1);
            const double scale = fmin(1e3 * most, largest[GDKD_F64]);
            by_scale[dtype] += run(&p, &shapes[_i], how, dtype, scale, &data);
            fill(&shapes[_i], &data, dtype, 1, 1);
            ck_assert_int_ge(run(&p, &shapes[_i], how, dtype, 1, &data), 1);
            // What is there is finite, and with the gradient it is not.
            fill(&shapes[_i], &data, dtype, 0, how == ACCUMULATE ? most : 1);
            const int64_t over = run(&p, &shapes[_i], how, dtype, most, &data);
            if (how == ACCUMULATE) by_sum[dtype] += over;
        }
        problem_free(&p);
    }
    for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
        if (dtype != GDKD_F64) ck_assert_int_gt(by_scale[dtype], 0);
        ck_assert_int_gt(by_sum[dtype], 0);
    }
}
END_TEST

// A weight takes the gradient out of a float's range too.
START_TEST(large_weights) {
    static buffers data;
    static const double weights[] = {1e25, 1e35, 1e38, 1e42, 1e60, 1e300};
    for (int i = 0; i < 6 * 3 * 4 * WAYS; i++) {
        const way how = (way)(i % WAYS);
        const int32_t dtype = i / WAYS % 4;
        const double weight = weights[i / WAYS / 12];
        gdkd_config config;
        problem p;
        ck_assert_int_eq(gdkd_config_dkd(&config, 4, 1, 1), GDKD_OK);
        if (i / WAYS / 4 % 3 == 0) config.ce_weight = weight, config.kd_weight = 0;
        if (i / WAYS / 4 % 3 == 1) config.ce_weight = weight;
        if (i / WAYS / 4 % 3 == 2) config.w_low[1] = weight;
        set_up(&p, &shapes[_i], &config);
        for (p.config.isa = GDKD_ISA_SCALAR; p.config.isa <= gdkd_isa(); p.config.isa++) {
            fill(&shapes[_i], &data, dtype, 0, 1);
            const int64_t over = run(&p, &shapes[_i], how, dtype, 1, &data);
            if (weight > 1e10 * largest[dtype]) ck_assert_int_gt(over, 0);
        }
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nonfinite gradients");
    TCase *tcase = tcase_create("nonfinite");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, every_loss, 0, SHAPES);
    tcase_add_loop_test(tcase, large_weights, 0, SHAPES);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
