// The float stages of a block of rows, one per lane. Lanes without a row have harmless numbers.
#ifndef GDKD_ACROSS_H
#define GDKD_ACROSS_H

#include "cross_entropy.h"
#include "instances.h"
#include "moments.h"
#include "split.h"

static inline group_kind kind_across(const criterion *c, const block *b) {
    if (c->groups == 1) return ONE;
    if (b->map_shared) return EACH;
    return c->groups == 2 ? TWO : MANY;
}

static inline strip block_strip(const criterion *c, const block *b, const scratch *x) {
    return (strip){.classes = c->classes,
                   .groups = c->groups,
                   .s = b->s,
                   .t = b->t,
                   .s_step = b->s_step,
                   .t_step = b->t_step,
                   .words = x->words,
                   .word_step = c->classes,
                   .map = b->map[0],
                   .map_step = b->map_step,
                   .e_s = x->exp_s,
                   .e_t = x->exp_t};
}

static inline void temper_block(const criterion *c, block *b) {
    const double freedom = c->classes - 1;
    moments s[BLOCK_ROWS], t[BLOCK_ROWS];
    moments_of_block(b->s, b->s_step, c->classes, s);
    moments_of_block(b->t, b->t_step, c->classes, t);
    for (int l = 0; l < BLOCK_ROWS; l++)
        if (!set_temperatures(c, &b->row, l, freedom, &s[l], &t[l]) && has_row(float_rows(b), l))
            move_rows(b, 1U << l, NEEDS_DOUBLE);
}

static inline void top_across(const criterion *c, block *b) {
    vec top = v_splat(-(real)INFINITY);
    for (int32_t i = 0; i < c->classes; i++)
        top = v_max(v_load((const real *)b->s + i * b->s_step), top);
    v_to_doubles(b->top, top);
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
    const strip r = block_strip(c, b, x);
    const group_kind kind = kind_across(c, b);
    if (c->standardize != GDKD_STANDARDIZE_NONE) temper_block(c, b);
    if (c->kd) {
        split_block(c, b, x, x->words);
        references_stages[ACROSS][kind](&r, 0, b->low.ref, b->top);
        sums_stages[ACROSS][kind][sums_task(c)](c, &r, 0, b->low.ref, b->low.sum);
    }
    if (!c->ce) return;
    if (!c->kd) top_across(c, b);
    for (int l = 0; l < BLOCK_ROWS; l++) {
        b->ce.ref[l] = b->top[l] > -(double)INFINITY || b->top[l] != b->top[l] ? b->top[l] : 0;
        b->ce.target[l] = (double)((const real *)b->s)[b->target[l] * b->s_step + l] - b->ce.ref[l];
    }
    find_ce_sums(ACROSS, c, &r, 0, &b->ce, x->exp_ce);
}

// With pulls where the gradient of some row will want them.
static void across_refine(const criterion *c, block *b, const scratch *x) {
    const strip r = block_strip(c, b, x);
    const refine_stage stage = refine_stages[ACROSS][kind_across(c, b)];
    bool pulls = c->second_pass;
    if (!pulls) stage(c, &r, 0, b->low.ref, b->low.relation, false, b->low.divergence);
    for (int g = 0; g < c->groups && !c->second_pass; g++)
        for (int l = 0; l < BLOCK_ROWS; l++)
            pulls = pulls || (has_row(b->in[NEEDS_REFINE], l) &&
                              b->low.divergence[g].value[l] < PULLED_BELOW);
    if (pulls) stage(c, &r, 0, b->low.ref, b->low.relation, true, b->low.divergence);
}

static inline bool any_pulls(const criterion *c, const block *b) {
    for (int g = 0; g < c->groups && b->in[NEEDS_REFINE]; g++)
        for (int l = 0; l < BLOCK_ROWS; l++)
            if (b->low.coefficient[g].h[l] != 0) return true;
    return false;
}

// The target's class in double: there two numbers near each other meet.
static inline void ce_gradient_across(const criterion *c, const block *b, const scratch *x,
                                      const strip *r, bool accumulate) {
    double old[BLOCK_ROWS];
    real *at[BLOCK_ROWS];
    for (int l = 0; l < BLOCK_ROWS; l++) {
        at[l] = (real *)b->g + b->target[l] * b->g_step + l;
        old[l] = accumulate ? (double)*at[l] : 0;
    }
    find_ce_gradient(ACROSS, c, r, 0, &b->ce, x->exp_ce, b->g, b->g_step, accumulate);
    for (int l = 0; l < BLOCK_ROWS; l++) {
        const double e = (double)x->exp_ce[b->target[l] * LANES + l];
        *at[l] = (real)(old[l] + (e * b->ce.c[l] - b->ce.flat[l] - b->ce.hot[l]));
    }
}

static void across_gradient(const criterion *c, block *b, const scratch *x) {
    const strip r = block_strip(c, b, x);
    const bool standard = c->standardize != GDKD_STANDARDIZE_NONE;
    if (c->kd) {
        const bool by_pull = any_pulls(c, b);
        const destination out = {standard ? r.e_s : b->g, standard ? LANES : b->g_step,
                                 b->accumulate && !standard};
        const group_kind kind = kind_across(c, b);
        gradient_stages[ACROSS][kind][gradient_task(c, by_pull)](
            c, &r, 0, b->low.ref, b->low.relation, b->low.coefficient, by_pull, out);
    }
    if (standard) standardise_back(ACROSS, &r, 0, &b->row, r.e_s, b->g, b->g_step, b->accumulate);
    if (c->ce) ce_gradient_across(c, b, x, &r, c->kd || b->accumulate);
}

#endif
