// The networks as a whole: names, shapes and counts of PyTorch's state_dict; logits and gradients
// against the plain definition in double precision (plain_net.h); the update; the same bits for any
// number of threads.
#include "base/rng.h"
#include "net/model.h"
#include "net/model_speed.h"
#include "plain_net.h"
#include "test_suite.h"

#include <check.h>
#include <omp.h>

static model *create(const char *name, const model_shape *shape) {
    const char *error = NULL;
    model *m = model_create(name, shape, &error);
    ck_assert_msg(m != NULL, "%s: %s", name, error ? error : "no reason given");
    return m;
}

static void fill_random(rng *dice, float *p, size_t count, float scale) {
    for (size_t i = 0; i < count; i++) p[i] = scale * (float)rng_normal(dice);
}

static float *random_floats(uint64_t seed, size_t count, float scale) {
    rng dice;
    float *p = malloc(count * sizeof *p);
    ck_assert_ptr_nonnull(p);
    rng_seed(&dice, seed);
    fill_random(&dice, p, count, scale);
    return p;
}

// --- The state_dict ------------------------------------------------------------------------------

// depth 6n+2 or 6n+4 and the stages' channels; parameters as PyTorch 1.13 counts them in the
// reference's models, with 3 channels and 100 classes.
static const struct {
    const char *name;
    int blocks;
    int channels[4];
    size_t tensors;
    size_t parameters;
} known[] = {
    {"resnet8", 1, {16, 16, 32, 64}, 56, 83892},
    {"resnet14", 2, {16, 16, 32, 64}, 92, 181108},
    {"resnet20", 3, {16, 16, 32, 64}, 128, 278324},
    {"resnet32", 5, {16, 16, 32, 64}, 200, 472756},
    {"resnet44", 7, {16, 16, 32, 64}, 272, 667188},
    {"resnet56", 9, {16, 16, 32, 64}, 344, 861620},
    {"resnet110", 18, {16, 16, 32, 64}, 668, 1736564},
    {"resnet8x4", 1, {32, 64, 128, 256}, 62, 1233540},
    {"resnet32x4", 5, {32, 64, 128, 256}, 206, 7433860},
    {"wrn_16_1", 2, {16, 16, 32, 64}, 82, 180916},
    {"wrn_16_2", 2, {16, 32, 64, 128}, 83, 703284},
    {"wrn_40_1", 6, {16, 16, 32, 64}, 226, 569780},
    {"wrn_40_2", 6, {16, 32, 64, 128}, 227, 2255156},
};
enum { KNOWN = sizeof known / sizeof *known };

// What the definition gives: convolutions, two numbers per normalised channel, the linear layer.
static size_t counted_parameters(int i, size_t images, size_t classes) {
    const bool wide = known[i].name[0] == 'w';
    const int *c = known[i].channels;
    size_t count = 9 * images * (size_t)c[0] + (wide ? 0 : 2 * (size_t)c[0]);
    for (int stage = 1; stage <= 3; stage++)
        for (int b = 0; b < known[i].blocks; b++) {
            const size_t in = (size_t)(b == 0 ? c[stage - 1] : c[stage]);
            const size_t out = (size_t)c[stage];
            const bool shortcut = in != out;
            count += 9 * in * out + 9 * out * out + (shortcut ? in * out : 0);
            count += wide ? 2 * in + 2 * out : 4 * out + (shortcut ? 2 * out : 0);
        }
    return count + (wide ? 2 * (size_t)c[3] : 0) + classes * (size_t)c[3] + classes;
}

START_TEST(tensors_are_counted_as_pytorch_does) {
    const model_shape shapes[] = {{3, 32, 32, 100, 1, false}, {1, 28, 28, 10, 1, true}};
    ck_assert_uint_eq(counted_parameters(_i, 3, 100), known[_i].parameters);
    for (int s = 0; s < 2; s++) {
        model *m = create(known[_i].name, &shapes[s]);
        const tensor *t;
        const size_t count = model_tensors(m, &t);
        ck_assert_uint_eq(count, known[_i].tensors);
        size_t parameters = 0;
        for (size_t i = 0; i < count; i++) {
            size_t elements = 1;
            for (int d = 0; d < t[i].dims; d++) elements *= t[i].shape[d];
            ck_assert_uint_eq(elements, t[i].count);
            ck_assert((t[i].dims == 0) == (t[i].steps != NULL));
            ck_assert((t[i].dims == 0) == (t[i].data == NULL));
            if (!strstr(t[i].name, "running_") && t[i].dims > 0) parameters += elements;
        }
        ck_assert_uint_eq(parameters, counted_parameters(_i, (size_t)shapes[s].channels,
                                                         (size_t)shapes[s].classes));
        model_free(m);
    }
    ck_assert_str_eq(networks[_i].name, known[_i].name);
    ck_assert_ptr_null(networks[KNOWN].name);
}
END_TEST

