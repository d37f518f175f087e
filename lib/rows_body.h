// The float stages of rows one after the other, with lanes along the classes: masked rows, that have a list or are split
// by a border, and sorted rows.
#ifndef GDKD_ROWS_BODY_H
#define GDKD_ROWS_BODY_H

#include "gradient_body.h"
#include "instances.h"
#include "list_body.h"
#include "refine_body.h"
#include "sorted_body.h"
#include "standard_body.h"

// --- The cross-entropy of a row by itself --------------------------------------------------------

static void ce_sums(const criterion *c, block *b, int lane, const scratch *x) {
    const real *s = b->s_row[lane];
    sums_of_row(c, b, b->low_sums, lane, PARTITION_NONE, WITH_CE, c->classes, s, s, NULL,
                kept_of(c, b, x, lane));
}

static void ce_gradient(const criterion *c, const block *b, int lane, kept from, real *g,
                        bool accumulate) {
    const real *s = b->s_row[lane];
    gradient_of_row(c, b, b->low_sums, lane, PARTITION_NONE, WITH_CE, c->classes, s, s, NULL, from,
                    g, accumulate);
}

// --- Rows with masks: with a list, or split by a border ------------------------------------------

static bool is_listed(const block *b, int lane) {
    return b->list.count[lane] > 0;
}

// The terms and the partition that the kernels see of such a row.
static group_terms *masked_terms(block *b, int lane) {
    return is_listed(b, lane) ? &b->rest : b->low_sums;
}

static int border_partition(const criterion *c) {
    return c->kd ? c->partition : PARTITION_NONE;
}

#define FOR_MASKED(c, b, lane, call)                                                               \
    do {                                                                                           \
        if (is_listed(b, lane))                                                                    \
            FOR_REST(c, call);                                                                     \
        else                                                                                       \
            FOR_BORDERED(border_partition(c), call);                                               \
    } while (0)

static void split(const criterion *c, block *b, int lane, const scratch *x) {
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    split_row(c, b, lane, t, 0, x);
    b->row_top[lane] = -(double)INFINITY;
#define CALL(partition) refer_row(c, b, b->low_sums, lane, partition, c->classes, s, t, NULL)
    FOR_BORDERED(border_partition(c), CALL);
#undef CALL
}

static void masked_sums(const criterion *c, block *b, int lane, const scratch *x) {
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    group_terms *terms = masked_terms(b, lane);
    const kept to = kept_of(c, b, x, lane);
#define EACH(partition, p, what)                                                                   \
    sums_of_row(c, b, p, lane, partition, what, c->classes, s, t, NULL, to)
#define CALL(partition) IF_PLAIN(is_forward(c) && !c->ce, what_of(c), EACH, partition, terms)
    FOR_MASKED(c, b, lane, CALL);
#undef EACH
#undef CALL
}

static void masked_refine(const criterion *c, block *b, int lane, const scratch *x) {
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    group_terms *terms = masked_terms(b, lane);
    const kept from = kept_of(c, b, x, lane);
#define EACH(partition, p, what) refine_row(c, b, p, lane, partition, what, c->classes, s, t, from)
#define CALL(partition)          IF_PLAIN(is_forward(c), AS_ASKED, EACH, partition, terms)
    FOR_MASKED(c, b, lane, CALL);
#undef EACH
#undef CALL
}

// The listed classes have nothing from the pass over the row but the cross-entropy's part.
static void add_listed_gradient(const block *b, int lane, real *g) {
    const listing *list = &b->list;
    for (int j = 0; j < list->count[lane]; j++)
        g[list->index[j][lane]] += (real)list->gradient[j][lane];
}

// Takes the row's gradient from where it is kept, standardised, to the caller.
static void deliver_row(const criterion *c, const block *b, int lane, kept from) {
    const real *s = b->s_row[lane];
    real *g = b->g_row[lane];
    const int32_t n = c->classes;
    if (!c->ce) {
        standardise_row_back(&b->row, lane, n, s, from.s, g, b->accumulate);
        return;
    }
    standardise_row_back(&b->row, lane, n, s, from.s, from.s, false);
    ce_gradient(c, b, lane, from, from.s, true);
    for (int32_t i = 0; i < n; i++) g[i] = b->accumulate ? g[i] + from.s[i] : from.s[i];
}

static void masked_gradient(const criterion *c, block *b, int lane, const scratch *x) {
    const bool standard = is_standardised(c), accumulate = b->accumulate && !standard;
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    const group_terms *terms = masked_terms(b, lane);
    const kept from = kept_of(c, b, x, lane);
    real *g = standard ? from.s : b->g_row[lane];
#define EACH(partition, p, what)                                                                   \
    gradient_of_row(c, b, p, lane, partition, what, c->classes, s, t, NULL, from, g, accumulate)
#define CALL(partition) IF_PLAIN(is_forward(c) && !c->ce, gradient_task(c), EACH, partition, terms)
    FOR_MASKED(c, b, lane, CALL);
#undef EACH
#undef CALL
    add_listed_gradient(b, lane, g);
    if (standard) deliver_row(c, b, lane, from);
}

// --- Sorted rows: group by group -----------------------------------------------------------------

static bool is_sorted(const criterion *c) {
    return c->kd && (c->partition == GDKD_PARTITION_MAP || c->split_high);
}

static void lay_out(const criterion *c, block *b, int lane, const scratch *x) {
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    const sorted_row to = sorted_of(c, b, x, lane);
    if (!b->all_sorted) {
        split_row(c, b, lane, t, 0, x);
#define CALL(partition) order_row(c, b, lane, partition, t, b->map_row[lane], to.index)
        FOR_PARTITION(c->partition, CALL);
#undef CALL
        if (b->map_shared) share_order(c, b, lane);
    }
    sort_row(c, s, t, to);
}

