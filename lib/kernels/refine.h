// The second pass: divergences that the sums do not give, or not well enough, since the models are
// nearly alike.
//
// The log ratio in u comes from logarithms of sums, and is a little off. Were it right, the drifts,
// p - q, would add up to 0; their sum is its error, and since a divergence's slope in it is minus
// the sum of the pulls, the first order can be taken off:
//     divergence = value - drift pull.
// What is left is of the order of the error's square. The gradient by pulls (gradient.h) is free of
// it in the same way.
#ifndef GDKD_REFINE_H
#define GDKD_REFINE_H

#include "divergence.h"
#include "sums.h"

// What per_row rounds off.
OP vec rest_per_row(walk_shape shape, const double *value, int lane) {
    lanes rest;
    if (shape == ALONG) return v_splat((real)(value[lane] - (double)(real)value[lane]));
    for (int l = 0; l < BLOCK_ROWS; l++) rest[l] = value[l] - (double)(real)value[l];
    return v_from_doubles(rest);
}

// What a class's p, q and u are made of. fine: u is wanted to a few roundings of itself, by
// divergences whose slope does not vanish at u = 0.
typedef struct {
    vec log_ratio[MAX_GROUPS], per_s[MAX_GROUPS], per_t[MAX_GROUPS];
    vec inv_t, inv_tt;
    bool fine;
    vec inv_t_rest, rho_rest;
} relation_constants;

OP relation_constants relation_of(walk_shape shape, const references *ref,
                                  const group_relation *relation, int lane, int groups, bool fine) {
    relation_constants k;
    k.fine = fine;
    k.inv_t = per_row(shape, ref->at->inv_t, lane);
    k.inv_tt = per_row(shape, ref->at->inv_tt, lane);
    k.inv_t_rest = k.rho_rest = v_splat(0);
    if (fine) k.inv_t_rest = rest_per_row(shape, ref->at->inv_t, lane);
    if (fine) k.rho_rest = rest_per_row(shape, ref->at->rho, lane);
    for (int g = 0; g < groups; g++) {
        k.log_ratio[g] = per_row(shape, relation[g].log_ratio, lane);
        k.per_s[g] = per_row(shape, relation[g].per_s, lane);
        k.per_t[g] = per_row(shape, relation[g].per_t, lane);
    }
    return k;
}

// What rounding took from difference = a - b (the two-sum of D. E. Knuth, The Art of Computer
// Programming 2, 4.2.2). Where both models are sure of one class, the others' logits lie far below
// it, and their rounded distances, times a few tens, would show: those classes are all that is left
// of the divergence.
OP vec lost_by(vec a, vec b, vec difference) {
    const vec subtracted = v_sub(a, difference);
    return v_sub(v_sub(a, v_add(difference, subtracted)), v_sub(b, subtracted));
}

typedef struct {
    vec u, p, q;
} class_relation;

// What a class has of its group.
typedef struct {
    vec ref_s, ref_t, log_ratio, per_s, per_t;
} class_group;

LARGE_OP void relate_class(const relation_constants *n, const vec *rho, const class_place *c,
                           const class_group *g, const exponentials *kept, class_relation *to) {
    vec d = v_fnma(c->dt, *rho, c->ds);
    exponentials e = *kept;
#ifdef REAL_IS_FLOAT
    const vec lost_s = lost_by(c->s, g->ref_s, c->ds), lost_t = lost_by(c->t, g->ref_t, c->dt);
    vec lost = v_fnma(lost_t, *rho, lost_s);
    e.s = v_fma(e.s, v_mul(lost_s, n->inv_t), e.s);
    e.t = v_fma(e.t, v_mul(lost_t, n->inv_tt), e.t);
    if (n->fine) {
        const vec product = v_mul(c->dt, *rho), below = v_fms(c->dt, *rho, product);
        d = v_sub(c->ds, product);
        lost = v_sub(v_add(lost, lost_by(c->ds, product, d)), v_fma(c->dt, n->rho_rest, below));
        const vec rest = v_fma(d, n->inv_t_rest, v_mul(lost, n->inv_t));
        to->u = v_sub(v_fnma(d, n->inv_t, g->log_ratio), rest);
    } else {
        to->u = v_fnma(v_add(d, lost), n->inv_t, g->log_ratio);
    }
#else
    to->u = v_fnma(d, n->inv_t, g->log_ratio);
#endif
#ifdef REAL_IS_DOUBLE // a class that a model does not have: any u will do that is large and finite
    to->u = v_max(v_min(v_splat(0x1p1000), to->u), v_splat(-0x1p1000));
#endif
    to->p = v_mul(e.s, g->per_s);
    to->q = v_mul(e.t, g->per_t);
}