static void check_names(const char *name, const char *const *expected, size_t count) {
    const model_shape shape = {3, 32, 32, 100, 1, false};
    model *m = create(name, &shape);
    const tensor *t;
    const size_t tensors = model_tensors(m, &t);
    ck_assert_uint_le(count, tensors);
    for (size_t i = 0; i < count; i++) ck_assert_str_eq(t[i].name, expected[i]);
    ck_assert_str_eq(t[tensors - 2].name, "fc.weight");
    ck_assert_str_eq(t[tensors - 1].name, "fc.bias");
    model_free(m);
}

#define NORM(p)                                                                                    \
    p ".weight", p ".bias", p ".running_mean", p ".running_var", p ".num_batches_tracked"

START_TEST(names_come_in_the_order_of_the_state_dict) {
    const char *const resnet8[] = {"conv1.weight",
                                   NORM("bn1"),
                                   "layer1.0.conv1.weight",
                                   NORM("layer1.0.bn1"),
                                   "layer1.0.conv2.weight",
                                   NORM("layer1.0.bn2"),
                                   "layer2.0.conv1.weight",
                                   NORM("layer2.0.bn1"),
                                   "layer2.0.conv2.weight",
                                   NORM("layer2.0.bn2"),
                                   "layer2.0.downsample.0.weight",
                                   NORM("layer2.0.downsample.1"),
                                   "layer3.0.conv1.weight"};
    const char *const wrn_16_2[] = {"conv1.weight",
                                    NORM("block1.layer.0.bn1"),
                                    "block1.layer.0.conv1.weight",
                                    NORM("block1.layer.0.bn2"),
                                    "block1.layer.0.conv2.weight",
                                    "block1.layer.0.convShortcut.weight",
                                    NORM("block1.layer.1.bn1"),
                                    "block1.layer.1.conv1.weight"};
    check_names("resnet8", resnet8, sizeof resnet8 / sizeof *resnet8);
    check_names("wrn_16_2", wrn_16_2, sizeof wrn_16_2 / sizeof *wrn_16_2);
}
END_TEST

START_TEST(impossible_models_are_refused) {
    const char *error = NULL;
    model_shape shape = {3, 32, 32, 100, 1, false};
    ck_assert_ptr_null(model_create("resnet9", &shape, &error));
    ck_assert_str_eq(error, "no model has this name");
    shape.classes = 0;
    ck_assert_ptr_null(model_create("resnet8", &shape, &error));
    ck_assert_ptr_nonnull(error);
    model_free(NULL);
}
END_TEST

// --- Against the plain definition ----------------------------------------------------------------

typedef void plain_network(const plain_weights *w, int blocks, const model_shape *s,
                           const float *images, int count, bool training, double *logits);

static const struct {
    const char *name;
    plain_network *plain;
    int blocks;
    model_shape shape;
    int count;
} cases[] = {
    {"resnet8", plain_resnet, 1, {3, 8, 8, 5, 3, true}, 3},
    {"resnet8", plain_resnet, 1, {1, 3, 5, 2, 20, true}, 17},
    {"resnet14", plain_resnet, 2, {2, 9, 8, 3, 3, true}, 3},
    {"resnet8x4", plain_resnet, 1, {3, 5, 4, 4, 2, true}, 2},
    {"wrn_16_1", plain_wrn, 2, {3, 8, 8, 5, 3, true}, 3},
    {"wrn_16_2", plain_wrn, 2, {1, 7, 6, 3, 4, true}, 4},
};
enum { CASES = sizeof cases / sizeof *cases };

static size_t image_size(const model_shape *s) {
    return (size_t)s->channels * (size_t)s->height * (size_t)s->width;
}

// Biases and statistics that are not 0 and 1, so that an exchanged one shows.
static model *random_model(const char *name, const model_shape *shape, uint64_t seed) {
    model *m = create(name, shape);
    model_init(m, seed);
    rng dice;
    rng_seed(&dice, seed);
    const tensor *t;
    const size_t count = model_tensors(m, &t);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; t[i].dims == 1 && j < t[i].count; j++)
            t[i].data[j] += (float)(0.2 * rng_uniform(&dice));
    return m;
}

