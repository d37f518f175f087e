// Rows standardised as a whole, y = (x - mean) / (eps + std): softmax does not see the mean, and the
// deviation makes a temperature of the row's own, T (eps + std). So the logits stay as they are, and the
// gradient with respect to y / T, G once it is divided by that temperature, is brought back at the end:
//     dL/ds_j = G_j - (s_j - mean) sum_i G_i (s_i - mean) / (std (eps + std) (C - 1)),
// since the G of a row add up to 0.
#ifndef GDKD_STANDARD_BODY_H
#define GDKD_STANDARD_BODY_H

#include "sums_body.h"

// --- Mean and deviation, in double ---------------------------------------------------------------

// LANES sums at a time: of a row's classes, or of as many rows; `from` is the base, or base and mean.
static inline void add_values(double *sum, const real *x, const double *from, int count) {
    for (int l = 0; l < count; l++) sum[l] += (double)x[l] - from[l];
}
static inline void add_squares(double *sum, const real *x, const double *from, int count) {
    for (int l = 0; l < count; l++) sum[l] += ((double)x[l] - from[l]) * ((double)x[l] - from[l]);
}

static inline double sum_lanes(const double *sum) {
    double all = 0;
    for (int l = 0; l < LANES; l++) all += sum[l];
    return all;
}

// base: the row's first logit; mean: relative to it, so that equal logits have a deviation of 0 exactly.
typedef struct {
    lanes base, mean, std;
} moments;

static inline void moments_of_row(const real *x, int32_t classes, int lane, moments *m) {
    const int32_t whole = classes - classes % LANES, tail = classes - whole;
    double sum[LANES] = {0}, square[LANES] = {0}, from[LANES];
    m->base[lane] = (double)x[0];
    for (int l = 0; l < LANES; l++) from[l] = m->base[lane];
    for (int32_t at = 0; at < whole; at += LANES) add_values(sum, x + at, from, LANES);
    add_values(sum, x + whole, from, tail);
    m->mean[lane] = sum_lanes(sum) / classes;
    for (int l = 0; l < LANES; l++) from[l] += m->mean[lane];
    for (int32_t at = 0; at < whole; at += LANES) add_squares(square, x + at, from, LANES);
    add_squares(square, x + whole, from, tail);
    m->std[lane] = sqrt(sum_lanes(square) / (classes - 1));
}

static inline void moments_of_block(const real *x, int64_t step, int32_t classes, int rows,
                                    moments *m) {
    lanes sum = {0}, square = {0}, from;
    for (int l = 0; l < BLOCK_ROWS; l++) m->base[l] = l < rows ? (double)x[l] : 0;
    for (int32_t i = 0; i < classes; i++) add_values(sum, x + i * step, m->base, rows);
    for (int l = 0; l < BLOCK_ROWS; l++) {
        m->mean[l] = sum[l] / classes;
        from[l] = m->base[l] + m->mean[l];
    }
    for (int32_t i = 0; i < classes; i++) add_squares(square, x + i * step, from, rows);
    for (int l = 0; l < BLOCK_ROWS; l++) m->std[l] = sqrt(square[l] / (classes - 1));
}

// --- The row's temperatures ----------------------------------------------------------------------

static inline void set_scale(lane_scales *scale, int lane, double inv_t) {
    const double per_unit = 0x1.71547652b82fep0 * inv_t; // log2(e)
    const float hi = (float)per_unit;
    scale->hi[lane] = (double)hi;
    scale->lo[lane] = per_unit - (double)hi;
    scale->min[lane] = -127 / (double)hi;
}

static inline bool ordinary(double std) {
    return std >= 0x1p-30 && std <= 0x1p16;
}

