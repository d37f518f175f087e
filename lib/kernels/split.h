// From a partition to groups: the only file, with picked.h, that knows one. What it leaves behind
// are words, 16 classes (or, across rows, the 16 rows of a class) to a word, that tell who is in
// the first group, in the second, ...; the last group has what remains.
#ifndef GDKD_SPLIT_H
#define GDKD_SPLIT_H

#include "select.h"

// --- One row -------------------------------------------------------------------------------------

static inline void set_bit(uint16_t *words, int32_t i) {
    words[i / STEP] = (uint16_t)(words[i / STEP] | 1U << i % STEP);
}
static inline void clear_bit(uint16_t *words, int32_t i) {
    words[i / STEP] = (uint16_t)(words[i / STEP] & ~(1U << i % STEP));
}

OP mask beyond(real bound, vec t, int32_t sign) {
    return sign > 0 ? v_le(v_splat(bound), t) : v_le(t, v_splat(bound));
}

// The classes up to the k-th best one (sign as in select_class).
OP void words_of_border(const real *t, int32_t n, selection border, int32_t sign, uint16_t *words) {
    for (int32_t at = 0; at < n; at += STEP) {
        uint32_t bits = 0;
        for (int32_t half = at; half < at + STEP && half < n; half += LANES) {
            const bool whole = n - half >= LANES;
            const mask inside = whole ? m_all() : m_first(n - half);
            const vec x = whole ? v_load(t + half) : v_load_some(t + half, inside);
            bits |= m_bits(m_and(beyond(border.kth, x, sign), inside)) << (half - at);
        }
        words[at / STEP] = (uint16_t)bits;
    }
    for (int32_t i = border.last + 1; i < n; i++)
        if (t[i] == border.kth) clear_bit(words, i);
}

static inline void words_of_map(const uint8_t *map, int64_t step, int32_t n, int groups,
                                uint16_t *words) {
    memset(words, 0, sizeof *words * (size_t)groups * (size_t)steps_of(n));
    for (int32_t i = 0; i < n; i++) set_bit(words + map[i * step] * steps_of(n), i);
}

// What a row is split by, besides its teacher.
typedef struct {
    int64_t k;
    int32_t target;
    int32_t gone; // classes that are out of the row: see adaptive_k
    const uint8_t *map;
    int64_t map_step;
} split_input;

static inline int64_t k_of_row(const criterion *c, const split_input *in, const real *t,
                               const scratch *x) {
    const int64_t k = c->k_rule >= GDKD_K_RATIO ? adaptive_k(c, t, c->classes, in->gone, x) : in->k;
    return k >= c->classes - in->gone ? c->classes : k;
}

static inline void split_row(const criterion *c, const split_input *in, const real *t,
                             const scratch *x, uint16_t *words) {
    const int32_t n = c->classes, steps = steps_of(n);
    switch (c->partition) {
    case GDKD_PARTITION_ALL: return;
    case GDKD_PARTITION_TARGET:
        memset(words, 0, sizeof *words * (size_t)steps);
        set_bit(words, in->target);
        return;
    case GDKD_PARTITION_TOP:
        words_of_border(t, n, select_class(t, n, k_of_row(c, in, t, x), 1, x), 1, words);
        return;
    case GDKD_PARTITION_BOTTOM:
        words_of_border(t, n, select_class(t, n, k_of_row(c, in, t, x), -1, x), -1, words);
        return;
    case GDKD_PARTITION_TOP1_TOPK:
        words_of_border(t, n, select_class(t, n, 1, 1, x), 1, words);
        words_of_border(t, n, select_class(t, n, k_of_row(c, in, t, x), 1, x), 1, words + steps);
        for (int32_t i = 0; i < steps; i++)
            words[steps + i] = (uint16_t)(words[steps + i] & ~words[i]);
        return;
    case GDKD_PARTITION_MAP: words_of_map(in->map, in->map_step, n, c->groups, words);
    }
}

// --- A block of rows, one per lane: floats alone ------------------------------------------------

// The best values are kept in vectors, one insertion per class: enough for k < ACROSS_RANKS. Larger
// or adaptive k take each row out and select in it alone.
enum { ACROSS_RANKS = 12 };
typedef real ranking[ACROSS_RANKS][LANES];

// The largest values of every lane, in order; or the smallest, with their sign changed.
OP void rank_values(const criterion *c, const block *b, int ranks, int32_t sign, ranking values) {
    vec rank[ACROSS_RANKS];
    for (int r = 0; r < ranks; r++) rank[r] = v_splat(-(real)INFINITY);
    const real *t = b->t;
    for (int32_t i = 0; i < c->classes; i++, t += b->t_step) {
        vec x = signed_load(t, sign);
        for (int r = 0; r < ranks; r++) {
            const vec larger = v_max(rank[r], x);
            x = v_min(rank[r], x);
            rank[r] = larger;
        }
    }
    for (int r = 0; r < ranks; r++) v_store(values[r], rank[r]);
}

// The lines behind each lane's k best: see words_of_border.
typedef struct {
    real bound[LANES];
    int32_t last[LANES];
} lane_borders;

// The class of the count-th occurrence of a value in a lane (count from 1).
static inline int32_t occurrence(const criterion *c, const block *b, int lane, real value,
                                 int64_t count) {
    const real *t = (const real *)b->t + lane;
    for (int32_t i = 0; i < c->classes; i++, t += b->t_step)
        if (*t == value && --count == 0) return i;
    return c->classes - 1;
}

