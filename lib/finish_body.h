// From the sums of a block to the terms of its rows and the coefficients of their gradient, in
// double, with one row per lane. In the letters of docs/math.md:
//     a_g = log sum_s + ref_s / T,  b_g likewise,  log P_g = a_g - A,  log Q_g = b_g - B
//     log p_i - log q_i = d / T - (log sum_s - log sum_t)
// Special values take no branch: a group or row that is not there is masked out.
#ifndef GDKD_FINISH_BODY_H
#define GDKD_FINISH_BODY_H

#include "exp2.h"
#include "sums_body.h"

// log x for x normal, 0 (gives -inf) or NaN. x = 2^e m; with u = (m - 1) / (m + 1),
// log m = 2 (u + u^3 / 3 + u^5 / 5 + ...), |u| < 0.172: the term after the last is below 2^-58 of
// the sum.
OP vec v_log(vec x) {
    vec m, e = v_exponent(x, &m), one = v_splat(1);
    vec u = v_div(v_sub(m, one), v_add(m, one)), z = v_mul(u, u), series = v_splat(2.0 / 21);
    for (int k = 19; k >= 3; k -= 2) series = v_fma(series, z, v_splat(2.0 / k));
    // log 2 in two parts, the first with 21 zero bits at its end, so that its product with e is
    // exact.
    vec small = v_fma(e, v_splat(0x1.a39ef35793c76p-33), v_mul(v_mul(u, z), series));
    vec log = v_fma(e, v_splat(0x1.62e42fee00000p-1), v_add(v_add(u, u), small));
    vec nothing = v_sub(v_mul(x, v_splat(0)), v_splat((real)INFINITY)); // -inf for 0, NaN for NaN
    return v_select(v_lt(v_splat(0), x), log, nothing);
}

OP vec v_neg(vec a) {
    return v_sub(v_splat(0), a);
}
OP vec v_abs(vec a) {
    return v_max(a, v_neg(a));
}
OP vec v_only(mask m, vec a) {
    return v_select(m, a, v_splat(0));
} // a, or 0 outside m
OP mask v_positive(vec a) {
    return v_lt(v_splat(0), a);
}
OP vec v_lowest(void) {
    return v_splat(-(real)INFINITY);
}
OP vec finite_or_0(vec a) {
    return v_only(v_lt(v_lowest(), a), a);
}

// Each group's share of the whole (P_g of the student, Q_g of the teacher), its logarithm, and that
// of its sum.
typedef struct {
    vec value[MAX_GROUPS], log[MAX_GROUPS], log_sum[MAX_GROUPS];
} v_shares;

static inline void shares(const criterion *c, real inv_t, lanes *ref, lanes *sum, int l,
                          v_shares *out) {
    const v_scale plain = v_scale_of(&c->ce64);
    vec base = v_lowest(), total = v_splat(0), distance[MAX_GROUPS];
    mask there[MAX_GROUPS];
    for (int g = 0; g < c->groups; g++) {
        there[g] = v_positive(v_load(&sum[g][l]));
        base = v_max(base, v_select(there[g], v_load(&ref[g][l]), v_lowest()));
    }
    base = finite_or_0(base);
    for (int g = 0; g < c->groups; g++) {
        distance[g] = v_mul(v_sub(v_load(&ref[g][l]), base), v_splat(inv_t));
        vec whole = v_mul(v_load(&sum[g][l]), v_exp(distance[g], plain));
        out->value[g] = v_only(there[g], whole);
        total = v_add(total, out->value[g]);
    }
    const vec log_total = v_log(total), one = v_splat(1);
    const vec part = v_div(one, v_select(v_positive(total), total, one));
    for (int g = 0; g < c->groups; g++) {
        out->log_sum[g] = v_log(v_load(&sum[g][l]));
        vec log = v_sub(v_add(out->log_sum[g], distance[g]), log_total);
        log = v_min(v_splat(0), log); // 0 is exceeded by rounding only
        out->log[g] = v_select(there[g], log, v_lowest());
        out->value[g] = v_mul(out->value[g], part);
    }
}

// What a row contributes besides its sums.
typedef struct {
    vec f;      // the gradient's common factor
    vec weight; // of the low terms, from the caller's table
    vec broken; // NaN where the row has no distribution to speak of, else 0
} row_factors;

