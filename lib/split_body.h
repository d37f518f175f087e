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

// Fills the borders of one row. gone: see adaptive_k.
static inline void split_row(const criterion *c, block *b, int lane, const real *t, int32_t gone,
                             const scratch *x) {
    b->index[lane] = b->target[lane];
    if (c->partition == GDKD_PARTITION_ALL || c->partition == GDKD_PARTITION_TARGET) return;
    const int64_t k = k_of_row(c, b, lane, t, gone, x);
    const real sign = c->partition == GDKD_PARTITION_BOTTOM ? -1 : 1;
    const selection top = select_class(t, c->classes, k, sign, x);
    b->bound[lane] = (double)top.kth;
    b->last[lane] = top.last;
    if (c->partition != GDKD_PARTITION_TOP1_TOPK) return;
    b->top[lane] = (double)t[top.best];
    b->index[lane] = top.best;
}

static inline double finite_or_zero(double x) {
    return x > -(double)INFINITY || x != x ? x : 0;
}

static inline double largest_lane(vec a) {
    real lane[LANES];
    v_store(lane, a);
    real best = lane[0];
    for (int l = 1; l < LANES; l++) best = lane[l] > best ? lane[l] : best;
    return finite_or_zero((double)best);
}

// The largest logit of each group in both models as reference points of a row that is split.
OP void refer_row(const criterion *c, const block *b, group_sums *p, int lane, int partition,
                  const real *s, const real *t, const uint8_t *map) {
    const int groups = groups_of(c, partition);
    const borders at_border = borders_of(ROWS, b, lane);
    vec top_s[MAX_GROUPS], top_t[MAX_GROUPS];
    for (int g = 0; g < groups; g++) top_s[g] = top_t[g] = v_splat((real)-INFINITY);
    ivec i = i_count(0);
    for (int32_t at = 0; at < c->classes; at += LANES) {
        const bool whole = c->classes - at >= LANES;
        const mask valid = whole ? m_all() : m_first(c->classes - at);
        const vec x = whole ? v_load(s + at) : v_load_some(s + at, valid);
        const vec z = whole ? v_load(t + at) : v_load_some(t + at, valid);
        mask m[MAX_GROUPS];
        members(&at_border, partition, groups, false, z, i, map ? map + at : NULL, valid, true, m);
        for (int g = 0; g < groups; g++) {
            top_s[g] = v_max_where(top_s[g], m[g], x);
            top_t[g] = v_max_where(top_t[g], m[g], z);
        }
        i = i_add(i, i_splat(LANES));
    }
    for (int g = 0; g < groups; g++) {
        p->ref_s[g][lane] = largest_lane(top_s[g]);
        p->ref_t[g][lane] = largest_lane(top_t[g]);
    }
}

// The cross-entropy's reference point and the target's place relative to it.
static inline void refer_ce(block *b, int lane, const real *s, int64_t step, double reference) {
    b->ref_ce[lane] = reference;
    b->target_ce[lane] = (double)s[b->target[lane] * step] - reference;
}

// The largest of the groups' reference points: the row's largest logit, unless an empty group's 0 exceeds it.
static inline double largest_reference(const criterion *c, const block *b, int lane) {
    double top = b->low_sums.ref_s[0][lane];
    for (int g = 1; g < c->groups; g++)
        top = b->low_sums.ref_s[g][lane] > top ? b->low_sums.ref_s[g][lane] : top;
    return top;
}

static inline double largest_of(const real *s, int32_t n, int64_t step) {
    real top = s[0];
    for (int32_t i = 1; i < n; i++) top = s[i * step] > top ? s[i * step] : top;
    return finite_or_zero((double)top);
}

#endif
