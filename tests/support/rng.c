#include "rng.h"

#include <math.h>

uint64_t rng_bits(rng *r) {
    // splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t rng_below(rng *r, int64_t n) {
    return (int64_t)(rng_bits(r) % (uint64_t)n);
}

double rng_uniform(rng *r) {
    return (double)(rng_bits(r) >> 11) * 0x1p-53;
}

double rng_between(rng *r, double low, double high) {
    return low + (high - low) * rng_uniform(r);
}

double rng_normal(rng *r) {
    // Box and Muller; 1 - u is never 0.
    const double radius = sqrt(-2.0 * log(1.0 - rng_uniform(r)));
    return radius * cos(6.283185307179586 * rng_uniform(r));
}

void rng_logits(rng *r, logit_kind kind, double *row, int64_t classes) {
    const double deviation = kind == LOGITS_WIDE ? 30.0 : kind == LOGITS_OFFSET ? 3.0 : 1.0;
    const double offset = kind == LOGITS_OFFSET ? 1e4 : 0.0;
    for (int64_t c = 0; c < classes; c++) {
        row[c] = offset + deviation * rng_normal(r);
        if (kind == LOGITS_MULTIMODAL && rng_below(r, 10) == 0) row[c] += 6.0;
    }
    if (kind == LOGITS_PEAKED) row[rng_below(r, classes)] += 20.0;
}

const char *logit_kind_name(logit_kind kind) {
    static const char *const names[LOGIT_KINDS] = {"unit", "wide", "peaked", "multimodal",
                                                   "offset"};
    return names[kind];
}
