// Rows or groups that are standardised, y = (x - mean) / (eps + std): softmax does not see the mean, and the
// deviation makes a temperature of their own, T (eps + std). So the logits stay as they are, and the
// gradient with respect to y / T, G once it is divided by that temperature, is brought back at the end:
//     dL/ds_j = G_j - (s_j - mean) sum_i G_i (s_i - mean) / (std (eps + std) f),
// since the G of a row, and of a group's low term, add up to 0. f: the squares in the deviation are divided by it.
#ifndef GDKD_STANDARD_BODY_H
#define GDKD_STANDARD_BODY_H

#include "scale.h"
#include "sums_body.h"

// --- Mean and deviation, in double ---------------------------------------------------------------

// Sums of the distances from a base, and of their squares, LANES at a time: of a row's classes, or of as many rows. The
// base is one of the logits, so that the mean is at most sqrt(n) deviations away: of a double's 53 bits, the variance
// loses at most log2(n).
static inline void add_distances(double *sum, const real *x, const double *base, int count) {
    for (int l = 0; l < count; l++) sum[l] += (double)x[l] - base[l];
}
static inline void add_squares(double *sum, const real *x, const double *base, int count) {
    for (int l = 0; l < count; l++) sum[l] += ((double)x[l] - base[l]) * ((double)x[l] - base[l]);
}

static inline double sum_lanes(const double *sum) {
    double all = 0;
    for (int l = 0; l < LANES; l++) all += sum[l];
    return all;
}

// mean: relative to the base. Equal logits have a deviation of 0 exactly.
typedef struct {
    lanes base, mean, std;
} moments;

static inline void set_moments(moments *m, int lane, double base, double sum, double square,
                               int32_t classes, double freedom) {
    m->base[lane] = base;
    m->mean[lane] = sum / classes;
    m->std[lane] = sqrt((square - sum * m->mean[lane]) / freedom);
}

static inline void moments_of_row(const real *x, int32_t classes, double freedom, int lane,
                                  moments *m) {
    const int32_t whole = classes - classes % LANES;
    const double first = (double)x[0];
    double sum = 0, square = 0;
    if (whole > 0) {
        double sums[LANES] = {0}, squares[LANES] = {0}, base[LANES];
        for (int l = 0; l < LANES; l++) base[l] = first;
        for (int32_t at = 0; at < whole; at += LANES) {
            add_distances(sums, x + at, base, LANES);
            add_squares(squares, x + at, base, LANES);
        }
        sum = sum_lanes(sums);
        square = sum_lanes(squares);
    }
    for (int32_t at = whole; at < classes; at++) {
        add_distances(&sum, x + at, &first, 1);
        add_squares(&square, x + at, &first, 1);
    }
    set_moments(m, lane, first, sum, square, classes, freedom);
}

OP void add_block(double *sum, double *square, const real *x, int64_t step, int32_t classes,
                  const double *base, int rows) {
    for (int32_t i = 0; i < classes; i++, x += step) {
        add_distances(sum, x, base, rows);
        add_squares(square, x, base, rows);
    }
}

static inline void moments_of_block(const real *x, int64_t step, int32_t classes, int rows,
                                    moments *m) {
    lanes sum = {0}, square = {0}, base;
    for (int l = 0; l < BLOCK_ROWS; l++) base[l] = l < rows ? (double)x[l] : 0;
    if (rows == BLOCK_ROWS) // a constant number is done by vectors
        add_block(sum, square, x, step, classes, base, BLOCK_ROWS);
    else
        add_block(sum, square, x, step, classes, base, rows);
    for (int l = 0; l < BLOCK_ROWS; l++)
        set_moments(m, l, base[l], sum[l], square[l], classes, classes - 1);
}

// --- Temperatures ----------------------------------------------------------------------

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

// False, and then nothing, for logits that are no numbers or nearly equal: those are for the double path.
static inline bool set_temperatures(const criterion *c, temperatures *at, int lane, double freedom,
                                    const moments *s, const moments *t) {
    if (!ordinary(s->std[lane]) || !ordinary(t->std[lane])) return false;
    const double scale_s = 1 / (STANDARD_EPSILON + s->std[lane]),
                 scale_t = 1 / (STANDARD_EPSILON + t->std[lane]);
    at->inv_t[lane] = c->inv_t * scale_s;
    at->inv_tt[lane] = c->inv_tt * scale_t;
    at->rho[lane] = at->inv_tt[lane] / at->inv_t[lane];
    set_scale(&at->student32, lane, at->inv_t[lane]);
    set_scale(&at->teacher32, lane, at->inv_tt[lane]);
    at->base_s[lane] = s->base[lane];
    at->mean_s[lane] = s->mean[lane];
    at->slope[lane] = scale_s / (s->std[lane] * freedom);
    return true;
}

static inline bool temper_row(const criterion *c, block *b, int lane, const real *s,
                              const real *t) {
    const double freedom = c->classes - 1;
    moments of_s, of_t;
    moments_of_row(s, c->classes, freedom, lane, &of_s);
    moments_of_row(t, c->classes, freedom, lane, &of_t);
    return set_temperatures(c, &b->row, lane, freedom, &of_s, &of_t);
}

// A group of one class, or that stays raw, has the criterion's temperatures, and its gradient stays as it is.
static inline bool temper_group(const criterion *c, block *b, int lane, int g, int32_t classes,
                                const real *s, const real *t) {
    moments of_s, of_t;
    gdkd_give_temperatures(c, &b->group[g], lane);
    if (classes < 2 || (g == 0 && c->standardize == GDKD_STANDARDIZE_OTHER)) return true;
    moments_of_row(s, classes, classes, lane, &of_s);
    moments_of_row(t, classes, classes, lane, &of_t);
    return set_temperatures(c, &b->group[g], lane, classes, &of_s, &of_t);
}

// --- The gradient --------------------------------------------------------------------------------

// The student's distance from its mean, by way of one of its logits: a common offset costs nothing.
typedef struct {
    vec base, mean, slope;
} centre;

OP centre centre_of(walk_shape shape, const temperatures *at, int lane) {
    return (centre){per_row(shape, at->base_s, lane), per_row(shape, at->mean_s, lane),
                    per_row(shape, at->slope, lane)};
}

OP vec centred_at(const centre *k, vec s) {
    return v_sub(v_sub(s, k->base), k->mean);
}

// sum_i G_i (s_i - mean).
static inline double pull_of(const centre *k, int32_t classes, const real *s, const real *from) {
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

// to = dL/ds, from G, of a row or a group; they may be the same, and `to` the student's logits.
static inline void standardise_row_back(const temperatures *own, int lane, int32_t classes,
                                        const real *s, const real *from, real *to,
                                        bool accumulate) {
    const int32_t end = classes - classes % LANES;
    const centre k = centre_of(ROWS, own, lane);
    const vec slope = v_mul(k.slope, v_splat((real)pull_of(&k, classes, s, from)));
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
    const centre k = centre_of(ACROSS, &b->row, 0);
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
