// The sums of a row: per group the masses of both models and the dot products that the low terms
// need. One pass over the logits, two exponentials per class, which the float kernels keep for the
// gradient.
#ifndef GDKD_SUMS_H
#define GDKD_SUMS_H

#include "exp2.h"
#include "walk.h"

#ifdef REAL_IS_FLOAT
enum { KEEP_EXPONENTIALS = 1, KEEP_LOSSES = 1 };
#else
enum { KEEP_EXPONENTIALS = 0, KEEP_LOSSES = 0 };
#endif

// What an instance is for: the sums of the forward KL alone, as most calls want them, or all that
// the criterion asks for; or the masses alone, as a high term of its own wants them.
typedef enum { PLAIN, FULL, TASKS, BARE } task;

// A sum, and what its roundings lost (the fast two-sum of T. J. Dekker, A floating-point technique
// for extending the available precision, 1971: exact for |x| <= |sum|). Kept by floats across rows
// alone: there a lane takes every class of its row. Along the classes they are spread over the
// lanes, and the largest are picked.
typedef struct {
    vec sum, lost;
} running;

OP void clear_sum(running *a) { a->sum = a->lost = v_splat(0); }

OP void add_in(walk_shape shape, running *a, vec x) {
    const vec sum = v_add(a->sum, x);
    if (KEEP_LOSSES && shape == ACROSS) a->lost = v_add(a->lost, v_sub(x, v_sub(sum, a->sum)));
    a->sum = sum;
}

// Adds weight times ratio; the weight is 0 outside m.
OP void add_product(walk_shape shape, running *a, mask m, vec weight, vec ratio) {
#ifdef REAL_IS_DOUBLE
    // An infinite ratio stays infinite where the weight underflowed to 0.
    const vec infinite = v_splat((real)INFINITY);
    mask endless = v_eq(v_max(ratio, v_sub(v_splat(0), ratio)), infinite);
    a->sum = v_fma_where(a->sum, m, v_select(endless, v_splat(1), weight), ratio);
    (void)shape;
#else
    (void)m;
    const vec sum = v_fma(weight, ratio, a->sum);
    if (KEEP_LOSSES && shape == ACROSS)
        a->lost = v_add(a->lost, v_fms(weight, ratio, v_sub(sum, a->sum)));
    a->sum = sum;
#endif
}

// Into the doubles of a row, or of all rows, and from 0 again.
OP void flush_sum(walk_shape shape, double *sum, int lane, running *a) {
    if (shape == ALONG) {
        sum[lane] += v_sum(a->sum);
    } else {
        v_add_to_doubles(sum, a->sum);
        if (KEEP_LOSSES) v_add_to_doubles(sum, a->lost);
    }
    clear_sum(a);
}

OP void begin_sum(walk_shape shape, double *sum, int lane, running *a) {
    clear_sum(a);
    for (int l = shape == ALONG ? lane : 0; l < (shape == ALONG ? lane + 1 : BLOCK_ROWS); l++)
        sum[l] = 0;
}

OP v_scale scale_of(walk_shape shape, const lane_scales *s, int lane) {
    return (v_scale){per_row(shape, s->hi, lane), per_row(shape, s->lo, lane),
                     per_row(shape, s->min, lane)};
}

// --- A class in both models, relative to its group's reference points ----------------------------

typedef struct {
    vec ref_s[MAX_GROUPS], ref_t[MAX_GROUPS], rho;
    v_scale student, teacher;
} class_constants;

OP class_constants constants_of(walk_shape shape, const references *ref, int lane, int groups) {
    class_constants k;
    for (int g = 0; g < groups; g++) {
        k.ref_s[g] = per_row(shape, ref[g].s, lane);
        k.ref_t[g] = per_row(shape, ref[g].t, lane);
    }
    // Of the first group: where several are walked over at once, all have the same.
    k.rho = per_row(shape, ref->at->rho, lane);
    k.student = scale_of(shape, &ref->at->student, lane);
    k.teacher = scale_of(shape, &ref->at->teacher, lane);
    return k;
}

// The logits' distances from the reference points.
typedef struct {
    vec s, t, ds, dt;
} class_place;

OP class_place place_at(walk_shape shape, const class_constants *k, const strip *r, int32_t i,
                        const step_groups *at) {
    class_place c = {.s = load_step(student_at(shape, r, i), at),
                     .t = load_step(teacher_at(shape, r, i), at)};
    c.ds = v_sub(c.s, pick(at, k->ref_s));
    c.dt = v_sub(c.t, pick(at, k->ref_t));
    return c;
}

