// The split of a row's classes into groups, and the reference points of their sums.
//
// A reference point is the largest logit of a group, in each model by itself: no exponential exceeds 1, and a
// group far below the others loses nothing.
#ifndef GDKD_SPLIT_BODY_H
#define GDKD_SPLIT_BODY_H

#include "select_body.h"
#include "walk.h"

static inline int64_t k_of_row(const criterion *c, const block *b, int lane, const real *t,
                               int32_t gone, const scratch *x) {
    return c->k_rule >= GDKD_K_RATIO ? adaptive_k(c, t, c->classes, gone, x) : b->k[lane];
}

// Fills the borders of one row. gone: see adaptive_k.
static inline void split_row(const criterion *c, block *b, int lane, const real *t, int32_t gone,
                             const scratch *x) {
    b->index[lane] = b->target[lane];
    if (c->partition < GDKD_PARTITION_TOP || c->partition == GDKD_PARTITION_MAP) return;
    if (gone == c->classes) return;
    int64_t k = k_of_row(c, b, lane, t, gone, x);
    if (k >= c->classes - gone) k = c->classes;
    const int32_t sign = c->partition == GDKD_PARTITION_BOTTOM ? -1 : 1;
    const selection top = select_class(t, c->classes, k, sign, x);
    b->bound[lane] = (double)top.kth;
    b->last[lane] = top.last;
    if (c->partition != GDKD_PARTITION_TOP1_TOPK) return;
    const selection first =
        c->classes > 1 ? select_class(t, c->classes, 1, 1, x) : (selection){t[0], 0};
    b->top[lane] = (double)first.kth;
    b->index[lane] = first.last;
}

static inline double finite_or_zero(double x) {
    return x > -(double)INFINITY || x != x ? x : 0;
}

static inline double largest_lane(vec a) {
    real lane[LANES];
    v_store(lane, a);
    real best = lane[0];
    for (int l = 1; l < LANES; l++) best = lane[l] > best ? lane[l] : best;
    return (double)best;
}

typedef struct {
    vec s[MAX_GROUPS], t[MAX_GROUPS];
} group_tops;

OP void raise_tops(group_tops *top, const borders *at_border, int partition, int groups, vec s,
                   vec t, ivec i, const uint8_t *map, mask valid, bool partial) {
    mask m[MAX_GROUPS];
    members(at_border, partition, groups, t, i, map, valid, partial, m);
    const bool all = partition == GDKD_PARTITION_ALL && !partial;
    for (int g = 0; g < groups; g++) {
        top->s[g] = all ? v_max(top->s[g], s) : v_max_where(top->s[g], m[g], s);
        top->t[g] = all ? v_max(top->t[g], t) : v_max_where(top->t[g], m[g], t);
    }
}

// The largest logit of each group in both models as reference points of a row that is split; row_top, which the
// caller has begun, takes the student's in.
OP void refer_row(const criterion *c, block *b, group_terms *p, int lane, int partition,
                  int32_t classes, const real *s, const real *t, const uint8_t *map) {
    const int groups = groups_of(c, partition);
    if (groups == 0) return;
    const borders at_border = borders_of(ROWS, c, b, lane);
    const int32_t whole = classes - classes % LANES;
    group_tops top;
    for (int g = 0; g < groups; g++) top.s[g] = top.t[g] = v_splat((real)-INFINITY);
    ivec i = i_count(0);
    for (int32_t at = 0; at < whole; at += LANES) {
        raise_tops(&top, &at_border, partition, groups, v_load(s + at), v_load(t + at), i,
                   map ? map + at : NULL, m_all(), false);
        i = i_add(i, i_splat(LANES));
    }
    if (whole < classes) {
        const mask valid = m_first(classes - whole);
        raise_tops(&top, &at_border, partition, groups, v_load_some(s + whole, valid),
                   v_load_some(t + whole, valid), i, map ? map + whole : NULL, valid, true);
    }
    for (int g = 0; g < groups; g++) {
        const double largest = largest_lane(top.s[g]);
        b->row_top[lane] = largest > b->row_top[lane] ? largest : b->row_top[lane];
        p[g].ref_s[lane] = finite_or_zero(largest);
        p[g].ref_t[lane] = finite_or_zero(largest_lane(top.t[g]));
    }
}

// The cross-entropy's reference point, the row's largest logit, and the target's place relative to it.
static inline void refer_ce(block *b, int lane, const real *s, int64_t step, double largest) {
    b->ref_ce[lane] = finite_or_zero(largest);
    b->target_ce[lane] = (double)s[b->target[lane] * step] - b->ref_ce[lane];
}

static inline double largest_of(const real *s, int32_t n, int64_t step) {
    real top = s[0];
    for (int32_t i = 1; i < n; i++) top = s[i * step] > top ? s[i * step] : top;
    return (double)top;
}

#endif
