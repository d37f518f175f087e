// The picked classes of a row (block.h) and its rest, put together in double, one row per lane.
//
// The rest's sums are relative to its own largest logits, r. Relative to its whole group's, R:
//     exp((s - R) / T) = w_s exp((s - r) / T),  w_s = exp((r_s - R_s) / T),  d_R = d_r + shift
#ifndef GDKD_COMBINE_H
#define GDKD_COMBINE_H

#include "divergence.h"
#include "log.h"

static inline int most_picked(const picked *p, int rows, int l) {
    int most = 0;
    for (int i = l; i < l + LANES && i < rows; i++) most = p->count[i] > most ? p->count[i] : most;
    return most;
}

// The lanes that have a picked class j.
OP mask has_picked(const picked *p, int l, int j) {
    return v_lt(v_splat((real)j), v_load(&p->number[l]));
}

OP mask picked_in(const picked *p, int l, int j, int g) {
    return m_and(has_picked(p, l, j), v_eq(v_load(&p->group[j][l]), v_splat((real)g)));
}

// exp(d / T), T the row's.
OP vec exp_over(const criterion *c, vec d, const double *inv_t, int l) {
    return v_exp(v_mul(d, v_load(&inv_t[l])), v_scale_of(&c->ce64));
}

// From the rest's units to its group's.
typedef struct {
    vec w_s, w_t, shift;
} change;

static inline change change_of(const criterion *c, const picked *p, const references *whole,
                               int l) {
    const vec by_s = v_sub(v_load(&p->ref.s[l]), v_load(&whole->s[l])),
              by_t = v_sub(v_load(&p->ref.t[l]), v_load(&whole->t[l]));
    return (change){exp_over(c, by_s, whole->at->inv_t, l), exp_over(c, by_t, whole->at->inv_tt, l),
                    v_fnma(by_t, v_load(&whole->at->rho[l]), by_s)};
}

// --- Sums ----------------------------------------------------------------------------------------

static inline void refer_picked(const criterion *c, const picked *p, int most, int l,
                                references *ref) {
    const mask has = has_picked(p, l, 0);
    vec top_s[MAX_GROUPS], top_t[MAX_GROUPS];
    for (int g = 0; g < c->groups; g++) top_s[g] = top_t[g] = v_lowest();
    top_s[c->groups - 1] = v_load(&p->ref.s[l]);
    top_t[c->groups - 1] = v_load(&p->ref.t[l]);
    for (int j = 0; j < most; j++)
        for (int g = 0; g < c->groups; g++) {
            const mask m = picked_in(p, l, j, g);
            top_s[g] = v_max_where(top_s[g], m, v_load(&p->s[j][l]));
            top_t[g] = v_max_where(top_t[g], m, v_load(&p->t[j][l]));
        }
    for (int g = 0; g < c->groups; g++) {
        v_store(&ref[g].s[l], v_select(has, finite_or_0(top_s[g]), v_load(&ref[g].s[l])));
        v_store(&ref[g].t[l], v_select(has, finite_or_0(top_t[g]), v_load(&ref[g].t[l])));
    }
}

static inline void put_where(double *to, mask m, vec a) { v_store(to, v_select(m, a, v_load(to))); }

// The sums of the rest, in its group's units; none for the other groups.
static inline void begin_with_rest(const criterion *c, const picked *p, int l,
                                   const references *ref, group_sums *sum) {
    const mask has = has_picked(p, l, 0);
    const change to = change_of(c, p, &ref[c->groups - 1], l);
    const vec s = v_mul(to.w_s, v_load(&p->sum.s[l])), t = v_mul(to.w_t, v_load(&p->sum.t[l]));
    const vec dot_t = v_fma(t, to.shift, v_mul(to.w_t, v_load(&p->sum.dot_t[l])));
    const vec dot_s = v_fma(s, to.shift, v_mul(to.w_s, v_load(&p->sum.dot_s[l])));
    const vec zero = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        const bool last = g == c->groups - 1;
        put_where(&sum[g].s[l], has, last ? s : zero);
        put_where(&sum[g].t[l], has, last ? t : zero);
        put_where(&sum[g].dot_t[l], has, last ? dot_t : zero);
        put_where(&sum[g].dot_s[l], has, last ? dot_s : zero);
    }
}

static inline void add_picked(const criterion *c, picked *p, int j, int l, const references *ref,
                              group_sums *sum) {
    vec ref_s = v_splat(0), ref_t = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        const mask m = picked_in(p, l, j, g);
        ref_s = v_select(m, v_load(&ref[g].s[l]), ref_s);
        ref_t = v_select(m, v_load(&ref[g].t[l]), ref_t);
    }
    const vec ds = v_sub(v_load(&p->s[j][l]), ref_s), dt = v_sub(v_load(&p->t[j][l]), ref_t);
    const vec e_s = exp_over(c, ds, ref->at->inv_t, l), e_t = exp_over(c, dt, ref->at->inv_tt, l);
    const vec d = v_fnma(dt, v_load(&ref->at->rho[l]), ds);
    v_store(&p->e_s[j][l], e_s);
    v_store(&p->e_t[j][l], e_t);
    v_store(&p->d[j][l], d);
    for (int g = 0; g < c->groups; g++) {
        const mask m = picked_in(p, l, j, g);
        v_store(&sum[g].s[l], v_add_where(v_load(&sum[g].s[l]), m, e_s));
        v_store(&sum[g].t[l], v_add_where(v_load(&sum[g].t[l]), m, e_t));
        v_store(&sum[g].dot_t[l], v_fma_where(v_load(&sum[g].dot_t[l]), m, e_t, d));
        v_store(&sum[g].dot_s[l], v_fma_where(v_load(&sum[g].dot_s[l]), m, e_s, d));
    }
}

