// From the command line to a training run.
#ifndef DISTILL_TRAINING_PLAN_H
#define DISTILL_TRAINING_PLAN_H

#include "settings.h"
#include "train_loop.h"

enum { PLAN_RECIPE = 512 };

// The data set of the command line.
bool plan_data(const settings *s, unsigned parts, dataset *d, error_line *e);

// A run of s->model with s->loss, its defaults filled in; label, teacher, out, csv and recipe are
// left to the caller.
training plan_training(const settings *s, const dataset *d);

// All that the resulting weights depend on, except the teacher's own weights, in one line.
void plan_recipe(const training *t, const settings *s, char *text, size_t size);

// Writes every option with its value, and in "about" what else the results depend on: a file for
// --config that repeats the run.
bool plan_write_config(const settings *s, const dataset *d, const char *path, error_line *e);

#endif
