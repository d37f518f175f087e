#include "base/rng.h"

#include <math.h>

// splitmix64: what the authors of xoshiro fill its state with.
void rng_seed(rng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15U;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        r->state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

uint64_t rng_next(rng *r) {
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_uniform(rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

// The values below `reject` would make small results likelier than large ones.
uint32_t rng_below(rng *r, uint32_t bound) {
    uint32_t reject = (0U - bound) % bound;
    uint32_t x;
    do x = (uint32_t)(rng_next(r) >> 32);
    while (x < reject);
    return x % bound;
}

// Box and Muller's transform. Its second value is dropped, so that the state alone says what comes
// next.
double rng_normal(rng *r) {
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2.0 * log(1.0 - rng_uniform(r)));
    return radius * cos(two_pi * rng_uniform(r));
}
