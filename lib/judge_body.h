// Whether the float sums of a row keep the promises of docs/numerics.md. If not, the row is refused
// and goes the exact way.
#ifndef GDKD_JUDGE_BODY_H
#define GDKD_JUDGE_BODY_H

#include "finish_body.h"

// A float sum that left [2^-100, 2^100] has lost terms, or its coefficients will. False for NaN.
OP mask held(vec x) {
    return m_and(v_lt(v_splat(0x1p-100), x), v_lt(x, v_splat(0x1p100)));
}
OP mask small_enough(vec x) {
    return v_lt(v_abs(x), v_splat(0x1p100));
}
// The coefficients of a standardised row meet further factors. size: of all coefficients together.
OP mask fair(const criterion *c, vec size) {
    const real most = c->standardize == GDKD_STANDARDIZE_NONE ? 0x1p100 : 0x1p50;
    return v_lt(size, v_splat(most));
}

static inline mask groups_in_range(const criterion *c, const group_terms *p, int l) {
    mask good = m_all();
    for (int g = 0; g < c->groups; g++) {
        vec s = v_load(&p[g].sum_s[l]), t = v_load(&p[g].sum_t[l]);
        mask fine = m_and(held(s), held(t));
        if (c->forward) fine = m_and(fine, small_enough(v_load(&p[g].dot_t[l])));
        if (c->reverse) fine = m_and(fine, small_enough(v_load(&p[g].dot_s[l])));
        vec pull = v_add(v_abs(v_load(&p[g].c_s[l])), v_abs(v_load(&p[g].c_t[l])));
        if (c->reverse) pull = v_add(pull, v_abs(v_load(&p[g].c_d[l]))); // else 0
        fine = m_and(fine, fair(c, pull));
        // A group without classes has zeros throughout; one of nothing but -inf has products that are no numbers.
        mask empty = m_and(v_eq(s, v_splat(0)), v_eq(t, v_splat(0)));
        if (c->forward) empty = m_and(empty, v_eq(v_load(&p[g].dot_t[l]), v_splat(0)));
        if (c->reverse) empty = m_and(empty, v_eq(v_load(&p[g].dot_s[l]), v_splat(0)));
        good = m_and(good, m_or(empty, fine));
    }
    return good;
}

static inline mask in_range(const criterion *c, const block *b, int l) {
    vec scale = v_abs(v_load(&b->grad_scale[l]));
    mask good = m_and(v_lt(v_splat(0x1p-60), scale), v_lt(scale, v_splat(0x1p60)));
    good = m_or(good, v_eq(scale, v_splat(0)));
    if (c->ce)
        good = m_and(good, m_and(held(v_load(&b->sum_ce[l])), small_enough(v_load(&b->lin_ce[l]))));
    if (c->split_high) good = m_and(good, groups_in_range(c, b->high_sums, l));
    return m_and(good, groups_in_range(c, b->low_sums, l));
}

// Logarithms of float sums are off by about float_error. The promise is relative to the terms' absolute
// values, sum_i q_i |log q_i - log p_i|: about the root of a divergence where that is small, and of the root of
// what weight there is beside the largest class. The high term's error is that of the masses times |P - Q|, at
// most sqrt(high / 2).
OP vec magnitude(vec term, vec unit) {
    vec root = v_sqrt(v_max(v_splat(0), v_mul(term, unit)));
    return v_select(v_lt(unit, term), term, root);
}

// 1.5 (1 - the largest class's share of its group), at most 1. A sum is relative to its largest class. The factor
// is where bench/numerics.py finds no row beyond the promise.
OP vec spread(vec sum) {
    const vec one = v_splat(1), beside = v_max(v_splat(0), v_sub(sum, one));
    return v_min(one, v_mul(v_splat(1.5), v_div(beside, v_max(sum, one))));
}

