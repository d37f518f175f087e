// The sums of a row: per group the masses of both models and the dot products that the low terms
// need, and those of the cross-entropy. One pass over the logits, two exponentials per class, which the float
// kernels keep for the gradient.
//
// Operations used: v_* of simd/ops.md, exp2.h, walk.h.
#ifndef GDKD_SUMS_BODY_H
#define GDKD_SUMS_BODY_H

#include "exp2.h"
#include "walk.h"

// So many steps of a row are added up in a vector before it goes into doubles. A term of 1 swallows up to 2^-24
// of each that follows it in its lane: two of them stay below the promised error, and in a row whose largest classes are
// listed more do. In the across shape one flush is enough.
enum { STEPS_PER_FLUSH = 3, LISTED_STEPS_PER_FLUSH = 8 };

OP int32_t classes_per_flush(int partition) {
    const bool listed = partition == PARTITION_REST || partition == PARTITION_REST_OF_TARGET;
    return (listed ? LISTED_STEPS_PER_FLUSH : STEPS_PER_FLUSH) * LANES;
}

#ifdef REAL_IS_FLOAT
#    define CE_SCALE(c) v_scale_of(&(c)->ce32)
enum { KEEP_EXPONENTIALS = 1, KEEP_LOSSES = 1 };
#else
#    define CE_SCALE(c) v_scale_of(&(c)->ce64)
enum { KEEP_EXPONENTIALS = 0, KEEP_LOSSES = 0 };
#endif

// A sum, and what its roundings lost (the fast two-sum of T. J. Dekker, A floating-point technique for extending
// the available precision, 1971: exact for |x| <= |sum|). Kept in the across shape of floats alone: there a lane
// takes every class of its row. In the rows shape the classes are spread over the lanes, and the largest are on
// the list.
typedef struct {
    vec sum, lost;
} running;

OP void add_in(walk_shape shape, running *a, vec x) {
    const vec sum = v_add(a->sum, x);
    if (KEEP_LOSSES && shape == ACROSS) a->lost = v_add(a->lost, v_sub(x, v_sub(sum, a->sum)));
    a->sum = sum;
}

OP void clear_sum(running *a) {
    a->sum = a->lost = v_splat(0);
}

typedef struct {
    borders at;
    vec ref_s[MAX_GROUPS], ref_t[MAX_GROUPS];
    vec rho, ref_ce;
    v_scale student, teacher, ce;
    bool forward, reverse, with_ce,
        smooth; // copies: a store through a vector type might change the originals
} sums_constants;

typedef struct {
    running s[MAX_GROUPS], t[MAX_GROUPS], dot_t[MAX_GROUPS], dot_s[MAX_GROUPS];
    running ce, top_ce, lin, num; // top_ce: the terms that are 1, lest they swallow the others
} sums_state;

// What an instance is for: the criterion as it is, the cross-entropy too, or a forward distillation term alone.
typedef enum { AS_ASKED, WITH_CE, PLAIN } task;

// Where the exponentials of a row (a block, in the across shape) are kept; see scratch.
typedef struct {
    float *s, *t, *ce;
} kept;

OP kept kept_of(const criterion *c, const block *b, const scratch *x, int lane) {
#ifdef REAL_IS_FLOAT
    const size_t at = (size_t)lane * (size_t)c->classes;
    float *s = b->exp_in_gradient ? b->g_row[lane] : x->exp_s + at;
    return (kept){s, x->exp_t + at, c->ce ? x->exp_ce + at : s};
#else
    (void)c, (void)b, (void)x, (void)lane;
    return (kept){NULL, NULL, NULL};
#endif
}

#ifdef REAL_IS_FLOAT
OP v_scale scale_of_rows(const lane_scales *s, walk_shape shape, int lane) {
    return (v_scale){per_row(shape, s->hi, lane), per_row(shape, s->lo, lane),
                     per_row(shape, s->min, lane)};
}
#    define student_scale(c, at, shape, lane) scale_of_rows(&(at)->student32, shape, lane)
#    define teacher_scale(c, at, shape, lane) scale_of_rows(&(at)->teacher32, shape, lane)
#else // rows of their own temperature come standardised
#    define student_scale(c, at, shape, lane) v_scale_of(&(c)->student64)
#    define teacher_scale(c, at, shape, lane) v_scale_of(&(c)->teacher64)
#endif