// One group's part of the high term.
static inline vec finish_high(const criterion *c, group_sums *sums, int g, int l, vec log_p,
                              vec log_q, vec p, vec q, const row_factors *row) {
    const vec s = v_load(&sums->sum_s[g][l]);
    const mask has_s = v_positive(s), has_t = v_positive(v_load(&sums->sum_t[g][l]));
    vec term = v_mul(q, v_sub(log_q, log_p));
    term = v_only(has_t, v_select(has_s, term, v_splat((real)INFINITY)));
    vec pull = v_mul(v_splat(c->w_high), v_sub(p, q));
    v_store(&sums->c_s[g][l], v_add(v_only(has_s, v_mul(v_div(row->f, s), pull)), row->broken));
    v_store(&sums->c_t[g][l], row->broken);
    v_store(&sums->c_d[g][l], v_splat(0));
    return v_mul(v_splat(c->factor), term);
}

// The divergences of one group, before their weights.
typedef struct {
    vec forward, reverse, log_ratio;
    mask has_s, has_t;
} divergences;

static inline divergences divergences_of(const criterion *c, const group_sums *sums, int g, int l,
                                         vec log_ratio) {
    const vec s = v_load(&sums->sum_s[g][l]), t = v_load(&sums->sum_t[g][l]);
    const vec infinite = v_splat((real)INFINITY), inv_t = v_splat(c->inv_t);
    divergences d = {v_splat(0), v_splat(0), log_ratio, v_positive(s), v_positive(t)};
    if (c->forward) {
        vec mean = v_mul(v_div(v_load(&sums->dot_t[g][l]), t), inv_t);
        d.forward = v_only(d.has_t, v_select(d.has_s, v_sub(d.log_ratio, mean), infinite));
    }
    if (c->reverse) {
        vec mean = v_mul(v_div(v_load(&sums->dot_s[g][l]), s), inv_t);
        d.reverse = v_only(d.has_s, v_select(d.has_t, v_sub(mean, d.log_ratio), infinite));
    }
    return d;
}

// One group's low term; adds its coefficients to those of the high term, which may lie in the same
// place.
static inline void finish_low(const criterion *c, block *b, int g, int l, vec q, vec log_ratio,
                              const row_factors *row) {
    group_sums *sums = &b->low_sums;
    const vec s = v_load(&sums->sum_s[g][l]), t = v_load(&sums->sum_t[g][l]);
    const divergences d = divergences_of(c, sums, g, l, log_ratio);
    vec m = c->mass_scaled >> g & 1U ? q : v_splat(1);
    if (c->table_weighted >> g & 1U) m = v_mul(m, row->weight);
    vec term = v_splat(0);
    if (c->forward) term = v_mul(v_splat(c->forward_share), d.forward);
    if (c->reverse) term = v_add(term, v_mul(v_splat(c->reverse_share), d.reverse));
    const mask counts = m_andnot(v_eq(m, v_splat(0)), m_all()); // 0 times infinity is 0 here
    v_store(&b->low[g][l], v_only(counts, v_mul(v_mul(v_splat(c->factor), m), term)));

    // Where both models have one class, and the same, nothing pulls: two equal coefficients, rounded apart,
    // would leave a trace.
    const vec one = v_splat(1), zero = v_splat(0);
    const mask same = m_and(m_and(v_eq(s, one), v_eq(t, one)), v_eq(term, zero));
    vec w = v_select(same, zero, v_mul(v_splat(c->w_low[g]), m));
    vec with_t = v_only(d.has_t, v_mul(w, v_splat(c->forward_share)));
    // log_ratio is infinite where one of the models has nothing in the group.
    mask settled = m_and(d.has_s, m_and(d.has_t, v_lt(d.reverse, v_splat((real)INFINITY))));
    vec with_s = v_only(settled, v_mul(w, v_splat(c->reverse_share)));
    vec pull = v_only(settled, v_mul(with_s, v_add(d.log_ratio, d.reverse)));
    vec per_s = v_only(d.has_s, v_div(row->f, s)), per_t = v_only(d.has_t, v_div(row->f, t));
    v_store(&sums->c_s[g][l], v_add(v_load(&sums->c_s[g][l]), v_mul(per_s, v_sub(with_t, pull))));
    v_store(&sums->c_t[g][l], v_add(v_load(&sums->c_t[g][l]), v_mul(per_t, with_t)));
    v_store(&sums->c_d[g][l], v_mul(v_mul(per_s, with_s), v_splat(c->inv_t)));
}

