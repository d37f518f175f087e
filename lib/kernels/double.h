// One row in double: for double logits, for the gradients' norms, which only this path knows, and
// for the rows that floats do not hold. Its classes are laid out group by group, and every group is
// a row of its own. Infinities get what gdkd.h promises.
#ifndef GDKD_DOUBLE_H
#define GDKD_DOUBLE_H

#include "cross_entropy.h"
#include "instances.h"
#include "references.h"
#include "scale.h"
#include "sorted.h"

// A KL divergence that doubles give by sums to 1e-13 of it is not refined.
#define KL_BY_SUMS 0x1p-10

static inline bool is_there(double x) { return x != -(double)INFINITY; }

// --- Where a row lies ----------------------------------------------------------------------------

static inline strip double_strip(const block *b, int lane, const double *s, const double *t,
                                 int g) {
    const int32_t first = b->first[g][lane];
    return (strip){.classes = b->first[g + 1][lane] - first,
                   .groups = 1,
                   .s = s + first,
                   .t = t + first,
                   .steps_per_flush = 3};
}

// The teacher as the partition sees it: classes that are -inf in both models are out of the row,
// and NaN, which is in no rank. Returns their number.
static inline int32_t ranked_teacher(int32_t classes, const double *s, const double *t,
                                     double *ranked) {
    int32_t gone = 0;
    for (int32_t i = 0; i < classes; i++) {
        const bool out = !is_there(s[i]) && !is_there(t[i]);
        ranked[i] = out ? (double)NAN : t[i];
        gone += out;
    }
    return gone;
}

static inline void sort_double(const criterion *c, block *b, int lane, const scratch *x) {
    split_input in = split_input_of(b, lane);
    in.gone = ranked_teacher(c->classes, x->row_s, x->row_t, x->share);
    split_row(c, &in, x->share, x, x->row_words);
    find_order(c, x->row_words, lane, x->row_order, b->first);
    sort_row(c->classes, (unsorted_row){x->row_s, x->row_t}, x->row_order,
             (sorted_row){x->sorted_row_s, x->sorted_row_t});
}

// --- Standardisation: see moments.h. Here a class may be missing, and nothing overflows ----------

typedef struct {
    double base, mean; // the mean relative to the base: a common offset costs nothing
    double std, count, freedom;
} double_moments;

// unit: a power of 2 by which distances are made smaller before they are squared.
static inline double_moments measure(const double *x, int32_t classes, double taken, double unit) {
    double_moments d = {0};
    double sum = 0, square = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!is_there(x[i])) continue;
        if (d.count == 0) d.base = x[i];
        sum += (x[i] - d.base) * unit;
        d.count++;
    }
    d.mean = d.count > 0 ? sum / d.count / unit : 0;
    for (int32_t i = 0; i < classes; i++) {
        const double far = is_there(x[i]) ? ((x[i] - d.base) - d.mean) * unit : 0;
        square += far * far;
    }
    d.freedom = d.count - taken;
    d.std = d.freedom > 0 ? sqrt(square / d.freedom) / unit : 0;
    return d;
}

// taken: 1 where the deviation has n - 1. The squares of distances above 2^512 are no doubles;
// those of distances times 2^-600 all are.
static inline double_moments double_moments_of(const double *x, int32_t classes, double taken) {
    const double_moments d = measure(x, classes, taken, 1);
    return d.std - d.std == 0 ? d : measure(x, classes, taken, 0x1p-600);
}

static inline void temper_double(const criterion *c, temperatures *at, int lane, int32_t classes,
                                 double taken, const double *s, const double *t) {
    const double of_s = STANDARD_EPSILON + double_moments_of(s, classes, taken).std,
                 of_t = STANDARD_EPSILON + double_moments_of(t, classes, taken).std;
    const exp_scale student = scale_f64(of_s / c->inv_t), teacher = scale_f64(of_t / c->inv_tt);
    at->inv_t[lane] = c->inv_t / of_s;
    at->inv_tt[lane] = c->inv_tt / of_t;
    at->rho[lane] = at->inv_tt[lane] / at->inv_t[lane];
    give_scale(&at->student, lane, &student);
    give_scale(&at->teacher, lane, &teacher);
}