// The high term's own sums of a group, where it has any: of the raw logits.
static void high_sums_of(const criterion *c, block *b, int lane, int g, const span *r,
                         const scratch *x) {
    group_terms *p = &b->high_sums[g];
    const kept to = {x->exp_high + (size_t)lane * (size_t)c->classes + b->first[g][lane], r->exp.t,
                     r->exp.ce};
    refer_row(c, b, p, lane, GDKD_PARTITION_ALL, r->classes, r->s, r->t, NULL);
    sums_of_row(c, b, p, lane, GDKD_PARTITION_ALL, AS_ASKED, r->classes, r->s, r->t, NULL, to);
}

static void low_sums_of(const criterion *c, block *b, int lane, int g, const span *r) {
    group_terms *p = &b->low_sums[g];
    refer_row(c, b, p, lane, GDKD_PARTITION_ALL, r->classes, r->s, r->t, NULL);
#define EACH(partition, p, what)                                                                   \
    sums_of_row(c, b, p, lane, partition, what, r->classes, r->s, r->t, NULL, r->exp)
    IF_PLAIN(is_forward(c), AS_ASKED, EACH, GDKD_PARTITION_ALL, p);
#undef EACH
}

static void sorted_sums(const criterion *c, block *b, int lane, const scratch *x) {
    b->row_top[lane] = -(double)INFINITY;
    for (int g = 0; g < c->groups; g++) {
        const span r = span_of(c, b, x, lane, g);
        if (c->split_high) high_sums_of(c, b, lane, g, &r, x);
        if (c->split_high && !temper_group(c, b, lane, g, r.classes, r.s, r.t))
            b->refused |= 1U << lane;
        low_sums_of(c, b, lane, g, &r);
    }
}

static void sorted_refine(const criterion *c, block *b, int lane, const scratch *x) {
    for (int g = 0; g < c->groups; g++) {
        const span r = span_of(c, b, x, lane, g);
        group_terms *terms = &b->low_sums[g];
#define EACH(partition, p, what)                                                                   \
    refine_row(c, b, p, lane, partition, what, r.classes, r.s, r.t, r.exp)
        IF_PLAIN(is_forward(c), AS_ASKED, EACH, GDKD_PARTITION_ALL, terms);
#undef EACH
    }
}

// Adds the high term's own gradient to the low one's of a group.
static void add_high(const criterion *c, const block *b, int lane, int g, const span *r,
                     const scratch *x) {
    const real *exp = x->exp_high + (size_t)lane * (size_t)c->classes + b->first[g][lane];
    const real c_s = (real)b->high_sums[g].c_s[lane];
    for (int32_t i = 0; i < r->classes; i++) r->exp.s[i] += exp[i] * c_s;
}

// The gradient takes the place of the student's exponentials.
static void group_gradient(const criterion *c, const block *b, int lane, int g, const scratch *x) {
    const span r = span_of(c, b, x, lane, g);
    const group_terms *terms = &b->low_sums[g];
#define EACH(partition, p, what)                                                                   \
    gradient_of_row(c, b, p, lane, partition, what, r.classes, r.s, r.t, NULL, r.exp, r.exp.s,     \
                    false)
    IF_PLAIN(is_forward(c), AS_ASKED, EACH, GDKD_PARTITION_ALL, terms);
#undef EACH
    if (!c->split_high) return;
    standardise_row_back(terms->at, lane, r.classes, r.s, r.exp.s, r.exp.s, false);
    add_high(c, b, lane, g, &r, x);
}

static void sorted_gradient(const criterion *c, block *b, int lane, const scratch *x) {
    const sorted_row row = sorted_of(c, b, x, lane);
    const kept from = kept_of(c, b, x, lane);
    real *g = b->g_row[lane];
    for (int i = 0; i < c->groups; i++) group_gradient(c, b, lane, i, x);
    if (c->standardize == GDKD_STANDARDIZE_GLOBAL)
        standardise_row_back(&b->row, lane, c->classes, row.s, from.s, from.s, false);
    unsort_row(c, row.index, from.s, g, b->accumulate);
    if (c->ce) ce_gradient(c, b, lane, from, g, true);
}

// --- One row after the other ---------------------------------------------------------------------

// The reference points of the groups, and for sorted rows their sums too.
static void prepare_row(const criterion *c, block *b, int lane, const scratch *x) {
    if (is_sorted(c)) {
        lay_out(c, b, lane, x);
        sorted_sums(c, b, lane, x);
    } else if (!list_row(c, b, lane, b->s_row[lane], b->t_row[lane])) {
        split(c, b, lane, x);
    }
}

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        if (c->standardize == GDKD_STANDARDIZE_GLOBAL && !temper_row(c, b, lane, s, t)) {
            b->refused |= 1U << lane;
            continue;
        }
        if (c->kd) prepare_row(c, b, lane, x);
        if (c->ce) refer_ce(b, lane, s, 1, c->kd ? b->row_top[lane] : largest_of(s, c->classes, 1));
        if (!is_sorted(c))
            masked_sums(c, b, lane, x);
        else if (c->ce)
            ce_sums(c, b, lane, x);
    }
}

static void rows_refine(const criterion *c, block *b, const scratch *x) {
    for (uint32_t near = b->near; near; near &= near - 1)
        (is_sorted(c) ? sorted_refine : masked_refine)(c, b, __builtin_ctz(near), x);
}

static void rows_gradient(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1)
        (is_sorted(c) ? sorted_gradient : masked_gradient)(c, b, __builtin_ctz(open), x);
}

#endif