static void combine(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const int most = most_picked(b->picks, b->rows, l);
        if (most == 0) continue;
        refer_picked(c, b->picks, most, l, b->low.ref);
        begin_with_rest(c, b->picks, l, b->low.ref, b->low.sum);
        for (int j = 0; j < most; j++) add_picked(c, b->picks, j, l, b->low.ref, b->low.sum);
    }
}

// --- The second pass -----------------------------------------------------------------------------

// What the rest's second pass works with.
static inline void relate_rest(const criterion *c, picked *p, int l, const references *ref,
                               const group_relation *last) {
    const change to = change_of(c, p, ref, l);
    v_store(&p->relation.log_ratio[l],
            v_fnma(to.shift, v_load(&ref->at->inv_t[l]), v_load(&last->log_ratio[l])));
    v_store(&p->relation.per_s[l], v_mul(v_load(&last->per_s[l]), to.w_s));
    v_store(&p->relation.per_t[l], v_mul(v_load(&last->per_t[l]), to.w_t));
}

static inline class_divergence divergence_of_picked(const criterion *c, const picked *p, int j,
                                                    int l, const references *ref,
                                                    const group_relation *relation) {
    const vec u =
        v_fnma(v_load(&p->d[j][l]), v_load(&ref->at->inv_t[l]), v_load(&relation->log_ratio[l]));
    const divergence_task how = divergence_of(c, true);
    return divergence_at(&how, u, v_mul(v_load(&p->e_s[j][l]), v_load(&relation->per_s[l])),
                         v_mul(v_load(&p->e_t[j][l]), v_load(&relation->per_t[l])));
}

static inline void add_divergence(group_divergence *to, mask m, int l, const class_divergence *d) {
    v_store(&to->value[l], v_add_where(v_load(&to->value[l]), m, d->value));
    v_store(&to->pull[l], v_add_where(v_load(&to->pull[l]), m, d->pull));
    v_store(&to->drift[l], v_add_where(v_load(&to->drift[l]), m, d->drift));
}

static void combine_refined(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const picked *p = b->picks;
        const int most = most_picked(p, b->rows, l);
        if (most == 0) continue;
        const mask has = has_picked(p, l, 0);
        group_divergence *to = b->low.divergence;
        for (int g = 0; g < c->groups; g++) {
            const bool last = g == c->groups - 1;
            put_where(&to[g].value[l], has, last ? v_load(&p->divergence.value[l]) : v_splat(0));
            put_where(&to[g].pull[l], has, last ? v_load(&p->divergence.pull[l]) : v_splat(0));
            put_where(&to[g].drift[l], has, last ? v_load(&p->divergence.drift[l]) : v_splat(0));
            for (int j = 0; j < most; j++) {
                const class_divergence d =
                    divergence_of_picked(c, p, j, l, &b->low.ref[g], &b->low.relation[g]);
                add_divergence(&to[g], picked_in(p, l, j, g), l, &d);
            }
        }
    }
}

// --- The gradient --------------------------------------------------------------------------------

// The coefficients of the rest in its own units.
static inline void finish_rest(const criterion *c, picked *p, int l, const references *ref,
                               const group_coefficients *last) {
    const change to = change_of(c, p, ref, l);
    const vec d = v_load(&last->d[l]), s = v_fma(d, to.shift, v_load(&last->s[l]));
    v_store(&p->coefficient.s[l], v_mul(to.w_s, s));
    v_store(&p->coefficient.d[l], v_mul(to.w_s, d));
    v_store(&p->coefficient.t[l], v_mul(to.w_t, v_load(&last->t[l])));
    v_store(&p->coefficient.h[l], v_load(&last->h[l]));
}

// The gradient of the picked classes.
static inline void finish_picked(const criterion *c, block *b, int l) {
    picked *p = b->picks;
    const int last = c->groups - 1;
    finish_rest(c, p, l, &b->low.ref[last], &b->low.coefficient[last]);
    for (int j = 0; j < most_picked(p, b->rows, l); j++) {
        const vec d = v_load(&p->d[j][l]), e_s = v_load(&p->e_s[j][l]), e_t = v_load(&p->e_t[j][l]);
        vec gradient = v_splat(0);
        for (int g = 0; g < c->groups; g++) {
            const group_coefficients *k = &b->low.coefficient[g];
            const vec factor = v_fma(v_load(&k->d[l]), d, v_load(&k->s[l]));
            vec one = v_fnma(e_t, v_load(&k->t[l]), v_mul(e_s, factor));
            const vec h = v_load(&k->h[l]);
            const mask pulled = m_and(v_eq(h, h), m_andnot(v_eq(h, v_splat(0)), m_first(LANES)));
            if (m_bits(pulled) != 0) {
                const class_divergence f =
                    divergence_of_picked(c, p, j, l, &b->low.ref[g], &b->low.relation[g]);
                one = v_select(pulled, v_fma(h, f.pull, one), one);
            }
            gradient = v_select(picked_in(p, l, j, g), one, gradient);
        }
        v_store(&p->gradient[j][l], gradient);
    }
}

#endif
