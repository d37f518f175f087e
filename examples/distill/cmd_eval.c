#include "commands.h"
#include "evaluate.h"
#include "stop.h"
#include "train_loop.h"
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>

static bool evaluate_and_print(const settings *s, const dataset *d, model *m, error_line *e) {
    loader *images = loader_create(d, DATASET_TEST, s->batch, 0, e);
    float *logits = malloc((size_t)s->batch * (size_t)d->classes * sizeof *logits);
    bool fine = images && (logits || error_memory(e, "the logits"));
    if (fine) {
        const accuracy a = evaluate(m, images, d->classes, logits);
        fine = !stop_requested() || error_interrupted(e, "interrupted");
        if (fine) printf("top1 %.2f\ntop5 %.2f\n", a.top1, a.top5);
    }
    free(logits);
    loader_free(images);
    return fine;
}

bool command_eval(const settings *s, error_line *e) {
    dataset d;
    if (!dataset_open(&d, s->data, DATASET_TEST, (size_t)s->limit, e)) return false;
    model *m = model_for(s->model, &d, &d.test, s->batch, false, e);
    const bool fine =
        m && weights_load(m, s->model, s->weights, e) && evaluate_and_print(s, &d, m, e);
    model_free(m);
    dataset_close(&d);
    return fine;
}
