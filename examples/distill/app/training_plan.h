// From the command line to a training run.
#ifndef DISTILL_TRAINING_PLAN_H
#define DISTILL_TRAINING_PLAN_H

#include "app/settings.h"
#include "train/evaluate.h"
#include "train/train_loop.h"

#include <limits.h>

enum { PLAN_RECIPE = 512 };

// The data set of the command line.
bool plan_data(const settings *s, unsigned parts, dataset *d, error_line *e);

// The files of a run, side by side. Those that it does not write have no name.
typedef struct {
    char weights[PATH_MAX];        // STEM.safetensors
    char log[PATH_MAX];            // STEM.csv
    char checkpoint[PATH_MAX];     // STEM.checkpoint
    char logits[PATH_MAX];         // STEM.logits.npy
    char teacher_logits[PATH_MAX]; // STEM.teacher.npy
    char facts[PATH_MAX];          // STEM.run.json
    char config[PATH_MAX];         // STEM.config.json
    char lock[PATH_MAX];           // STEM.lock, while the run is on
} run_files;

bool plan_files(run_files *f, const char *stem, error_line *e);

// A teacher's accuracy, and its logits into a file, before its students learn from it.
bool plan_test_teacher(model *teacher, const dataset *d, int batch, const char *npy,
                       accuracy *result, error_line *e);

// A run of s->model with s->loss, its defaults filled in; label, teacher, the files and recipe are
// left to the caller.
training plan_training(const settings *s, const dataset *d);

// All that the resulting weights depend on, in one line: the teacher's weights by a checksum.
void plan_recipe(const training *t, const settings *s, char *text, size_t size);

// Writes every option that had an effect on these losses, and in "about" what else the results
// depend on: a file for --config that repeats the run.
bool plan_write_config(const settings *s, const loss_kind *losses, int count, const dataset *d,
                       const char *path, error_line *e);

// Whether a run that is resumed has its file of options already: the one that --config names, or
// one beside the checkpoint, which may turn out to be another run's.
bool plan_keeps_config(const settings *s, const char *config, const char *checkpoint);

// The run leaves its facts and logits in the files of *f. `name` is the loss as the user wrote it;
// teacher_model is NULL where f->teacher_logits are not there. *facts points into all of these.
void plan_facts(training *t, const settings *s, run_files *f, const char *name,
                const char *teacher_model, run_facts *facts);

#endif
