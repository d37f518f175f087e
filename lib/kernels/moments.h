// Rows or groups that are standardised, y = (x - mean) / (eps + std): softmax does not see the
// mean, and the deviation makes a temperature of their own, T (eps + std). So the logits stay as
// they are, and the gradient with respect to y / T, G once it is divided by that temperature, is
// brought back at the end:
//     dL/ds_j = G_j - (s_j - mean) sum_i G_i (s_i - mean) / (std (eps + std) f),
// since the G of a row, and of a group's low term, add up to 0. f: the squares in the deviation are
// divided by it.
#ifndef GDKD_MOMENTS_H
#define GDKD_MOMENTS_H

#include "scale.h"
#include "sums.h"

// --- Mean and deviation, in double ---------------------------------------------------------------

// mean: relative to the base. Equal logits have a deviation of 0 exactly.
typedef struct {
    double base, mean, std;
} moments;

static inline moments moments_of(double base, double sum, double square, double count,
                                 double freedom) {
    const double mean = sum / count;
    return (moments){base, mean, sqrt((square - sum * mean) / freedom)};
}

// Sums of the distances from a base, and of their squares: of LANES classes, or of as many rows.
// The base is one of the logits, so that the mean is at most sqrt(n) deviations away: of a double's
// 53 bits, the variance loses at most log2(n).
static inline void add_distances(double *sum, const real *x, const double *base, int count) {
    for (int l = 0; l < count; l++) sum[l] += (double)x[l] - base[l];
}
static inline void add_squares(double *sum, const real *x, const double *base, int count) {
    for (int l = 0; l < count; l++) sum[l] += ((double)x[l] - base[l]) * ((double)x[l] - base[l]);
}

// Not inlined: gcc 12 would not use vectors for it.
static __attribute__((noinline)) moments moments_of_row(const real *x, int32_t classes,
                                                        double freedom) {
    const int32_t whole = classes - classes % LANES;
    const double first = (double)x[0];
    double sum = 0, square = 0, sums[LANES] = {0}, squares[LANES] = {0}, base[LANES];
    for (int l = 0; l < LANES; l++) base[l] = first;
    for (int32_t at = 0; at < whole; at += LANES) {
        add_distances(sums, x + at, base, LANES);
        add_squares(squares, x + at, base, LANES);
    }
    for (int l = 0; l < LANES; l++) sum += sums[l];
    for (int l = 0; l < LANES; l++) square += squares[l];
    for (int32_t at = whole; at < classes; at++) {
        add_distances(&sum, x + at, &first, 1);
        add_squares(&square, x + at, &first, 1);
    }
    return moments_of(first, sum, square, classes, freedom);
}

static inline void moments_of_block(const real *x, int64_t step, int32_t classes, moments *m) {
    lanes sum = {0}, square = {0}, base;
    for (int l = 0; l < BLOCK_ROWS; l++) base[l] = (double)x[l];
    for (int32_t i = 0; i < classes; i++) {
        add_distances(sum, x + i * step, base, BLOCK_ROWS);
        add_squares(square, x + i * step, base, BLOCK_ROWS);
    }
    for (int l = 0; l < BLOCK_ROWS; l++)
        m[l] = moments_of(base[l], sum[l], square[l], classes, classes - 1);
}

// --- Temperatures --------------------------------------------------------------------------------

static inline void set_scale(lane_scales *scale, int lane, double inv_t) {
    const double per_unit = 0x1.71547652b82fep0 * inv_t; // log2(e)
    const float hi = (float)per_unit;
    scale->hi[lane] = (double)hi;
    scale->lo[lane] = per_unit - (double)hi;
    scale->min[lane] = -127 / (double)hi;
}

// A deviation outside is for doubles: logits that are nearly equal, or no numbers.
static inline bool ordinary(double std) { return std >= 0x1p-30 && std <= 0x1p16; }

