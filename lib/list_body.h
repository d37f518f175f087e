// The list of a row (kernel.h): the classes with the largest teacher logits, and DKD's target.
//
// They are few, and have most of the weight. Done one by one in double they cost little and leave the vectors
// with one group, without ties to settle and without a term that swallows the others.
#ifndef GDKD_LIST_BODY_H
#define GDKD_LIST_BODY_H

#include "split_body.h"

enum {
    LISTED_ANYWAY = 4, // at least so many largest classes, whatever the partition
    LISTED_K = 11,     // the largest k that is listed: with more, lists would often be too long
    FIRST_PART = 2048  // so many classes give the first bound
};

static inline bool can_list(const criterion *c, const block *b, int lane) {
    // A standardised group has temperatures of its own.
    if (c->classes < 2 * SELECT_SMALL || c->standardize > GDKD_STANDARDIZE_GLOBAL) return false;
    switch (c->partition) {
    case GDKD_PARTITION_ALL:
    case GDKD_PARTITION_TARGET:
        return true;
    case GDKD_PARTITION_TOP:
    case GDKD_PARTITION_TOP1_TOPK:
        return c->k_rule < GDKD_K_RATIO && b->k[lane] <= LISTED_K;
    default:
        return false;
    }
}

// Puts the classes of `bits`, counted from `first`, on the list. False when it is full.
static inline bool put_on_list(listing *list, int lane, uint32_t bits, int32_t first, const real *s,
                               const real *t) {
    int32_t count = list->count[lane];
    for (; bits; bits &= bits - 1) {
        const int32_t one = first + __builtin_ctz(bits);
        if (count == MOST_LISTED) return false;
        list->index[count][lane] = one;
        list->s[count][lane] = (double)s[one];
        list->t[count++][lane] = (double)t[one];
    }
    list->count[lane] = count;
    return true;
}

// The largest logits of the classes that are not listed.
typedef struct {
    vec s, t;
} tops;

OP bool scan_step(const borders *at_border, int partition, block *b, int lane, tops *top,
                  int32_t at, ivec i, const real *s, const real *t, vec x, vec z, mask valid,
                  bool partial) {
    const mask out = m_and(listed(at_border, partition, z, i), valid);
    const uint32_t bits = m_bits(out);
    if (bits == 0 && !partial) { // nearly always
        top->s = v_max(x, top->s);
        top->t = v_max(z, top->t);
        return true;
    }
    const mask rest = m_andnot(out, valid);
    top->s = v_select(rest, v_max(x, top->s), top->s);
    top->t = v_select(rest, v_max(z, top->t), top->t);
    return put_on_list(&b->list, lane, bits, at, s, t);
}

// The want-th largest teacher logit on the list.
static inline double reached_on_list(const listing *list, int lane, int want) {
    double best = -(double)INFINITY;
    for (int j = 0; j < list->count[lane]; j++) {
        int reach = 0;
        for (int i = 0; i < list->count[lane]; i++) reach += list->t[i][lane] >= list->t[j][lane];
        best = reach >= want && list->t[j][lane] > best ? list->t[j][lane] : best;
    }
    return best;
}

// Takes the classes off the list that `want` better ones are on. The target stays.
static inline void shorten_list(block *b, int lane, int partition, int want, borders *at_border,
                                tops *top) {
    listing *list = &b->list;
    const double bound = reached_on_list(list, lane, want);
    int32_t left = 0;
    for (int j = 0; j < list->count[lane]; j++) {
        const bool stays = list->t[j][lane] >= bound || (partition == PARTITION_REST_OF_TARGET &&
                                                         list->index[j][lane] == b->index[lane]);
        if (!stays) {
            top->s = v_max(v_splat((real)list->s[j][lane]), top->s);
            top->t = v_max(v_splat((real)list->t[j][lane]), top->t);
            continue;
        }
        list->index[left][lane] = list->index[j][lane];
        list->s[left][lane] = list->s[j][lane];
        list->t[left++][lane] = list->t[j][lane];
    }
    list->count[lane] = left;
    b->bound[lane] = bound;
    at_border->bound = v_splat((real)bound);
}

