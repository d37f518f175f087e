// The gradient of a row from its coefficients (finish_body.h):
//     g = exp(ds / T) (c_s + c_d d) - exp(dt / T_t) c_t + exp(s - ref_ce) c_ce - flat - onehot
//     c_hot
#ifndef GDKD_GRADIENT_BODY_H
#define GDKD_GRADIENT_BODY_H

#include "sums_body.h"

typedef struct {
    sums_constants sums;
    vec c_s[MAX_GROUPS], c_t[MAX_GROUPS], c_d[MAX_GROUPS];
    vec c_ce, flat, hot;
    ivec target;
} gradient_constants;

OP gradient_constants gradient_setup(const criterion *c, const block *b, const group_terms *p,
                                     walk_shape shape, int lane, int groups, task what) {
    gradient_constants k;
    k.sums = sums_setup(c, b, p, shape, lane, groups, what);
    for (int g = 0; g < groups; g++) {
        k.c_s[g] = per_row(shape, p[g].c_s, lane);
        if (k.sums.forward) k.c_t[g] = per_row(shape, p[g].c_t, lane);
        if (k.sums.reverse) k.c_d[g] = per_row(shape, p[g].c_d, lane);
    }
    if (k.sums.with_ce) {
        k.c_ce = per_row(shape, b->c_ce, lane);
        k.flat = per_row(shape, b->c_flat, lane);
        k.hot = per_row(shape, b->c_hot, lane);
        k.target = per_row_int(shape, b->target, lane);
    }
    return k;
}

// e: the exponentials, where they were kept; otherwise they are computed again.
OP vec gradient_step(const gradient_constants *k, int partition, group_range in, vec s, vec t,
                     ivec i, const uint8_t *map, exponentials e, mask valid, bool partial) {
    vec gradient = v_splat(0);
    if (in.count > 0) {
        mask m[MAX_GROUPS];
        if (in.count > 1) // one group's values are picked without looking
            members(&k->sums.at, partition, in.count, t, i, map, valid, partial, m);
        const vec ds = v_sub(s, pick(m, in.count, k->sums.ref_s + in.first)),
                  dt = v_sub(t, pick(m, in.count, k->sums.ref_t + in.first));
        vec factor = pick(m, in.count, k->c_s + in.first);
        if (!KEEP_EXPONENTIALS) {
            e.s = v_exp(ds, k->sums.student);
            e.t = v_exp(dt, k->sums.teacher);
        }
        if (k->sums.reverse) {
            vec d = ratio_of(s, t, ds, dt, k->sums.rho).for_s;
#ifdef REAL_IS_DOUBLE
            d = v_select(v_eq(t, v_splat((real)-INFINITY)), v_splat(0), d);
#endif
            factor = v_fma(d, pick(m, in.count, k->c_d + in.first), factor);
        }
        gradient = v_mul(e.s, factor);
        if (k->sums.forward) gradient = v_fnma(e.t, pick(m, in.count, k->c_t + in.first), gradient);
    }
    if (k->sums.with_ce) {
        vec flat = k->flat;
#ifdef REAL_IS_DOUBLE
        flat = v_select(v_eq(s, v_splat((real)-INFINITY)), v_splat(0), flat);
#endif
        if (!KEEP_EXPONENTIALS) e.ce = v_exp(v_sub(s, k->sums.ref_ce), k->sums.ce);
        const vec push = v_fms(e.ce, k->c_ce, flat);
        gradient = v_add(gradient, v_select(i_eq(i, k->target), v_sub(push, k->hot), push));
    }
    return gradient;
}

OP void gradient_of_row(const criterion *c, const block *b, const group_terms *p, int lane,
                        int partition, task what, int32_t classes, const real *s, const real *t,
                        const uint8_t *map, kept from, real *g, bool accumulate) {
    const int groups = groups_of(c, partition);
    const group_range in = {0, groups};
    const gradient_constants k = gradient_setup(c, b, p, ROWS, lane, groups, what);
    const bool with_ce = k.sums.with_ce;
    const int32_t whole = classes - classes % LANES;
    ivec i = i_count(0);
    int32_t at = 0;
    for (; at < whole; at += LANES) {
        const exponentials e = kept_exponentials(kept_at(from, at), groups, with_ce);
        vec x = v_load(s + at), z = groups == 0 ? x : v_load(t + at);
        vec y = gradient_step(&k, partition, in, x, z, i, map ? map + at : NULL, e, m_all(), false);
        v_store(g + at, accumulate ? v_add(v_load(g + at), y) : y);
        i = i_add(i, i_splat(LANES));
    }
    if (at < classes) {
        mask valid = m_first(classes - at);
        const exponentials e = kept_exponentials_some(kept_at(from, at), valid, groups, with_ce);
        vec x = v_load_some(s + at, valid), z = groups == 0 ? x : v_load_some(t + at, valid);
        vec y = gradient_step(&k, partition, in, x, z, i, map ? map + at : NULL, e, valid, true);
        v_store_some(g + at, valid, accumulate ? v_add(v_load_some(g + at, valid), y) : y);
    }
}

// live: the lanes whose gradient is written; rows that are not used get 0.
OP void gradient_of_block(const criterion *c, const block *b, int partition, task what, kept from,
                          real *g, int64_t g_step, bool accumulate, mask live, mask used,
                          bool partial) {
    const int groups = groups_of(c, partition);
    const gradient_constants k = gradient_setup(c, b, b->low_sums, ACROSS, 0, groups, what);
    const mask valid = m_first(b->rows);
    const real *s = b->s, *t = b->t;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++) {
        const exponentials e =
            kept_exponentials(kept_at(from, (int64_t)at * LANES), groups, k.sums.with_ce);
        vec x = partial ? v_load_some(s, valid) : v_load(s), z = x;
        if (groups > 0) z = partial ? v_load_some(t, valid) : v_load(t);
        vec y = gradient_step(&k, partition, groups_at(partition, groups, map), x, z, i_splat(at),
                              map, e, valid, partial);
        if (partial) y = v_only(used, y);
        if (accumulate) y = v_add(partial ? v_load_some(g, live) : v_load(g), y);
        if (partial)
            v_store_some(g, live, y);
        else
            v_store(g, y);
        s += b->s_step;
        t += b->t_step;
        g += g_step;
        if (map) map += b->map_step;
    }
}

#endif
