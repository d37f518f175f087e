#include "commands.h"
#include "evaluate.h"
#include "npy.h"
#include "safe_file.h"
#include "stop.h"
#include "training_plan.h"
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>

// With --logits, the file is only there when every image went through.
static bool evaluate_and_print(const settings *s, const dataset *d, dataset_parts part, model *m,
                               error_line *e) {
    safe_file file = {0};
    const size_t count = part == DATASET_TRAIN ? d->train.count : d->test.count;
    if (s->logits && !safe_file_begin(&file, s->logits, e)) return false;
    if (s->logits) npy_write_header(file.stream, count, (size_t)d->classes);
    loader *images = loader_create(d, part, IN_ORDER, s->batch, 0, e);
    float *logits = malloc((size_t)s->batch * (size_t)d->classes * sizeof *logits);
    bool fine = images && (logits || error_memory(e, "the logits"));
    if (fine) {
        const accuracy a = evaluate(m, images, d->classes, logits, file.stream);
        fine = !stop_requested() || error_interrupted(e, "interrupted");
        if (fine && s->logits) fine = safe_file_commit(&file, e);
        if (fine) printf("top1 %.2f\ntop5 %.2f\n", a.top1, a.top5);
    }
    if (!fine && s->logits) safe_file_abandon(&file);
    free(logits);
    loader_free(images);
    return fine;
}

bool command_eval(const settings *s, error_line *e) {
    const dataset_parts part = s->split ? DATASET_TEST : DATASET_TRAIN;
    dataset d;
    if (!plan_data(s, part, &d, e)) return false;
    model *m =
        model_for(s->model, &d, part == DATASET_TRAIN ? &d.train : &d.test, s->batch, false, e);
    const bool fine =
        m && weights_load(m, s->model, s->weights, e) && evaluate_and_print(s, &d, part, m, e);
    model_free(m);
    dataset_close(&d);
    return fine;
}
