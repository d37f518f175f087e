// What the tests of the layers share: random maps, and what counts as equal.
//
// Bounds. A float sum of n products of numbers below 1 is off by less than n * 2^-24 times the sum
// of their magnitudes; with n <= 600 here that is below 4e-5 per unit, and `close_to` allows 1e-4
// of the larger of 1 and the value. A wrong tap, sign, frame or stride is off by about 1.
#ifndef TEST_LAYER_MAPS_H
#define TEST_LAYER_MAPS_H

#include "base/rng.h"
#include "net/map.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static rng dice;

static inline void seed_dice(void) {
    rng_seed(&dice, 7);
}

static inline float *new_floats(size_t count) {
    float *p = aligned_alloc(64, (count * sizeof *p + 63) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    memset(p, 0, count * sizeof *p);
    return p;
}

static inline void fill_random(float *p, size_t count) {
    for (size_t i = 0; i < count; i++) p[i] = (float)(2 * rng_uniform(&dice) - 1);
}

static inline float *random_map(map_shape s) {
    const size_t count = (size_t)s.channels * (size_t)s.height * (size_t)s.width;
    float *plain = new_floats(count);
    float *map = new_floats(map_size(s));
    fill_random(plain, count);
    map_pack(s, plain, map);
    free(plain);
    return map;
}

static inline bool close_to(double got, double expected) {
    return fabs(got - expected) <= 1e-4 * fmax(1, fabs(expected));
}

static inline bool in_frame(map_shape s, size_t at) {
    const size_t column = at % map_row(s) / MAP_LANES;
    const size_t row = at % map_block(s) / map_row(s);
    const size_t channel = at / map_block(s) * MAP_LANES + at % MAP_LANES;
    return column == 0 || column > (size_t)s.width || row == 0 || row > (size_t)s.height ||
           channel >= (size_t)s.channels;
}

static inline void check_frame(map_shape s, const float *map, const char *what) {
    for (size_t i = 0; i < map_size(s); i++)
        if (in_frame(s, i)) ck_assert_msg(map[i] == 0, "%s: the frame was written", what);
}

static inline void check_same_maps(map_shape s, const float *got, const float *expected,
                                   const char *what) {
    for (size_t i = 0; i < map_size(s); i++)
        ck_assert_msg(close_to(got[i], expected[i]), "%s [%zu]: %g, expected %g", what, i,
                      (double)got[i], (double)expected[i]);
    check_frame(s, got, what);
}

// The maps of a batch, one behind the other.
static inline float *random_batch(map_shape s, int count) {
    float *batch = new_floats(map_size(s) * (size_t)count);
    for (int i = 0; i < count; i++) {
        float *map = random_map(s);
        memcpy(batch + (size_t)i * map_size(s), map, map_size(s) * sizeof *map);
        free(map);
    }
    return batch;
}

#endif
