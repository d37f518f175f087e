// Batch norm and head, against plain loops in double precision and against central differences.
#include "layer_maps.h"
#include "net/batchnorm.h"
#include "net/blas_check.h"
#include "net/head.h"
#include "net/kernels.h"
#include "test_suite.h"

// --- Batch normalisation -------------------------------------------------------------------------

enum { NORM_IMAGES = 3 };

typedef struct {
    map_shape shape;
    norm norm;
    float *buffers;
    float *x;          // the batch
    float *parameters; // weight, bias, running mean, running variance
    float *gradients;  // of weight and bias
    int64_t steps;
} norm_test;

static const map_shape norm_shapes[] = {{16, 4, 4}, {5, 7, 3}, {33, 1, 6}, {20, 5, 9}};
enum { NORM_SHAPES = sizeof norm_shapes / sizeof *norm_shapes };

// The mean is large against the deviation: a variance from a difference of squares would show.
static void norm_test_begin(norm_test *t, map_shape s) {
    seed_dice();
    const size_t n = (size_t)s.channels;
    *t = (norm_test){.shape = s};
    t->buffers = new_floats(norm_buffer_size(s, NORM_IMAGES));
    t->x = random_batch(s, NORM_IMAGES);
    for (size_t i = 0; i < map_size(s) * NORM_IMAGES; i++)
        if (!in_frame(s, i % map_size(s))) t->x[i] += 30;
    t->parameters = new_floats(4 * n);
    t->gradients = new_floats(2 * n);
    fill_random(t->parameters, 4 * n);
    for (size_t i = 3 * n; i < 4 * n; i++) t->parameters[i] += 2; // a variance is positive
    norm_set_buffers(&t->norm, s, t->buffers);
    t->norm.weight = t->parameters;
    t->norm.bias = t->parameters + n;
    t->norm.running_mean = t->parameters + 2 * n;
    t->norm.running_var = t->parameters + 3 * n;
    t->norm.steps = &t->steps;
    t->norm.grad_weight = t->gradients;
    t->norm.grad_bias = t->gradients + n;
}

static void norm_test_end(norm_test *t) {
    free(t->buffers);
    free(t->x);
    free(t->parameters);
    free(t->gradients);
}

// Number i of the channel's values in the batch.
static size_t norm_at(map_shape s, int channel, int i) {
    const int pixels = s.height * s.width;
    return (size_t)(i / pixels) * map_size(s) +
           map_at(s, channel, i % pixels / s.width, i % pixels % s.width);
}

static int norm_values(map_shape s) {
    return NORM_IMAGES * s.height * s.width;
}

static void plain_statistics(map_shape s, const double *x, int channel, double *mean,
                             double *variance) {
    const int n = norm_values(s);
    *mean = *variance = 0;
    for (int i = 0; i < n; i++) *mean += x[norm_at(s, channel, i)] / n;
    for (int i = 0; i < n; i++) *variance += pow(x[norm_at(s, channel, i)] - *mean, 2) / n;
}

static void run_norm_forward(norm_test *t, const kernels *k, bool relu, const float *add,
                             float *y) {
    const size_t size = map_size(t->shape);
    for (size_t i = 0; i < NORM_IMAGES; i++)
        k->norm_apply(t->shape, t->x + i * size, t->norm.mean, t->norm.scale, t->norm.offset,
                      add ? add + i * size : NULL, relu, y + i * size);
}

static void run_norm_sums(norm_test *t, const kernels *k) {
    for (size_t i = 0; i < NORM_IMAGES; i++)
        k->norm_sums(t->shape, t->x + i * map_size(t->shape), norm_image_sums(&t->norm, i));
}

static double *as_double(const float *x, size_t count) {
    double *d = malloc(count * sizeof *d);
    ck_assert_ptr_nonnull(d);
    for (size_t i = 0; i < count; i++) d[i] = x[i];
    return d;
}

