// From the command line to a training run.
#ifndef DISTILL_TRAINING_PLAN_H
#define DISTILL_TRAINING_PLAN_H

#include "settings.h"
#include "train_loop.h"

enum { PLAN_RECIPE = 512 };

// A run of s->model with s->loss, its defaults filled in; label, teacher, out, csv and recipe are
// left to the caller.
training plan_training(const settings *s, const dataset *d);

// All that the resulting weights depend on, in one line: the teacher's weights by a checksum.
void plan_recipe(const training *t, const settings *s, char *text, size_t size);

#endif