// Finds the listed classes, by index, and the reference points of the others: their largest logits. The bound rises on
// the way, where it came from a part of the row. False when there are too many.
OP bool scan_list(const criterion *c, block *b, int lane, int partition, int want, const real *s,
                  const real *t) {
    borders at_border = borders_of(ROWS, c, b, lane);
    const int32_t classes = c->classes, whole = classes - classes % LANES;
    tops top = {v_splat((real)-INFINITY), v_splat((real)-INFINITY)};
    ivec i = i_count(0);
    bool few = true;
    int32_t most = classes > FIRST_PART ? MOST_LISTED - LANES : MOST_LISTED;
    for (int32_t at = 0; at < whole && few; at += LANES) {
        if (b->list.count[lane] > most) {
            shorten_list(b, lane, partition, want, &at_border, &top);
            if (b->list.count[lane] > most) most = MOST_LISTED; // equal logits
        }
        few = scan_step(&at_border, partition, b, lane, &top, at, i, s, t, v_load(s + at),
                        v_load(t + at), m_all(), false);
        i = i_add(i, i_splat(LANES));
    }
    if (whole < classes && few) {
        const mask valid = m_first(classes - whole);
        few = scan_step(&at_border, partition, b, lane, &top, whole, i, s, t,
                        v_load_some(s + whole, valid), v_load_some(t + whole, valid), valid, true);
    }
    const double largest = largest_lane(top.s);
    b->row_top[lane] = largest;
    for (int j = 0; j < b->list.count[lane]; j++) {
        const double one = b->list.s[j][lane];
        b->row_top[lane] = one > b->row_top[lane] ? one : b->row_top[lane];
    }
    b->rest.ref_s[lane] = finite_or_zero(largest);
    b->rest.ref_t[lane] = finite_or_zero(largest_lane(top.t));
    return few && b->list.count[lane] > 0; // none where no class is a number
}

// The rank of each listed class among them, from 0; equal logits rank by index.
static inline int rank_of(const listing *list, int lane, int one) {
    int rank = 0;
    for (int j = 0; j < list->count[lane]; j++)
        rank += list->t[j][lane] > list->t[one][lane] ||
                (list->t[j][lane] == list->t[one][lane] && j < one);
    return rank;
}

static inline double group_of_listed(const criterion *c, const block *b, int lane, int one) {
    switch (c->partition) {
    case GDKD_PARTITION_ALL:
        return 0;
    case GDKD_PARTITION_TARGET:
        return b->list.index[one][lane] != b->target[lane];
    default:
        break;
    }
    const int rank = rank_of(&b->list, lane, one);
    if (c->partition == GDKD_PARTITION_TOP) return rank >= b->k[lane];
    return rank == 0 ? 0 : rank < b->k[lane] ? 1 : 2;
}

static inline bool list_row(const criterion *c, block *b, int lane, const real *s, const real *t) {
    if (!can_list(c, b, lane)) return false;
    const bool ranked = c->partition >= GDKD_PARTITION_TOP;
    const int64_t want = ranked && b->k[lane] >= LISTED_ANYWAY ? b->k[lane] + 1 : LISTED_ANYWAY;
    b->index[lane] = b->target[lane];
    const int32_t part = c->classes < FIRST_PART ? c->classes : FIRST_PART;
    b->bound[lane] = (double)reached_bound(t, part, (int)want, 1);
    const bool few = c->partition == GDKD_PARTITION_TARGET
                         ? scan_list(c, b, lane, PARTITION_REST_OF_TARGET, (int)want, s, t)
                         : scan_list(c, b, lane, PARTITION_REST, (int)want, s, t);
    if (!few) {
        b->list.count[lane] = 0;
        return false;
    }
    for (int j = 0; j < b->list.count[lane]; j++)
        b->list.group[j][lane] = group_of_listed(c, b, lane, j);
    return true;
}

#endif