static void check_norm_output(const norm_test *t, int c, double mean, double variance,
                              const float *add, bool relu, const float *y) {
    for (int i = 0; i < norm_values(t->shape); i++) {
        const size_t at = norm_at(t->shape, c, i);
        double expected =
            (t->x[at] - mean) / sqrt(variance + 1e-5) * t->norm.weight[c] + t->norm.bias[c];
        if (add) expected += add[at];
        if (relu && expected < 0) expected = 0;
        ck_assert_msg(close_to(y[at], expected), "%g, expected %g", (double)y[at], expected);
    }
}

START_TEST(norm_training_and_running_statistics) {
    const map_shape s = norm_shapes[_i];
    const kernels *k;
    for (int n = 0; (k = kernels_number(n)) != NULL; n++) {
        norm_test t;
        norm_test_begin(&t, s);
        float *before = new_floats(2 * (size_t)s.channels);
        memcpy(before, t.norm.running_mean, 2 * (size_t)s.channels * sizeof *before);
        float *add = random_batch(s, NORM_IMAGES);
        float *y = new_floats(map_size(s) * NORM_IMAGES);
        double *x = as_double(t.x, map_size(s) * NORM_IMAGES);
        run_norm_sums(&t, k);
        norm_begin_training(&t.norm, NORM_IMAGES);
        run_norm_forward(&t, k, true, add, y);
        const double values = norm_values(s);
        for (int c = 0; c < s.channels; c++) {
            double mean;
            double variance;
            plain_statistics(s, x, c, &mean, &variance);
            check_norm_output(&t, c, mean, variance, add, true, y);
            ck_assert(close_to(t.norm.running_mean[c], 0.9 * before[c] + 0.1 * mean));
            ck_assert(close_to(t.norm.running_var[c], 0.9 * before[s.channels + c] +
                                                          0.1 * variance * values / (values - 1)));
        }
        ck_assert_int_eq(t.steps, 1);
        for (size_t i = 0; i < NORM_IMAGES; i++) check_frame(s, y + i * map_size(s), "norm");
        free(before);
        free(add);
        free(y);
        free(x);
        norm_test_end(&t);
    }
}
END_TEST

START_TEST(norm_evaluation_takes_the_running_statistics) {
    const map_shape s = norm_shapes[_i];
    norm_test t;
    norm_test_begin(&t, s);
    float *y = new_floats(map_size(s) * NORM_IMAGES);
    norm_begin_evaluation(&t.norm);
    run_norm_forward(&t, kernels_get(), false, NULL, y);
    for (int c = 0; c < s.channels; c++)
        check_norm_output(&t, c, t.norm.running_mean[c], t.norm.running_var[c], NULL, false, y);
    ck_assert_int_eq(t.steps, 0);
    free(y);
    norm_test_end(&t);
}
END_TEST

// sum of g * relu(norm(x)) over one channel, in double.
static double norm_objective(const norm_test *t, const double *x, int c, double weight, double bias,
                             const float *g) {
    double mean;
    double variance;
    double sum = 0;
    plain_statistics(t->shape, x, c, &mean, &variance);
    for (int i = 0; i < norm_values(t->shape); i++) {
        const size_t at = norm_at(t->shape, c, i);
        const double y = (x[at] - mean) / sqrt(variance + 1e-5) * weight + bias;
        if (y > 0) sum += g[at] * y;
    }
    return sum;
}

// In double and with a step of 1e-6 the difference is good to about 1e-9; no value of these seeds
// lies so near to the kink of the ReLU.
static void check_norm_channel(const norm_test *t, double *x, int c, const float *g,
                               const float *start, const float *grad_x) {
    const double h = 1e-6;
    const double w = t->norm.weight[c];
    const double b = t->norm.bias[c];
    const double dw =
        (norm_objective(t, x, c, w + h, b, g) - norm_objective(t, x, c, w - h, b, g)) / (2 * h);
    const double db =
        (norm_objective(t, x, c, w, b + h, g) - norm_objective(t, x, c, w, b - h, g)) / (2 * h);
    ck_assert_msg(close_to(t->norm.grad_weight[c], dw), "weight %g, expected %g",
                  (double)t->norm.grad_weight[c], dw);
    ck_assert_msg(close_to(t->norm.grad_bias[c], db), "bias %g, expected %g",
                  (double)t->norm.grad_bias[c], db);
    for (int i = 0; i < norm_values(t->shape); i++) {
        const size_t at = norm_at(t->shape, c, i);
        const double kept = x[at];
        x[at] = kept + h;
        double dx = norm_objective(t, x, c, w, b, g);
        x[at] = kept - h;
        dx = (dx - norm_objective(t, x, c, w, b, g)) / (2 * h) + start[at];
        x[at] = kept;
        ck_assert_msg(close_to(grad_x[at], dx), "x %g, expected %g", (double)grad_x[at], dx);
    }
}

