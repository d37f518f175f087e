// The low terms of two models that are nearly alike. There a divergence is a small difference of logarithms of
// sums, which floats give to about 1e-7, whatever is left. But with u_i = log q_i - log p_i,
//     sum q_i u_i = sum q_i phi(u_i),  phi(u) = u + exp(-u) - 1,
// since both distributions add up to 1: and phi is never negative, so nothing cancels. An error of the
// logarithms enters by its square alone. (The terms of J. Schulman's estimator "k3", Approximating KL
// Divergence, 2020; here summed over all classes.)
#ifndef GDKD_REFINE_BODY_H
#define GDKD_REFINE_BODY_H

#include "sums_body.h"

typedef struct {
    sums_constants sums;
    vec level[MAX_GROUPS], odds[MAX_GROUPS], inverse_odds[MAX_GROUPS];
    vec inv_t, inv_tt;
} refine_constants;

typedef struct {
    running t[MAX_GROUPS], s[MAX_GROUPS];
} refine_state;

OP refine_constants refine_setup(const criterion *c, const block *b, const group_terms *p,
                                 walk_shape shape, int lane, int groups, task what) {
    refine_constants k;
    k.sums = sums_setup(c, b, p, shape, lane, groups, what);
    k.inv_t = per_row(shape, p->at->inv_t, lane);
    k.inv_tt = per_row(shape, p->at->inv_tt, lane);
    for (int g = 0; g < groups; g++) {
        lanes inverse;
        for (int l = 0; l < BLOCK_ROWS; l++) inverse[l] = 1 / p[g].odds[l];
        k.level[g] = per_row(shape, p[g].level, lane);
        k.odds[g] = per_row(shape, p[g].odds, lane);
        k.inverse_odds[g] = per_row(shape, inverse, lane);
    }
    return k;
}

// What rounding took from difference = a - b (the two-sum of D. E. Knuth, The Art of Computer Programming 2,
// 4.2.2). Where both models are sure of one class, the others' logits lie far below it, and their rounded
// distances, times a few tens, would show: those classes are all that is left of the divergence.
OP vec lost_by(vec a, vec b, vec difference) {
    const vec subtracted = v_sub(a, difference);
    return v_sub(v_sub(a, v_add(difference, subtracted)), v_sub(b, subtracted));
}

// weight phi(u), where other = weight exp(-u). Near 0 by phi's series, to 2e-8 of it.
OP vec excess(vec u, vec weight, vec other) {
    static const real over_factorial[] = {
        (real)(1.0 / 2),   (real)(-1.0 / 6),    (real)(1.0 / 24),    (real)(-1.0 / 120),
        (real)(1.0 / 720), (real)(-1.0 / 5040), (real)(1.0 / 40320), (real)(-1.0 / 362880)};
    enum { TERMS = sizeof over_factorial / sizeof *over_factorial };
    vec series = v_splat(over_factorial[TERMS - 1]);
    for (int i = TERMS - 2; i >= 0; i--) series = v_fma(series, u, v_splat(over_factorial[i]));
    const vec near = v_mul(v_mul(weight, v_mul(u, u)), series);
    const vec far = v_fma(weight, v_sub(u, v_splat(1)), other);
    const mask small = v_le(v_max(u, v_sub(v_splat(0), u)), v_splat((real)0.7));
    return v_select(small, near, far);
}

OP void add_excess(walk_shape shape, running *sum, const mask *m, int groups, vec excess) {
    for (int g = 0; g < groups; g++) add_in(shape, &sum[g], v_only(m[g], excess));
}

