// The split of a block of rows that lie across the lanes; see split_body.h for the rows shape.
//
// The best values are kept in vectors, one insertion per class: enough for k up to ACROSS_RANKS
// - 1. Larger or adaptive k take each row out and select in it alone.
#ifndef GDKD_SPLIT_ACROSS_H
#define GDKD_SPLIT_ACROSS_H

#include "split_body.h"

enum { ACROSS_RANKS = 12 };

OP vec load_lanes(const real *p, const block *b) {
    return b->rows == LANES ? v_load(p) : v_load_some(p, m_first(b->rows));
}

// rank[0..ranks): the largest values (times sign) of every lane, in order. skip: a class per lane
// that is left out, or -1.
OP void rank_values(const criterion *c, const block *b, int ranks, vec sign, ivec skip, vec *rank) {
    const vec lowest = v_splat((real)-INFINITY);
    for (int r = 0; r < ranks; r++) rank[r] = lowest;
    const real *t = b->t;
    for (int32_t at = 0; at < c->classes; at++, t += b->t_step) {
        vec x = v_select(i_eq(i_splat(at), skip), lowest, v_mul(load_lanes(t, b), sign));
        for (int r = 0; r < ranks; r++) {
            vec larger = v_max(rank[r], x);
            x = v_min(rank[r], x);
            rank[r] = larger;
        }
    }
}