START_TEST(norm_backward_is_the_difference) {
    const map_shape s = norm_shapes[_i];
    const size_t size = map_size(s);
    const kernels *k;
    for (int n = 0; (k = kernels_number(n)) != NULL; n++) {
        norm_test t;
        norm_test_begin(&t, s);
        float *y = new_floats(size * NORM_IMAGES);
        float *g = random_batch(s, NORM_IMAGES);
        float *start = random_batch(s, NORM_IMAGES);
        float *grad = new_floats(size * NORM_IMAGES);
        float *grad_x = new_floats(size * NORM_IMAGES);
        memcpy(grad, g, size * NORM_IMAGES * sizeof *g);
        memcpy(grad_x, start, size * NORM_IMAGES * sizeof *start);
        run_norm_sums(&t, k);
        norm_begin_training(&t.norm, NORM_IMAGES);
        run_norm_forward(&t, k, true, NULL, y);
        for (size_t i = 0; i < NORM_IMAGES; i++)
            k->norm_reduce(s, t.x + i * size, t.norm.mean, y + i * size, grad + i * size,
                           norm_image_sums(&t.norm, i));
        norm_begin_backward(&t.norm, NORM_IMAGES);
        for (size_t i = 0; i < NORM_IMAGES; i++)
            k->norm_backward(s, t.x + i * size, grad + i * size, t.norm.mean, t.norm.scale,
                             t.norm.shift, t.norm.slope, grad_x + i * size, grad_x + i * size);
        double *x = as_double(t.x, size * NORM_IMAGES);
        for (int c = 0; c < s.channels; c++) check_norm_channel(&t, x, c, g, start, grad_x);
        for (size_t i = 0; i < NORM_IMAGES; i++) check_frame(s, grad_x + i * size, "norm backward");
        free(y);
        free(g);
        free(start);
        free(grad);
        free(grad_x);
        free(x);
        norm_test_end(&t);
    }
}
END_TEST

START_TEST(relu_keeps_nan) {
    const map_shape s = {16, 1, 2};
    const kernels *k;
    for (int n = 0; (k = kernels_number(n)) != NULL; n++) {
        float *x = random_map(s);
        float *one = new_floats(16);
        float *zero = new_floats(16);
        for (int i = 0; i < 16; i++) one[i] = 1;
        x[map_at(s, 3, 0, 0)] = NAN;
        x[map_at(s, 4, 0, 0)] = -1;
        k->norm_apply(s, x, zero, one, zero, NULL, true, x);
        ck_assert(isnan(x[map_at(s, 3, 0, 0)]));
        ck_assert(x[map_at(s, 4, 0, 0)] == 0);
        free(x);
        free(one);
        free(zero);
    }
}
END_TEST

// --- Head ----------------------------------------------------------------------------------------

START_TEST(pooling_is_the_mean_and_spreads_evenly) {
    seed_dice();
    const map_shape s = {21, 7, 5};
    float *x = random_map(s);
    float *features = new_floats(map_padded(s));
    pool_forward(s, x, features);
    for (int c = 0; c < s.channels; c++) {
        double mean = 0;
        for (int i = 0; i < 35; i++) mean += x[map_at(s, c, i / 5, i % 5)] / 35.0;
        ck_assert(fabs(features[c] - mean) < 1e-6);
    }
    float *grad_x = new_floats(map_size(s));
    pool_backward(s, features, grad_x);
    for (int c = 0; c < s.channels; c++)
        for (int i = 0; i < 35; i++)
            ck_assert(fabsf(grad_x[map_at(s, c, i / 5, i % 5)] - features[c] / 35) < 1e-7F);
    check_frame(s, grad_x, "pool");
    free(x);
    free(features);
    free(grad_x);
}
END_TEST

