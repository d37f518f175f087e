// A row whose classes are laid out group by group: each group is then a row of its own. For the
// caller's groups, which would need masks each, for groups with temperatures of their own, and for
// rows in double. (Two groups are told by one word: there floats are quicker with masks.)
#ifndef GDKD_SORTED_H
#define GDKD_SORTED_H

#include "split.h"

static inline int32_t put_bits(uint32_t bits, int32_t at, int32_t *order, int32_t end) {
    if (bits != 0xFFFFU) {
        for (; bits; bits &= bits - 1) order[end++] = at + __builtin_ctz(bits);
        return end;
    }
    for (int l = 0; l < STEP; l++) order[end + l] = at + l;
    return end + STEP;
}

// The words of the last group: of the classes that are in no other.
static inline void words_of_last(int groups, int32_t classes, uint16_t *words) {
    const int32_t steps = steps_of(classes);
    uint16_t *last = words + (groups - 1) * steps;
    memset(last, 0xFF, sizeof *last * (size_t)steps);
    if (classes % STEP != 0) last[steps - 1] = (uint16_t)((1U << classes % STEP) - 1U);
    for (int g = 0; g < groups - 1; g++)
        for (int32_t i = 0; i < steps; i++) last[i] = (uint16_t)(last[i] & ~words[g * steps + i]);
}

// The classes' order, and where each group begins.
static inline void find_order(const criterion *c, uint16_t *words, int lane, int32_t *order,
                              int32_t (*first)[BLOCK_ROWS]) {
    const int32_t steps = steps_of(c->classes);
    int32_t end = 0;
    words_of_last(c->groups, c->classes, words);
    for (int g = 0; g < c->groups; g++) {
        first[g][lane] = end;
        for (int32_t i = 0; i < steps; i++)
            if (words[g * steps + i] != 0)
                end = put_bits(words[g * steps + i], i * STEP, order, end);
    }
    first[c->groups][lane] = end;
}

// Four at a time: what a loop costs beside its loads and stores is then next to nothing.
enum { AT_A_TIME = 4 };

typedef struct {
    const real *s, *t;
} unsorted_row;
typedef struct {
    real *s, *t;
} sorted_row;

OP void sort_some(unsorted_row from, const int32_t *order, int32_t first, int count,
                  sorted_row to) {
    for (int32_t i = first; i < first + count; i++) {
        to.s[i] = from.s[order[i]];
        to.t[i] = from.t[order[i]];
    }
}
OP void unsort_some(const real *from, const int32_t *order, int32_t first, int count, real *to,
                    bool accumulate) {
    for (int32_t i = first; i < first + count; i++)
        to[order[i]] = accumulate ? to[order[i]] + from[i] : from[i];
}

static inline void sort_row(int32_t classes, unsorted_row from, const int32_t *order,
                            sorted_row to) {
    int32_t i = 0;
    for (; i + AT_A_TIME <= classes; i += AT_A_TIME) sort_some(from, order, i, AT_A_TIME, to);
    sort_some(from, order, i, classes - i, to);
}

// Takes what was computed for the classes of a sorted row back to their places.
OP void unsort_all(int32_t classes, const real *from, const int32_t *order, real *to,
                   bool accumulate) {
    int32_t i = 0;
    for (; i + AT_A_TIME <= classes; i += AT_A_TIME)
        unsort_some(from, order, i, AT_A_TIME, to, accumulate);
    unsort_some(from, order, i, classes - i, to, accumulate);
}
static inline void unsort_row(int32_t classes, const real *from, const int32_t *order, real *to,
                              bool accumulate) {
    if (accumulate)
        unsort_all(classes, from, order, to, true);
    else
        unsort_all(classes, from, order, to, false);
}

#endif
