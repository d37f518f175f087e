#include "commands.h"
#include "evaluate.h"
#include "train_loop.h"
#include "weights.h"

#include <stdio.h>

bool command_eval(const settings *s, error_line *e) {
    dataset d;
    accuracy a;
    if (!dataset_open(&d, s->data, DATASET_TEST, (size_t)s->limit, e)) return false;
    model *m = model_for(s->model, &d, &d.test, s->batch, false, e);
    const bool fine = m && weights_load(m, s->model, s->weights, e) &&
                      evaluate_alone(m, &d, s->batch, s->logits, &a, e);
    if (fine) printf("top1 %.2f\ntop5 %.2f\n", a.top1, a.top5);
    model_free(m);
    dataset_close(&d);
    return fine;
}
