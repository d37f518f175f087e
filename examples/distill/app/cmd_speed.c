// speed: images per second of training steps on made-up images, and where the time goes. The
// teacher's logits are made up too: its network takes no part.
#include "app/commands.h"
#include "base/clock.h"
#include "base/rng.h"
#include "net/model_speed.h"
#include "train/criterion.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

// CIFAR-100's shape, for which the paper's benchmark is.
enum { CHANNELS = 3, SIDE = 32, CLASSES = 100, WARMUP = 3, LEAST_STEPS = 10, MOST_STEPS = 100000 };
static const double measured_seconds = 5;

typedef struct {
    model *m;
    criterion *loss;
    int batch;
    float *images, *logits, *teacher, *grad;
    int64_t *labels;
} bench;

static bool prepare(bench *b, const settings *s, error_line *e) {
    const model_shape shape = {CHANNELS, SIDE, SIDE, CLASSES, s->batch, true};
    const size_t pixels = (size_t)s->batch * CHANNELS * SIDE * SIDE;
    const size_t numbers = (size_t)s->batch * CLASSES;
    loss_settings loss = s->loss;
    const char *fault = NULL;
    rng r;
    rng_seed(&r, 1);
    b->batch = s->batch;
    b->images = malloc(pixels * sizeof *b->images);
    b->logits = malloc(numbers * sizeof *b->logits);
    b->teacher = malloc(numbers * sizeof *b->teacher);
    b->grad = malloc(numbers * sizeof *b->grad);
    b->labels = malloc((size_t)s->batch * sizeof *b->labels);
    if (!b->images || !b->logits || !b->teacher || !b->grad || !b->labels)
        return error_memory(e, "a batch");
    for (size_t i = 0; i < pixels; i++) b->images[i] = (float)rng_normal(&r);
    for (size_t i = 0; i < numbers; i++) b->teacher[i] = (float)(3 * rng_normal(&r));
    for (int i = 0; i < s->batch; i++) b->labels[i] = rng_below(&r, CLASSES);
    b->m = model_create(s->model, &shape, &fault);
    if (!b->m) return error_set(e, "the model %s cannot be made: %s", s->model, fault);
    model_init(b->m, 1);
    criterion_defaults(&loss, 240, CLASSES); // the authors' epochs
    b->loss = criterion_create(&loss, s->batch, CLASSES, TEACHER_F32, e);
    return b->loss != NULL;
}

static void clear(bench *b) {
    criterion_free(b->loss);
    model_free(b->m);
    free(b->labels);
    free(b->grad);
    free(b->teacher);
    free(b->logits);
    free(b->images);
}

// A learning rate of 0: the numbers stay ordinary however long it takes.
static bool train_step(bench *b, double *library, error_line *e) {
    double terms[TERMS];
    model_forward(b->m, b->images, b->batch, true, b->logits);
    const double begun = clock_seconds();
    if (!criterion_apply(b->loss, b->logits, b->teacher, b->labels, b->batch, 1, b->grad, terms, e))
        return false;
    *library += clock_seconds() - begun;
    model_backward(b->m, b->grad);
    model_step(b->m, 0, 0.9F, 5e-4F);
    return true;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The median step, so that a moment's disturbance does not count.
static bool measure(bench *b, double *median, error_line *e) {
    static double seconds[MOST_STEPS];
    double library = 0;
    int steps = 0;
    for (int i = 0; i < WARMUP; i++)
        if (!train_step(b, &library, e)) return false;
    const double begun = clock_seconds();
    while (steps < MOST_STEPS &&
           (steps < LEAST_STEPS || clock_seconds() - begun < measured_seconds)) {
        const double start = clock_seconds();
        if (!train_step(b, &library, e)) return false;
        seconds[steps++] = clock_seconds() - start;
    }
    qsort(seconds, (size_t)steps, sizeof *seconds, by_size);
    *median = seconds[steps / 2];
    return true;
}

// In a second run, because looking at the clock costs time too.
static bool print_shares(bench *b, error_line *e) {
    double library = 0;
    model_profile(b->m, true);
    for (int i = 0; i < LEAST_STEPS; i++)
        if (!train_step(b, &library, e)) return false;
    const model_times t = *model_profile_times(b->m);
    library *= omp_get_max_threads(); // the others are added up over the threads
    const struct {
        const char *name;
        double seconds;
    } shares[] = {{"conv_forward", t.conv_forward},
                  {"conv_backward", t.conv_backward},
                  {"conv_weights", t.conv_weights},
                  {"norm", t.norm},
                  {"head", t.head},
                  {"other", t.other},
                  {"libgdkd", library}};
    double sum = 0;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) sum += shares[i].seconds;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf("share_%s %.2f\n", shares[i].name, 100 * shares[i].seconds / sum);
    return true;
}

bool command_speed(const settings *s, error_line *e) {
    bench b = {0};
    double median = 1;
    bool fine = prepare(&b, s, e) && measure(&b, &median, e);
    if (fine) printf("images_per_second %.1f\n", s->batch / median);
    fine = fine && (s->quiet || print_shares(&b, e));
    clear(&b);
    return fine;
}
