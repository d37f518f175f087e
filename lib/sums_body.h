// The sums of a row: per group the masses of both models and the dot products that the low terms
// need, and those of the cross-entropy. One pass over the logits, two exponentials per class.
//
// Operations used: v_* of simd/ops.md, exp2.h, walk.h.
#ifndef GDKD_SUMS_BODY_H
#define GDKD_SUMS_BODY_H

#include "exp2.h"
#include "walk.h"

// So many steps are added up in a vector before it goes into doubles. A term of 1 swallows up to 2^-24 of
// each that follows it in its lane: 7 of them stay below the promised error. In the across shape every class
// is in the same lane, so fewer.
enum { STEPS_PER_FLUSH = 8, STEPS_PER_FLUSH_ACROSS = 4 };

typedef struct {
    borders at;
    vec ref_s[MAX_GROUPS], ref_t[MAX_GROUPS];
    vec rho, ref_ce;
    v_scale student, teacher, ce;
    bool forward, reverse,
        with_ce; // copies: a store through a vector type might change the originals
} sums_constants;

// A sum whose terms come as unit and part (exp2.h), each added up by itself.
typedef struct {
    vec unit, part;
} v_total;

typedef struct {
    v_total s[MAX_GROUPS], t[MAX_GROUPS], dot_t[MAX_GROUPS], dot_s[MAX_GROUPS];
    v_total ce;
    vec lin, num;
} sums_state;

OP void total_add(v_total *a, mask m, v_power e) {
    a->unit = v_add_where(a->unit, m, e.unit);
    a->part = v_add_where(a->part, m, e.part);
}

#ifdef REAL_IS_FLOAT
#    define SCALE(c, which) v_scale_of(&(c)->which##32)
#else
#    define SCALE(c, which) v_scale_of(&(c)->which##64)
#endif

// The groups' part is left out where groups is 0, the cross-entropy's unless with_ce.
OP sums_constants sums_setup(const criterion *c, const block *b, const group_sums *p,
                             walk_shape shape, int lane, int groups, bool with_ce) {
    sums_constants k = {.forward = c->forward, .reverse = c->reverse, .with_ce = with_ce};
    if (groups > 0) {
        k.at = borders_of(shape, b, lane);
        for (int g = 0; g < groups; g++) {
            k.ref_s[g] = per_row(shape, p->ref_s[g], lane);
            k.ref_t[g] = per_row(shape, p->ref_t[g], lane);
        }
        k.rho = v_splat((real)c->rho);
        k.student = SCALE(c, student);
        k.teacher = SCALE(c, teacher);
    }
    if (with_ce) {
        k.ref_ce = per_row(shape, b->ref_ce, lane);
        k.ce = SCALE(c, ce);
    }
    return k;
}

// d = ds - rho dt, and what a class that one model does not have (-inf) puts in its place: nothing
// where its own weight is 0, infinity where only the other model's is. Floats never meet it: such
// rows are refused, since their sums are not finite.
typedef struct {
    vec for_t, for_s; // factors of exp(dt / T_t) and of exp(ds / T)
} class_ratio;

OP class_ratio ratio_of(vec s, vec t, vec ds, vec dt, vec rho) {
    vec d = v_fnma(dt, rho, ds);
#ifdef REAL_IS_FLOAT
    (void)s, (void)t;
    return (class_ratio){d, d};
#else
    const vec nothing = v_splat((real)-INFINITY), zero = v_splat(0);
    mask no_s = v_eq(s, nothing), no_t = v_eq(t, nothing);
    return (class_ratio){v_select(no_t, zero, d), v_select(no_s, zero, d)};
#endif
}

// Adds weight times ratio.
OP void total_add_product(v_total *a, mask m, v_power weight, vec ratio) {
#ifdef REAL_IS_DOUBLE
    // An infinite ratio stays infinite where the weight underflowed to 0.
    const vec infinite = v_splat((real)INFINITY);
    mask endless = v_eq(v_max(ratio, v_sub(v_splat(0), ratio)), infinite);
    weight.unit = v_select(endless, v_splat(1), weight.unit);
    weight.part = v_select(endless, v_splat(1), weight.part);
#endif
    a->unit = v_fma_where(a->unit, m, weight.unit, ratio);
    a->part = v_fma_where(a->part, m, weight.part, ratio);
}

OP void sums_step(const sums_constants *k, sums_state *a, int partition, int groups,
                  bool map_shared, vec s, vec t, ivec i, const uint8_t *map, mask valid,
                  bool partial) {
    if (partition >= 0) {
        mask m[MAX_GROUPS];
        members(&k->at, partition, groups, map_shared, t, i, map, valid, partial, m);
        vec ds = v_sub(s, pick(m, groups, k->ref_s)), dt = v_sub(t, pick(m, groups, k->ref_t));
        v_power es = v_exp_parts(ds, k->student), et = v_exp_parts(dt, k->teacher);
        class_ratio d = ratio_of(s, t, ds, dt, k->rho);
        for (int g = 0; g < groups; g++) {
            total_add(&a->s[g], m[g], es);
            total_add(&a->t[g], m[g], et);
            if (k->forward) total_add_product(&a->dot_t[g], m[g], et, d.for_t);
            if (k->reverse) total_add_product(&a->dot_s[g], m[g], es, d.for_s);
        }
    }
    if (k->with_ce) {
        vec ds = v_sub(s, k->ref_ce);
#ifdef REAL_IS_DOUBLE
        mask there = m_andnot(v_eq(s, v_splat((real)-INFINITY)), valid);
#else
        mask there = valid;
#endif
        total_add(&a->ce, valid, v_exp_parts(ds, k->ce));
        a->lin = v_add_where(a->lin, there, ds);
        a->num = v_add_where(a->num, there, v_splat(1));
    }
}

