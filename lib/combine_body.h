// Listed classes and the rest of their row (kernel.h), put together: in double, with one row per lane.
//
// The rest's sums are relative to its own largest logits, r. Relative to those of its whole group, R:
//     exp((s - R) / T) = w_s exp((s - r) / T),  w_s = exp((r_s - R_s) / T),  d_R = d_r + shift
#ifndef GDKD_COMBINE_BODY_H
#define GDKD_COMBINE_BODY_H

#include "double_math.h"
#include "sums_body.h"

static inline int longest_list(const block *b, int l) {
    int longest = 0;
    for (int i = l; i < l + LANES && i < b->rows; i++)
        longest = b->list.count[i] > longest ? b->list.count[i] : longest;
    return longest;
}

OP mask has_list(const block *b, int l) {
    return i_le(i_splat(1), i_load(&b->list.count[l]));
}

OP bool any_list(const block *b, int l) {
    return m_bits(has_list(b, l)) != 0;
}

// The lanes whose list has a class j.
OP mask has_listed(const block *b, int l, int j) {
    return i_le(i_splat(j + 1), i_load(&b->list.count[l]));
}

OP mask listed_in(const block *b, int l, int j, int g) {
    return m_and(has_listed(b, l, j), v_eq(v_load(&b->list.group[j][l]), v_splat((real)g)));
}

// exp(d / T) in double, T the row's.
OP vec exp_over(const criterion *c, vec d, const double *inv_t, int l) {
    return v_exp(v_mul(d, v_load(&inv_t[l])), v_scale_of(&c->ce64));
}

// From the rest's units to its group's.
typedef struct {
    vec w_s, w_t, shift;
} change;

static inline change change_of(const criterion *c, const block *b, int l) {
    const group_terms *whole = &b->low_sums[c->groups - 1], *rest = &b->rest;
    const vec by_s = v_sub(v_load(&rest->ref_s[l]), v_load(&whole->ref_s[l])),
              by_t = v_sub(v_load(&rest->ref_t[l]), v_load(&whole->ref_t[l]));
    return (change){exp_over(c, by_s, b->row.inv_t, l), exp_over(c, by_t, b->row.inv_tt, l),
                    v_fnma(by_t, v_load(&b->row.rho[l]), by_s)};
}

static inline void refer_lists(const criterion *c, block *b, int l, int longest) {
    const mask lists = has_list(b, l);
    vec top_s[MAX_GROUPS], top_t[MAX_GROUPS];
    for (int g = 0; g < c->groups; g++) top_s[g] = top_t[g] = v_lowest();
    top_s[c->groups - 1] = v_load(&b->rest.ref_s[l]);
    top_t[c->groups - 1] = v_load(&b->rest.ref_t[l]);
    for (int j = 0; j < longest; j++)
        for (int g = 0; g < c->groups; g++) {
            const mask m = listed_in(b, l, j, g);
            top_s[g] = v_max_where(top_s[g], m, v_load(&b->list.s[j][l]));
            top_t[g] = v_max_where(top_t[g], m, v_load(&b->list.t[j][l]));
        }
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        v_store(&p->ref_s[l], v_select(lists, finite_or_0(top_s[g]), v_load(&p->ref_s[l])));
        v_store(&p->ref_t[l], v_select(lists, finite_or_0(top_t[g]), v_load(&p->ref_t[l])));
    }
}

// The sums of the rest, in its group's units; none for the other groups.
static inline void begin_with_rest(const criterion *c, block *b, int l) {
    const mask lists = has_list(b, l);
    const change to = change_of(c, b, l);
    const group_terms *rest = &b->rest;
    const vec s = v_mul(to.w_s, v_load(&rest->sum_s[l])),
              t = v_mul(to.w_t, v_load(&rest->sum_t[l]));
    const vec dot_t = v_fma(t, to.shift, v_mul(to.w_t, v_load(&rest->dot_t[l])));
    const vec dot_s = v_fma(s, to.shift, v_mul(to.w_s, v_load(&rest->dot_s[l])));
    const vec zero = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        const bool last = g == c->groups - 1;
        v_store(&p->sum_s[l], v_select(lists, last ? s : zero, v_load(&p->sum_s[l])));
        v_store(&p->sum_t[l], v_select(lists, last ? t : zero, v_load(&p->sum_t[l])));
        v_store(&p->dot_t[l], v_select(lists, last ? dot_t : zero, v_load(&p->dot_t[l])));
        v_store(&p->dot_s[l], v_select(lists, last ? dot_s : zero, v_load(&p->dot_s[l])));
    }
}

