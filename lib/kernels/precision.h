// Whether the float sums of a row keep the promises of docs/numerics.md, or which way it has to go:
// the second pass (NEEDS_REFINE), or doubles (NEEDS_DOUBLE). All thresholds stand here.
#ifndef GDKD_PRECISION_H
#define GDKD_PRECISION_H

#include "terms.h"

// A float sum above this, or below 1 over it, has lost terms, or its coefficients will. The
// coefficients of a standardised row meet further factors; a row's scale is one of the sums'.
#define SUM_RANGE      0x1p100
#define STANDARD_RANGE 0x1p50
#define SCALE_RANGE    0x1p60
// What the logarithm of a float sum is off by (bench/numerics.py), and what docs/numerics.md
// promises, relative to the terms' absolute values.
#define FLOAT_ERROR 1e-7
#define PROMISED    3e-7
// See spread, and reverse_is_precise: where bench/numerics.py finds no row beyond the promise.
#define SPREAD     1.5
#define MEAN_RATIO 4
// A refined KL below this: the log ratio's error, squared, is 1e-14. Another refined divergence
// with more drift than this, relative to it: classes near p = q may have the wrong sign.
#define LEAST_KL   1e-11
#define MOST_DRIFT 0x1p-13

OP mask held(vec x) { // false for NaN
    return m_and(v_lt(v_splat(1 / SUM_RANGE), x), v_lt(x, v_splat(SUM_RANGE)));
}
OP mask small_enough(vec x, double most) { return v_lt(v_abs(x), v_splat(most)); }

static inline mask groups_in_range(const criterion *c, const row_groups *p, int l) {
    mask good = m_all();
    for (int g = 0; g < c->groups; g++) {
        const vec s = v_load(&p->sum[g].s[l]), t = v_load(&p->sum[g].t[l]), zero = v_splat(0);
        const vec dot_t = c->forward ? v_load(&p->sum[g].dot_t[l]) : zero,
                  dot_s = c->reverse ? v_load(&p->sum[g].dot_s[l]) : zero;
        const group_coefficients *k = &p->coefficient[g];
        vec pull = v_add(v_abs(v_load(&k->s[l])), v_abs(v_load(&k->t[l])));
        pull = v_add(pull, v_mul(v_abs(v_load(&k->d[l])), v_add(v_splat(1), v_abs(dot_s))));
        mask fine = m_and(m_and(held(s), held(t)),
                          m_and(small_enough(dot_t, SUM_RANGE), small_enough(dot_s, SUM_RANGE)));
        fine = m_and(fine,
                     v_lt(pull, v_splat(c->standardize == GDKD_STANDARDIZE_NONE ? SUM_RANGE
                                                                                : STANDARD_RANGE)));
        // A group without classes has zeros throughout; one of nothing but -inf has products that
        // are no numbers.
        const mask empty =
            m_and(m_and(v_eq(s, zero), v_eq(t, zero)), m_and(v_eq(dot_t, zero), v_eq(dot_s, zero)));
        good = m_and(good, m_or(empty, fine));
    }
    return good;
}

static inline mask in_range(const criterion *c, const block *b, int l) {
    const vec scale = v_abs(v_load(&b->grad_scale[l]));
    mask good = m_and(v_lt(v_splat(1 / SCALE_RANGE), scale), v_lt(scale, v_splat(SCALE_RANGE)));
    good = m_or(good, v_eq(scale, v_splat(0)));
    if (c->ce) {
        const vec pull = v_add(v_abs(v_load(&b->ce.c[l])), v_abs(v_load(&b->ce.hot[l])));
        good = m_and(good, m_and(held(v_load(&b->ce.sum[l])), small_enough(pull, SUM_RANGE)));
        good = m_and(good, small_enough(v_load(&b->ce.linear[l]), SUM_RANGE));
    }
    if (c->split_high) good = m_and(good, groups_in_range(c, b->high, l));
    return m_and(good, groups_in_range(c, &b->low, l));
}

// Logarithms of float sums are off by about FLOAT_ERROR. The promise is relative to the terms'
// absolute values, sum_i q_i |log q_i - log p_i|: about the root of a divergence where that is
// small, and of the root of what weight there is beside the largest class. The high term's error is
// that of the masses times |P - Q|, at most sqrt(high / 2).
OP vec magnitude(vec term, vec unit) {
    const vec root = v_sqrt(v_max(v_splat(0), v_mul(term, unit)));
    return v_select(v_lt(unit, term), term, root);
}

// A sum is relative to its largest class.
OP vec spread(vec sum) {
    const vec one = v_splat(1), beside = v_max(v_splat(0), v_sub(sum, one));
    return v_min(one, v_mul(v_splat(SPREAD), v_div(beside, v_max(sum, one))));
}

// The student's mean of d / T, relative to the reference point, which may lie far from where its
// weight is. A reverse term is what remains of it after the subtraction of a logarithm; so is the
// factor p_i (log p_i - log q_i - low) of its gradient, whose error is that of d alone.
static inline vec mean_ratio(const row_groups *b, int g, int l) {
    const vec s = v_load(&b->sum[g].s[l]), dot = v_load(&b->sum[g].dot_s[l]);
    return v_only(v_positive(s), v_mul(v_div(dot, s), v_load(&b->ref[g].at->inv_t[l])));
}