// d = ds - rho dt, and what a class that one model does not have (-inf) puts in its place: nothing
// where its own weight is 0, infinity where only the other model's is. Floats never meet it: such
// rows go to doubles, since their sums are not finite.
typedef struct {
    vec for_t, for_s; // factors of exp(dt / T_t) and of exp(ds / T)
} class_ratio;

OP class_ratio ratio_of(const class_constants *k, const class_place *c) {
    const vec d = v_fnma(c->dt, k->rho, c->ds);
#ifdef REAL_IS_FLOAT
    return (class_ratio){d, d};
#else
    const vec nothing = v_splat(-(real)INFINITY), zero = v_splat(0);
    return (class_ratio){v_select(v_eq(c->t, nothing), zero, d),
                         v_select(v_eq(c->s, nothing), zero, d)};
#endif
}

// exp(ds / T) and exp(dt / T_t).
typedef struct {
    vec s, t;
} exponentials;

OP exponentials exponentials_of(const class_constants *k, const class_place *c) {
    return (exponentials){v_exp(c->ds, k->student), v_exp(c->dt, k->teacher)};
}

// Those that the sums have kept, or the same again.
OP exponentials exponentials_at(const class_constants *k, const class_place *c, const strip *r,
                                int32_t i, const step_groups *at) {
#ifdef REAL_IS_FLOAT
    (void)k, (void)c;
    return (exponentials){load_step(r->e_s + i * LANES, at), load_step(r->e_t + i * LANES, at)};
#else
    (void)r, (void)i, (void)at;
    return exponentials_of(k, c);
#endif
}

// --- The sums ------------------------------------------------------------------------------------

typedef struct {
    walk_shape shape;
    group_kind kind;
    int groups, lane;
    bool forward, reverse;
    class_constants k;
    group_sums *sum;
    running s[MAX_GROUPS], t[MAX_GROUPS], dot_t[MAX_GROUPS], dot_s[MAX_GROUPS];
} sums_state;

OP void sums_step(void *state, const strip *r, int32_t i, bool whole) {
    sums_state *a = state;
    const step_groups at = groups_at(a->shape, a->kind, r, i, whole);
    const class_place c = place_at(a->shape, &a->k, r, i, &at);
    exponentials e = exponentials_of(&a->k, &c);
    const class_ratio d = ratio_of(&a->k, &c);
    for (int j = 0; j < at.count; j++) {
        const int g = at.first + j;
        const bool plain = is_plain(a->kind, &at);
        const vec s = plain ? e.s : v_only(at.member[j], e.s),
                  t = plain ? e.t : v_only(at.member[j], e.t);
        add_in(a->shape, &a->s[g], s);
        add_in(a->shape, &a->t[g], t);
        if (a->forward) add_product(a->shape, &a->dot_t[g], at.member[j], t, d.for_t);
        if (a->reverse) add_product(a->shape, &a->dot_s[g], at.member[j], s, d.for_s);
        if (at.count == 1) e = (exponentials){s, t};
    }
    if (!KEEP_EXPONENTIALS) return;
#ifdef REAL_IS_FLOAT
    store_step(r->e_s + i * LANES, &at, e.s);
    store_step(r->e_t + i * LANES, &at, e.t);
#endif
}

OP void sums_flush(void *state) {
    sums_state *a = state;
    for (int g = 0; g < a->groups; g++) {
        flush_sum(a->shape, a->sum[g].s, a->lane, &a->s[g]);
        flush_sum(a->shape, a->sum[g].t, a->lane, &a->t[g]);
        if (a->forward) flush_sum(a->shape, a->sum[g].dot_t, a->lane, &a->dot_t[g]);
        if (a->reverse) flush_sum(a->shape, a->sum[g].dot_s, a->lane, &a->dot_s[g]);
    }
}

// Of one row (lane), or of a block of rows.
OP void find_sums(walk_shape shape, group_kind kind, task what, const criterion *c, const strip *r,
                  int lane, const references *ref, group_sums *sum) {
    sums_state a;
    a.shape = shape, a.kind = kind, a.groups = groups_of(kind, r), a.lane = lane;
    a.forward = what == PLAIN || (what == FULL && c->forward),
    a.reverse = what == FULL && c->reverse;
    a.k = constants_of(shape, ref, lane, a.groups);
    a.sum = sum;
    for (int g = 0; g < a.groups; g++) {
        begin_sum(shape, sum[g].s, lane, &a.s[g]);
        begin_sum(shape, sum[g].t, lane, &a.t[g]);
        begin_sum(shape, sum[g].dot_t, lane, &a.dot_t[g]);
        begin_sum(shape, sum[g].dot_s, lane, &a.dot_s[g]);
    }
    walk(shape, kind, r, &a, sums_step, sums_flush);
}

#endif
