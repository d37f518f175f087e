// The classes of a row that are done one by one, in double: those with the largest teacher logits,
// and DKD's target. They are few, and have most of the weight. Done so they cost little and leave
// the vectors with one group, the rest, without ties to settle and without a term that swallows the
// others. (combine.h puts the two together.)
#ifndef GDKD_PICKED_H
#define GDKD_PICKED_H

#include "references.h"
#include "split.h"

enum {
    PICKED_ANYWAY = 4, // at least so many largest classes, whatever the partition
    PICKED_K = 11,     // the largest k that is picked: with more, there would often be too many
    FIRST_PART = 2048  // so many classes give the first bound
};

static inline bool is_ranked(const criterion *c) {
    return c->partition == GDKD_PARTITION_TOP || c->partition == GDKD_PARTITION_TOP1_TOPK;
}

static inline bool can_pick(const criterion *c, int64_t k) {
    // A standardised group has temperatures of its own.
    if (!c->picks || c->classes < 2 * SELECT_SMALL || c->standardize > GDKD_STANDARDIZE_GLOBAL)
        return false;
    return !is_ranked(c) || (c->k_rule < GDKD_K_RATIO && k <= PICKED_K);
}

// The search in one row.
typedef struct {
    picked *to;
    int lane;
    const real *s, *t;
    int32_t always; // a class that is picked in any case, or -1
    real bound;     // and all that reach this
} search;

// The largest logits of the others.
typedef struct {
    vec s, t;
} tops;

// Picks the classes of `bits`, counted from `first`. False when there is no room.
static inline bool pick_classes(search *a, uint32_t bits, int32_t first) {
    int32_t count = a->to->count[a->lane];
    for (; bits; bits &= bits - 1) {
        const int32_t one = first + __builtin_ctz(bits);
        if (count == MOST_PICKED) return false;
        a->to->index[count][a->lane] = one;
        a->to->s[count][a->lane] = (double)a->s[one];
        a->to->t[count++][a->lane] = (double)a->t[one];
    }
    a->to->count[a->lane] = count;
    return true;
}

// A class that is no number is not picked, so that the sums of the rest show it.
OP bool search_step(search *a, bool targeted, tops *top, int32_t at, bool whole, mask inside) {
    const vec s = whole ? v_load(a->s + at) : v_load_some(a->s + at, inside),
              t = whole ? v_load(a->t + at) : v_load_some(a->t + at, inside);
    const mask high = v_le(v_splat(a->bound), t);
    uint32_t bits = m_bits(whole ? high : m_and(high, inside));
    if (targeted && (uint32_t)(a->always - at) < LANES) bits |= 1U << (a->always - at);
    if (bits == 0 && whole) { // nearly always
        top->s = v_max(s, top->s);
        top->t = v_max(t, top->t);
        return true;
    }
    const mask rest = m_andnot(targeted ? m_of_bits(bits) : high, inside);
    top->s = v_select(rest, v_max(s, top->s), top->s);
    top->t = v_select(rest, v_max(t, top->t), top->t);
    return pick_classes(a, bits, at);
}

// The want-th largest teacher logit among the picked.
static inline double reached_by_picked(const picked *p, int lane, int want) {
    double best = -(double)INFINITY;
    for (int j = 0; j < p->count[lane]; j++) {
        int reach = 0;
        for (int i = 0; i < p->count[lane]; i++) reach += p->t[i][lane] >= p->t[j][lane];
        best = reach >= want && p->t[j][lane] > best ? p->t[j][lane] : best;
    }
    return best;
}

// Gives those back that `want` better ones are picked beside.
static inline void give_back(search *a, tops *top, int want) {
    picked *p = a->to;
    const int lane = a->lane;
    const double bound = reached_by_picked(p, lane, want);
    int32_t left = 0;
    for (int j = 0; j < p->count[lane]; j++) {
        if (p->t[j][lane] < bound && p->index[j][lane] != a->always) {
            top->s = v_max(v_splat((real)p->s[j][lane]), top->s);
            top->t = v_max(v_splat((real)p->t[j][lane]), top->t);
            continue;
        }
        p->index[left][lane] = p->index[j][lane];
        p->s[left][lane] = p->s[j][lane];
        p->t[left++][lane] = p->t[j][lane];
    }
    p->count[lane] = left;
    a->bound = (real)bound;
}

