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

OP int groups_of(const criterion *c, int partition) {
    switch (partition) {
    case GDKD_PARTITION_ALL:
        return 1;
    case GDKD_PARTITION_TOP1_TOPK:
        return 3;
    case GDKD_PARTITION_MAP:
        return c->groups;
    default:
        return 2;
    }
}

// The lines that part the groups; see block.bound.
typedef struct {
    vec bound, top;
    ivec last, index;
} borders;

OP borders borders_of(walk_shape shape, const block *b, int lane) {
    return (borders){per_row(shape, b->bound, lane), per_row(shape, b->top, lane),
                     per_row_int(shape, b->last, lane), per_row_int(shape, b->index, lane)};
}

OP mask m_all(void) {
    return m_first(LANES);
}

// m[g]: the lanes of `valid` whose class is in group g. t: the teacher's raw logits, i: the
// classes.
OP void members(const borders *at, int partition, int groups, bool map_shared, vec t, ivec i,
                const uint8_t *map, mask valid, bool partial, mask *m) {
    switch (partition) {
    case GDKD_PARTITION_ALL:
        m[0] = valid;
        return;
    case GDKD_PARTITION_TARGET:
        m[0] = i_eq(i, at->index);
        break;
    case GDKD_PARTITION_TOP:
        m[0] = m_or(v_lt(at->bound, t), m_and(v_eq(t, at->bound), i_le(i, at->last)));
        break;
    case GDKD_PARTITION_BOTTOM:
        m[0] = m_or(v_lt(t, at->bound), m_and(v_eq(t, at->bound), i_le(i, at->last)));
        break;
    case GDKD_PARTITION_TOP1_TOPK: {
        mask top = m_or(v_lt(at->bound, t), m_and(v_eq(t, at->bound), i_le(i, at->last)));
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
        mask rest = valid;
        for (int g = 0; g < groups - 1; g++) {
            m[g] = map_shared ? (*map == g ? valid : m_first(0)) : b_eq(map, valid, (uint8_t)g);
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
