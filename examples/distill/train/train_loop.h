// One training run: epochs over the training images, a test after each, weights and CSV on disk
// after each.
#ifndef DISTILL_TRAIN_LOOP_H
#define DISTILL_TRAIN_LOOP_H

#include "data/dataset.h"
#include "net/model.h"
#include "train/criterion.h"
#include "train/run_facts.h"
#include "train/run_log.h"
#include "train/schedule.h"
#include "train/teacher_logits.h"
#include "train/teacher_memory.h"

typedef struct {
    const char *label; // for the progress
    const dataset *data;
    const char *model;                    // name of the network that learns
    model *teacher;                       // NULL when the loss needs none
    teacher_memory *memory;               // of the teacher, shared by several runs, or NULL
    const teacher_logits *teacher_logits; // in place of a teacher, or NULL
    bool augment;                         // the training images
    loss_settings loss;
    schedule rate;
    double momentum, weight_decay;
    int batch;
    uint64_t seed;
    const char *out;         // weights
    const char *csv;         // log
    const char *checkpoint;  // all that it takes to go on; written after every epoch and on Ctrl-C
    const char *test_logits; // the student's, .npy; NULL: not wanted
    const run_facts *facts;  // for a later report, into facts_file; NULL: not wanted
    const char *facts_file;
    bool resume;        // go on from the checkpoint when it is there
    const char *recipe; // what the weights depend on, in words; goes into their file
    bool quiet;
} training;

// *log, initialised for rate.epochs, holds the finished epochs, also on failure. A run that was
// interrupted fails with EXIT_INTERRUPTED and a line that says what is on disk.
bool training_run(const training *t, run_log *log, error_line *e);

// Whether the run may write where it wants to: --resume asks for a checkpoint of this very run, or
// none; without it, an unfinished one of this very run is not thrown away, nor one that cannot be
// read.
bool training_may_begin(const training *t, error_line *e);

// A network for the images and classes of a data set; NULL on failure.
model *model_for(const char *name, const dataset *d, const image_set *images, int max_batch,
                 bool learns, error_line *e);

// `recipe` with a finished number of epochs, as it stands in the file: a run that was cut short
// differs.
void training_fingerprint(const char *recipe, int epochs, char *text, size_t size);

#endif
