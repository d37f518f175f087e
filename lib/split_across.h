// The split of a block of rows that lie across the lanes; see split_body.h for the rows shape.
//
// The best values are kept in vectors, one insertion per class: enough for k up to ACROSS_RANKS
// - 1. Larger or adaptive k take each row out and select in it alone.
#ifndef GDKD_SPLIT_ACROSS_H
#define GDKD_SPLIT_ACROSS_H

#include "split_body.h"

enum { ACROSS_RANKS = 12 };

OP vec load_lanes(const real *p, const block *b, bool partial) {
    return partial ? v_load_some(p, m_first(b->rows)) : v_load(p);
}

// rank[0..ranks): the largest values (times sign) of every lane, in order.
OP void rank_values(const criterion *c, const block *b, int ranks, vec sign, vec *rank,
                    bool partial) {
    const vec lowest = v_splat((real)-INFINITY);
    for (int r = 0; r < ranks; r++) rank[r] = lowest;
    const real *t = b->t;
    for (int32_t at = 0; at < c->classes; at++, t += b->t_step) {
        vec x = v_mul(load_lanes(t, b, partial), sign);
        for (int r = 0; r < ranks; r++) {
            vec larger = v_max(rank[r], x);
            x = v_min(rank[r], x);
            rank[r] = larger;
        }
    }
}

// The class of the count-th occurrence of a value in a lane (count from 1).
static inline int32_t occurrence(const criterion *c, const block *b, int lane, real value,
                                 int64_t count) {
    const real *t = (const real *)b->t + lane;
    for (int32_t at = 0; at < c->classes; at++, t += b->t_step)
        if (*t == value && --count == 0) return at;
    return c->classes - 1;
}

typedef real ranking[ACROSS_RANKS][LANES];

// The last class above the border of a lane whose k-th and next are equal.
static inline int32_t last_above(const criterion *c, const block *b, int lane, ranking rank,
                                 int64_t k, real sign) {
    int64_t equal = 0;
    for (int64_t r = 0; r < k; r++) equal += rank[r][lane] == rank[k - 1][lane];
    return occurrence(c, b, lane, rank[k - 1][lane] * sign, equal);
}

// The borders behind the k largest values (times sign), for k < classes. Only where the k-th and the next are
// equal does it matter which class is the last above.
static inline void find_borders(const criterion *c, const block *b, ranking rank, int64_t k,
                                real sign, double *bound, int32_t *last) {
    const vec kth = v_load(rank[k - 1]);
    v_to_doubles(bound, v_mul(kth, v_splat(sign)));
    for (int l = 0; l < BLOCK_ROWS; l++) last[l] = c->classes - 1;
    for (uint32_t tied = m_bits(v_eq(kth, v_load(rank[k]))) & b->used; tied; tied &= tied - 1) {
        const int lane = __builtin_ctz(tied);
        last[lane] = last_above(c, b, lane, rank, k, sign);
    }
}

// The same for one row, whose k may be its own.
static inline void border_of_lane(const criterion *c, block *b, int lane, ranking rank, real sign) {
    const int32_t n = c->classes;
    const int64_t k = b->k[lane];
    const bool all = k >= n;
    b->bound[lane] = (double)((all ? (real)-INFINITY : rank[k - 1][lane]) * sign);
    b->last[lane] =
        all || rank[k - 1][lane] != rank[k][lane] ? n - 1 : last_above(c, b, lane, rank, k, sign);
}

// One row after the other, for the k that vectors cannot keep.
static inline void split_lanes_alone(const criterion *c, block *b, const scratch *x) {
    real *t = (real *)x->row_t;
    for (int l = 0; l < b->rows; l++) {
        if (!(b->used >> l & 1U)) continue;
        for (int32_t at = 0; at < c->classes; at++)
            t[at] = ((const real *)b->t)[at * b->t_step + l];
        split_row(c, b, l, t, 0, x);
    }
}

// The rows that say what k there is: one, where all have the same.
static inline uint32_t rows_of_k(const criterion *c, const block *b) {
    return c->k_rule == GDKD_K_FIXED ? b->used & -b->used : b->used;
}

