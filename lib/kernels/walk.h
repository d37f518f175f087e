// How a stage walks over the logits: in steps of LANES, along the classes of one row, or across
// rows, one step for each class. Both shapes run the same step; shape, kind and task are constants
// where a stage is instantiated (instances.h), so that each instance holds only its own branches.
// Nothing here knows a partition.
#ifndef GDKD_WALK_H
#define GDKD_WALK_H

#include "block.h"

typedef enum { ALONG, ACROSS, SHAPES } walk_shape;

// What is walked over, and where its exponentials are kept.
typedef struct {
    int32_t classes;
    int groups;
    const real *s, *t;
    int64_t s_step, t_step; // across: from one class to the next
    // HOLES: which lanes take part. TWO, MANY: which are in group g, from words + g * word_step on.
    const uint16_t *words;
    int64_t word_step;
    const uint8_t *map; // EACH: the group of each step, map_step apart
    int64_t map_step;
    int steps_per_flush; // along: so many steps are added up in floats before they go into doubles
    float *e_s, *e_t;
} strip;

// A number per row: the row's own in every lane, or lane l that of row l.
OP vec per_row(walk_shape shape, const double *value, int lane) {
    return shape == ALONG ? v_splat((real)value[lane]) : v_from_doubles(value);
}

OP mask m_first(int n) { return m_of_bits((1U << n) - 1U); }
OP mask m_all(void) { return m_first(LANES); }

// One step: the lanes inside the row, and those in each of the groups that may be met.
typedef struct {
    bool whole; // all lanes are inside, a constant
    mask inside;
    int first, count;
    mask member[MAX_GROUPS];
} step_groups;

OP int groups_of(group_kind kind, const strip *r) {
    return kind == TWO ? 2 : kind == ONE || kind == HOLES ? 1 : r->groups;
}

OP uint32_t word_at(const strip *r, int g, int32_t i) {
    return r->words[(int64_t)g * r->word_step + i];
}

OP step_groups groups_at(walk_shape shape, group_kind kind, const strip *r, int32_t i, bool whole) {
    step_groups at = {.whole = whole, .inside = m_all(), .count = groups_of(kind, r)};
    if (shape == ALONG && !whole && r->classes - i * LANES < LANES)
        at.inside = m_first(r->classes - i * LANES);
    if (kind == EACH) {
        at.first = r->map[i * r->map_step];
        at.count = 1;
    }
    mask rest = at.inside;
    for (int g = 0; g < at.count - 1; g++) {
        at.member[g] = m_of_bits(word_at(r, g, i));
        rest = m_andnot(at.member[g], rest);
    }
    at.member[at.count - 1] = kind == HOLES && !whole ? m_of_bits(word_at(r, 0, i)) : rest;
    return at;
}

// Whether every lane is in one group: nothing has to be masked.
OP bool is_plain(group_kind kind, const step_groups *at) {
    return at->whole && (kind == ONE || kind == HOLES || kind == EACH);
}

// The group's value in every lane.
OP vec pick(const step_groups *at, const vec *value) {
    vec v = value[at->first + at->count - 1];
    for (int g = at->count - 2; g >= 0; g--) v = v_select(at->member[g], value[g], v);
    return v;
}

OP vec load_step(const real *from, const step_groups *at) {
    return at->whole ? v_load(from) : v_load_some(from, at->inside);
}
OP void store_step(real *to, const step_groups *at, vec a) {
    if (at->whole)
        v_store(to, a);
    else
        v_store_some(to, at->inside, a);
}

// Where the logits of step i lie.
OP const real *student_at(walk_shape shape, const strip *r, int32_t i) {
    return r->s + i * (shape == ALONG ? LANES : r->s_step);
}
OP const real *teacher_at(walk_shape shape, const strip *r, int32_t i) {
    return r->t + i * (shape == ALONG ? LANES : r->t_step);
}

typedef void (*step_function)(void *state, const strip *r, int32_t i, bool whole);
typedef void (*flush_function)(void *state);

// Calls step for each step of a strip, and flush, if there is one, at intervals and at the end. The
// last classes of a row that fill no step, and steps with a hole, are not whole.
OP void walk(walk_shape shape, group_kind kind, const strip *of, void *state, step_function step,
             flush_function flush) {
    const strip copy = *of, *r = &copy; // no store through a vector can change it
    const int32_t full = shape == ACROSS ? r->classes : r->classes / LANES;
    const int32_t steps = shape == ACROSS ? full : (r->classes + LANES - 1) / LANES;
    int32_t i = 0;
    do {
        const int32_t end = shape == ALONG && flush && full - i > r->steps_per_flush
                                ? i + r->steps_per_flush
                                : steps;
        for (; i < end; i++) {
            if (kind == HOLES ? word_at(r, 0, i) == (1U << LANES) - 1U
                              : shape == ACROSS || i < full)
                step(state, r, i, true);
            else
                step(state, r, i, false);
        }
        if (flush) flush(state);
    } while (i < steps);
}

#endif
