// Runs as they lie on disk, read for a report: grouped into series of one setting and several seeds.
#ifndef DISTILL_RUN_SET_H
#define DISTILL_RUN_SET_H

#include "base/npy.h"
#include "report/summary.h"
#include "train/run_facts.h"

#include <limits.h>

typedef struct {
    char path[PATH_MAX]; // of its facts
    run_facts facts;
    run_log log;
    npy_matrix logits; // of the test images; rows 0 when their file was removed
    int teacher;       // its place in the set, or -1
} recorded_run;

typedef struct {
    char path[PATH_MAX]; // of its logits
    char name[64];       // "teacher resnet20"
    npy_matrix logits;
    double top1, top5; // percent
} recorded_teacher;

typedef struct {
    int run_count, teacher_count, series_count;
    recorded_run *runs; // the series one after the other: runs[first[i]] is the first of series i
    recorded_teacher *teachers;
    series *series;
    int *first;
    run_log *logs;     // those of the runs, side by side
    uint64_t *seeds;   // likewise
    char (*names)[96]; // of the series
} run_set;

// Every path is a folder, all whose runs are read, or a run's own NAME.run.json. All runs must have
// been tested on the same images. On failure *set holds nothing.
bool run_set_read(run_set *set, const char *const *paths, int count, error_line *e);
void run_set_free(run_set *set);

// Whether a file belongs to one of the runs.
bool run_set_reads(const run_set *set, const char *path);

// The teacher that a run is held against: its own, or the set's only one where it has none. NULL
// without either, or where logits are missing.
const recorded_teacher *run_set_teacher(const run_set *set, const recorded_run *run);

#endif