// Rows that hold something else than numbers, or a single class, or nearly equal ones, are for the double path.
static inline void set_temperatures(const criterion *c, block *b, int lane, const moments *s,
                                    const moments *t) {
    if (!ordinary(s->std[lane]) || !ordinary(t->std[lane])) {
        b->refused |= 1U << lane;
        return;
    }
    const double scale_s = 1 / (STANDARD_EPSILON + s->std[lane]),
                 scale_t = 1 / (STANDARD_EPSILON + t->std[lane]);
    b->inv_t[lane] = c->inv_t * scale_s;
    b->inv_tt[lane] = c->inv_tt * scale_t;
    b->rho[lane] = b->inv_tt[lane] / b->inv_t[lane];
    set_scale(&b->student32, lane, b->inv_t[lane]);
    set_scale(&b->teacher32, lane, b->inv_tt[lane]);
    b->base_s[lane] = s->base[lane];
    b->mean_s[lane] = s->mean[lane];
    b->slope[lane] = scale_s / (s->std[lane] * (c->classes - 1));
}

// --- The gradient --------------------------------------------------------------------------------

// The student's distance from its mean, by way of a logit of the row: a common offset costs nothing.
typedef struct {
    vec base, mean, slope;
} centre;

OP centre centre_of(walk_shape shape, const block *b, int lane) {
    return (centre){per_row(shape, b->base_s, lane), per_row(shape, b->mean_s, lane),
                    per_row(shape, b->slope, lane)};
}

OP vec centred_at(const centre *k, vec s) {
    return v_sub(v_sub(s, k->base), k->mean);
}

// sum_i G_i (s_i - mean) of a row.
static inline double pull_of_row(const centre *k, int32_t classes, const real *s,
                                 const real *from) {
    running dot = {v_splat(0), v_splat(0)};
    double sum = 0;
    for (int32_t at = 0; at < classes; at += LANES) {
        const bool whole = classes - at >= LANES;
        const mask valid = whole ? m_all() : m_first(classes - at);
        const vec far = centred_at(k, whole ? v_load(s + at) : v_load_some(s + at, valid));
        add_product(ROWS, &dot, valid, whole ? v_load(from + at) : v_load_some(from + at, valid),
                    far);
        if ((at / LANES + 1) % STEPS_PER_FLUSH != 0) continue;
        flush_one(ROWS, &sum, 0, dot);
        clear_sum(&dot);
    }
    flush_one(ROWS, &sum, 0, dot);
    return sum;
}

// to = dL/ds, from G; they may be the same, and `to` the student's logits.
static inline void standardise_row_back(const criterion *c, const block *b, int lane, const real *s,
                                        const real *from, real *to, bool accumulate) {
    const int32_t classes = c->classes, end = classes - classes % LANES;
    const centre k = centre_of(ROWS, b, lane);
    const vec slope = v_mul(k.slope, v_splat((real)pull_of_row(&k, classes, s, from)));
    for (int32_t at = 0; at < end; at += LANES) {
        const vec y = v_fnma(centred_at(&k, v_load(s + at)), slope, v_load(from + at));
        v_store(to + at, accumulate ? v_add(v_load(to + at), y) : y);
    }
    if (end == classes) return;
    const mask valid = m_first(classes - end);
    const vec y =
        v_fnma(centred_at(&k, v_load_some(s + end, valid)), slope, v_load_some(from + end, valid));
    v_store_some(to + end, valid, accumulate ? v_add(v_load_some(to + end, valid), y) : y);
}

// The same for a block of rows, one per lane, in place; gradient[class][lane].
static inline void standardise_block_back(const criterion *c, const block *b, real *gradient) {
    const mask valid = m_first(b->rows);
    const centre k = centre_of(ACROSS, b, 0);
    running dot = {v_splat(0), v_splat(0)};
    const real *s = b->s;
    for (int32_t i = 0; i < c->classes; i++, s += b->s_step)
        add_product(ACROSS, &dot, valid, v_load(gradient + (int64_t)i * LANES),
                    centred_at(&k, v_load_some(s, valid)));
    lanes pull = {0};
    flush_one(ACROSS, pull, 0, dot);
    const vec slope = v_mul(k.slope, v_from_doubles(pull));
    s = b->s;
    for (int32_t i = 0; i < c->classes; i++, s += b->s_step, gradient += LANES)
        v_store(gradient, v_fnma(centred_at(&k, v_load_some(s, valid)), slope, v_load(gradient)));
}

#endif
