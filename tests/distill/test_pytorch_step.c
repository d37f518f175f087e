// A training step against PyTorch's, which tests/pytorch/record_step.py took in double precision
// and wrote down in a few numbers per tensor: logits, loss, every gradient, the momentum, SGD's
// update, the running statistics.
#include "base/threads.h"
#include "net/model.h"
#include "test_suite.h"
#include "train/criterion.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 100, CHANNELS = 3, SIDE = 32, MOST_IMAGES = 8, SAMPLES = 6 };
// Of a tensor's largest element. Single precision comes to 2e-6; weights that decay by one step
// less, to 5e-5.
static const double bound = 1e-5;
static const char *const file_name = TEST_DATA "/pytorch_step.txt";

// --- The inputs, as record_step.py makes them ----------------------------------------------------

typedef struct {
    uint64_t state;
} numbers;

// Depend on a name and a seed: FNV-1a, then splitmix64.
static numbers made_up(const char *name, int seed) {
    char text[128];
    numbers n = {0xCBF29CE484222325};
    snprintf(text, sizeof text, "%d %s", seed, name);
    for (const char *c = text; *c; c++) n.state = (n.state ^ (unsigned char)*c) * 0x100000001B3;
    return n;
}

static double next(numbers *n) { // [0, 1)
    uint64_t z = n->state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    return ldexp((double)(z >> 40), -24);
}

static void fill(float *to, size_t count, const char *name, int seed, double low, double high) {
    numbers n = made_up(name, seed);
    for (size_t i = 0; i < count; i++) to[i] = (float)(low + (high - low) * next(&n));
}

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), wanted = strlen(end);
    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

static void fill_tensor(const tensor *t, int seed) {
    double low = -0.3, high = 0.3;
    char momentum[80];
    if (!t->data) return;
    snprintf(momentum, sizeof momentum, "momentum of %s", t->name);
    if (t->momentum) fill(t->momentum, t->count, momentum, seed, -0.1, 0.1);
    if (t->dims == 4) {
        high = sqrt(6 / (double)(t->shape[1] * t->shape[2] * t->shape[3]));
        low = -high;
    } else if (strncmp(t->name, "fc.", 3) == 0) {
        low = -0.1, high = 0.1;
    } else if (ends_with(t->name, "running_var")) {
        low = 0.5, high = 2;
    } else if (ends_with(t->name, "running_mean")) {
        low = -0.5, high = 0.5;
    } else if (ends_with(t->name, "weight")) {
        low = 0.5, high = 1.5;
    }
    fill(t->data, t->count, t->name, seed, low, high);
}

// --- The step ------------------------------------------------------------------------------------

typedef struct {
    char model[32];
    int seed, images;
    float rate;
} recorded;

typedef struct {
    model *m;
    float before[MOST_IMAGES * CLASSES], logits[MOST_IMAGES * CLASSES], loss;
    size_t size; // of the two
} outcome;

static criterion *cross_entropy(int images) {
    const loss_settings s = {.kind = LOSS_CE, .k = 1, .temperature = 1, .ce_weight = 1};
    error_line e;
    criterion *c = criterion_create(&s, images, CLASSES, TEACHER_F32, &e);
    ck_assert_msg(c != NULL, "%s", e.text);
    return c;
}

static void take_step(outcome *o, const recorded *r) {
    const model_shape shape = {CHANNELS, SIDE, SIDE, CLASSES, r->images, true};
    const char *fault = NULL;
    static float images[MOST_IMAGES * CHANNELS * SIDE * SIDE], grad[MOST_IMAGES * CLASSES];
    int64_t labels[MOST_IMAGES];
    double terms[TERMS];
    error_line e;
    const tensor *t;
    numbers n = made_up("labels", r->seed);
    criterion *c = cross_entropy(r->images);
    ck_assert_int_le(r->images, MOST_IMAGES);
    for (int i = 0; i < r->images; i++) labels[i] = (int64_t)(next(&n) * CLASSES);
    fill(images, (size_t)r->images * CHANNELS * SIDE * SIDE, "images", r->seed, -2, 2);
    o->m = model_create(r->model, &shape, &fault);
    ck_assert_msg(o->m != NULL, "%s: %s", r->model, fault);
    model_init(o->m, 1); // num_batches_tracked
    const size_t count = model_tensors(o->m, &t);
    for (size_t i = 0; i < count; i++) fill_tensor(&t[i], r->seed);
    o->size = (size_t)r->images * CLASSES;
    model_forward(o->m, images, r->images, false, o->before);
    model_forward(o->m, images, r->images, true, o->logits);
    ck_assert(criterion_apply(c, o->logits, NULL, labels, r->images, 1, grad, terms, &e));
    model_backward(o->m, grad);
    model_step(o->m, r->rate, 0.9F, 5e-4F);
    o->loss = (float)terms[TERM_TOTAL];
    criterion_free(c);
}

