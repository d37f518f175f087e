// The float stages of rows one after the other, with lanes along the classes: rows with picked
// classes, of one or two groups, and sorted rows, whose groups are rows of one group each.
#ifndef GDKD_ROWS_H
#define GDKD_ROWS_H

#include "cross_entropy.h"
#include "instances.h"
#include "moments.h"
#include "picked.h"
#include "sorted.h"

// So many steps of a row are added up in a vector before it goes into doubles. A term of 1 swallows
// up to 2^-24 of each that follows it in its lane: two of them stay below the promised error, and
// in a row whose largest classes are picked more do.
enum { STEPS_PER_FLUSH = 3, PICKED_STEPS_PER_FLUSH = 8 };

// --- Where a row lies ----------------------------------------------------------------------------

OP uint16_t *words_of(const criterion *c, const scratch *x, int lane) {
    return x->words + (size_t)lane * (size_t)steps_of(c->classes) * MAX_GROUPS;
}

OP int32_t *order_of(const criterion *c, const block *b, const scratch *x, int lane) {
    return x->order + (b->map_shared ? 0 : (size_t)lane * (size_t)c->classes);
}

// A row as it lies with the caller, or in a tile.
static inline strip row_strip(const criterion *c, const block *b, const scratch *x, int lane) {
    const size_t at = (size_t)lane * (size_t)c->classes;
    return (strip){.classes = c->classes,
                   .groups = c->groups,
                   .s = b->s_row[lane],
                   .t = b->t_row[lane],
                   .words = words_of(c, x, lane),
                   .word_step = steps_of(c->classes),
                   .steps_per_flush =
                       b->kind[lane] == HOLES ? PICKED_STEPS_PER_FLUSH : STEPS_PER_FLUSH,
                   .e_s = b->exp_in_gradient ? b->g_row[lane] : x->exp_s + at,
                   .e_t = x->exp_t + at};
}

// The classes of one group of a sorted row, side by side.
static inline strip group_strip(const criterion *c, const block *b, const scratch *x, int lane,
                                int g) {
    const size_t at = (size_t)lane * (size_t)c->classes + (size_t)b->first[g][lane];
    return (strip){.classes = b->first[g + 1][lane] - b->first[g][lane],
                   .groups = 1,
                   .s = x->sorted_s + at,
                   .t = x->sorted_t + at,
                   .steps_per_flush = STEPS_PER_FLUSH,
                   .e_s = x->exp_s + at,
                   .e_t = x->exp_t + at};
}

// --- Sums ----------------------------------------------------------------------------------------

// Rows that share a map share the order that it gives.
static inline void lay_out(const criterion *c, block *b, int lane, const split_input *in,
                           const scratch *x) {
    int32_t *order = order_of(c, b, x, lane);
    const size_t at = (size_t)lane * (size_t)c->classes;
    if (!b->order_known) {
        uint16_t *words = words_of(c, x, lane);
        split_row(c, in, b->t_row[lane], x, words);
        find_order(c, words, lane, order, b->first);
        b->order_known = b->map_shared;
        for (int g = 0; b->map_shared && g <= c->groups; g++)
            for (int l = 0; l < BLOCK_ROWS; l++) b->first[g][l] = b->first[g][lane];
    }
    sort_row(c->classes, (unsorted_row){b->s_row[lane], b->t_row[lane]}, order,
             (sorted_row){x->sorted_s + at, x->sorted_t + at});
}

// Each group by itself, and the high term's own sums of it, where it has any: of the raw logits.
static inline void sorted_sums(const criterion *c, block *b, int lane, const scratch *x) {
    b->top[lane] = -(double)INFINITY;
    for (int g = 0; g < c->groups; g++) {
        strip r = group_strip(c, b, x, lane, g);
        references_one(&r, lane, &b->low.ref[g], b->top);
        if (c->split_high) {
            b->high->ref[g].s[lane] = b->low.ref[g].s[lane];
            b->high->ref[g].t[lane] = b->low.ref[g].t[lane];
            strip high = r;
            high.e_s = x->exp_high + (r.e_s - x->exp_s);
            sums_one_bare(c, &high, lane, &b->high->ref[g], &b->high->sum[g]);
            if (!temper_group(c, &b->group[g], lane, g, r.classes, r.s, r.t))
                move_rows(b, 1U << lane, NEEDS_DOUBLE);
        }
        sums_stages[ALONG][ONE][sums_task(c)](c, &r, lane, &b->low.ref[g], &b->low.sum[g]);
    }
}