static inline void finish_kd(const criterion *c, block *b, int l, const row_factors *row) {
    const bool split = c->split_high, with_high = c->groups > 1 && c->w_high != 0;
    group_sums *sums = split ? &b->high_sums : &b->low_sums;
    v_shares p, q;
    shares(c, c->inv_t, sums->ref_s, sums->sum_s, l, &p);
    shares(c, c->inv_tt, sums->ref_t, sums->sum_t, l, &q);
    vec high = v_splat(0), kd = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        v_store(&b->student_mass[g][l], p.value[g]);
        v_store(&b->teacher_mass[g][l], q.value[g]);
        if (with_high) {
            vec part = finish_high(c, sums, g, l, p.log[g], q.log[g], p.value[g], q.value[g], row);
            high = v_add(high, part);
        }
        if (!with_high || split) {
            v_store(&b->low_sums.c_s[g][l], row->broken);
            v_store(&b->low_sums.c_t[g][l], row->broken);
            v_store(&b->low_sums.c_d[g][l], v_splat(0));
        }
        if (!with_high && split) {
            v_store(&b->high_sums.c_s[g][l], v_splat(0));
            v_store(&b->high_sums.c_t[g][l], v_splat(0));
            v_store(&b->high_sums.c_d[g][l], v_splat(0));
        }
        v_store(&b->low[g][l], v_splat(0));
        if (c->w_low[g] == 0) continue;
        vec log_ratio = v_sub(p.log_sum[g], q.log_sum[g]);
        if (split)
            log_ratio = v_sub(v_log(v_load(&b->low_sums.sum_s[g][l])),
                              v_log(v_load(&b->low_sums.sum_t[g][l])));
        finish_low(c, b, g, l, q.value[g], log_ratio, row);
        kd = v_add(kd, v_mul(v_splat(c->w_low[g]), v_load(&b->low[g][l])));
    }
    if (with_high) kd = v_add(v_mul(v_splat(c->w_high), high), kd);
    v_store(&b->high[l], high);
    v_store(&b->kd[l], v_add(kd, row->broken));
}

static inline void finish_ce(const criterion *c, block *b, int l, vec broken) {
    const real e = c->label_smoothing;
    const vec sum = v_load(&b->sum_ce[l]), num = v_load(&b->num_ce[l]);
    const mask any = v_positive(num), none = v_eq(sum, v_splat(0));
    vec mean = v_only(any, v_div(v_load(&b->lin_ce[l]), num));
    vec at_target = e < 1 ? v_mul(v_splat(1 - e), v_load(&b->target_ce[l])) : v_splat(0);
    vec ce = v_sub(v_log(sum), v_fma(v_splat(e), mean, at_target));
    v_store(&b->ce[l],
            v_select(m_or(none, v_eq(at_target, v_lowest())), v_splat((real)INFINITY), ce));
    vec f = v_mul(v_load(&b->grad_scale[l]), v_splat(c->ce_weight));
    v_store(&b->c_ce[l], v_add(v_select(none, v_splat(0), v_div(f, sum)), broken));
    v_store(&b->c_flat[l], v_only(any, v_div(v_mul(f, v_splat(e)), num)));
    v_store(&b->c_hot[l], v_mul(f, v_splat(1 - e)));
}

// A row with a NaN or +inf has sums that are no numbers; one whose teacher has no class, but whose
// student has, has no distribution to learn from.
static inline vec find_broken(const criterion *c, const block *b, int l) {
    vec students = v_splat(0), teachers = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        students = v_add(students, v_load(&b->low_sums.sum_s[g][l]));
        teachers = v_add(teachers, v_load(&b->low_sums.sum_t[g][l]));
    }
    vec sums = v_add(students, teachers);
    if (c->ce) sums = v_add(sums, v_load(&b->sum_ce[l]));
    mask headless = m_and(v_eq(teachers, v_splat(0)), v_positive(students));
    return v_add(v_only(headless, v_splat((real)NAN)), v_sub(sums, sums));
}

static inline void finish_lanes(const criterion *c, block *b, int l) {
    const real common = c->kd_weight * c->factor * c->inv_t;
    const row_factors row = {v_mul(v_load(&b->grad_scale[l]), v_splat(common)),
                             v_load(&b->low_weight[l]), find_broken(c, b, l)};
    vec loss = row.broken;
    if (c->kd) {
        finish_kd(c, b, l, &row);
        loss = v_add(loss, v_mul(v_splat(c->kd_weight), v_load(&b->kd[l])));
    }
    if (c->ce) {
        finish_ce(c, b, l, row.broken);
        loss = v_add(loss, v_mul(v_splat(c->ce_weight), v_load(&b->ce[l])));
    }
    v_store(&b->loss[l], loss);
}

static void finish(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) finish_lanes(c, b, l);
}

#endif
