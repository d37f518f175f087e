// step MODEL WEIGHTS IMAGES LABELS RATE OUT: one training step of the trainer's network, for
// compare_model.py. IMAGES is an .npy of float32 (images, 3 x 32 x 32), LABELS one of (images, 1).
// OUT gets the state after the step (by its names), "grad.NAME", "momentum.NAME", "logits" of the
// training pass, "loss", and "before": the logits of the evaluation pass before the step.
#include "base/npy.h"
#include "base/safetensors.h"
#include "net/model.h"
#include "net/weights.h"
#include "train/criterion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, CHANNELS = 3, SIDE = 32, CLASSES = 100 };
static const float momentum = 0.9F, weight_decay = 5e-4F;

static safetensors_entry entries[MOST];
static char names[MOST][80];
static size_t entry_count;

static void add(const char *prefix, const char *name, const char *dtype, int dims,
                const size_t *shape, size_t count, const void *data) {
    safetensors_entry *s = &entries[entry_count];
    snprintf(names[entry_count], sizeof *names, "%s%s", prefix, name);
    *s = (safetensors_entry){.name = names[entry_count],
                             .dims = dims,
                             .count = count,
                             .bytes = count * (dtype[0] == 'I' ? sizeof(int64_t) : sizeof(float)),
                             .data = data};
    snprintf(s->dtype, sizeof s->dtype, "%s", dtype);
    if (dims) memcpy(s->shape, shape, (size_t)dims * sizeof *shape);
    entry_count++;
}

static void add_state(const model *m) {
    const tensor *t;
    const size_t count = model_tensors(m, &t);
    for (size_t i = 0; i < count; i++) {
        const char *dtype = t[i].steps ? "I64" : "F32";
        add("", t[i].name, dtype, t[i].dims, t[i].shape, t[i].count,
            t[i].steps ? (const void *)t[i].steps : t[i].data);
        if (!t[i].grad) continue;
        add("grad.", t[i].name, "F32", t[i].dims, t[i].shape, t[i].count, t[i].grad);
        add("momentum.", t[i].name, "F32", t[i].dims, t[i].shape, t[i].count, t[i].momentum);
    }
}

static criterion *cross_entropy(int rows, int classes, error_line *e) {
    loss_settings s = {.kind = LOSS_CE, .k = 1, .temperature = 1, .ce_weight = 1};
    return criterion_create(&s, rows, classes, TEACHER_F32, e);
}

// What the step works on; freed by main.
typedef struct {
    npy_matrix images, labels;
    float *before, *logits, *grad; // [images][CLASSES]
    int64_t *target;
    model *m;
    criterion *loss;
} bench;

static bool prepare(bench *b, const char *name, const char *images, const char *labels,
                    error_line *e) {
    if (!npy_read(&b->images, images, e) || !npy_read(&b->labels, labels, e)) return false;
    const size_t rows = b->images.rows;
    if (b->images.columns != CHANNELS * SIDE * SIDE || b->labels.rows != rows || rows > MOST ||
        b->images.half)
        return error_set(e, "images or labels have the wrong shape");
    const model_shape shape = {CHANNELS, SIDE, SIDE, CLASSES, (int)rows, true};
    const char *fault = NULL;
    b->before = calloc(rows * CLASSES, sizeof *b->before);
    b->logits = calloc(rows * CLASSES, sizeof *b->logits);
    b->grad = calloc(rows * CLASSES, sizeof *b->grad);
    b->target = calloc(rows, sizeof *b->target);
    if (!b->before || !b->logits || !b->grad || !b->target) return error_memory(e, "the logits");
    for (size_t i = 0; i < rows; i++) b->target[i] = (int64_t)npy_value(&b->labels, i, 0);
    b->m = model_create(name, &shape, &fault);
    if (!b->m) return error_set(e, "%s: %s", name, fault);
    b->loss = cross_entropy((int)rows, CLASSES, e);
    return b->loss != NULL;
}

static bool step(bench *b, float rate, const char *out, error_line *e) {
    const int count = (int)b->images.rows;
    const size_t shape[2] = {b->images.rows, CLASSES}, one = 1, size = shape[0] * shape[1];
    double terms[TERMS];
    model_forward(b->m, b->images.values, count, false, b->before);
    model_forward(b->m, b->images.values, count, true, b->logits);
    if (!criterion_apply(b->loss, b->logits, NULL, b->target, count, 1, b->grad, terms, e))
        return false;
    model_backward(b->m, b->grad);
    model_step(b->m, rate, momentum, weight_decay);
    const float loss = (float)terms[TERM_TOTAL];
    add_state(b->m);
    add("", "before", "F32", 2, shape, size, b->before);
    add("", "logits", "F32", 2, shape, size, b->logits);
    add("", "loss", "F32", 1, &one, 1, &loss);
    const safetensors file = {.count = entry_count, .entries = entries};
    return safetensors_write(&file, out, e);
}

static void clear(bench *b) {
    free(b->images.values);
    free(b->labels.values);
    free(b->before);
    free(b->logits);
    free(b->grad);
    free(b->target);
    criterion_free(b->loss);
    model_free(b->m);
}

int main(int argc, char **argv) {
    error_line e;
    bench b = {0};
    if (argc != 7) {
        fputs("usage: step MODEL WEIGHTS IMAGES LABELS RATE OUT\n", stderr);
        return 2;
    }
    const bool fine = prepare(&b, argv[1], argv[3], argv[4], &e) &&
                      weights_load(b.m, argv[1], argv[2], &e) &&
                      step(&b, strtof(argv[5], NULL), argv[6], &e);
    clear(&b);
    if (!fine) fprintf(stderr, "step: %s\n", e.text);
    return !fine;
}