static void check_logits(const float *got, const double *expected, size_t count, double bound) {
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= bound * fmax(1, fabs(expected[i])),
                      "logit %zu: %g, expected %g", i, (double)got[i], expected[i]);
}

START_TEST(logits_are_those_of_the_definition) {
    const model_shape *s = &cases[_i].shape;
    const size_t logits = (size_t)cases[_i].count * (size_t)s->classes;
    model *m = random_model(cases[_i].name, s, 3);
    float *images = random_floats(4, image_size(s) * (size_t)cases[_i].count, 1);
    float *got = calloc(logits, sizeof *got);
    double *expected = calloc(logits, sizeof *expected);
    plain_weights w = plain_copy(m);
    cases[_i].plain(&w, cases[_i].blocks, s, images, cases[_i].count, false, expected);
    model_forward(m, images, cases[_i].count, false, got);
    check_logits(got, expected, logits, 1e-4);
    cases[_i].plain(&w, cases[_i].blocks, s, images, cases[_i].count, true, expected);
    model_forward(m, images, cases[_i].count, true, got);
    check_logits(got, expected, logits, 1e-4);
    plain_free(&w);
    free(images);
    free(got);
    free(expected);
    model_free(m);
}
END_TEST

typedef struct {
    int i; // of cases
    plain_weights w;
    const float *images;
    const float *grad; // of the logits
    double *logits;
} objective;

static double objective_at(objective *o, double *variable, double value) {
    const double kept = *variable;
    const model_shape *s = &cases[o->i].shape;
    *variable = value;
    cases[o->i].plain(&o->w, cases[o->i].blocks, s, o->images, cases[o->i].count, true, o->logits);
    *variable = kept;
    double sum = 0;
    for (int k = 0; k < cases[o->i].count * s->classes; k++) sum += o->grad[k] * o->logits[k];
    return sum;
}

// In double with this step the difference is good to about 1e-7 of the objective, but for a value
// that crosses a ReLU's kink within the step: none does with these seeds.
static double objective_slope(objective *o, double *variable) {
    const double h = 1e-6;
    return (objective_at(o, variable, *variable + h) - objective_at(o, variable, *variable - h)) /
           (2 * h);
}

// Of each tensor the element with the largest gradient and another one: 1e-3 of the largest.
START_TEST(gradients_are_the_differences) {
    const model_shape *s = &cases[_i].shape;
    const size_t logits = (size_t)cases[_i].count * (size_t)s->classes;
    model *m = random_model(cases[_i].name, s, 3);
    float *images = random_floats(4, image_size(s) * (size_t)cases[_i].count, 1);
    float *grad = random_floats(5, logits, 1);
    float *got = calloc(logits, sizeof *got);
    objective o = {_i, plain_copy(m), images, grad, calloc(logits, sizeof(double))};
    model_forward(m, images, cases[_i].count, true, got);
    model_backward(m, grad);
    for (size_t i = 0; i < o.w.count; i++) {
        const tensor *t = &o.w.tensors[i];
        if (!t->grad || t->count == 0) continue;
        size_t most = 0;
        for (size_t j = 0; j < t->count; j++)
            if (fabsf(t->grad[j]) > fabsf(t->grad[most])) most = j;
        const size_t elements[] = {most, (i * 977) % t->count};
        const int tried = o.w.count > 60 ? 1 : 2; // the large ones take their time
        for (int e = 0; e < tried; e++) {
            const size_t j = elements[e];
            const double slope = objective_slope(&o, &o.w.parameters[i][j]);
            ck_assert_msg(fabs(t->grad[j] - slope) <= 1e-3 * (1e-3 + fabs((double)t->grad[most])),
                          "%s[%zu]: %g, expected %g", t->name, j, (double)t->grad[j], slope);
        }
    }
    plain_free(&o.w);
    free(images);
    free(grad);
    free(got);
    free(o.logits);
    model_free(m);
}
END_TEST

// --- Training ------------------------------------------------------------------------------------

static void some_steps(model *m, const model_shape *s, int steps, float *logits) {
    const size_t count = (size_t)s->max_batch;
    for (int i = 0; i < steps; i++) {
        float *images = random_floats(10 + (uint64_t)i, count * image_size(s), 1);
        float *grad = random_floats(20 + (uint64_t)i, count * (size_t)s->classes, 0.01F);
        model_forward(m, images, s->max_batch, true, logits);
        model_backward(m, grad);
        model_step(m, 0.1F, 0.9F, 5e-4F);
        free(images);
        free(grad);
    }
}