// False, and then nothing, for logits that are not ordinary.
static inline bool set_temperatures(const criterion *c, temperatures *at, int lane, double freedom,
                                    const moments *s, const moments *t) {
    if (!ordinary(s->std) || !ordinary(t->std)) return false;
    const double scale_s = 1 / (STANDARD_EPSILON + s->std),
                 scale_t = 1 / (STANDARD_EPSILON + t->std);
    at->inv_t[lane] = c->inv_t * scale_s;
    at->inv_tt[lane] = c->inv_tt * scale_t;
    at->rho[lane] = at->inv_tt[lane] / at->inv_t[lane];
    set_scale(&at->student, lane, at->inv_t[lane]);
    set_scale(&at->teacher, lane, at->inv_tt[lane]);
    at->base[lane] = s->base;
    at->mean[lane] = s->mean;
    at->slope[lane] = scale_s / (s->std * freedom);
    return true;
}

static inline bool temper_row(const criterion *c, temperatures *at, int lane, int32_t classes,
                              double freedom, const real *s, const real *t) {
    const moments of_s = moments_of_row(s, classes, freedom),
                  of_t = moments_of_row(t, classes, freedom);
    return set_temperatures(c, at, lane, freedom, &of_s, &of_t);
}

// A group of one class, or that stays raw, has the criterion's temperatures and no way back.
static inline bool temper_group(const criterion *c, temperatures *at, int lane, int g,
                                int32_t classes, const real *s, const real *t) {
    give_temperatures(c, at, lane, false);
    if (classes < 2 || (g == 0 && c->standardize == GDKD_STANDARDIZE_OTHER)) return true;
    return temper_row(c, at, lane, classes, classes, s, t);
}

// --- The gradient --------------------------------------------------------------------------------

// The student's distance from its mean, by way of one of its logits: a common offset costs nothing.
typedef struct {
    walk_shape shape;
    int lane;
    vec base, mean, slope;
    double *pull;
    running dot;
    const real *from;
    real *to;
    int64_t to_step;
    bool accumulate;
} centre_state;

OP vec centred_at(const centre_state *a, vec s) { return v_sub(v_sub(s, a->base), a->mean); }

OP void pull_step(void *state, const strip *r, int32_t i, bool whole) {
    centre_state *a = state;
    const step_groups at = groups_at(a->shape, ONE, r, i, whole);
    const vec far = centred_at(a, load_step(student_at(a->shape, r, i), &at));
    add_product(a->shape, &a->dot, at.inside, load_step(a->from + i * LANES, &at), far);
}

OP void pull_flush(void *state) {
    centre_state *a = state;
    flush_sum(a->shape, a->pull, a->lane, &a->dot);
}

OP void back_step(void *state, const strip *r, int32_t i, bool whole) {
    centre_state *a = state;
    const step_groups at = groups_at(a->shape, ONE, r, i, whole);
    const vec far = centred_at(a, load_step(student_at(a->shape, r, i), &at));
    const vec y = v_fnma(far, a->slope, load_step(a->from + i * LANES, &at));
    real *to = a->to + i * (a->shape == ALONG ? LANES : a->to_step);
    store_step(to, &at, a->accumulate ? v_add(load_step(to, &at), y) : y);
}

// to = dL/ds, from G. They may be the same, and `to` the student's logits.
static inline void standardise_back(walk_shape shape, const strip *r, int lane,
                                    const temperatures *own, const real *from, real *to,
                                    int64_t to_step, bool accumulate) {
    lanes pull = {0};
    centre_state a = {.shape = shape,
                      .lane = lane,
                      .pull = pull,
                      .from = from,
                      .to = to,
                      .to_step = to_step,
                      .accumulate = accumulate};
    a.base = per_row(shape, own->base, lane);
    a.mean = per_row(shape, own->mean, lane);
    clear_sum(&a.dot);
    walk(shape, ONE, r, &a, pull_step, pull_flush);
    a.slope = v_mul(per_row(shape, own->slope, lane), per_row(shape, pull, lane));
    walk(shape, ONE, r, &a, back_step, NULL);
}

#endif