// --- The comparison ------------------------------------------------------------------------------

// Fields are separated by single spaces.
static const char *word(char **rest) {
    const char *found = strtok_r(NULL, " \n", rest);
    ck_assert_msg(found != NULL, "%s: a line is too short", file_name);
    return found;
}

static double number(char **rest) {
    char *end;
    const char *text = word(rest);
    const double x = strtod(text, &end);
    ck_assert_msg(*end == '\0', "%s: '%s' is no number", file_name, text);
    return x;
}

static const float *member(const tensor *t, const char *prefix) {
    return prefix[0] == 'g' ? t->grad : prefix[0] == 'm' ? t->momentum : t->data;
}

// "grad.NAME" is NAME's gradient, and so on. NULL when there is no such tensor.
static const float *find(const outcome *o, const char *name, size_t *count) {
    static const char *const prefixes[] = {"grad.", "momentum.", ""};
    const tensor *t;
    const size_t tensors = model_tensors(o->m, &t);
    *count = o->size;
    if (strcmp(name, "before") == 0) return o->before;
    if (strcmp(name, "logits") == 0) return o->logits;
    *count = 1;
    if (strcmp(name, "loss") == 0) return &o->loss;
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
        const size_t length = strlen(prefixes[p]);
        for (size_t i = 0; i < tensors && strncmp(name, prefixes[p], length) == 0; i++)
            if (strcmp(t[i].name, name + length) == 0) {
                *count = t[i].count;
                return member(&t[i], prefixes[p]);
            }
    }
    return NULL;
}

static double weighted_sum(const float *x, size_t count, const char *name) {
    char weights[80];
    double sum = 0;
    snprintf(weights, sizeof weights, "sum of %s", name);
    numbers n = made_up(weights, 0);
    for (size_t i = 0; i < count; i++) sum += (2 * next(&n) - 1) * x[i];
    return sum;
}

static void compare(const outcome *o, const char *model_name, char **rest) {
    size_t count;
    const char *name = word(rest);
    const size_t wanted = (size_t)number(rest);
    const double largest = number(rest), sum = number(rest);
    const float *x = find(o, name, &count);
    ck_assert_msg(x && count == wanted, "%s: %s of %zu elements", model_name, name, wanted);
    for (size_t i = 0; i < SAMPLES; i++) {
        const size_t place = i * (count - 1) / (SAMPLES - 1);
        const double sample = number(rest);
        ck_assert_msg(fabs(x[place] - sample) <= bound * largest,
                      "%s: %s[%zu] is %.9g, PyTorch has %.9g", model_name, name, place,
                      (double)x[place], sample);
    }
    // Errors of either sign.
    const double found = weighted_sum(x, count, name);
    ck_assert_msg(fabs(found - sum) <= bound * largest * sqrt((double)count),
                  "%s: the sum of %s is %.9g, PyTorch has %.9g", model_name, name, found, sum);
}

// Each tensor of the model was there: parameters three times, statistics once, and three more.
static void end_model(outcome *o, size_t lines) {
    const tensor *t;
    size_t wanted = 3;
    if (!o->m) return;
    const size_t count = model_tensors(o->m, &t);
    for (size_t i = 0; i < count; i++)
        if (t[i].data) wanted += t[i].grad ? 3 : 1;
    ck_assert_uint_eq(lines, wanted);
    model_free(o->m);
}

static void read_model(recorded *r, char **rest) {
    snprintf(r->model, sizeof r->model, "%s", word(rest));
    r->seed = (int)number(rest);
    r->images = (int)number(rest);
    r->rate = (float)number(rest);
}

START_TEST(steps_are_pytorchs) {
    static outcome o;
    char line[512];
    recorded r = {0};
    int models = 0;
    size_t lines = 0;
    FILE *file = fopen(file_name, "r");
    ck_assert_msg(file != NULL, "%s cannot be opened", file_name);
    omp_set_num_threads(_i);
    while (fgets(line, sizeof line, file)) {
        char *rest;
        const char *kind = strtok_r(line, " \n", &rest);
        if (kind && strcmp(kind, "model") == 0) {
            end_model(&o, lines);
            read_model(&r, &rest);
            take_step(&o, &r);
            lines = 0;
            models++;
        } else if (kind && strcmp(kind, "tensor") == 0) {
            compare(&o, r.model, &rest);
            lines++;
        }
    }
    end_model(&o, lines);
    fclose(file);
    ck_assert_int_eq(models, 3);
}
END_TEST

int main(void) {
    Suite *s = suite_create("a step by PyTorch");
    TCase *t = tcase_create("steps");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, steps_are_pytorchs, 1, 3);
    suite_add_tcase(s, t);
    return test_run(s);
}
