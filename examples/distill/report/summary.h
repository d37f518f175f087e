// Runs of one loss with several seeds, and what they come to.
#ifndef DISTILL_SUMMARY_H
#define DISTILL_SUMMARY_H

#include "train/run_log.h"

#include <stdio.h>

// Mean and standard deviation (n - 1) of numbers that come one by one; NaN is left out.
typedef struct {
    int count;
    double mean, squares; // squares: of the distances from the mean
} statistic;

void statistic_add(statistic *s, double value);
double statistic_spread(const statistic *s); // 0 for fewer than two

typedef struct {
    const char *name;     // as the user wrote it: "gdkd:k=3"
    int epochs;           // of a finished run
    int seeds;            // runs
    const uint64_t *seed; // [seeds]
    run_log *logs;        // [seeds]; those of runs that were not finished are shorter
} series;

typedef struct {
    int runs;                 // finished ones; the rest is 0 without any
    double last, last_spread; // test top-1 after the last epoch, percent: mean, and deviation (n -
                              // 1) over the seeds
    double best, best_spread; // of the best epochs
    double seconds;           // per epoch of training
    double library_share;
} summary;

summary summarise(const series *s);

bool series_finished(const series *s, int run);

// The table, a line per series with finished runs, for a terminal of 80 columns; nothing without
// any.
void summary_print(const series *all, int count, FILE *out);

// What was seen, in one sentence and a line: from the best loss to the worst, the lead over the
// next one that is worse by more than the larger spread of the two, and those between, which do not
// differ by as much. Nothing where fewer than two losses have finished runs; false without memory.
bool summary_tell(const series *all, int count, FILE *out);

// "85.12 ± 0.31", or without the spread for one run.
void summary_format(double mean, double spread, int runs, char *text, size_t size);

#endif
