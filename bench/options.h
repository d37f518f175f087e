// The command line: which cases to measure, and how.
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdint.h>

#include "logits.h"
#include "losses.h"
#include "measure.h"
#include "shape.h"

enum { MOST_CHOICES = 32 };

// Every case is a combination of these. Without a choice of its own (the _given fields), an axis is
// shortened where a full product would tell little: see wanted() in main.c.
typedef struct {
    bench_shape shapes[MOST_CHOICES];
    bench_loss losses[MOST_CHOICES];
    int32_t dtypes[MOST_CHOICES];
    int32_t isas[MOST_CHOICES]; // best first
    int threads[MOST_CHOICES];
    int shape_count, loss_count, dtype_count, isa_count, thread_count;
    int shapes_given, dtypes_given, isas_given;
    int calls;   // of each case, and nothing else; 0: measure
    int in_turn; // the losses of a case beside the first one, instead of each beside the yardsticks
    logits_kind logits;
    repetition_plan plan;
} bench_options;

// Handles --help; on a mistake says so in one line on stderr and ends with status 2.
void parse_options(int argc, char **argv, bench_options *options);

#endif