// Each group's reference point in the teacher is known; takes the student's from a class of the
// group that has it.
OP void companions(const criterion *c, block *b, int partition, int groups) {
    const borders at_border = borders_of(ACROSS, b, 0);
    const mask every = m_all();
    group_sums *p = &b->low_sums;
    vec ref_t[MAX_GROUPS], ref_s[MAX_GROUPS];
    for (int g = 0; g < groups; g++) {
        ref_t[g] = v_from_doubles(p->ref_t[g]);
        ref_s[g] = v_splat(0);
    }
    const real *s = b->s, *t = b->t;
    for (int32_t at = 0; at < c->classes; at++, s += b->s_step, t += b->t_step) {
        vec x = load_lanes(s, b), z = load_lanes(t, b);
        mask m[MAX_GROUPS];
        members(&at_border, partition, groups, false, z, i_splat(at), NULL, every, false, m);
        for (int g = 0; g < groups; g++)
            ref_s[g] = v_select(m_and(m[g], v_eq(z, ref_t[g])), x, ref_s[g]);
    }
    for (int g = 0; g < groups; g++) v_to_doubles(p->ref_s[g], ref_s[g]);
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

// The last class above the border: any, unless the k-th and the next are equal.
static inline int32_t last_above(const criterion *c, const block *b, int lane, ranking rank,
                                 int64_t k, real sign) {
    if (!(rank[k - 1][lane] == rank[k][lane])) return c->classes - 1;
    int64_t equal = 0;
    for (int64_t r = 0; r < k; r++) equal += rank[r][lane] == rank[k - 1][lane];
    return occurrence(c, b, lane, rank[k - 1][lane] * sign, equal);
}

static inline void border_of_lane(const criterion *c, block *b, int lane, ranking rank) {
    const int32_t n = c->classes;
    const int64_t k = b->k[lane];
    const real sign = c->partition == GDKD_PARTITION_BOTTOM ? -1 : 1,
               endless = (real)-INFINITY * sign;
    b->bound[lane] = (double)(k < n ? rank[k - 1][lane] * sign : endless);
    b->last[lane] = k < n ? last_above(c, b, lane, rank, k, sign) : n - 1;
    group_sums *p = &b->low_sums;
    if (c->partition == GDKD_PARTITION_TOP1_TOPK) {
        b->top[lane] = (double)rank[0][lane];
        b->index[lane] = last_above(c, b, lane, rank, 1, 1);
        p->ref_t[0][lane] = (double)rank[0][lane];
        p->ref_t[1][lane] = k > 1 && n > 1 ? (double)rank[1][lane] : 0;
        p->ref_t[2][lane] = k < n ? (double)rank[k][lane] : 0;
    } else if (c->partition == GDKD_PARTITION_TOP) {
        p->ref_t[0][lane] = (double)rank[0][lane];
        p->ref_t[1][lane] = k < n ? (double)rank[k][lane] : 0;
    } else {
        p->ref_t[0][lane] = k < n ? (double)(rank[k - 1][lane] * sign) : 0;
    }
}

// One row after the other, for the k that vectors cannot keep.
static inline void split_lanes_alone(const criterion *c, block *b, const scratch *x) {
    real *s = (real *)x->row_s, *t = (real *)x->row_t;
    for (int l = 0; l < b->rows; l++) {
        if (!(b->used >> l & 1U)) continue;
        for (int32_t at = 0; at < c->classes; at++) {
            s[at] = ((const real *)b->s)[at * b->s_step + l];
            t[at] = ((const real *)b->t)[at * b->t_step + l];
        }
        int32_t best[MAX_GROUPS];
        split_row(c, b, l, t, 0, x, best);
        refer_row(c, b, l, s, t, best);
    }
}

static inline void split_across_k(const criterion *c, block *b, const scratch *x) {
    int64_t most = 1;
    for (int l = 0; l < b->rows; l++) {
        int64_t k = b->used >> l & 1U ? b->k[l] : 1;
        if (k < c->classes && k > most) most = k;
        if (!(b->used >> l & 1U)) b->k[l] = 1;
    }
    for (int l = b->rows; l < BLOCK_ROWS; l++) b->k[l] = 1;
    if (c->k_rule >= GDKD_K_RATIO || most + 1 > ACROSS_RANKS) {
        split_lanes_alone(c, b, x);
        return;
    }
    const bool bottom = c->partition == GDKD_PARTITION_BOTTOM;
    vec rank[ACROSS_RANKS];
    const ivec none = i_splat(-1);
    const vec sign = v_splat(bottom ? -1 : 1);
    // The paper's k = 5 needs six ranks; a constant count stays in registers.
    if (most <= 5)
        rank_values(c, b, 6, sign, none, rank);
    else
        rank_values(c, b, ACROSS_RANKS, sign, none, rank);
    ranking values;
    for (int r = 0; r < (most <= 5 ? 6 : ACROSS_RANKS); r++) v_store(values[r], rank[r]);
    for (int l = 0; l < BLOCK_ROWS; l++) {
        for (int g = 0; g < c->groups; g++) b->low_sums.ref_t[g][l] = 0;
        if (b->used >> l & 1U) border_of_lane(c, b, l, values);
    }
    if (bottom) {
        rank_values(c, b, 1, v_splat(1), none, rank);
        v_to_doubles(b->low_sums.ref_t[1], rank[0]);
        for (int l = 0; l < BLOCK_ROWS; l++)
            if (b->k[l] >= c->classes) b->low_sums.ref_t[0][l] = b->low_sums.ref_t[1][l];
    }
    companions(c, b, c->partition, c->groups);
}

static inline void split_across_target(const criterion *c, block *b) {
    for (int l = 0; l < BLOCK_ROWS; l++) {
        bool used = b->used >> l & 1U;
        b->index[l] = used ? b->target[l] : 0;
    }
    vec rank[1];
    rank_values(c, b, 1, v_splat(1), i_load(b->index), rank);
    group_sums *p = &b->low_sums;
    v_to_doubles(p->ref_t[1], rank[0]);
    companions(c, b, GDKD_PARTITION_TARGET, 2); // but for group 0, whose class is known
    for (int l = 0; l < BLOCK_ROWS; l++) {
        bool used = b->used >> l & 1U;
        p->ref_s[0][l] = used ? (double)((const real *)b->s)[b->index[l] * b->s_step + l] : 0;
        p->ref_t[0][l] = used ? (double)((const real *)b->t)[b->index[l] * b->t_step + l] : 0;
        if (c->classes == 1) p->ref_t[1][l] = 0;
    }
}

static inline void refer_across_map(const criterion *c, block *b) {
    group_sums *p = &b->low_sums;
    const mask valid = m_first(b->rows);
    for (int g = 0; g < c->groups; g++) {
        vec top_s = v_splat((real)-INFINITY), top_t = top_s;
        const real *s = b->s, *t = b->t;
        const uint8_t *map = b->map;
        for (int32_t at = 0; at < c->classes;
             at++, s += b->s_step, t += b->t_step, map += b->map_step) {
            mask m =
                b->map_shared ? (*map == g ? valid : m_first(0)) : b_eq(map, valid, (uint8_t)g);
            top_s = v_max_where(top_s, m, load_lanes(s, b));
            top_t = v_max_where(top_t, m, load_lanes(t, b));
        }
        v_to_doubles(p->ref_s[g], top_s);
        v_to_doubles(p->ref_t[g], top_t);
        for (int l = 0; l < BLOCK_ROWS; l++) {
            p->ref_s[g][l] = finite_or_zero(p->ref_s[g][l]);
            p->ref_t[g][l] = finite_or_zero(p->ref_t[g][l]);
        }
    }
}

static inline void split_across(const criterion *c, block *b, const scratch *x) {
    switch (c->partition) {
    case GDKD_PARTITION_ALL: {
        vec rank[1];
        rank_values(c, b, 1, v_splat(1), i_splat(-1), rank);
        v_to_doubles(b->low_sums.ref_t[0], rank[0]);
        companions(c, b, GDKD_PARTITION_ALL, 1);
        break;
    }
    case GDKD_PARTITION_TARGET:
        split_across_target(c, b);
        break;
    case GDKD_PARTITION_MAP:
        refer_across_map(c, b);
        break;
    default:
        split_across_k(c, b, x);
    }
}

#endif
