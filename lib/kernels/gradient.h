// The gradient of a row from its coefficients (terms.h):
//     g = exp(ds / T) (c.s + c.d d) - exp(dt / T_t) c.t + c.h pull
// The last where the low terms come from the second pass: pull is that of divergence.h.
#ifndef GDKD_GRADIENT_H
#define GDKD_GRADIENT_H

#include "refine.h"

typedef struct {
    walk_shape shape;
    group_kind kind;
    bool reverse, by_pull, accumulate;
    divergence_task how;
    class_constants k;
    relation_constants n;
    vec s[MAX_GROUPS], t[MAX_GROUPS], d[MAX_GROUPS], h[MAX_GROUPS];
    real *to;
    int64_t to_step;
} gradient_state;

OP void gradient_step(void *state, const strip *r, int32_t i, bool whole) {
    gradient_state *a = state;
    const step_groups at = groups_at(a->shape, a->kind, r, i, whole);
    class_place c = {0};
    if (!KEEP_EXPONENTIALS || a->reverse || a->by_pull) c = place_at(a->shape, &a->k, r, i, &at);
    const exponentials e = exponentials_at(&a->k, &c, r, i, &at);
    vec factor = pick(&at, a->s);
    if (a->reverse) {
        vec d = ratio_of(&a->k, &c).for_s;
#ifdef REAL_IS_DOUBLE
        d = v_select(v_eq(c.t, v_splat(-(real)INFINITY)), v_splat(0), d);
#endif
        factor = v_fma(d, pick(&at, a->d), factor);
    }
    vec y = v_fnma(e.t, pick(&at, a->t), v_mul(e.s, factor));
    if (a->by_pull) {
        const class_relation one = relation_at(&a->k, &a->n, &c, e, &at);
        const class_divergence f = divergence_at(&a->how, one.u, one.p, one.q);
        y = v_fma(f.pull, pick(&at, a->h), y);
    }
    real *to = a->to + i * (a->shape == ALONG ? LANES : a->to_step);
    store_step(to, &at, a->accumulate ? v_add(load_step(to, &at), y) : y);
}

// Where the gradient goes, and how far apart its steps are.
typedef struct {
    real *to;
    int64_t step;
    bool accumulate;
} destination;

// by_pull: whether a row has the coefficient h.
OP void find_gradient(walk_shape shape, group_kind kind, task what, const criterion *c,
                      const strip *r, int lane, const references *ref,
                      const group_relation *relation, const group_coefficients *coefficient,
                      bool by_pull, destination out) {
    const int groups = groups_of(kind, r);
    gradient_state a;
    a.shape = shape, a.kind = kind;
    a.reverse = what != PLAIN && c->reverse, a.by_pull = what != PLAIN && by_pull;
    a.accumulate = what == FULL && out.accumulate, a.to = out.to, a.to_step = out.step;
    a.how = divergence_of(c, true);
    a.k = constants_of(shape, ref, lane, groups);
    for (int g = 0; g < groups; g++) {
        a.s[g] = per_row(shape, coefficient[g].s, lane);
        a.t[g] = per_row(shape, coefficient[g].t, lane);
        a.d[g] = a.reverse ? per_row(shape, coefficient[g].d, lane) : v_splat(0);
        a.h[g] = a.by_pull ? per_row(shape, coefficient[g].h, lane) : v_splat(0);
        a.n.log_ratio[g] = a.n.per_s[g] = a.n.per_t[g] = v_splat(0);
    }
    a.n.inv_t = a.n.inv_tt = a.n.inv_t_rest = a.n.rho_rest = v_splat(0);
    a.n.fine = false;
    if (a.by_pull) a.n = relation_of(shape, ref, relation, lane, groups, drifts(c->divergence));
    if (what == FULL || !out.accumulate) {
        walk(shape, kind, r, &a, gradient_step, NULL);
    } else { // PLAIN is a few instructions: a constant to each
        a.accumulate = true;
        walk(shape, kind, r, &a, gradient_step, NULL);
    }
}

#endif