enum { LINEAR_IN = 21, LINEAR_STEP = 32, LINEAR_OUT = 7, LINEAR_COUNT = 5 };

static double linear_objective(const linear *l, const float *features, const float *g) {
    double sum = 0;
    for (int n = 0; n < LINEAR_COUNT; n++)
        for (int o = 0; o < LINEAR_OUT; o++) {
            double y = l->bias[o];
            for (int i = 0; i < LINEAR_IN; i++)
                y += (double)l->weight[o * LINEAR_IN + i] * features[n * LINEAR_STEP + i];
            sum += g[n * LINEAR_OUT + o] * y;
        }
    return sum;
}

// Linear in each of the arguments: no error but rounding, whatever the step.
static void check_linear_gradient(const linear *l, const float *features, const float *g,
                                  float *variable, float got) {
    const float kept = *variable;
    *variable = kept + 1;
    const double above = *variable;
    double difference = linear_objective(l, features, g);
    *variable = kept - 1;
    difference = (difference - linear_objective(l, features, g)) / (above - *variable);
    *variable = kept;
    ck_assert_msg(close_to(got, difference), "%g, expected %g", (double)got, difference);
}

START_TEST(linear_is_the_definition_and_the_difference) {
    seed_dice();
    float features[LINEAR_COUNT * LINEAR_STEP];
    float weight[LINEAR_OUT * LINEAR_IN];
    float bias[LINEAR_OUT];
    float g[LINEAR_COUNT * LINEAR_OUT];
    float y[LINEAR_COUNT * LINEAR_OUT];
    float grad_weight[LINEAR_OUT * LINEAR_IN];
    float grad_bias[LINEAR_OUT];
    float grad_features[LINEAR_COUNT * LINEAR_STEP] = {0};
    fill_random(features, LINEAR_COUNT * LINEAR_STEP);
    fill_random(weight, LINEAR_OUT * LINEAR_IN);
    fill_random(bias, LINEAR_OUT);
    fill_random(g, LINEAR_COUNT * LINEAR_OUT);
    const linear l = {LINEAR_IN, LINEAR_OUT, LINEAR_STEP, weight, bias, grad_weight, grad_bias};
    linear_forward(&l, LINEAR_COUNT, features, y);
    double sum = 0;
    for (int i = 0; i < LINEAR_COUNT * LINEAR_OUT; i++) sum += (double)y[i] * g[i];
    ck_assert(close_to(sum, linear_objective(&l, features, g)));
    linear_backward(&l, LINEAR_COUNT, features, g, grad_features);
    for (int i = 0; i < LINEAR_OUT * LINEAR_IN; i++)
        check_linear_gradient(&l, features, g, &weight[i], grad_weight[i]);
    for (int i = 0; i < LINEAR_OUT; i++)
        check_linear_gradient(&l, features, g, &bias[i], grad_bias[i]);
    for (int n = 0; n < LINEAR_COUNT * LINEAR_STEP; n++)
        if (n % LINEAR_STEP < LINEAR_IN)
            check_linear_gradient(&l, features, g, &features[n], grad_features[n]);
}
END_TEST

START_TEST(the_blas_in_use_is_right) {
    blas_single_thread();
    ck_assert_msg(blas_check() == NULL, "%s: %s", blas_core(), blas_check());
}
END_TEST

static Suite *layers_suite(void) {
    Suite *s = suite_create("layers");
    TCase *c = tcase_create("batch norm");
    tcase_add_loop_test(c, norm_training_and_running_statistics, 0, NORM_SHAPES);
    tcase_add_loop_test(c, norm_evaluation_takes_the_running_statistics, 0, NORM_SHAPES);
    tcase_add_loop_test(c, norm_backward_is_the_difference, 0, NORM_SHAPES);
    tcase_add_test(c, relu_keeps_nan);
    suite_add_tcase(s, c);
    c = tcase_create("head");
    tcase_add_test(c, the_blas_in_use_is_right);
    tcase_add_test(c, pooling_is_the_mean_and_spreads_evenly);
    tcase_add_test(c, linear_is_the_definition_and_the_difference);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return test_run(layers_suite());
}
