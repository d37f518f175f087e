// NAME.run.json: what a run leaves beside its weights, so that it can be reported later. The keys
// of settings are those of the options. Of the files it names, paths are relative to its own
// folder:
//
//     log                   the epochs, see run_log.h
//     logits                of the network on the test images, in order, after the last epoch
//                           (.npy)
//     teacher-test-logits   of its teacher on the same images (.npy)
#ifndef DISTILL_RUN_FACTS_H
#define DISTILL_RUN_FACTS_H

#include "train/criterion.h"

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
} run_facts;

bool run_facts_write(const run_facts *f, const char *path, error_line *e);

#endif