// The student's mean of d / T, relative to the reference point, which may lie far from where its
// weight is. A reverse term is what remains of it after the subtraction of a logarithm; so is the
// factor p_i (log p_i - log q_i - low) of its gradient, whose error is that of d alone.
static inline vec mean_ratio(const block *b, int g, int l) {
    const group_terms *sums = b->low_sums;
    const vec s = v_load(&sums[g].sum_s[l]), dot = v_load(&sums[g].dot_s[l]);
    return v_only(v_positive(s), v_mul(v_div(dot, s), v_load(&sums[g].at->inv_t[l])));
}

static inline mask reverse_is_precise(const criterion *c, const block *b, int l) {
    mask good = m_all();
    for (int g = 0; c->reverse && g < c->groups; g++) {
        if (c->w_low[g] == 0) continue;
        const group_terms *p = &b->low_sums[g];
        const vec s = v_load(&p->sum_s[l]), mean = mean_ratio(b, g, l);
        const vec low = v_abs(v_sub(mean, v_load(&p->level[l])));
        const vec allowed = v_mul(v_splat(4), magnitude(low, v_splat(1)));
        good = m_and(good, m_or(v_eq(s, v_splat(0)), v_le(v_abs(mean), allowed)));
    }
    return good;
}

static inline mask precise(const criterion *c, const block *b, int l) {
    const real float_error = 1e-7, promised = 3e-7;
    vec size = v_splat(0), error = v_splat(0);
    if (c->ce) {
        size = v_abs(v_mul(v_splat(c->ce_weight), v_load(&b->ce[l])));
        error = v_splat(fabs(c->ce_weight));
    }
    if (c->groups > 1 && c->w_high != 0) {
        const vec w = v_splat(fabs(c->kd_weight * c->w_high)), unit = v_splat(c->factor);
        const vec high = v_abs(v_load(&b->high[l]));
        size = v_fma(w, high, size);
        error = v_fma(w, v_min(unit, magnitude(high, unit)), error);
    }
    for (int g = 0; g < c->groups; g++) {
        const vec w = v_splat(fabs(c->kd_weight * c->w_low[g]));
        vec unit = v_splat(c->factor);
        if (c->mass_scaled >> g & 1U) unit = v_mul(unit, v_load(&b->teacher_mass[g][l]));
        if (c->table_weighted >> g & 1U) unit = v_mul(unit, v_abs(v_load(&b->low_weight[l])));
        vec wide = v_splat(1);
        if (c->forward) wide = v_min(wide, spread(v_load(&b->low_sums[g].sum_t[l])));
        if (c->reverse) wide = v_min(wide, spread(v_load(&b->low_sums[g].sum_s[l])));
        size = v_fma(w, magnitude(v_abs(v_load(&b->low[g][l])), v_mul(unit, wide)), size);
        if (c->reverse) unit = v_fma(unit, v_abs(mean_ratio(b, g, l)), unit);
        error = v_fma(w, v_only(v_positive(v_load(&b->low_sums[g].sum_t[l])), unit), error);
    }
    return v_le(v_mul(v_splat(float_error), error), v_mul(v_splat(promised), size));
}

static void judge(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const uint32_t here = b->used & ~b->refused & ((1U << LANES) - 1U) << l;
        const uint32_t held_rows = m_bits(in_range(c, b, l)) << l & here;
        const mask fine = m_and(precise(c, b, l), reverse_is_precise(c, b, l));
        b->refused |= here & ~held_rows;
        b->near |= held_rows & ~(m_bits(fine) << l);
        if ((b->near & here) == 0) continue;
        prepare_refine(c, b, l);
        if (!any_list(b, l)) continue;
        // Where one model has next to nothing outside the list, and the other has, floats do not hold their ratio.
        const mask can = m_or(m_andnot(has_list(b, l), m_all()), held(v_load(&b->rest.odds[l])));
        const uint32_t cannot = b->near & here & ~(m_bits(can) << l);
        b->near &= ~cannot;
        b->refused |= cannot;
    }
}

#endif
