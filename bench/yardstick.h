// What the losses are held against: the two things that no implementation can avoid.
#ifndef BENCH_YARDSTICK_H
#define BENCH_YARDSTICK_H

#include <stdint.h>

// Memory: c[i] = a[i] + b[i] on the loss's own student, teacher and gradient, shared out among the
// threads; element_bytes is 2 (added as integers), 4 or 8.
typedef struct {
    const void *a, *b;
    void *c;
    int64_t elements;
    int element_bytes;
    int threads;
} stream_yardstick;

void run_stream(void *stream); // a stream_yardstick

// Arithmetic: EXP_ELEMENTS exponentials in each thread, from L1 to L1.
enum { EXP_ELEMENTS = 1024, EXP_PASSES = 1024 };
typedef struct {
    int threads;
} exp_yardstick;

void run_exp(void *exp);          // an exp_yardstick: EXP_PASSES times over the elements
double exp_elements(int threads); // that one run handles, all threads together

#endif