static void check_same_tensors(const model *a, const model *b) {
    const tensor *x;
    const tensor *y;
    const size_t count = model_tensors(a, &x);
    ck_assert_uint_eq(count, model_tensors(b, &y));
    for (size_t i = 0; i < count; i++) {
        if (x[i].steps)
            ck_assert_int_eq(*x[i].steps, *y[i].steps);
        else
            ck_assert_msg(memcmp(x[i].data, y[i].data, x[i].count * sizeof(float)) == 0,
                          "%s has other bits", x[i].name);
    }
}

static const char *const thread_names[] = {"resnet8", "wrn_16_2", "resnet8x4"};

START_TEST(any_number_of_threads_gives_the_same_bits) {
    const model_shape s = {3, 12, 10, 7, 21, true};
    const int threads[] = {2, 3, 8};
    float one[21 * 7];
    float more[21 * 7];
    omp_set_num_threads(1);
    model *a = create(thread_names[_i], &s);
    model_init(a, 1);
    some_steps(a, &s, 2, one);
    for (int i = 0; i < 3; i++) {
        omp_set_num_threads(threads[i]);
        model *b = create(thread_names[_i], &s);
        model_init(b, 1);
        some_steps(b, &s, 2, more);
        ck_assert_mem_eq(one, more, sizeof one);
        check_same_tensors(a, b);
        model_free(b);
    }
    model_free(a);
}
END_TEST

static void copy_tensors(const model *from, model *to) {
    const tensor *x;
    const tensor *y;
    const size_t count = model_tensors(from, &x);
    model_tensors(to, &y);
    for (size_t i = 0; i < count; i++) {
        if (x[i].steps)
            *y[i].steps = *x[i].steps;
        else
            memcpy(y[i].data, x[i].data, x[i].count * sizeof(float));
    }
}

// A model that is not for training keeps less; an image's logits do not depend on its neighbours.
START_TEST(evaluation_is_the_same_in_every_model_and_batch) {
    model_shape s = {1, 28, 28, 10, 33, true};
    const char *name = _i == 0 ? "resnet14" : "wrn_16_2";
    float *images = random_floats(1, 33 * image_size(&s), 1);
    float expected[33 * 10];
    float got[33 * 10];
    model *a = random_model(name, &s, 2);
    some_steps(a, &s, 1, got);
    s.training = false;
    model *b = create(name, &s);
    copy_tensors(a, b);
    model_forward(a, images, 33, false, expected);
    model_forward(b, images, 33, false, got);
    ck_assert_mem_eq(got, expected, sizeof got);
    for (int first = 0; first < 33; first += 11) {
        model_forward(b, images + (size_t)first * image_size(&s), 11, false, got + first * 10);
        for (int i = first * 10; i < (first + 11) * 10; i++)
            ck_assert(fabsf(got[i] - expected[i]) < 1e-5F);
    }
    check_same_tensors(a, b);
    free(images);
    model_free(a);
    model_free(b);
}
END_TEST

// Nothing of a full batch is left when a smaller one follows.
START_TEST(a_small_batch_after_a_large_one) {
    model_shape s = {3, 8, 8, 5, 20, true};
    float logits[2][20 * 5];
    float *images = random_floats(1, 20 * image_size(&s), 1);
    float *grad = random_floats(2, sizeof logits[0] / sizeof(float), 1);
    model *m[2];
    for (int i = 0; i < 2; i++) {
        m[i] = create("resnet8", &s);
        model_init(m[i], 1);
    }
    model_forward(m[0], images, 20, false, logits[0]);
    model_forward(m[0], images, 20, false, logits[1]);
    ck_assert_mem_eq(logits[0], logits[1], sizeof logits[0]);
    some_steps(m[0], &s, 1, logits[0]);
    model_init(m[0], 1);
    for (int i = 0; i < 2; i++) {
        model_forward(m[i], images, 3, true, logits[i]);
        model_backward(m[i], grad);
        model_step(m[i], 0.1F, 0.9F, 0);
    }
    check_same_tensors(m[0], m[1]);
    model_free(m[0]);
    model_free(m[1]);
    free(images);
    free(grad);
}
END_TEST