// Splits a row and adds it up, the way that its groups allow.
static inline void row_sums(const criterion *c, block *b, int lane, const scratch *x) {
    const split_input in = split_input_of(b, lane);
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    uint16_t *words = words_of(c, x, lane);
    const bool holes = pick_row(c, &in, s, t, lane, b->picks, b->top, words);
    b->sorted[lane] = is_sorted(c) && !holes;
    b->kind[lane] = holes ? HOLES : c->groups == 1 ? ONE : TWO;
    if (b->sorted[lane]) {
        lay_out(c, b, lane, &in, x);
        sorted_sums(c, b, lane, x);
        return;
    }
    const strip r = row_strip(c, b, x, lane);
    if (!holes) {
        split_row(c, &in, t, x, words);
        b->top[lane] = -(double)INFINITY;
        references_stages[ALONG][b->kind[lane]](&r, lane, b->low.ref, b->top);
    }
    sums_stages[ALONG][b->kind[lane]][sums_task(c)](
        c, &r, lane, holes ? &b->picks->ref : b->low.ref, holes ? &b->picks->sum : b->low.sum);
}

static inline double largest_of(const real *s, int32_t n) {
    real top = s[0];
    for (int32_t i = 1; i < n; i++) top = s[i] > top ? s[i] : top;
    return (double)top;
}

static inline void row_ce_sums(const criterion *c, block *b, int lane, const scratch *x) {
    const strip r = row_strip(c, b, x, lane);
    b->ce.ref[lane] = finite_or_zero(c->kd ? b->top[lane] : largest_of(r.s, c->classes));
    b->ce.target[lane] = (double)r.s[b->target[lane]] - b->ce.ref[lane];
    find_ce_sums(ALONG, c, &r, lane, &b->ce, x->exp_ce + (size_t)lane * (size_t)c->classes);
}

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = float_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        if (c->standardize == GDKD_STANDARDIZE_GLOBAL &&
            !temper_row(c, &b->row, lane, c->classes, c->classes - 1, b->s_row[lane],
                        b->t_row[lane])) {
            move_rows(b, 1U << lane, NEEDS_DOUBLE);
            continue;
        }
        if (c->kd) row_sums(c, b, lane, x);
        if (c->ce) row_ce_sums(c, b, lane, x);
    }
}

// --- The second pass -----------------------------------------------------------------------------

// With pulls where the gradient will want them. The picked classes' part only adds to the value.
static inline void refine_strip(const criterion *c, group_kind kind, const strip *r, int lane,
                                const references *ref, const group_relation *relation,
                                group_divergence *out) {
    strip longer = *r; // the terms are far from 1, and have no others to swallow
    longer.steps_per_flush = PICKED_STEPS_PER_FLUSH;
    bool pulls = c->second_pass;
    if (!pulls) refine_stages[ALONG][kind](c, &longer, lane, ref, relation, false, out);
    for (int g = 0; g < groups_of(kind, r) && !c->second_pass; g++)
        pulls = pulls || out[g].value[lane] < PULLED_BELOW;
    if (pulls) refine_stages[ALONG][kind](c, &longer, lane, ref, relation, true, out);
}

static void rows_refine(const criterion *c, block *b, const scratch *x) {
    for (uint32_t near = b->in[NEEDS_REFINE]; near; near &= near - 1) {
        const int lane = __builtin_ctz(near);
        for (int g = 0; b->sorted[lane] && g < c->groups; g++) {
            const strip r = group_strip(c, b, x, lane, g);
            refine_strip(c, ONE, &r, lane, &b->low.ref[g], &b->low.relation[g],
                         &b->low.divergence[g]);
        }
        if (b->sorted[lane]) continue;
        const strip r = row_strip(c, b, x, lane);
        if (b->kind[lane] == HOLES)
            refine_strip(c, HOLES, &r, lane, &b->picks->ref, &b->picks->relation,
                         &b->picks->divergence);
        else
            refine_strip(c, b->kind[lane], &r, lane, b->low.ref, b->low.relation,
                         b->low.divergence);
    }
}

