// The cross-entropy of a row by itself, at T = 1, beside whatever distillation term there is.
#ifndef GDKD_CROSS_ENTROPY_H
#define GDKD_CROSS_ENTROPY_H

#include "sums.h"

#ifdef REAL_IS_FLOAT
#    define CE_SCALE(c) v_scale_of(&(c)->ce32)
#else
#    define CE_SCALE(c) v_scale_of(&(c)->ce64)
#endif

typedef struct {
    walk_shape shape;
    int lane;
    bool smooth, accumulate;
    cross_entropy *ce;
    float *kept;
    v_scale scale;
    vec ref, c, flat;
    running sum, top, linear, count; // top: the terms that are 1, lest they swallow the others
    real *to;
    int64_t to_step;
} ce_state;

// The lanes of the step whose logit is not -inf.
OP mask ce_there(const step_groups *at, vec s) {
#ifdef REAL_IS_DOUBLE
    return m_andnot(v_eq(s, v_splat(-(real)INFINITY)), at->inside);
#else
    (void)s; // a row of floats that has one is done in double
    return at->inside;
#endif
}

OP void ce_sums_step(void *state, const strip *r, int32_t i, bool whole) {
    ce_state *a = state;
    const step_groups at = groups_at(a->shape, ONE, r, i, whole);
    const vec s = load_step(student_at(a->shape, r, i), &at), ds = v_sub(s, a->ref),
              e = v_exp(ds, a->scale);
    const mask top = m_and(v_eq(ds, v_splat(0)), at.inside);
    add_in(a->shape, &a->sum, v_only(m_andnot(top, at.inside), e));
    add_in(ALONG, &a->top, v_only(top, v_splat(1))); // exact up to 2^24 in a lane
    if (a->smooth) {
        const mask there = ce_there(&at, s);
        add_in(a->shape, &a->linear, v_only(there, ds));
        add_in(ALONG, &a->count, v_only(there, v_splat(1)));
    }
#ifdef REAL_IS_FLOAT
    store_step(a->kept + i * LANES, &at, e);
#endif
}

OP void ce_sums_flush(void *state) {
    ce_state *a = state;
    flush_sum(a->shape, a->ce->sum, a->lane, &a->sum);
    flush_sum(a->shape, a->ce->sum, a->lane, &a->top);
    if (!a->smooth) return;
    flush_sum(a->shape, a->ce->linear, a->lane, &a->linear);
    flush_sum(a->shape, a->ce->count, a->lane, &a->count);
}

// ce: reads ref. kept: receives the exponentials of floats.
OP void find_ce_sums(walk_shape shape, const criterion *c, const strip *r, int lane,
                     cross_entropy *ce, float *kept) {
    ce_state a;
    a.shape = shape, a.lane = lane, a.ce = ce, a.kept = kept;
    a.smooth = c->label_smoothing > 0;
    a.scale = CE_SCALE(c);
    a.ref = per_row(shape, ce->ref, lane);
    clear_sum(&a.top);
    begin_sum(shape, ce->sum, lane, &a.sum);
    begin_sum(shape, ce->linear, lane, &a.linear);
    begin_sum(shape, ce->count, lane, &a.count);
    walk(shape, ONE, r, &a, ce_sums_step, ce_sums_flush);
}

OP void ce_gradient_step(void *state, const strip *r, int32_t i, bool whole) {
    ce_state *a = state;
    const step_groups at = groups_at(a->shape, ONE, r, i, whole);
    vec flat = a->flat;
#ifdef REAL_IS_FLOAT
    const vec e = load_step(a->kept + i * LANES, &at);
#else
    const vec s = load_step(student_at(a->shape, r, i), &at), e = v_exp(v_sub(s, a->ref), a->scale);
    flat = v_only(ce_there(&at, s), flat);
#endif
    const vec y = v_fms(e, a->c, flat);
    real *to = a->to + i * (a->shape == ALONG ? LANES : a->to_step);
    store_step(to, &at, a->accumulate ? v_add(load_step(to, &at), y) : y);
}

// Without the target's part, which is one class's.
OP void find_ce_gradient(walk_shape shape, const criterion *c, const strip *r, int lane,
                         const cross_entropy *ce, float *kept, real *to, int64_t to_step,
                         bool accumulate) {
    ce_state a;
    a.shape = shape, a.kept = kept, a.accumulate = accumulate, a.to = to, a.to_step = to_step;
    a.scale = CE_SCALE(c);
    a.ref = per_row(shape, ce->ref, lane);
    a.c = per_row(shape, ce->c, lane);
    a.flat = per_row(shape, ce->flat, lane);
    walk(shape, ONE, r, &a, ce_gradient_step, NULL);
}

#endif