// Powers of two, so that the expected numbers are exact.
START_TEST(step_is_pytorchs_sgd) {
    const model_shape s = {1, 4, 4, 2, 2, true};
    model *m = create("resnet8", &s);
    const tensor *t;
    const size_t count = model_tensors(m, &t);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; t[i].grad && j < t[i].count; j++) {
            t[i].data[j] = 2;
            t[i].grad[j] = 1;
        }
    model_step(m, 0.5F, 0.5F, 0.25F);
    // g = 1 + 0.25 * 2 = 1.5, momentum = 1.5, w = 2 - 0.75 = 1.25; everywhere, norms and biases too
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; t[i].grad && j < t[i].count; j++) {
            ck_assert(t[i].momentum[j] == 1.5F);
            ck_assert(t[i].data[j] == 1.25F);
        }
    model_step(m, 0.5F, 0.5F, 0.25F);
    // g = 1 + 0.3125, momentum = 0.75 + 1.3125 = 2.0625, w = 1.25 - 1.03125
    ck_assert(t[0].momentum[0] == 2.0625F);
    ck_assert(t[0].data[0] == 0.21875F);
    model_free(m);
}
END_TEST

// The deviation of n normal numbers is off by about 1 / sqrt(2 n) of itself.
START_TEST(initialisation_is_the_references) {
    const model_shape s = {3, 32, 32, 100, 1, true};
    model *m = create(_i == 0 ? "resnet8" : "wrn_16_1", &s);
    model_init(m, 5);
    const tensor *t;
    const size_t count = model_tensors(m, &t);
    for (size_t i = 0; i < count; i++) {
        if (t[i].dims != 4) continue;
        double square = 0;
        for (size_t j = 0; j < t[i].count; j++) square += (double)t[i].data[j] * t[i].data[j];
        const double expected = 2.0 / (double)(t[i].shape[0] * t[i].shape[2] * t[i].shape[3]);
        const double ratio = square / (double)t[i].count / expected;
        ck_assert_msg(fabs(ratio - 1) < 6 / sqrt((double)t[i].count), "%s: %g", t[i].name, ratio);
    }
    const float bound = 1.0F / 8; // 64 features
    float largest = 0;
    for (size_t j = 0; j < t[count - 2].count; j++)
        largest = fmaxf(largest, fabsf(t[count - 2].data[j]));
    ck_assert(largest <= bound && largest > 0.99F * bound);
    for (size_t j = 0; j < 100; j++)
        ck_assert(fabsf(t[count - 1].data[j]) <= bound && (t[count - 1].data[j] == 0) == (_i == 1));
    model *other = create(_i == 0 ? "resnet8" : "wrn_16_1", &s);
    model_init(other, 5);
    check_same_tensors(m, other);
    model_init(other, 6);
    const tensor *u;
    model_tensors(other, &u);
    ck_assert(memcmp(t[0].data, u[0].data, t[0].count * sizeof(float)) != 0);
    model_free(m);
    model_free(other);
}
END_TEST

START_TEST(profile_books_every_kind) {
    const model_shape s = {3, 16, 16, 5, 8, true};
    float logits[8 * 5];
    model *m = create("resnet8", &s);
    model_init(m, 1);
    some_steps(m, &s, 1, logits);
    ck_assert(model_profile_times(m)->conv_forward == 0);
    model_profile(m, true);
    some_steps(m, &s, 1, logits);
    const model_times *t = model_profile_times(m);
    ck_assert(t->conv_forward > 0 && t->conv_backward > 0 && t->conv_weights > 0);
    ck_assert(t->norm > 0 && t->head > 0 && t->other > 0);
    model_free(m);
}
END_TEST

static Suite *models_suite(void) {
    Suite *s = suite_create("models");
    TCase *c = tcase_create("state_dict");
    tcase_add_loop_test(c, tensors_are_counted_as_pytorch_does, 0, KNOWN);
    tcase_add_test(c, names_come_in_the_order_of_the_state_dict);
    tcase_add_test(c, impossible_models_are_refused);
    suite_add_tcase(s, c);
    c = tcase_create("definition");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, logits_are_those_of_the_definition, 0, CASES);
    tcase_add_loop_test(c, gradients_are_the_differences, 0, CASES);
    suite_add_tcase(s, c);
    c = tcase_create("training");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, any_number_of_threads_gives_the_same_bits, 0, 3);
    tcase_add_loop_test(c, evaluation_is_the_same_in_every_model_and_batch, 0, 2);
    tcase_add_test(c, a_small_batch_after_a_large_one);
    tcase_add_test(c, step_is_pytorchs_sgd);
    tcase_add_loop_test(c, initialisation_is_the_references, 0, 2);
    tcase_add_test(c, profile_books_every_kind);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return test_run(models_suite());
}
