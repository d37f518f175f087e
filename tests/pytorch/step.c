// step MODEL WEIGHTS IMAGES LABELS RATE OUT: one training step of the trainer's network, for
// compare_model.py. IMAGES is an .npy of float32 (images, 3 x 32 x 32), LABELS one of (images, 1).
// OUT gets the state after the step (by its names), "grad.NAME", "momentum.NAME", "logits" of the
// training pass, "loss", and "before": the logits of the evaluation pass before the step.
#include "criterion.h"
#include "model.h"
#include "npy.h"
#include "safetensors.h"
#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, CHANNELS = 3, SIDE = 32 };
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
    return criterion_create(&s, rows, classes, e);
}

static bool step(const char *name, const char *weights, const npy_matrix *images,
                 const npy_matrix *labels, float rate, const char *out, error_line *e) {
    const int count = (int)images->rows, classes = 100;
    const model_shape shape = {CHANNELS, SIDE, SIDE, classes, count, true};
    const size_t logit_shape[2] = {images->rows, (size_t)classes}, one = 1;
    const size_t size = images->rows * (size_t)classes;
    const char *fault;
    float *before = calloc(size, sizeof *before), *logits = calloc(size, sizeof *logits);
    float *grad = calloc(size, sizeof *grad), loss = NAN;
    int64_t *target = calloc(images->rows, sizeof *target);
    double terms[TERMS];
    model *m = model_create(name, &shape, &fault);
    criterion *c = cross_entropy(count, classes, e);
    if (!before || !logits || !grad || !target || !m || !c)
        return error_set(e, "the model, its loss or memory for it is missing");
    for (size_t i = 0; i < images->rows; i++) target[i] = (int64_t)labels->values[i];
    if (!weights_load(m, name, weights, e)) return false;
    model_forward(m, images->values, count, false, before);
    model_forward(m, images->values, count, true, logits);
    if (!criterion_apply(c, logits, NULL, target, count, 1, grad, terms, e)) return false;
    model_backward(m, grad);
    model_step(m, rate, momentum, weight_decay);
    loss = (float)terms[TERM_TOTAL];
    add_state(m);
    add("", "before", "F32", 2, logit_shape, size, before);
    add("", "logits", "F32", 2, logit_shape, size, logits);
    add("", "loss", "F32", 1, &one, 1, &loss);
    const safetensors file = {.count = entry_count, .entries = entries};
    const bool fine = safetensors_write(&file, out, e);
    criterion_free(c);
    model_free(m);
    free(before);
    free(logits);
    free(grad);
    free(target);
    return fine;
}

int main(int argc, char **argv) {
    error_line e;
    npy_matrix images = {0}, labels = {0};
    if (argc != 7) {
        fputs("usage: step MODEL WEIGHTS IMAGES LABELS RATE OUT\n", stderr);
        return 2;
    }
    bool fine = npy_read(&images, argv[3], &e) && npy_read(&labels, argv[4], &e);
    if (fine && (images.columns != CHANNELS * SIDE * SIDE || labels.rows != images.rows))
        fine = error_set(&e, "images or labels have the wrong shape");
    fine = fine && step(argv[1], argv[2], &images, &labels, strtof(argv[5], NULL), argv[6], &e);
    free(images.values);
    free(labels.values);
    if (!fine) fprintf(stderr, "step: %s\n", e.text);
    return !fine;
}