OP void sums_clear(sums_state *a, int groups) {
    const v_total none = {v_splat(0), v_splat(0)};
    for (int g = 0; g < groups; g++) a->s[g] = a->t[g] = a->dot_t[g] = a->dot_s[g] = none;
    a->ce = none;
    a->lin = a->num = v_splat(0);
}

OP void flush_one(walk_shape shape, double *sum, int lane, v_total a) {
    if (shape == ROWS) {
        sum[lane] += v_sum(a.unit) + v_sum(a.part);
    } else {
        v_add_to_doubles(sum, a.unit);
        v_add_to_doubles(sum, a.part);
    }
}

OP void sums_flush(const sums_constants *k, block *b, group_sums *p, walk_shape shape, int lane,
                   int groups, sums_state *a) {
    for (int g = 0; g < groups; g++) {
        flush_one(shape, p->sum_s[g], lane, a->s[g]);
        flush_one(shape, p->sum_t[g], lane, a->t[g]);
        if (k->forward) flush_one(shape, p->dot_t[g], lane, a->dot_t[g]);
        if (k->reverse) flush_one(shape, p->dot_s[g], lane, a->dot_s[g]);
    }
    if (k->with_ce) {
        flush_one(shape, b->sum_ce, lane, a->ce);
        flush_one(shape, b->lin_ce, lane, (v_total){a->lin, v_splat(0)});
        flush_one(shape, b->num_ce, lane, (v_total){a->num, v_splat(0)});
    }
    sums_clear(a, groups);
}

OP void sums_reset(block *b, group_sums *p, bool with_ce, int groups, int from, int to) {
    for (int l = from; l < to; l++) {
        for (int g = 0; g < groups; g++)
            p->sum_s[g][l] = p->sum_t[g][l] = p->dot_t[g][l] = p->dot_s[g][l] = 0;
        if (with_ce) b->sum_ce[l] = b->lin_ce[l] = b->num_ce[l] = 0;
    }
}

// One row. partition: GDKD_PARTITION_*, or -1 for the cross-entropy alone, which reads no teacher.
OP void sums_of_row(const criterion *c, block *b, group_sums *p, int lane, int partition,
                    bool with_ce, const real *s, const real *t, const uint8_t *map) {
    const int groups = partition < 0 ? 0 : groups_of(c, partition);
    const sums_constants k = sums_setup(c, b, p, ROWS, lane, groups, with_ce);
    sums_state a;
    sums_clear(&a, groups);
    sums_reset(b, p, with_ce, groups, lane, lane + 1);
    const int32_t classes = c->classes, whole = classes - classes % LANES;
    ivec i = i_count(0);
    int32_t at = 0;
    while (at < whole) {
        int32_t end = whole - at > STEPS_PER_FLUSH * LANES ? at + STEPS_PER_FLUSH * LANES : whole;
        for (; at < end; at += LANES) {
            vec x = v_load(s + at), z = partition < 0 ? x : v_load(t + at);
            sums_step(&k, &a, partition, groups, false, x, z, i, map ? map + at : NULL, m_all(),
                      false);
            i = i_add(i, i_splat(LANES));
        }
        if (at < whole) sums_flush(&k, b, p, ROWS, lane, groups, &a);
    }
    if (at < classes) {
        mask valid = m_first(classes - at);
        vec x = v_load_some(s + at, valid), z = partition < 0 ? x : v_load_some(t + at, valid);
        sums_step(&k, &a, partition, groups, false, x, z, i, map ? map + at : NULL, valid, true);
    }
    sums_flush(&k, b, p, ROWS, lane, groups, &a);
}

// A block of rows, one per lane.
OP void sums_of_block(const criterion *c, block *b, int partition, bool partial) {
    group_sums *p = &b->low_sums;
    const int groups = partition < 0 ? 0 : groups_of(c, partition);
    const sums_constants k = sums_setup(c, b, p, ACROSS, 0, groups, c->ce);
    const mask valid = partial ? m_first(b->rows) : m_all();
    const bool shared = b->map_shared;
    sums_state a;
    sums_clear(&a, groups);
    sums_reset(b, p, c->ce, groups, 0, BLOCK_ROWS);
    const real *s = b->s, *t = b->t;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++) {
        vec x = partial ? v_load_some(s, valid) : v_load(s), z = x;
        if (partition >= 0) z = partial ? v_load_some(t, valid) : v_load(t);
        sums_step(&k, &a, partition, groups, shared, x, z, i_splat(at), map, valid, partial);
        s += b->s_step;
        t += b->t_step;
        if (partition == GDKD_PARTITION_MAP) map += b->map_step;
        if ((at + 1) % STEPS_PER_FLUSH_ACROSS == 0) sums_flush(&k, b, p, ACROSS, 0, groups, &a);
    }
    sums_flush(&k, b, p, ACROSS, 0, groups, &a);
}

#endif
