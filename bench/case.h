// One line of the table: a loss on a batch, with its two yardsticks beside it.
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

#include <stddef.h>

#include "logits.h"
#include "losses.h"
#include "measure.h"
#include "shape.h"

// Logits, targets, groups and room for the gradient: shared by all losses on one shape and dtype.
typedef struct {
    bench_shape shape;
    int32_t dtype;
    void *student, *teacher, *grad;
    int64_t *target;
    uint8_t *groups;
} bench_data;

bench_data make_data(const bench_shape *shape, int32_t dtype, logits_kind kind);
void free_data(bench_data *data);

typedef struct {
    double least, median;           // ns per element
    double stream_ratio, exp_ratio; // least to the stream loop, and to two exponentials
    size_t workspace_bytes;
} bench_outcome;

// Gradient included, workspace given, warm. A refusal of the library: one line on stderr, exit(1).
bench_outcome run_case(const bench_data *data, const bench_loss *loss, int32_t isa, int threads,
                       repetition_plan plan);

typedef struct {
    double least, times, times_low, times_high; // as timed_job has them
} bench_comparison;

// Only the calls, for a tool that counts what they do: no yardstick, nothing warmed up; a
// target for every loss. The total.
double repeat_case(const bench_data *data, const bench_loss *loss, int32_t isa, int threads,
                   int calls);

// As run_case, for several losses in turn, each beside the first one.
void compare_cases(const bench_data *data, const bench_loss *losses, int count, int32_t isa,
                   int threads, repetition_plan plan, bench_comparison *out);

#endif