// dL/ds from G, in place. A class that is not there has no weight in the mean, but may have a G.
static inline void standardise_double_back(const double *s, int32_t classes, double taken,
                                           double *gradient) {
    const double_moments d = double_moments_of(s, classes, taken);
    const double scale = 1 / (STANDARD_EPSILON + d.std);
    double sum = 0, dot = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!is_there(s[i])) continue;
        sum += gradient[i];
        dot += gradient[i] * (((s[i] - d.base) - d.mean) * scale);
    }
    const double slope = d.std > 0 ? dot / (d.freedom * scale * d.std) : 0;
    for (int32_t i = 0; i < classes; i++)
        if (is_there(s[i]))
            gradient[i] -= sum / d.count + slope * (((s[i] - d.base) - d.mean) * scale);
}

static inline bool stays_raw(const criterion *c, int g) {
    return c->standardize < GDKD_STANDARDIZE_GROUPS ||
           (c->standardize == GDKD_STANDARDIZE_OTHER && g == 0);
}

// --- Sums ----------------------------------------------------------------------------------------

static inline double log_ratio_of(const group_sums *p, int lane) {
    return log(p->s[lane] / p->t[lane]);
}

static inline bool in_both(const group_sums *p, int lane) {
    return p->s[lane] > 0 && p->t[lane] > 0;
}

// Whether a group's divergence wants the second pass. An infinite one does not.
static inline bool nearly_alike(const criterion *c, const references *ref, const group_sums *p,
                                int lane) {
    if (c->second_pass) return true;
    const double log_ratio = log_ratio_of(p, lane), inv_t = ref->at->inv_t[lane];
    const double forward = log_ratio - p->dot_t[lane] / p->t[lane] * inv_t,
                 reverse = p->dot_s[lane] / p->s[lane] * inv_t - log_ratio;
    return (!c->forward || forward < KL_BY_SUMS) && (!c->reverse || reverse < KL_BY_SUMS);
}

static inline void refine_double(const criterion *c, block *b, int lane, int g, const strip *r) {
    const group_sums *sum = &b->low.sum[g];
    const references *ref = &b->low.ref[g];
    group_relation *to = &b->low.relation[g];
    group_divergence *out = &b->low.divergence[g];
    if (c->w_low[g] == 0 || !in_both(sum, lane) || !nearly_alike(c, ref, sum, lane)) return;
    to->log_ratio[lane] = log_ratio_of(sum, lane);
    to->per_s[lane] = 1 / sum->s[lane];
    to->per_t[lane] = 1 / sum->t[lane];
    refine_one(c, r, lane, ref, to, true, out);
    out->found[lane] = 1;
}

static void double_sums(const criterion *c, block *b, int lane, const scratch *x) {
    give_row_temperatures(c, b, lane, true);
    b->top[lane] = -(double)INFINITY;
    if (c->kd) sort_double(c, b, lane, x);
    if (c->standardize == GDKD_STANDARDIZE_GLOBAL)
        temper_double(c, &b->row, lane, c->classes, 1, x->row_s, x->row_t);
    for (int g = 0; g < c->groups; g++) {
        const strip r = double_strip(b, lane, x->sorted_row_s, x->sorted_row_t, g);
        references_one(&r, lane, &b->low.ref[g], b->top);
        if (c->split_high) {
            b->high->ref[g].s[lane] = b->low.ref[g].s[lane];
            b->high->ref[g].t[lane] = b->low.ref[g].t[lane];
            sums_one_full(c, &r, lane, &b->high->ref[g], &b->high->sum[g]);
        }
        if (!stays_raw(c, g)) temper_double(c, &b->group[g], lane, r.classes, 0, r.s, r.t);
        sums_one_full(c, &r, lane, &b->low.ref[g], &b->low.sum[g]);
        refine_double(c, b, lane, g, &r);
    }
    if (!c->ce) return;
    double top = x->row_s[0];
    for (int32_t i = 1; i < c->classes; i++) top = x->row_s[i] > top ? x->row_s[i] : top;
    b->ce.ref[lane] = finite_or_zero(top);
    b->ce.target[lane] = x->row_s[b->target[lane]] - b->ce.ref[lane];
    const strip r = {.classes = c->classes, .s = x->row_s, .steps_per_flush = 3};
    find_ce_sums(ALONG, c, &r, lane, &b->ce, NULL);
}

