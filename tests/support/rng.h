// Random numbers for the tests: small, seeded, the same on every machine.
#ifndef GDKD_TESTS_RNG_H
#define GDKD_TESTS_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t state;
} rng;

uint64_t rng_bits(rng *r);                           // splitmix64
int64_t rng_below(rng *r, int64_t n);                // 0 .. n - 1
double rng_uniform(rng *r);                          // [0, 1)
double rng_between(rng *r, double low, double high); // uniform
double rng_normal(rng *r);                           // mean 0, deviation 1

// The kinds of logit rows that losses meet.
typedef enum logit_kind {
    LOGITS_UNIT,       // deviation 1
    LOGITS_WIDE,       // deviation 30
    LOGITS_PEAKED,     // deviation 1, one class 20 higher
    LOGITS_MULTIMODAL, // deviation 1, about a tenth of the classes 6 higher
    LOGITS_OFFSET,     // deviation 3, all classes 1e4 higher
    LOGIT_KINDS
} logit_kind;

void rng_logits(rng *r, logit_kind kind, double *row, int64_t classes);
const char *logit_kind_name(logit_kind kind);

#endif