static inline void add_listed(const criterion *c, block *b, int l, int j) {
    listing *list = &b->list;
    mask m[MAX_GROUPS];
    vec ref_s[MAX_GROUPS], ref_t[MAX_GROUPS];
    ref_s[0] = ref_t[0] = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        m[g] = listed_in(b, l, j, g);
        ref_s[g] = v_load(&b->low_sums[g].ref_s[l]);
        ref_t[g] = v_load(&b->low_sums[g].ref_t[l]);
    }
    const vec ds = v_sub(v_load(&list->s[j][l]), pick(m, c->groups, ref_s));
    const vec dt = v_sub(v_load(&list->t[j][l]), pick(m, c->groups, ref_t));
    const vec e_s = exp_over(c, ds, b->row.inv_t, l), e_t = exp_over(c, dt, b->row.inv_tt, l);
    const vec d = v_fnma(dt, v_load(&b->row.rho[l]), ds);
    v_store(&list->e_s[j][l], e_s);
    v_store(&list->e_t[j][l], e_t);
    v_store(&list->d[j][l], d);
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        v_store(&p->sum_s[l], v_add_where(v_load(&p->sum_s[l]), m[g], e_s));
        v_store(&p->sum_t[l], v_add_where(v_load(&p->sum_t[l]), m[g], e_t));
        v_store(&p->dot_t[l], v_fma_where(v_load(&p->dot_t[l]), m[g], e_t, d));
        v_store(&p->dot_s[l], v_fma_where(v_load(&p->dot_s[l]), m[g], e_s, d));
    }
}

static void combine(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        if (!any_list(b, l)) continue;
        const int longest = longest_list(b, l);
        refer_lists(c, b, l, longest);
        begin_with_rest(c, b, l);
        for (int j = 0; j < longest; j++) add_listed(c, b, l, j);
    }
}

// The coefficients of the rest in its own units, and the gradient of the listed classes.
static inline void finish_list(const criterion *c, block *b, int l) {
    listing *list = &b->list;
    const change to = change_of(c, b, l);
    const group_terms *last = &b->low_sums[c->groups - 1];
    const vec c_d = v_load(&last->c_d[l]), c_s = v_fma(c_d, to.shift, v_load(&last->c_s[l]));
    v_store(&b->rest.c_s[l], v_mul(to.w_s, c_s));
    v_store(&b->rest.c_d[l], v_mul(to.w_s, c_d));
    v_store(&b->rest.c_t[l], v_mul(to.w_t, v_load(&last->c_t[l])));
    for (int j = 0; j < longest_list(b, l); j++) {
        const vec d = v_load(&list->d[j][l]), e_s = v_load(&list->e_s[j][l]),
                  e_t = v_load(&list->e_t[j][l]);
        vec gradient = v_splat(0);
        for (int g = 0; g < c->groups; g++) {
            const group_terms *p = &b->low_sums[g];
            const vec factor = v_fma(v_load(&p->c_d[l]), d, v_load(&p->c_s[l]));
            const vec one = v_fnma(e_t, v_load(&p->c_t[l]), v_mul(e_s, factor));
            gradient = v_select(listed_in(b, l, j, g), one, gradient);
        }
        v_store(&list->gradient[j][l], gradient);
    }
}

// --- Refined terms: see refine_body.h ----------------------------------------------------------------------

// What refine works with: u = level - d / T, and the ratio of the models' sums.
static inline void prepare_refine(const criterion *c, block *b, int l) {
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        v_store(&p->odds[l], v_div(v_load(&p->sum_t[l]), v_load(&p->sum_s[l])));
    }
    if (!any_list(b, l)) return;
    const group_terms *last = &b->low_sums[c->groups - 1];
    const change to = change_of(c, b, l);
    v_store(&b->rest.level[l], v_fnma(to.shift, v_load(&b->row.inv_t[l]), v_load(&last->level[l])));
    v_store(&b->rest.odds[l], v_mul(v_load(&last->odds[l]), v_div(to.w_s, to.w_t)));
}

static inline void refine_listed(const criterion *c, block *b, int l, int j) {
    const listing *list = &b->list;
    const vec d = v_load(&list->d[j][l]), e_s = v_load(&list->e_s[j][l]),
              e_t = v_load(&list->e_t[j][l]);
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        const mask m = listed_in(b, l, j, g);
        const vec u = v_fnma(d, v_load(&b->row.inv_t[l]), v_load(&p->level[l])), one = v_splat(1);
        // e_t phi(u) = e_t (u - 1) + e_t exp(-u), where e_t exp(-u) = e_s S_t / S_s
        const vec forward = v_fma(e_s, v_load(&p->odds[l]), v_mul(e_t, v_sub(u, one)));
        const vec reverse = v_sub(v_div(e_t, v_load(&p->odds[l])), v_mul(e_s, v_add(u, one)));
        v_store(&p->excess_t[l], v_add_where(v_load(&p->excess_t[l]), m, forward));
        v_store(&p->excess_s[l], v_add_where(v_load(&p->excess_s[l]), m, reverse));
    }
}

static inline void refine_lists(const criterion *c, block *b, int l) {
    const mask lists = has_list(b, l);
    const change to = change_of(c, b, l);
    for (int g = 0; g < c->groups; g++) {
        group_terms *p = &b->low_sums[g];
        const bool last = g == c->groups - 1;
        const vec t = v_mul(to.w_t, v_load(&b->rest.excess_t[l])),
                  s = v_mul(to.w_s, v_load(&b->rest.excess_s[l]));
        v_store(&p->excess_t[l], v_select(lists, last ? t : v_splat(0), v_load(&p->excess_t[l])));
        v_store(&p->excess_s[l], v_select(lists, last ? s : v_splat(0), v_load(&p->excess_s[l])));
    }
    for (int j = 0; j < longest_list(b, l); j++) refine_listed(c, b, l, j);
}

static void combine_refined(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES)
        if (any_list(b, l)) refine_lists(c, b, l);
    for (int l = 0; l < b->rows; l++) b->refined[l] = b->near >> l & 1U;
}

#endif