// Finds the picked classes, by index, and the largest logits of the others. The bound rises on the
// way, where it came from a part of the row. targeted: whether a class is picked in any case, a
// constant. False when there are too many.
OP bool search_row(search *a, bool targeted, int32_t classes, int want, tops *out) {
    tops top = {v_splat(-(real)INFINITY), v_splat(-(real)INFINITY)};
    const int32_t whole = classes - classes % LANES;
    const int32_t *count = &a->to->count[a->lane];
    int32_t most = classes > FIRST_PART ? MOST_PICKED - LANES : MOST_PICKED;
    for (int32_t at = 0; at < whole; at += LANES) {
        if (*count > most) {
            give_back(a, &top, want);
            if (*count > most) most = MOST_PICKED; // equal logits
        }
        if (!search_step(a, targeted, &top, at, true, m_all())) return false;
    }
    if (whole < classes && !search_step(a, targeted, &top, whole, false, m_first(classes - whole)))
        return false;
    *out = top;
    return *count > 0; // none where no class is a number
}

// The rank of each picked class among them, from 0; equal logits rank by index.
static inline int rank_of(const picked *p, int lane, int one) {
    int rank = 0;
    for (int j = 0; j < p->count[lane]; j++)
        rank += p->t[j][lane] > p->t[one][lane] || (p->t[j][lane] == p->t[one][lane] && j < one);
    return rank;
}

static inline int group_of_picked(const criterion *c, const picked *p, int lane, int one, int64_t k,
                                  int32_t target) {
    switch (c->partition) {
    case GDKD_PARTITION_TARGET: return p->index[one][lane] != target;
    case GDKD_PARTITION_TOP: return rank_of(p, lane, one) >= k;
    case GDKD_PARTITION_TOP1_TOPK: {
        const int rank = rank_of(p, lane, one);
        return rank == 0 ? 0 : rank < k ? 1 : 2;
    }
    default: return 0;
    }
}

// The lanes of the rest. Their word of the last classes is not full where these fill no step.
static inline void words_of_rest(const picked *p, int lane, int32_t classes, uint16_t *words) {
    memset(words, 0xFF, sizeof *words * (size_t)steps_of(classes));
    if (classes % STEP != 0) words[classes / STEP] = (uint16_t)((1U << classes % STEP) - 1U);
    for (int j = 0; j < p->count[lane]; j++) clear_bit(words, p->index[j][lane]);
}

// top: receives the row's largest student logit.
static inline bool pick_row(const criterion *c, const split_input *in, const real *s, const real *t,
                            int lane, picked *p, double *top, uint16_t *words) {
    p->count[lane] = 0;
    p->number[lane] = 0;
    if (!can_pick(c, in->k)) return false;
    const int want = (int)(is_ranked(c) && in->k >= PICKED_ANYWAY ? in->k + 1 : PICKED_ANYWAY);
    const int32_t part = c->classes < FIRST_PART ? c->classes : FIRST_PART;
    search a = {p,
                lane,
                s,
                t,
                c->partition == GDKD_PARTITION_TARGET ? in->target : -1,
                reached_bound(t, part, want, 1)};
    tops others;
    const bool found = a.always < 0 ? search_row(&a, false, c->classes, want, &others)
                                    : search_row(&a, true, c->classes, want, &others);
    if (!found) {
        p->count[lane] = 0;
        return false;
    }
    const double rest = largest_lane(others.s);
    top[lane] = rest;
    for (int j = 0; j < p->count[lane]; j++) {
        top[lane] = p->s[j][lane] > top[lane] ? p->s[j][lane] : top[lane];
        p->group[j][lane] = group_of_picked(c, p, lane, j, in->k, in->target);
    }
    p->ref.s[lane] = finite_or_zero(rest);
    p->ref.t[lane] = finite_or_zero(largest_lane(others.t));
    p->number[lane] = p->count[lane];
    words_of_rest(p, lane, c->classes, words);
    return true;
}

#endif