// p: the terms of the first group. The groups' part is left out where groups is 0, the cross-entropy's unless
// the task has it.
OP sums_constants sums_setup(const criterion *c, const block *b, const group_terms *p,
                             walk_shape shape, int lane, int groups, task what) {
    const bool with_ce = what == WITH_CE;
    sums_constants k = {.forward = what == PLAIN || c->forward,
                        .reverse = what != PLAIN && c->reverse,
                        .with_ce = with_ce,
                        .smooth = c->label_smoothing > 0};
    if (groups > 0) {
        k.at = borders_of(shape, c, b, lane);
        for (int g = 0; g < groups; g++) {
            k.ref_s[g] = per_row(shape, p[g].ref_s, lane);
            k.ref_t[g] = per_row(shape, p[g].ref_t, lane);
        }
        // Of the first group: in a block, and in a row that is not sorted, all have the same.
        k.rho = per_row(shape, p->at->rho, lane);
        k.student = student_scale(c, p->at, shape, lane);
        k.teacher = teacher_scale(c, p->at, shape, lane);
    }
    if (with_ce) {
        k.ref_ce = per_row(shape, b->ref_ce, lane);
        k.ce = CE_SCALE(c);
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

// The exponentials of a step: those of the groups are 0 where a class is in none of them.
typedef struct {
    vec s, t, ce;
} exponentials;

OP exponentials sums_step(walk_shape shape, const sums_constants *k, sums_state *a, int partition,
                          group_range in, vec s, vec t, ivec i, const uint8_t *map, mask valid,
                          bool partial) {
    exponentials e = {v_splat(0), v_splat(0), v_splat(0)};
    if (in.count > 0) {
        mask m[MAX_GROUPS];
        members(&k->at, partition, in.count, t, i, map, valid, partial, m);
        const vec ds = v_sub(s, pick(m, in.count, k->ref_s + in.first)),
                  dt = v_sub(t, pick(m, in.count, k->ref_t + in.first));
        e.s = v_exp(ds, k->student);
        e.t = v_exp(dt, k->teacher);
        const class_ratio d = ratio_of(s, t, ds, dt, k->rho);
        for (int j = 0; j < in.count; j++) {
            const int g = in.first + j;
            const bool all =
                (partition == GDKD_PARTITION_ALL || partition == PARTITION_SHARED_MAP) && !partial;
            const vec es = all ? e.s : v_only(m[j], e.s), et = all ? e.t : v_only(m[j], e.t);
            add_in(shape, &a->s[g], es);
            add_in(shape, &a->t[g], et);
            if (k->forward) add_product(shape, &a->dot_t[g], m[j], et, d.for_t);
            if (k->reverse) add_product(shape, &a->dot_s[g], m[j], es, d.for_s);
            if (in.count == 1) e.s = es, e.t = et;
        }
    }
    if (k->with_ce) {
        const vec ds = v_sub(s, k->ref_ce);
        const mask top = m_and(v_eq(ds, v_splat(0)), valid);
        e.ce = v_exp(ds, k->ce);
        add_in(shape, &a->ce, v_only(m_andnot(top, valid), e.ce));
        add_in(ROWS, &a->top_ce, v_only(top, v_splat(1))); // exact up to 2^24 in a lane
        if (k->smooth) {
#ifdef REAL_IS_DOUBLE
            const mask there = m_andnot(v_eq(s, v_splat((real)-INFINITY)), valid);
#else
            const mask there = valid;
#endif
            add_in(shape, &a->lin, v_only(there, ds));
            add_in(ROWS, &a->num, v_only(there, v_splat(1)));
        }
    }
    return e;
}

OP void sums_clear(sums_state *a, int groups) {
    for (int g = 0; g < groups; g++) {
        clear_sum(&a->s[g]);
        clear_sum(&a->t[g]);
        clear_sum(&a->dot_t[g]);
        clear_sum(&a->dot_s[g]);
    }
    clear_sum(&a->ce);
    clear_sum(&a->top_ce);
    clear_sum(&a->lin);
    clear_sum(&a->num);
}

OP void flush_one(walk_shape shape, double *sum, int lane, running a) {
    if (shape == ROWS) {
        sum[lane] += v_sum(a.sum);
        return;
    }
    v_add_to_doubles(sum, a.sum);
    if (KEEP_LOSSES) v_add_to_doubles(sum, a.lost);
}

OP void sums_flush(const sums_constants *k, block *b, group_terms *p, walk_shape shape, int lane,
                   int groups, sums_state *a) {
    for (int g = 0; g < groups; g++) {
        flush_one(shape, p[g].sum_s, lane, a->s[g]);
        flush_one(shape, p[g].sum_t, lane, a->t[g]);
        if (k->forward) flush_one(shape, p[g].dot_t, lane, a->dot_t[g]);
        if (k->reverse) flush_one(shape, p[g].dot_s, lane, a->dot_s[g]);
    }
    if (k->with_ce) {
        flush_one(shape, b->sum_ce, lane, a->ce);
        flush_one(shape, b->sum_ce, lane, a->top_ce);
        if (k->smooth) {
            flush_one(shape, b->lin_ce, lane, a->lin);
            flush_one(shape, b->num_ce, lane, a->num);
        }
    }
    sums_clear(a, groups);
}

OP void sums_reset(block *b, group_terms *p, bool with_ce, int groups, int from, int to) {
    for (int l = from; l < to; l++) {
        for (int g = 0; g < groups; g++)
            p[g].sum_s[l] = p[g].sum_t[l] = p[g].dot_t[l] = p[g].dot_s[l] = 0;
        if (with_ce) b->sum_ce[l] = b->lin_ce[l] = b->num_ce[l] = 0;
    }
}

#ifdef REAL_IS_FLOAT
OP void keep(kept to, exponentials e, int groups, bool with_ce) {
    if (groups > 0) {
        v_store(to.s, e.s);
        v_store(to.t, e.t);
    }
    if (with_ce) v_store(to.ce, e.ce);
}
OP void keep_some(kept to, mask m, exponentials e, int groups, bool with_ce) {
    if (groups > 0) {
        v_store_some(to.s, m, e.s);
        v_store_some(to.t, m, e.t);
    }
    if (with_ce) v_store_some(to.ce, m, e.ce);
}
OP exponentials kept_exponentials(kept from, int groups, bool with_ce) {
    const vec none = v_splat(0);
    return (exponentials){groups > 0 ? v_load(from.s) : none, groups > 0 ? v_load(from.t) : none,
                          with_ce ? v_load(from.ce) : none};
}
OP exponentials kept_exponentials_some(kept from, mask m, int groups, bool with_ce) {
    const vec none = v_splat(0);
    return (exponentials){groups > 0 ? v_load_some(from.s, m) : none,
                          groups > 0 ? v_load_some(from.t, m) : none,
                          with_ce ? v_load_some(from.ce, m) : none};
}
#else // the double kernels compute them again
OP void keep(kept to, exponentials e, int groups, bool with_ce) {
    (void)to, (void)e, (void)groups, (void)with_ce;
}
OP void keep_some(kept to, mask m, exponentials e, int groups, bool with_ce) {
    (void)to, (void)m, (void)e, (void)groups, (void)with_ce;
}
OP exponentials kept_exponentials(kept from, int groups, bool with_ce) {
    (void)from, (void)groups, (void)with_ce;
    return (exponentials){v_splat(0), v_splat(0), v_splat(0)};
}
OP exponentials kept_exponentials_some(kept from, mask m, int groups, bool with_ce) {
    (void)m;
    return kept_exponentials(from, groups, with_ce);
}
#endif

OP kept kept_at(kept k, int64_t at) {
    return KEEP_EXPONENTIALS ? (kept){k.s + at, k.t + at, k.ce + at} : k;
}

// One row, or as many classes of it. partition: GDKD_PARTITION_* or PARTITION_* of walk.h; without groups the
// teacher is not read.
OP void sums_of_row(const criterion *c, block *b, group_terms *p, int lane, int partition,
                    task what, int32_t classes, const real *s, const real *t, const uint8_t *map,
                    kept to) {
    const int groups = groups_of(c, partition);
    const group_range in = {0, groups};
    const sums_constants k = sums_setup(c, b, p, ROWS, lane, groups, what);
    const bool with_ce = k.with_ce;
    sums_state a;
    sums_clear(&a, groups);
    sums_reset(b, p, with_ce, groups, lane, lane + 1);
    const int32_t whole = classes - classes % LANES;
    ivec i = i_count(0);
    int32_t at = 0;
    while (at < whole) {
        const int32_t most = classes_per_flush(partition),
                      end = whole - at > most ? at + most : whole;
        for (; at < end; at += LANES) {
            vec x = v_load(s + at), z = groups == 0 ? x : v_load(t + at);
            const exponentials e = sums_step(ROWS, &k, &a, partition, in, x, z, i,
                                             map ? map + at : NULL, m_all(), false);
            keep(kept_at(to, at), e, groups, with_ce);
            i = i_add(i, i_splat(LANES));
        }
        if (at < whole) sums_flush(&k, b, p, ROWS, lane, groups, &a);
    }
    if (at < classes) {
        mask valid = m_first(classes - at);
        vec x = v_load_some(s + at, valid), z = groups == 0 ? x : v_load_some(t + at, valid);
        const exponentials e =
            sums_step(ROWS, &k, &a, partition, in, x, z, i, map ? map + at : NULL, valid, true);
        keep_some(kept_at(to, at), valid, e, groups, with_ce);
    }
    sums_flush(&k, b, p, ROWS, lane, groups, &a);
}

// A block of rows, one per lane.
OP void sums_of_block(const criterion *c, block *b, int partition, task what, bool partial,
                      kept to) {
    group_terms *p = b->low_sums;
    const int groups = groups_of(c, partition);
    const sums_constants k = sums_setup(c, b, p, ACROSS, 0, groups, what);
    const mask valid = partial ? m_first(b->rows) : m_all();
    sums_state a;
    sums_clear(&a, groups);
    sums_reset(b, p, c->ce, groups, 0, BLOCK_ROWS);
    const real *s = b->s, *t = b->t;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++) {
        vec x = partial ? v_load_some(s, valid) : v_load(s), z = x;
        if (groups > 0) z = partial ? v_load_some(t, valid) : v_load(t);
        const exponentials e =
            sums_step(ACROSS, &k, &a, partition, groups_at(partition, groups, map), x, z,
                      i_splat(at), map, valid, partial);
        keep(kept_at(to, (int64_t)at * LANES), e, groups, k.with_ce);
        s += b->s_step;
        t += b->t_step;
        if (map) map += b->map_step;
    }
    sums_flush(&k, b, p, ACROSS, 0, groups, &a);
}

#endif
