// The largest logit of each group in both models, as the reference points of its sums.
#ifndef GDKD_REFERENCES_H
#define GDKD_REFERENCES_H

#include "walk.h"

static inline double largest_lane(vec a) {
    real lane[LANES];
    v_store(lane, a);
    real best = lane[0];
    for (int l = 1; l < LANES; l++) best = lane[l] > best ? lane[l] : best;
    return (double)best;
}

// A group without classes, or of nothing but -inf, is measured from 0. A NaN stays.
static inline double finite_or_zero(double x) { return x > -(double)INFINITY || x != x ? x : 0; }

typedef struct {
    walk_shape shape;
    group_kind kind;
    int groups, lane;
    references *ref;
    double *top;
    vec s[MAX_GROUPS], t[MAX_GROUPS];
} references_state;

OP void references_step(void *state, const strip *r, int32_t i, bool whole) {
    references_state *a = state;
    const step_groups at = groups_at(a->shape, a->kind, r, i, whole);
    const vec s = load_step(student_at(a->shape, r, i), &at),
              t = load_step(teacher_at(a->shape, r, i), &at);
    for (int g = 0; g < at.count; g++) {
        vec *top_s = &a->s[at.first + g], *top_t = &a->t[at.first + g];
        *top_s = is_plain(a->kind, &at) ? v_max(*top_s, s) : v_max_where(*top_s, at.member[g], s);
        *top_t = is_plain(a->kind, &at) ? v_max(*top_t, t) : v_max_where(*top_t, at.member[g], t);
    }
}

OP void references_row(references_state *a) {
    for (int g = 0; g < a->groups; g++) {
        const double s = largest_lane(a->s[g]);
        a->top[a->lane] = s > a->top[a->lane] ? s : a->top[a->lane];
        a->ref[g].s[a->lane] = finite_or_zero(s);
        a->ref[g].t[a->lane] = finite_or_zero(largest_lane(a->t[g]));
    }
}

OP void references_block(references_state *a) {
    vec top = v_splat(-(real)INFINITY);
    for (int g = 0; g < a->groups; g++) {
        top = v_max(a->s[g], top);
        v_to_doubles(a->ref[g].s, a->s[g]);
        v_to_doubles(a->ref[g].t, a->t[g]);
        for (int l = 0; l < BLOCK_ROWS; l++) {
            a->ref[g].s[l] = finite_or_zero(a->ref[g].s[l]);
            a->ref[g].t[l] = finite_or_zero(a->ref[g].t[l]);
        }
    }
    v_to_doubles(a->top, top);
}

// top: receives the student's largest logit of all; along the classes it is raised.
OP void find_references(walk_shape shape, group_kind kind, const strip *r, int lane,
                        references *ref, double *top) {
    references_state a = {.shape = shape,
                          .kind = kind,
                          .groups = groups_of(kind, r),
                          .lane = lane,
                          .ref = ref,
                          .top = top};
    for (int g = 0; g < a.groups; g++) a.s[g] = a.t[g] = v_splat(-(real)INFINITY);
    walk(shape, kind, r, &a, references_step, NULL);
    if (shape == ALONG)
        references_row(&a);
    else
        references_block(&a);
}

#endif