static inline void find_border(const criterion *c, const block *b, int lane, ranking rank,
                               int64_t k, int32_t sign, lane_borders *out) {
    const int32_t n = c->classes;
    const real kth = k >= n ? -(real)INFINITY : rank[k - 1][lane];
    out->bound[lane] = kth * (real)sign;
    out->last[lane] = n - 1;
    if (k >= n || kth != rank[k][lane]) return;
    int64_t equal = 0;
    for (int64_t r = 0; r < k; r++) equal += rank[r][lane] == kth;
    out->last[lane] = occurrence(c, b, lane, kth * (real)sign, equal);
}

// The same k in every lane: only where the k-th and the next are equal does the last class matter.
static inline void find_borders(const criterion *c, const block *b, ranking rank, int64_t k,
                                int32_t sign, lane_borders *out) {
    const vec kth = v_load(rank[k - 1]);
    v_store(out->bound, v_mul(kth, v_splat((real)sign)));
    for (int l = 0; l < LANES; l++) out->last[l] = c->classes - 1;
    for (uint32_t tied = m_bits(v_eq(kth, v_load(rank[k]))); tied; tied &= tied - 1)
        find_border(c, b, __builtin_ctz(tied), rank, k, sign, out);
}

OP void words_of_borders(const criterion *c, const block *b, const lane_borders *border,
                         int32_t sign, uint16_t *words) {
    const vec bound = v_load(border->bound);
    const real *t = b->t;
    for (int32_t i = 0; i < c->classes; i++, t += b->t_step)
        words[i] = (uint16_t)m_bits(sign > 0 ? v_le(bound, v_load(t)) : v_le(v_load(t), bound));
    for (int l = 0; l < LANES; l++)
        for (int32_t i = border->last[l] + 1; i < c->classes; i++)
            if (((const real *)b->t)[i * b->t_step + l] == border->bound[l])
                words[i] = (uint16_t)(words[i] & ~(1U << l));
}

static inline split_input split_input_of(const block *b, int lane) {
    return (split_input){b->k[lane], b->target[lane], 0, b->map[lane], b->map_step};
}

// One row after the other, for what vectors cannot keep.
static inline void split_lanes_alone(const criterion *c, const block *b, const scratch *x,
                                     uint16_t *words) {
    const int32_t n = c->classes, steps = steps_of(n);
    real *t = (real *)x->row_t;
    memset(words, 0, sizeof *words * (size_t)(c->groups - 1) * (size_t)n);
    for (uint32_t open = float_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        for (int32_t i = 0; !c->mapped && i < n; i++)
            t[i] = ((const real *)b->t)[i * b->t_step + lane];
        const split_input in = split_input_of(b, lane);
        split_row(c, &in, t, x, x->row_words);
        for (int g = 0; g < c->groups - 1; g++)
            for (int32_t i = 0; i < n; i++) {
                const uint32_t members = x->row_words[g * steps + i / STEP],
                               bit = members >> i % STEP & 1U;
                words[(int64_t)g * n + i] = (uint16_t)(words[(int64_t)g * n + i] | bit << lane);
            }
    }
}

// The largest k below the number of classes.
static inline int64_t largest_k(const criterion *c, const block *b) {
    int64_t most = 1;
    for (int l = 0; l < BLOCK_ROWS; l++)
        if (b->k[l] < c->classes && b->k[l] > most) most = b->k[l];
    return most;
}

OP void split_by_rank(const criterion *c, const block *b, int32_t sign, uint16_t *words) {
    ranking rank;
    // The paper's k = 5 needs six ranks; a constant count stays in registers.
    if (largest_k(c, b) <= 5)
        rank_values(c, b, 6, sign, rank);
    else
        rank_values(c, b, ACROSS_RANKS, sign, rank);
    lane_borders border;
    if (c->partition == GDKD_PARTITION_TOP1_TOPK) {
        find_borders(c, b, rank, 1, 1, &border);
        words_of_borders(c, b, &border, 1, words);
        words += c->classes;
    }
    if (c->k_rule == GDKD_K_FIXED && b->k[0] < c->classes)
        find_borders(c, b, rank, b->k[0], sign, &border);
    else
        for (int l = 0; l < LANES; l++) find_border(c, b, l, rank, b->k[l], sign, &border);
    words_of_borders(c, b, &border, sign, words);
    if (c->partition == GDKD_PARTITION_TOP1_TOPK)
        for (int32_t i = 0; i < c->classes; i++)
            words[i] = (uint16_t)(words[i] & ~words[i - c->classes]);
}

static inline void split_block(const criterion *c, const block *b, const scratch *x,
                               uint16_t *words) {
    const bool ranked = c->partition == GDKD_PARTITION_TOP ||
                        c->partition == GDKD_PARTITION_BOTTOM ||
                        c->partition == GDKD_PARTITION_TOP1_TOPK;
    if (c->partition == GDKD_PARTITION_TARGET) {
        memset(words, 0, sizeof *words * (size_t)c->classes);
        for (int l = 0; l < BLOCK_ROWS; l++)
            words[b->target[l]] = (uint16_t)(words[b->target[l]] | 1U << l);
    } else if (ranked && c->k_rule < GDKD_K_RATIO && largest_k(c, b) < ACROSS_RANKS) {
        if (c->partition == GDKD_PARTITION_BOTTOM)
            split_by_rank(c, b, -1, words);
        else
            split_by_rank(c, b, 1, words);
    } else if (c->groups > 1 && !b->map_shared) {
        split_lanes_alone(c, b, x, words);
    }
}

#endif