// --- The gradient --------------------------------------------------------------------------------

static inline bool has_pulls(const criterion *c, const block *b, int lane) {
    for (int g = 0; g < c->groups; g++)
        if (b->low.coefficient[g].h[lane] != 0) return true;
    return false;
}

// The gradient takes the place of the student's exponentials. A high term's own is added.
static inline void group_gradient(const criterion *c, const block *b, int lane, int g, bool by_pull,
                                  const scratch *x) {
    const strip r = group_strip(c, b, x, lane, g);
    const references *ref = &b->low.ref[g];
    gradient_stages[ALONG][ONE][gradient_task(c, by_pull)](c, &r, lane, ref, &b->low.relation[g],
                                                           &b->low.coefficient[g], by_pull,
                                                           (destination){r.e_s, LANES, false});
    if (!c->split_high) return;
    standardise_back(ALONG, &r, lane, ref->at, r.e_s, r.e_s, LANES, false);
    const real *exp = x->exp_high + (r.e_s - x->exp_s), c_s = (real)b->high->coefficient[g].s[lane];
    for (int32_t i = 0; i < r.classes; i++) r.e_s[i] += exp[i] * c_s;
}

static inline void sorted_gradient(const criterion *c, const block *b, int lane, bool by_pull,
                                   const scratch *x) {
    strip all = group_strip(c, b, x, lane, 0);
    all.classes = c->classes;
    for (int g = 0; g < c->groups; g++) group_gradient(c, b, lane, g, by_pull, x);
    if (c->standardize == GDKD_STANDARDIZE_GLOBAL)
        standardise_back(ALONG, &all, lane, &b->row, all.e_s, all.e_s, LANES, false);
    unsort_row(c->classes, all.e_s, order_of(c, b, x, lane), b->g_row[lane], b->accumulate);
}

// The picked classes have nothing from the walk over the row.
static inline void picked_gradient(const picked *p, int lane, real *g) {
    for (int j = 0; j < p->count[lane]; j++) g[p->index[j][lane]] += (real)p->gradient[j][lane];
}

static inline void unsorted_gradient(const criterion *c, const block *b, int lane, bool by_pull,
                                     const scratch *x) {
    const strip r = row_strip(c, b, x, lane);
    const bool holes = b->kind[lane] == HOLES, standard = c->standardize != GDKD_STANDARDIZE_NONE;
    const destination out = {standard ? r.e_s : b->g_row[lane], LANES, b->accumulate && !standard};
    gradient_stages[ALONG][b->kind[lane]][gradient_task(c, by_pull)](
        c, &r, lane, holes ? &b->picks->ref : b->low.ref,
        holes ? &b->picks->relation : b->low.relation,
        holes ? &b->picks->coefficient : b->low.coefficient, by_pull, out);
    if (holes) picked_gradient(b->picks, lane, out.to);
    if (standard)
        standardise_back(ALONG, &r, lane, &b->row, r.e_s, b->g_row[lane], LANES, b->accumulate);
}

static inline void row_ce_gradient(const criterion *c, const block *b, int lane, const scratch *x) {
    const strip r = row_strip(c, b, x, lane);
    float *kept = x->exp_ce + (size_t)lane * (size_t)c->classes;
    real *g = b->g_row[lane], *at = g + b->target[lane];
    const bool accumulate = c->kd || b->accumulate;
    // The target's class in double: there two numbers near each other meet.
    const double old = accumulate ? (double)*at : 0, e = (double)kept[b->target[lane]];
    find_ce_gradient(ALONG, c, &r, lane, &b->ce, kept, g, LANES, accumulate);
    *at = (real)(old + (e * b->ce.c[lane] - b->ce.flat[lane] - b->ce.hot[lane]));
}

static void rows_gradient(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = float_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        if (c->kd)
            (b->sorted[lane] ? sorted_gradient : unsorted_gradient)(c, b, lane,
                                                                    has_pulls(c, b, lane), x);
        if (c->ce) row_ce_gradient(c, b, lane, x);
    }
}

#endif
