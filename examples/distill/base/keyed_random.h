// Random numbers whose start is a function of a key alone, so that it does not matter which thread
// asks first, or what was asked before.
#ifndef DISTILL_KEYED_RANDOM_H
#define DISTILL_KEYED_RANDOM_H

#include "base/rng.h"

// What the numbers are for; part of their key.
typedef enum { RANDOM_SHUFFLE = 1, RANDOM_AUGMENT = 2 } random_purpose;

static inline rng random_for(uint64_t seed, random_purpose purpose, uint64_t epoch,
                             uint64_t index) {
    const uint64_t key[3] = {purpose, epoch, index};
    rng r;
    rng_seed(&r, seed);
    for (int i = 0; i < 3; i++) rng_seed(&r, rng_next(&r) ^ key[i]);
    return r;
}

#endif
