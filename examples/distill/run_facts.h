// NAME.run.json: what a run leaves beside its weights, so that it can be reported later. The keys of
// settings are those of the options. Of the files it names, paths are relative to its own folder:
//
//     log                   the epochs, see run_log.h
//     logits                of the network on the test images, in order, after the last epoch (.npy)
//     teacher-test-logits   of its teacher on the same images (.npy)
#ifndef DISTILL_RUN_FACTS_H
#define DISTILL_RUN_FACTS_H

#include "criterion.h"

#include <stddef.h>

#define RUN_FACTS_ENDING ".run.json"

typedef struct {
    const char *name;           // of the loss, as the user wrote it: "gdkd:k=3"
    const char *model;          // the network that learned
    const char *teacher_model;  // NULL without a teacher
    const char *teacher_logits; // in place of one, of the training images; NULL without them
    const char *dataset;
    const char *schedule;
    const char *library, *kernels; // libgdkd's version and instruction set
    const char *log, *logits, *teacher_test_logits;
    loss_settings loss;
    double lr, lr_min, momentum, weight_decay;
    int epochs, batch, train_images;
    uint64_t seed;
    int classes;
    const char **class_names; // [classes], or NULL where the data set has none
    size_t images;            // of the test
    const int64_t *labels;    // [images]
    void *owned[3];           // the JSON, class_names and labels, when read from a file
} run_facts;

bool run_facts_write(const run_facts *f, const char *path, error_line *e);

// Checks every value. On failure *f holds nothing.
bool run_facts_read(run_facts *f, const char *path, error_line *e);
void run_facts_free(run_facts *f);

// Whether two runs differ in nothing but their seed, their files and the machine.
bool run_facts_alike(const run_facts *a, const run_facts *b);

// The facts, one after the other: their keys (NULL behind the last), and their values in words.
// run_facts_tell is false for one that the run does not have.
const char *run_facts_key(int i);
bool run_facts_tell(const run_facts *f, int i, char *text, size_t size);

// Whether it is a setting of the loss, which criterion_describe tells, or one of the training.
bool run_facts_of_loss(int i);
bool run_facts_of_training(int i);

#endif
