// How a kernel walks over the classes of one row (rows shape: the lanes are consecutive classes) or
// of a block of rows (across shape: the lanes are rows), and which group every lane's class is in.
//
// Both shapes run the same step; `shape`, `partition` and `partial` are constants where a kernel is
// instantiated, so that each instance holds only its own branches.
#ifndef GDKD_WALK_H
#define GDKD_WALK_H

#include "kernel.h"

typedef enum { ROWS, ACROSS } walk_shape;

// A value per row: the row's own in every lane, or lane l that of row l.
OP vec per_row(walk_shape shape, const double *value, int lane) {
    return shape == ROWS ? v_splat((real)value[lane]) : v_from_doubles(value);
}
OP ivec per_row_int(walk_shape shape, const int32_t *value, int lane) {
    return shape == ROWS ? i_splat(value[lane]) : i_load(value);
}

// Partitions of a kernel besides GDKD_PARTITION_*: the cross-entropy alone; the classes of a row that are
// not listed (kernel.h), as one group, with the target listed by its index or without; and the caller's groups, where
// they are those of every row.
enum {
    PARTITION_NONE = -1,
    PARTITION_REST = 100,
    PARTITION_REST_OF_TARGET = 101,
    PARTITION_SHARED_MAP = 102
};

OP int groups_of(const criterion *c, int partition) {
    switch (partition) {
    case PARTITION_NONE:
        return 0;
    case GDKD_PARTITION_ALL:
    case PARTITION_REST:
    case PARTITION_REST_OF_TARGET:
        return 1;
    case GDKD_PARTITION_TOP1_TOPK:
        return 3;
    case GDKD_PARTITION_MAP:
    case PARTITION_SHARED_MAP:
        return c->groups;
    default:
        return 2;
    }
}

// The groups that a class may be in: `count` of them from `first` on. Across rows that share a map it is the map's.
typedef struct {
    int first, count;
} group_range;

OP group_range groups_at(int partition, int groups, const uint8_t *map) {
    return partition == PARTITION_SHARED_MAP ? (group_range){*map, 1} : (group_range){0, groups};
}

// The lines that part the groups; see block.bound.
typedef struct {
    vec bound, top;
    ivec last, index;
    bool tied; // whether some class at the border is below it
} borders;

// A class that is no number is not listed, so that the sums of the rest show it.
OP mask listed(const borders *at, int partition, vec t, ivec i) {
    const mask high = v_le(at->bound, t);
    return partition == PARTITION_REST_OF_TARGET ? m_or(high, i_eq(i, at->index)) : high;
}

OP mask above(const borders *at, vec t, ivec i) {
    if (!at->tied) return v_le(at->bound, t);
    return m_or(v_lt(at->bound, t), m_and(v_eq(t, at->bound), i_le(i, at->last)));
}

OP mask below(const borders *at, vec t, ivec i) {
    if (!at->tied) return v_le(t, at->bound);
    return m_or(v_lt(t, at->bound), m_and(v_eq(t, at->bound), i_le(i, at->last)));
}

// The last class, where no class at the border is below it.
static inline bool has_ties(walk_shape shape, const criterion *c, const block *b, int lane) {
    bool tied = false;
    for (int l = shape == ROWS ? lane : 0; l < (shape == ROWS ? lane + 1 : b->rows); l++)
        tied = tied || (b->used >> l & 1U && b->last[l] != c->classes - 1);
    return tied;
}

OP borders borders_of(walk_shape shape, const criterion *c, const block *b, int lane) {
    return (borders){per_row(shape, b->bound, lane), per_row(shape, b->top, lane),
                     per_row_int(shape, b->last, lane), per_row_int(shape, b->index, lane),
                     has_ties(shape, c, b, lane)};
}

OP mask m_all(void) {
    return m_first(LANES);
}

// m[g]: the lanes of `valid` whose class is in group g of the range. t: the teacher's raw logits, i: the
// classes.
OP void members(const borders *at, int partition, int groups, vec t, ivec i, const uint8_t *map,
                mask valid, bool partial, mask *m) {
    switch (partition) {
    case GDKD_PARTITION_ALL:
    case PARTITION_SHARED_MAP:
        m[0] = valid;
        return;
    case GDKD_PARTITION_TARGET:
        m[0] = i_eq(i, at->index);
        break;
    case PARTITION_REST:
    case PARTITION_REST_OF_TARGET:
        m[0] = m_andnot(listed(at, partition, t, i), valid);
        return;
    case GDKD_PARTITION_TOP:
        m[0] = above(at, t, i);
        break;
    case GDKD_PARTITION_BOTTOM:
        m[0] = below(at, t, i);
        break;
    case GDKD_PARTITION_TOP1_TOPK: {
        const mask top = above(at, t, i);
        m[0] = m_and(v_eq(t, at->top), i_le(i, at->index));
        m[1] = m_andnot(m[0], top);
        m[2] = m_andnot(top, valid);
        if (partial) {
            m[0] = m_and(m[0], valid);
            m[1] = m_and(m[1], valid);
        }
        return;
    }
    default: {
        const ivec group = i_load_bytes(map, valid);
        mask rest = valid;
        for (int g = 0; g < groups - 1; g++) {
            m[g] = i_eq(group, i_splat(g));
            if (partial) m[g] = m_and(m[g], valid);
            rest = m_andnot(m[g], rest);
        }
        m[groups - 1] = rest;
        return;
    }
    }
    m[1] = m_andnot(m[0], valid);
    if (partial) m[0] = m_and(m[0], valid);
}

// The group's value in every lane.
OP vec pick(const mask *m, int groups, const vec *value) {
    vec v = value[groups - 1];
    for (int g = groups - 2; g >= 0; g--) v = v_select(m[g], value[g], v);
    return v;
}

#endif
