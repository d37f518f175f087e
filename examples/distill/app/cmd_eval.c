#include "app/commands.h"
#include "app/overwrite.h"
#include "app/training_plan.h"
#include "net/weights.h"
#include "train/evaluate.h"

#include <stdio.h>

bool command_eval(const settings *s, error_line *e) {
    const dataset_parts part = s->split ? DATASET_TEST : DATASET_TRAIN;
    dataset d;
    accuracy a;
    if (s->logits && !check_output(s, s->logits, "logits", e)) return false;
    if (!plan_data(s, part, &d, e)) return false;
    model *m =
        model_for(s->model, &d, part == DATASET_TRAIN ? &d.train : &d.test, s->batch, false, e);
    const bool fine = m && weights_load(m, s->model, s->weights, e) &&
                      evaluate_alone(m, &d, part, s->batch, s->logits, &a, e);
    if (fine) printf("top1 %.2f\ntop5 %.2f\n", a.top1, a.top5);
    model_free(m);
    dataset_close(&d);
    return fine;
}