OP class_relation relation_at(const class_constants *k, const relation_constants *n,
                              const class_place *c, exponentials e, const step_groups *at) {
    const class_group g = {pick(at, k->ref_s), pick(at, k->ref_t), pick(at, n->log_ratio),
                           pick(at, n->per_s), pick(at, n->per_t)};
    class_relation one;
    relate_class(n, &k->rho, c, &g, &e, &one);
    return one;
}

typedef struct {
    walk_shape shape;
    group_kind kind;
    int groups, lane;
    divergence_task how;
    class_constants k;
    relation_constants n;
    group_divergence *out;
    running value[MAX_GROUPS], pull[MAX_GROUPS], drift[MAX_GROUPS];
} refine_state;

OP void refine_step(void *state, const strip *r, int32_t i, bool whole) {
    refine_state *a = state;
    const step_groups at = groups_at(a->shape, a->kind, r, i, whole);
    const class_place c = place_at(a->shape, &a->k, r, i, &at);
    const class_relation one =
        relation_at(&a->k, &a->n, &c, exponentials_at(&a->k, &c, r, i, &at), &at);
    const class_divergence d = divergence_at(&a->how, one.u, one.p, one.q);
    for (int j = 0; j < at.count; j++) {
        const int g = at.first + j;
        const bool plain = is_plain(a->kind, &at);
        add_in(a->shape, &a->value[g], plain ? d.value : v_only(at.member[j], d.value));
        if (!a->how.pulls) continue;
        add_in(ALONG, &a->pull[g],
               plain ? d.pull
                     : v_only(at.member[j], d.pull)); // corrections: what they lose is nothing
        if (drifts(a->how.divergence))
            add_in(ALONG, &a->drift[g], plain ? d.drift : v_only(at.member[j], d.drift));
    }
}

OP void refine_flush(void *state) {
    refine_state *a = state;
    for (int g = 0; g < a->groups; g++) {
        flush_sum(a->shape, a->out[g].value, a->lane, &a->value[g]);
        if (!a->how.pulls) continue;
        flush_sum(a->shape, a->out[g].pull, a->lane, &a->pull[g]);
        if (drifts(a->how.divergence)) flush_sum(a->shape, a->out[g].drift, a->lane, &a->drift[g]);
    }
}

// pulls: whether the gradient will be made of them; else they are left 0.
OP void refine(walk_shape shape, group_kind kind, const criterion *c, const strip *r, int lane,
               const references *ref, const group_relation *relation, bool pulls,
               group_divergence *out) {
    refine_state a;
    a.how = divergence_of(c, pulls);
    a.shape = shape, a.kind = kind, a.groups = groups_of(kind, r), a.lane = lane;
    a.k = constants_of(shape, ref, lane, a.groups);
    a.n = relation_of(shape, ref, relation, lane, a.groups, drifts(c->divergence));
    a.out = out;
    for (int g = 0; g < a.groups; g++) {
        begin_sum(shape, out[g].value, lane, &a.value[g]);
        begin_sum(shape, out[g].pull, lane, &a.pull[g]);
        begin_sum(shape, out[g].drift, lane, &a.drift[g]);
    }
    walk(shape, kind, r, &a, refine_step, refine_flush);
}

#endif