OP void refine_step(walk_shape shape, const refine_constants *k, refine_state *a, int partition,
                    group_range in, vec s, vec t, ivec i, const uint8_t *map, exponentials e,
                    mask valid, bool partial) {
    mask m[MAX_GROUPS];
    members(&k->sums.at, partition, in.count, t, i, map, valid, partial, m);
    const vec ref_s = pick(m, in.count, k->sums.ref_s + in.first),
              ref_t = pick(m, in.count, k->sums.ref_t + in.first);
    const vec ds = v_sub(s, ref_s), dt = v_sub(t, ref_t);
    const vec lost_s = lost_by(s, ref_s, ds), lost_t = lost_by(t, ref_t, dt);
    e.s = v_fma(e.s, v_mul(lost_s, k->inv_t), e.s);
    e.t = v_fma(e.t, v_mul(lost_t, k->inv_tt), e.t);
    const vec lost = v_fnma(lost_t, k->sums.rho, lost_s);
    const vec d = v_add(v_fnma(dt, k->sums.rho, ds), lost);
    const vec u = v_fnma(d, k->inv_t, pick(m, in.count, k->level + in.first));
    if (k->sums.forward) {
        const vec other = v_mul(e.s, pick(m, in.count, k->odds + in.first));
        add_excess(shape, a->t + in.first, m, in.count, excess(u, e.t, other));
    }
    if (k->sums.reverse) {
        const vec other = v_mul(e.t, pick(m, in.count, k->inverse_odds + in.first));
        const vec minus_u = v_sub(v_splat(0), u);
        add_excess(shape, a->s + in.first, m, in.count, excess(minus_u, e.s, other));
    }
}

OP void refine_flush(const refine_constants *k, group_terms *p, walk_shape shape, int lane,
                     int groups, refine_state *a) {
    for (int g = 0; g < groups; g++) {
        if (k->sums.forward) flush_one(shape, p[g].excess_t, lane, a->t[g]);
        if (k->sums.reverse) flush_one(shape, p[g].excess_s, lane, a->s[g]);
        clear_sum(&a->t[g]);
        clear_sum(&a->s[g]);
    }
}

OP refine_state refine_begin(group_terms *p, int groups, int from, int to) {
    refine_state a;
    for (int g = 0; g < MAX_GROUPS; g++) {
        clear_sum(&a.t[g]);
        clear_sum(&a.s[g]);
    }
    for (int g = 0; g < groups; g++)
        for (int l = from; l < to; l++) p[g].excess_t[l] = p[g].excess_s[l] = 0;
    return a;
}

OP void refine_row(const criterion *c, const block *b, group_terms *p, int lane, int partition,
                   task what, int32_t classes, const real *s, const real *t, kept from) {
    const int groups = groups_of(c, partition);
    if (groups == 0) return;
    const group_range in = {0, groups};
    const refine_constants k = refine_setup(c, b, p, ROWS, lane, groups, what);
    refine_state a = refine_begin(p, groups, lane, lane + 1);
    const int32_t whole = classes - classes % LANES, per_flush = classes_per_flush(partition);
    ivec i = i_count(0);
    for (int32_t at = 0; at < whole;) {
        const int32_t end = whole - at > per_flush ? at + per_flush : whole;
        for (; at < end; at += LANES) {
            const exponentials e = kept_exponentials(kept_at(from, at), groups, false);
            refine_step(ROWS, &k, &a, partition, in, v_load(s + at), v_load(t + at), i, NULL, e,
                        m_all(), false);
            i = i_add(i, i_splat(LANES));
        }
        refine_flush(&k, p, ROWS, lane, groups, &a);
    }
    if (whole == classes) return;
    const mask valid = m_first(classes - whole);
    const exponentials e = kept_exponentials_some(kept_at(from, whole), valid, groups, false);
    refine_step(ROWS, &k, &a, partition, in, v_load_some(s + whole, valid),
                v_load_some(t + whole, valid), i, NULL, e, valid, true);
    refine_flush(&k, p, ROWS, lane, groups, &a);
}

OP void refine_block(const criterion *c, block *b, int partition, task what, bool partial,
                     kept from) {
    const int groups = groups_of(c, partition);
    if (groups == 0) return;
    group_terms *p = b->low_sums;
    const refine_constants k = refine_setup(c, b, p, ACROSS, 0, groups, what);
    refine_state a = refine_begin(p, groups, 0, BLOCK_ROWS);
    const mask valid = partial ? m_first(b->rows) : m_all();
    const real *s = b->s, *t = b->t;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++) {
        const exponentials e = kept_exponentials(kept_at(from, (int64_t)at * LANES), groups, false);
        refine_step(ACROSS, &k, &a, partition, groups_at(partition, groups, map),
                    partial ? v_load_some(s, valid) : v_load(s),
                    partial ? v_load_some(t, valid) : v_load(t), i_splat(at), map, e, valid,
                    partial);
        s += b->s_step;
        t += b->t_step;
        if (map) map += b->map_step;
    }
    refine_flush(&k, p, ACROSS, 0, groups, &a);
}

#endif
