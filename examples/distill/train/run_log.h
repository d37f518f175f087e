// What a run has to tell, epoch by epoch, and its CSV.
#ifndef DISTILL_RUN_LOG_H
#define DISTILL_RUN_LOG_H

#include "train/criterion.h"

typedef struct {
    double lr;
    double terms[TERMS];          // means over the epoch's images, see loss_term
    double train_top1;            // percent, of the images as trained on, while the network changes
    double test_top1, test_top5;  // percent
    double seconds, test_seconds; // training; testing
    double library_share;         // of the training's seconds spent in libgdkd
} epoch_record;

// An epoch that is not finished: sums over its first `batches` batches. All 0 between epochs.
typedef struct {
    double batches, images, right; // whole numbers
    double terms[TERMS];
    double seconds, library_seconds;
} epoch_tally;

typedef struct {
    int count, room;
    epoch_record *epochs; // epochs[i] is epoch i + 1
    epoch_tally begun;    // epoch count + 1
} run_log;

bool run_log_init(run_log *log, int epochs, error_line *e);
void run_log_free(run_log *log);

// The epoch with the highest test top-1 (the first of equals); count must be above 0.
const epoch_record *run_log_best(const run_log *log);
const epoch_record *run_log_last(const run_log *log);

// The whole log as a CSV. Terms that the loss does not have are empty.
bool run_log_write(const run_log *log, const char *path, error_line *e);

#endif