// --- The gradient --------------------------------------------------------------------------------

// Adds a share of the gradient, of sorted classes or not, to the row's; returns its squared norm.
static inline double add_share(const criterion *c, const double *share, const int32_t *order,
                               double *to) {
    double norm2 = 0;
    for (int32_t i = 0; i < c->classes; i++) {
        to[order ? order[i] : i] += share[i];
        norm2 += share[i] * share[i];
    }
    return norm2;
}

static inline double add_ce_share(const criterion *c, const block *b, int lane, const scratch *x) {
    const strip r = {.classes = c->classes, .s = x->row_s, .steps_per_flush = 3};
    find_ce_gradient(ALONG, c, &r, lane, &b->ce, NULL, x->share, LANES, false);
    x->share[b->target[lane]] -= b->ce.hot[lane];
    return add_share(c, x->share, NULL, x->row_g);
}

static inline double add_high_share(const criterion *c, const block *b, int lane,
                                    const scratch *x) {
    for (int g = 0; g < c->groups; g++) {
        const strip r = double_strip(b, lane, x->sorted_row_s, x->sorted_row_t, g);
        gradient_one_full(c, &r, lane, &b->high->ref[g], NULL, &b->high->coefficient[g], false,
                          (destination){x->share + b->first[g][lane], LANES, false});
    }
    if (c->standardize == GDKD_STANDARDIZE_GLOBAL)
        standardise_double_back(x->sorted_row_s, c->classes, 1, x->share);
    return add_share(c, x->share, x->row_order, x->row_g);
}

// The low terms of groups from..to - 1.
static inline double add_low_share(const criterion *c, const block *b, int lane, int from, int to,
                                   const scratch *x) {
    memset(x->share, 0, sizeof *x->share * (size_t)c->classes);
    for (int g = from; g < to; g++) {
        const strip r = double_strip(b, lane, x->sorted_row_s, x->sorted_row_t, g);
        double *share = x->share + b->first[g][lane];
        const group_coefficients *k = &b->low.coefficient[g];
        const bool by_pull = k->h[lane] != 0;
        gradient_one_full(c, &r, lane, &b->low.ref[g], &b->low.relation[g], k, by_pull,
                          (destination){share, LANES, false});
        if (!stays_raw(c, g)) standardise_double_back(r.s, r.classes, 0, share);
    }
    if (c->standardize == GDKD_STANDARDIZE_GLOBAL)
        standardise_double_back(x->sorted_row_s, c->classes, 1, x->share);
    return add_share(c, x->share, x->row_order, x->row_g);
}

static void double_gradient(const criterion *c, block *b, int lane, const scratch *x) {
    row_terms *terms = &b->terms;
    memset(x->row_g, 0, sizeof *x->row_g * (size_t)c->classes);
    if (c->ce) terms->norm2_ce[lane] = add_ce_share(c, b, lane, x);
    if (!c->kd) return;
    sort_double(c, b, lane, x);
    if (c->split_high) terms->norm2_high[lane] = add_high_share(c, b, lane, x);
    if (!c->norms)
        add_low_share(c, b, lane, 0, c->groups, x);
    else
        for (int g = 0; g < c->groups; g++)
            terms->norm2_low[g][lane] = add_low_share(c, b, lane, g, g + 1, x);
}

#endif
