// A run that can go on where it was stopped: weights, momentum and log, in one file, after an epoch
// or in the middle of one (log->begun).
// Random numbers need no state of their own: those of an epoch depend on its number and the seed
// alone (keyed_random.h).
#ifndef DISTILL_CHECKPOINT_H
#define DISTILL_CHECKPOINT_H

#include "net/model.h"
#include "train/run_log.h"

// `recipe` says what the run's results depend on; a checkpoint of another recipe is refused.
bool checkpoint_save(const model *m, run_log *log, const char *recipe, const char *path,
                     error_line *e);

// Whether the file is a whole checkpoint of the recipe, and how far its run has come.
bool checkpoint_check(const char *recipe, const char *path, int *epochs, double *batches,
                      error_line *e);

// Puts model and log back to where they were. Log and model are as before when it fails.
bool checkpoint_load(model *m, run_log *log, const char *recipe, const char *path, error_line *e);

#endif
