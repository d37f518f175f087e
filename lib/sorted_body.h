// A row whose classes are laid out group by group: each group is then a row of its own, for the kernels of a row that
// is one group. For the caller's groups, which would need masks each, and for groups with temperatures of their own.
// (A border is told by one comparison: there masks are quicker.)
#ifndef GDKD_SORTED_BODY_H
#define GDKD_SORTED_BODY_H

#include "split_body.h"
#include "sums_body.h"

typedef struct {
    real *s, *t;
    int32_t *index; // of the class in the row
} sorted_row;

// Rows that share a map share the order that it gives.
OP sorted_row sorted_of(const criterion *c, const block *b, const scratch *x, int lane) {
    const size_t n = (size_t)c->classes, at = (size_t)lane * n;
    return (sorted_row){x->sorted_s + at, x->sorted_t + at,
                        x->sorted_index + (b->map_shared ? 0 : (size_t)lane * (n + SLACK))};
}

// The classes of one group, side by side, and where their exponentials are kept.
typedef struct {
    int32_t classes;
    const real *s, *t;
    kept exp;
} span;

OP span span_of(const criterion *c, const block *b, const scratch *x, int lane, int g) {
    const int32_t first = b->first[g][lane];
    const sorted_row row = sorted_of(c, b, x, lane);
    return (span){b->first[g + 1][lane] - first, row.s + first, row.t + first,
                  kept_at(kept_of(c, b, x, lane), first)};
}

OP mask in_group(const borders *at_border, int partition, int groups, int g, const real *t, ivec i,
                 const uint8_t *map, mask valid, bool whole) {
    if (partition == GDKD_PARTITION_MAP)
        return m_and(i_eq(i_load_bytes(map, valid), i_splat(g)), valid);
    mask m[MAX_GROUPS];
    members(at_border, partition, groups, whole ? v_load(t) : v_load_some(t, valid), i, NULL, valid,
            true, m);
    return m[g];
}

// Puts the classes of one group behind those of the groups before, which end at `end`; returns where they end. What
// a store writes beyond that, the next one overwrites.
OP int32_t list_group(const criterion *c, const borders *at_border, int partition, int g,
                      const real *t, const uint8_t *map, int32_t *index, int32_t end) {
    const int groups = groups_of(c, partition);
    ivec i = i_count(0);
    for (int32_t at = 0; at < c->classes; at += LANES) {
        const bool whole = c->classes - at >= LANES;
        const mask valid = whole ? m_all() : m_first(c->classes - at);
        const mask m = in_group(at_border, partition, groups, g, t + at, i, map ? map + at : NULL,
                                valid, whole);
        if (m_bits(m) != 0) end += i_store_lanes(index + end, m, at);
        i = i_add(i, i_splat(LANES));
    }
    return end;
}

// The order of a row's classes, by group.
OP void order_row(const criterion *c, block *b, int lane, int partition, const real *t,
                  const uint8_t *map, int32_t *index) {
    const borders at_border = borders_of(ROWS, c, b, lane);
    int32_t end = 0;
    for (int g = 0; g < groups_of(c, partition); g++) {
        b->first[g][lane] = end;
        end = list_group(c, &at_border, partition, g, t, map, index, end);
        b->first[g + 1][lane] = end;
    }
}

static inline void share_order(const criterion *c, block *b, int lane) {
    for (int g = 0; g <= c->groups; g++)
        for (int l = 0; l < BLOCK_ROWS; l++) b->first[g][l] = b->first[g][lane];
    b->all_sorted = true;
}

// Four at a time: what a loop costs beside its loads and stores is then next to nothing.
enum { AT_A_TIME = 4 };

OP void sort_some(const real *from, const int32_t *index, int count, real *to) {
    for (int l = 0; l < count; l++) to[l] = from[index[l]];
}

OP void unsort_some(const real *from, const int32_t *index, int count, real *to, bool accumulate) {
    for (int l = 0; l < count; l++) to[index[l]] = accumulate ? to[index[l]] + from[l] : from[l];
}

static inline void sort_row(const criterion *c, const real *s, const real *t, sorted_row to) {
    int32_t i = 0;
    for (; i + AT_A_TIME <= c->classes; i += AT_A_TIME) {
        sort_some(s, to.index + i, AT_A_TIME, to.s + i);
        sort_some(t, to.index + i, AT_A_TIME, to.t + i);
    }
    sort_some(s, to.index + i, c->classes - i, to.s + i);
    sort_some(t, to.index + i, c->classes - i, to.t + i);
}

// Takes what was computed for the classes of a sorted row back to their places.
static inline void unsort_row(const criterion *c, const int32_t *index, const real *from, real *to,
                              bool accumulate) {
    int32_t i = 0;
    for (; i + AT_A_TIME <= c->classes; i += AT_A_TIME)
        unsort_some(from + i, index + i, AT_A_TIME, to, accumulate);
    unsort_some(from + i, index + i, c->classes - i, to, accumulate);
}

#endif
