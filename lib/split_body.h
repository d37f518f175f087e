// The split of a row's classes into groups, and the reference points of their sums.
//
// A reference point is the logit of the group's best class in the teacher's eyes, taken from both
// models: it keeps exp(dt / T) at most 1, and d = ds - rho dt is measured from where the teacher's
// weight lies. The student's exponentials may exceed 1; a row where they exceed what a float holds
// is refused later.
#ifndef GDKD_SPLIT_BODY_H
#define GDKD_SPLIT_BODY_H

#include "select_body.h"
#include "walk.h"

static inline int64_t k_of_row(const criterion *c, const block *b, int lane, const real *t,
                               int32_t gone, const scratch *x) {
    return c->k_rule >= GDKD_K_RATIO ? adaptive_k(c, t, c->classes, gone, x) : b->k[lane];
}

// Fills the borders of one row and the best class of each group (-1: an empty group). gone: see
// adaptive_k.
static inline void split_row(const criterion *c, block *b, int lane, const real *t, int32_t gone,
                             const scratch *x, int32_t *best) {
    const int32_t n = c->classes;
    const int64_t k = c->partition == GDKD_PARTITION_ALL || c->partition == GDKD_PARTITION_TARGET
                          ? 1
                          : k_of_row(c, b, lane, t, gone, x);
    const selection top = select_class(t, n, k, c->partition == GDKD_PARTITION_BOTTOM ? -1 : 1, x);
    b->bound[lane] = (double)top.kth;
    b->last[lane] = top.last;
    switch (c->partition) {
    case GDKD_PARTITION_TARGET:
        b->index[lane] = b->target[lane];
        best[0] = b->target[lane];
        best[1] = top.best != best[0] ? top.best : top.second;
        return;
    case GDKD_PARTITION_BOTTOM:
        best[0] = k < n ? top.last : select_class(t, n, 1, 1, x).best;
        best[1] = k < n ? select_class(t, n, 1, 1, x).best : -1;
        return;
    case GDKD_PARTITION_TOP1_TOPK:
        b->top[lane] = (double)t[top.best];
        b->index[lane] = top.best;
        best[0] = top.best;
        best[1] = k > 1 ? top.second : -1;
        best[2] = top.next;
        return;
    default:
        best[0] = top.best;
        best[1] = top.next;
    }
}

static inline void refer_row(const criterion *c, block *b, int lane, const real *s, const real *t,
                             const int32_t *best) {
    for (int g = 0; g < c->groups; g++) {
        b->low_sums.ref_s[g][lane] = best[g] >= 0 ? (double)s[best[g]] : 0;
        b->low_sums.ref_t[g][lane] = best[g] >= 0 ? (double)t[best[g]] : 0;
    }
}

static inline double finite_or_zero(double x) {
    return x > -(double)INFINITY || x != x ? x : 0;
}

// The largest logit of each group as reference point, for groups that the caller drew.
static inline void refer_map(const criterion *c, group_sums *p, int lane, const real *s,
                             const real *t, const uint8_t *map) {
    for (int g = 0; g < c->groups; g++) {
        vec top_s = v_splat((real)-INFINITY), top_t = top_s;
        for (int32_t at = 0; at < c->classes; at += LANES) {
            bool whole = c->classes - at >= LANES;
            mask valid = whole ? m_all() : m_first(c->classes - at);
            mask m = b_eq(map + at, valid, (uint8_t)g);
            top_s = v_max_where(top_s, m, whole ? v_load(s + at) : v_load_some(s + at, valid));
            top_t = v_max_where(top_t, m, whole ? v_load(t + at) : v_load_some(t + at, valid));
        }
        real lane_s[LANES], lane_t[LANES];
        v_store(lane_s, top_s);
        v_store(lane_t, top_t);
        real best_s = lane_s[0], best_t = lane_t[0];
        for (int l = 1; l < LANES; l++) {
            best_s = lane_s[l] > best_s ? lane_s[l] : best_s;
            best_t = lane_t[l] > best_t ? lane_t[l] : best_t;
        }
        p->ref_s[g][lane] = finite_or_zero((double)best_s);
        p->ref_t[g][lane] = finite_or_zero((double)best_t);
    }
}

static inline void split_and_refer(const criterion *c, block *b, int lane, const real *s,
                                   const real *t, const uint8_t *map, const scratch *x) {
    if (c->partition == GDKD_PARTITION_MAP) {
        refer_map(c, &b->low_sums, lane, s, t, map);
    } else {
        int32_t best[MAX_GROUPS];
        split_row(c, b, lane, t, 0, x, best);
        refer_row(c, b, lane, s, t, best);
    }
}

// The cross-entropy's reference point and the target's place relative to it.
static inline void refer_ce(block *b, int lane, const real *s, int64_t step, double reference) {
    b->ref_ce[lane] = reference;
    b->target_ce[lane] = (double)s[b->target[lane] * step] - reference;
}

static inline double largest_of(const real *s, int32_t n, int64_t step) {
    real top = s[0];
    for (int32_t i = 1; i < n; i++) top = s[i * step] > top ? s[i * step] : top;
    return finite_or_zero((double)top);
}

#endif
