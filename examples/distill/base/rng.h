// The trainer's random numbers: xoshiro256** (Blackman and Vigna, 2018), the same on every machine.
// The state is a plain struct: copy it to save it, copy it back to go on with the same numbers.
#ifndef DISTILL_RNG_H
#define DISTILL_RNG_H

#include <stdint.h>

typedef struct {
    uint64_t state[4];
} rng;

// Any seed will do, 0 too; different seeds give unrelated sequences.
void rng_seed(rng *r, uint64_t seed);

uint64_t rng_next(rng *r);                  // 64 random bits
double rng_uniform(rng *r);                 // in [0, 1)
uint32_t rng_below(rng *r, uint32_t bound); // in [0, bound), each equally likely; bound > 0
double rng_normal(rng *r);                  // mean 0, deviation 1

#endif