static inline int64_t largest_k(const criterion *c, const block *b) {
    int64_t most = 1;
    for (uint32_t open = rows_of_k(c, b); open; open &= open - 1) {
        const int64_t k = b->k[__builtin_ctz(open)];
        if (k < c->classes && k > most) most = k;
    }
    return most;
}

static inline void split_across_k(const criterion *c, block *b, const scratch *x) {
    const int64_t most = largest_k(c, b);
    if (c->k_rule >= GDKD_K_RATIO || most + 1 > ACROSS_RANKS) {
        split_lanes_alone(c, b, x);
        return;
    }
    vec rank[ACROSS_RANKS];
    const real sign = c->partition == GDKD_PARTITION_BOTTOM ? -1 : 1;
    // The paper's k = 5 needs six ranks; a constant count stays in registers.
    if (most <= 5 && b->rows == LANES)
        rank_values(c, b, 6, v_splat(sign), rank, false);
    else
        rank_values(c, b, most <= 5 ? 6 : ACROSS_RANKS, v_splat(sign), rank, true);
    ranking values;
    for (int r = 0; r < (most <= 5 ? 6 : ACROSS_RANKS); r++) v_store(values[r], rank[r]);
    const int64_t k = b->k[__builtin_ctz(b->used)];
    if (c->k_rule == GDKD_K_FIXED && k < c->classes)
        find_borders(c, b, values, k, sign, b->bound, b->last);
    else
        for (uint32_t open = b->used; open; open &= open - 1)
            border_of_lane(c, b, __builtin_ctz(open), values, sign);
    if (c->partition == GDKD_PARTITION_TOP1_TOPK)
        find_borders(c, b, values, 1, 1, b->top, b->index);
}

static inline void split_across(const criterion *c, block *b, const scratch *x) {
    for (int l = 0; l < BLOCK_ROWS; l++) b->index[l] = b->target[l];
    const bool ranked = c->partition == GDKD_PARTITION_TOP ||
                        c->partition == GDKD_PARTITION_BOTTOM ||
                        c->partition == GDKD_PARTITION_TOP1_TOPK;
    if (ranked) split_across_k(c, b, x);
}

// The largest logit of each group in both models as reference points, for every lane.
OP void refer_across(const criterion *c, block *b, int partition, bool partial) {
    const int groups = groups_of(c, partition);
    if (groups == 0) return;
    const borders at_border = borders_of(ACROSS, c, b, 0);
    const mask valid = partial ? m_first(b->rows) : m_all();
    group_terms *p = b->low_sums;
    vec top_s[MAX_GROUPS], top_t[MAX_GROUPS];
    for (int g = 0; g < groups; g++) top_s[g] = top_t[g] = v_splat((real)-INFINITY);
    const real *s = b->s, *t = b->t;
    const uint8_t *map = b->map;
    for (int32_t at = 0; at < c->classes; at++, s += b->s_step, t += b->t_step) {
        const vec x = load_lanes(s, b, partial), z = load_lanes(t, b, partial);
        const group_range in = groups_at(partition, groups, map);
        mask m[MAX_GROUPS];
        members(&at_border, partition, in.count, z, i_splat(at), map, valid, partial, m);
        for (int g = 0; g < in.count; g++) {
            top_s[in.first + g] = v_max_where(top_s[in.first + g], m[g], x);
            top_t[in.first + g] = v_max_where(top_t[in.first + g], m[g], z);
        }
        if (map) map += b->map_step;
    }
    vec top = v_splat((real)-INFINITY);
    for (int g = 0; g < groups; g++) top = v_max(top_s[g], top);
    v_to_doubles(b->row_top, top);
    for (int g = 0; g < groups; g++) {
        v_to_doubles(p[g].ref_s, top_s[g]);
        v_to_doubles(p[g].ref_t, top_t[g]);
        for (int l = 0; l < BLOCK_ROWS; l++) {
            p[g].ref_s[l] = finite_or_zero(p[g].ref_s[l]);
            p[g].ref_t[l] = finite_or_zero(p[g].ref_t[l]);
        }
    }
}

#endif