static inline mask reverse_is_precise(const criterion *c, const block *b, int l) {
    mask good = m_all();
    for (int g = 0; c->reverse && g < c->groups; g++) {
        if (c->w_low[g] == 0) continue;
        const vec s = v_load(&b->low.sum[g].s[l]), mean = mean_ratio(&b->low, g, l);
        const vec low = v_abs(v_sub(mean, v_load(&b->low.relation[g].log_ratio[l])));
        const vec allowed = v_mul(v_splat(MEAN_RATIO), magnitude(low, v_splat(1)));
        good = m_and(good, m_or(v_eq(s, v_splat(0)), v_le(v_abs(mean), allowed)));
    }
    return good;
}

// What the terms add up to in absolute values, and what they are off by, in units of FLOAT_ERROR.
typedef struct {
    vec size, error;
} precision;

OP void add_low_precision(const criterion *c, const block *b, int g, int l, precision *to) {
    const group_sums *sum = &b->low.sum[g];
    const vec w = v_splat(fabs(c->kd_weight * c->w_low[g]));
    vec unit = v_splat(c->factor), wide = v_splat(1);
    if (c->mass_scaled >> g & 1U) unit = v_mul(unit, v_load(&b->terms.teacher_mass[g][l]));
    if (c->table_weighted >> g & 1U) unit = v_mul(unit, v_abs(v_load(&b->low_weight[l])));
    if (c->forward) wide = v_min(wide, spread(v_load(&sum->t[l])));
    if (c->reverse) wide = v_min(wide, spread(v_load(&sum->s[l])));
    to->size = v_fma(w, magnitude(v_abs(v_load(&b->terms.low[g][l])), v_mul(unit, wide)), to->size);
    if (c->reverse) unit = v_fma(unit, v_abs(mean_ratio(&b->low, g, l)), unit);
    to->error = v_fma(w, v_only(v_positive(v_load(&sum->t[l])), unit), to->error);
}

static inline mask precise(const criterion *c, const block *b, int l) {
    precision all = {v_splat(0), v_splat(0)};
    if (c->ce) {
        all.size = v_abs(v_mul(v_splat(c->ce_weight), v_load(&b->terms.ce[l])));
        all.error = v_splat(fabs(c->ce_weight));
    }
    if (has_high(c)) {
        const vec w = v_splat(fabs(c->kd_weight * c->w_high)), unit = v_splat(c->factor),
                  high = v_abs(v_load(&b->terms.high[l]));
        all.size = v_fma(w, high, all.size);
        all.error = v_fma(w, v_min(unit, magnitude(high, unit)), all.error);
    }
    for (int g = 0; g < c->groups; g++) add_low_precision(c, b, g, l, &all);
    return v_le(v_mul(v_splat(FLOAT_ERROR), all.error), v_mul(v_splat(PROMISED), all.size));
}

OP uint32_t lanes_at(int l) { return ((1U << LANES) - 1U) << l; }

// After the sums: which rows go on as they are.
static void check_precision(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const uint32_t here = float_rows(b) & lanes_at(l),
                       held_rows = m_bits(in_range(c, b, l)) << l & here;
        move_rows(b, here & ~held_rows, NEEDS_DOUBLE);
        uint32_t fine = 0;
        if (!c->second_pass)
            fine = m_bits(m_and(precise(c, b, l), reverse_is_precise(c, b, l))) << l;
        const uint32_t near = c->kd ? held_rows & ~fine : 0;
        if (near == 0) continue;
        move_rows(b, near, NEEDS_REFINE);
        if (!b->picks || most_picked(b->picks, b->rows, l) == 0) continue;
        const int last = c->groups - 1;
        relate_rest(c, b->picks, l, &b->low.ref[last], &b->low.relation[last]);
    }
}

// After the second pass: its log ratio is a float's, whose error squared shows in what is nearly
// nothing. (Exactly nothing is right.)
static void check_refined(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        mask lost = m_first(0);
        for (int g = 0; g < c->groups; g++) {
            if (c->w_low[g] == 0) continue;
            const group_divergence *d = &b->low.divergence[g];
            const vec value = v_load(&d->value[l]), most = v_mul(v_splat(MOST_DRIFT), value);
            const mask little = m_and(v_positive(value), v_lt(value, v_splat(LEAST_KL)));
            const mask adrift = v_lt(most, v_abs(v_load(&d->drift[l])));
            lost = m_or(lost, c->second_pass ? adrift : little);
        }
        move_rows(b, b->in[NEEDS_REFINE] & m_bits(lost) << l, NEEDS_DOUBLE);
    }
    for (int g = 0; g < c->groups; g++)
        for (int l = 0; l < BLOCK_ROWS; l++)
            b->low.divergence[g].found[l] = has_row(b->in[NEEDS_REFINE], l);
}

#endif
