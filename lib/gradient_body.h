// The gradient of a row from its coefficients (finish.h), recomputing the exponentials:
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

OP gradient_constants gradient_setup(const criterion *c, const block *b, const group_sums *p,
                                     walk_shape shape, int lane, int groups, bool with_ce) {
    gradient_constants k;
    k.sums = sums_setup(c, b, p, shape, lane, groups, with_ce);
    for (int g = 0; g < groups; g++) {
        k.c_s[g] = per_row(shape, p->c_s[g], lane);
        if (c->forward) k.c_t[g] = per_row(shape, p->c_t[g], lane);
        if (c->reverse) k.c_d[g] = per_row(shape, p->c_d[g], lane);
    }
    if (with_ce) {
        k.c_ce = per_row(shape, b->c_ce, lane);
        k.flat = per_row(shape, b->c_flat, lane);
        k.hot = per_row(shape, b->c_hot, lane);
        k.target = per_row_int(shape, b->target, lane);
    }
    return k;
}

OP vec gradient_step(const gradient_constants *k, int partition, int groups, bool map_shared, vec s,
                     vec t, ivec i, const uint8_t *map, mask valid, bool partial) {
    vec gradient = v_splat(0);
    if (partition >= 0) {
        mask m[MAX_GROUPS];
        members(&k->sums.at, partition, groups, map_shared, t, i, map, valid, partial, m);
        vec ds = v_sub(s, pick(m, groups, k->sums.ref_s)),
            dt = v_sub(t, pick(m, groups, k->sums.ref_t));
        vec es = v_exp(ds, k->sums.student), factor = pick(m, groups, k->c_s);
        if (k->sums.reverse) {
            vec d = ratio_of(s, t, ds, dt, k->sums.rho).for_s;
#ifdef REAL_IS_DOUBLE
            d = v_select(v_eq(t, v_splat((real)-INFINITY)), v_splat(0), d);
#endif
            factor = v_fma(d, pick(m, groups, k->c_d), factor);
        }
        gradient = v_mul(es, factor);
        if (k->sums.forward)
            gradient = v_fnma(v_exp(dt, k->sums.teacher), pick(m, groups, k->c_t), gradient);
    }
    if (k->sums.with_ce) {
        vec flat = k->flat;
#ifdef REAL_IS_DOUBLE
        flat = v_select(v_eq(s, v_splat((real)-INFINITY)), v_splat(0), flat);
#endif
        vec push = v_fms(v_exp(v_sub(s, k->sums.ref_ce), k->sums.ce), k->c_ce, flat);
        gradient = v_add(gradient, v_select(i_eq(i, k->target), v_sub(push, k->hot), push));
    }
    return gradient;
}

OP void gradient_of_row(const criterion *c, const block *b, const group_sums *p, int lane,
                        int partition, bool with_ce, const real *s, const real *t,
                        const uint8_t *map, real *g, bool accumulate) {
    const int groups = partition < 0 ? 0 : groups_of(c, partition);
    const gradient_constants k = gradient_setup(c, b, p, ROWS, lane, groups, with_ce);
    const int32_t classes = c->classes, whole = classes - classes % LANES;
    ivec i = i_count(0);
    int32_t at = 0;
    for (; at < whole; at += LANES) {
        vec x = v_load(s + at), z = partition < 0 ? x : v_load(t + at);
        vec y = gradient_step(&k, partition, groups, false, x, z, i, map ? map + at : NULL, m_all(),
                              false);
        v_store(g + at, accumulate ? v_add(v_load(g + at), y) : y);
        i = i_add(i, i_splat(LANES));
    }
    if (at < classes) {
        mask valid = m_first(classes - at);
        vec x = v_load_some(s + at, valid), z = partition < 0 ? x : v_load_some(t + at, valid);
        vec y = gradient_step(&k, partition, groups, false, x, z, i, map ? map + at : NULL, valid,
                              true);
        v_store_some(g + at, valid, accumulate ? v_add(v_load_some(g + at, valid), y) : y);
    }
}

// live: the lanes whose gradient is written; rows that are not used get 0.
OP void gradient_of_block(const criterion *c, const block *b, int partition, mask live, mask used,
                          bool partial) {
    const int groups = partition < 0 ? 0 : groups_of(c, partition);
    const gradient_constants k = gradient_setup(c, b, &b->low_sums, ACROSS, 0, groups, c->ce);
    const mask valid = m_first(b->rows);
    const real *s = b->s, *t = b->t;
    real *g = b->g;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++) {
        vec x = partial ? v_load_some(s, valid) : v_load(s), z = x;
        if (partition >= 0) z = partial ? v_load_some(t, valid) : v_load(t);
        vec y = gradient_step(&k, partition, groups, b->map_shared, x, z, i_splat(at), map, valid,
                              partial);
        if (partial) y = v_select(used, y, v_splat(0));
        if (b->accumulate) y = v_add(partial ? v_load_some(g, live) : v_load(g), y);
        if (partial)
            v_store_some(g, live, y);
        else
            v_store(g, y);
        s += b->s_step;
        t += b->t_step;
        g += b->g_step;
        if (partition == GDKD_PARTITION_MAP) map += b->map_step;
    }
}

#endif
