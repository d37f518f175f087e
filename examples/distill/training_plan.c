#include "training_plan.h"

#include "weights.h"

#include <inttypes.h>
#include <stdio.h>

training plan_training(const settings *s, const dataset *d) {
    training t = {.data = d,
                  .model = s->model,
                  .loss = s->loss,
                  .rate = {(schedule_kind)s->schedule, s->epochs, s->lr, s->lr_min},
                  .momentum = s->momentum,
                  .weight_decay = s->weight_decay,
                  .batch = s->batch,
                  .seed = s->seed,
                  .resume = s->resume,
                  .quiet = s->quiet};
    criterion_defaults(&t.loss);
    return t;
}

void plan_recipe(const training *t, const settings *s, char *text, size_t size) {
    char loss[160], teacher[64] = "";
    criterion_describe(&t->loss, loss, sizeof loss);
    if (t->teacher)
        snprintf(teacher, sizeof teacher, ", teacher %s %08lx", s->teacher_model,
                 weights_checksum(t->teacher));
    snprintf(text, size,
             "%zu images, %s (%s), %d epochs, batch %d, lr %g to %g %s, momentum %g, weight decay "
             "%g, seed %" PRIu64 "%s",
             t->data->train.count, loss_names[t->loss.kind], loss, t->rate.epochs, t->batch,
             t->rate.lr, t->rate.lr_min, t->rate.kind == SCHEDULE_COSINE ? "cosine" : "step",
             t->momentum, t->weight_decay, t->seed, teacher);
}
