// From the sums of a block to the terms of its rows and the coefficients of their gradient, in
// double, with one row per lane: the only kernel file that knows high, low and weights. In the
// letters of docs/math.md:
//     a_g = log sum.s + ref.s / T,  b_g likewise,  log P_g - log Q_g = (a_g - b_g) - (A - B)
//     log q_i - log p_i = log_ratio - d / T,  log_ratio = log(sum.s / sum.t)
// Special values take no branch: a group or row that is not there is masked out.
#ifndef GDKD_TERMS_H
#define GDKD_TERMS_H

#include "combine.h"

// --- Masses and the high term --------------------------------------------------------------------

// Each group's share of the whole (P_g of the student, Q_g of the teacher), and its reference
// point's distance from the highest one, over T. total: of all groups' sums, relative to the
// highest reference point.
typedef struct {
    vec value[MAX_GROUPS], distance[MAX_GROUPS], total;
} v_shares;

// exp(distance). The highest group's is 1: of two, that leaves one exponential.
OP void exp_distances(const criterion *c, int groups, const vec *distance, vec *out) {
    const v_scale plain = v_scale_of(&c->ce64);
    const vec zero = v_splat(0), one = v_splat(1);
    if (groups > 2) {
        for (int g = 0; g < groups; g++) out[g] = v_exp(distance[g], plain);
        return;
    }
    const vec other = groups == 2 ? v_exp(v_min(distance[0], distance[1]), plain) : one;
    for (int g = 0; g < groups; g++) out[g] = v_select(v_eq(distance[g], zero), one, other);
}

OP void shares(const criterion *c, int groups, const vec *ref, const vec *sum, vec inv_t,
               v_shares *out) {
    const vec one = v_splat(1);
    vec base = v_lowest(), weight[MAX_GROUPS];
    for (int g = 0; g < groups; g++)
        base = v_max(base, v_select(v_positive(sum[g]), ref[g], v_lowest()));
    base = finite_or_0(base);
    for (int g = 0; g < groups; g++) out->distance[g] = v_mul(v_sub(ref[g], base), inv_t);
    exp_distances(c, groups, out->distance, weight);
    out->total = v_splat(0);
    for (int g = 0; g < groups; g++) {
        out->value[g] = v_only(v_positive(sum[g]), v_mul(sum[g], weight[g]));
        out->total = v_add(out->total, out->value[g]);
    }
    const vec part = v_div(one, v_select(v_positive(out->total), out->total, one));
    for (int g = 0; g < groups; g++) out->value[g] = v_mul(out->value[g], part);
}

static inline bool has_high(const criterion *c) { return c->groups > 1 && c->w_high != 0; }

// A group's part of the high term, in the form that cannot be negative: divergence.h. There a group
// that the teacher lacks has P_g.
OP vec high_part(vec u, vec p, vec q, mask has_s, mask has_t) {
    class_parts k;
    find_parts(&u, &q, &k);
    return v_select(has_t, v_select(has_s, forward_kl(&k, u, p, q), v_splat((real)INFINITY)), p);
}

// The groups' masses and levels and the high term: all that takes exponentials and logarithms. No
// term wants more than the difference of the models' logarithms: so they are taken of ratios, one
// for each group and one for the whole.
OP void weigh_groups(const criterion *c, const row_groups *from, int groups,
                     const temperatures *row, int l, row_terms *to, vec *log_ratio) {
    vec ref_s[MAX_GROUPS], ref_t[MAX_GROUPS], s[MAX_GROUPS], t[MAX_GROUPS];
    if (groups < 1) return;
    for (int g = 0; g < groups; g++) {
        ref_s[g] = v_load(&from->ref[g].s[l]), ref_t[g] = v_load(&from->ref[g].t[l]);
        s[g] = v_load(&from->sum[g].s[l]), t[g] = v_load(&from->sum[g].t[l]);
    }
    v_shares p, q;
    shares(c, groups, ref_s, s, v_load(&row->inv_t[l]), &p);
    shares(c, groups, ref_t, t, v_load(&row->inv_tt[l]), &q);
    vec high = v_splat(0);
    const vec whole = has_high(c) ? v_log(v_div(p.total, q.total)) : high;
    for (int g = 0; g < groups; g++) {
        log_ratio[g] = v_log(v_div(s[g], t[g]));
        v_store(&to->student_mass[g][l], p.value[g]);
        v_store(&to->teacher_mass[g][l], q.value[g]);
        if (!has_high(c)) continue;
        const vec apart = v_add(log_ratio[g], v_sub(p.distance[g], q.distance[g]));
        high = v_add(high, high_part(v_sub(whole, apart), p.value[g], q.value[g], v_positive(s[g]),
                                     v_positive(t[g])));
    }
    v_store(&to->high[l], v_mul(v_splat(c->factor), high));
}

// --- Low terms -----------------------------------------------------------------------------------

// One group's sums, and 1 over them; 0 where a sum is.
typedef struct {
    vec s, t, over_s, over_t;
    mask has_s, has_t, refined;
    vec log_ratio, inv_t;
} group_at;

OP group_at group_of(const row_groups *b, int g, int l) {
    group_at at = {.s = v_load(&b->sum[g].s[l]), .t = v_load(&b->sum[g].t[l])};
    at.has_s = v_positive(at.s);
    at.has_t = v_positive(at.t);
    at.over_s = v_only(at.has_s, v_div(v_splat(1), at.s));
    at.over_t = v_only(at.has_t, v_div(v_splat(1), at.t));
    at.refined = v_positive(v_load(&b->divergence[g].found[l]));
    at.log_ratio = v_load(&b->relation[g].log_ratio[l]);
    at.inv_t = v_load(&b->ref[g].at->inv_t[l]);
    return at;
}

// The KL divergences of one group from the sums, before their shares.
typedef struct {
    vec forward, reverse;
} v_divergences;

OP v_divergences divergences_of(const criterion *c, const group_sums *p, int l,
                                const group_at *at) {
    const vec infinite = v_splat((real)INFINITY);
    v_divergences d = {v_splat(0), v_splat(0)};
    if (c->forward) {
        const vec mean = v_mul(v_mul(v_load(&p->dot_t[l]), at->over_t), at->inv_t);
        d.forward = v_only(at->has_t, v_select(at->has_s, v_sub(at->log_ratio, mean), infinite));
    }
    if (c->reverse) {
        const vec mean = v_mul(v_mul(v_load(&p->dot_s[l]), at->over_s), at->inv_t);
        d.reverse = v_only(at->has_s, v_select(at->has_t, v_sub(mean, at->log_ratio), infinite));
    }
    return d;
}

// The low term before its weights. A divergence of the second pass is 1 where one of the models has
// nothing in the group.
OP vec low_of(const criterion *c, const group_divergence *p, int l, const group_at *at,
              const v_divergences *d) {
    const vec zero = v_splat(0), pull = v_load(&p->pull[l]);
    const vec again = v_max(zero, v_fnma(v_load(&p->drift[l]), pull, v_load(&p->value[l])));
    if (c->second_pass) {
        const mask both = m_and(at->has_s, at->has_t), any = m_or(at->has_s, at->has_t);
        return v_only(any, v_select(both, v_only(at->refined, again), v_splat(1)));
    }
    vec term = zero;
    if (c->forward) term = v_mul(v_splat(c->forward_share), d->forward);
    if (c->reverse) term = v_add(term, v_mul(v_splat(c->reverse_share), d->reverse));
    return v_select(m_and(at->refined, m_and(at->has_s, at->has_t)), again, term);
}

typedef struct {
    vec s, t, d, h;
} v_coefficients;

OP void store_coefficients(group_coefficients *p, int l, const v_coefficients *k) {
    v_store(&p->s[l], k->s);
    v_store(&p->t[l], k->t);
    v_store(&p->d[l], k->d);
    v_store(&p->h[l], k->h);
}

// The gradient of KL divergences from the sums. w: the weight, of the lanes that take it so.
OP void pull_by_sums(const criterion *c, const group_at *at, const v_divergences *d, vec f, vec w,
                     v_coefficients *to) {
    const vec per_s = v_mul(f, at->over_s);
    if (c->forward) {
        const vec with_t = v_only(at->has_t, v_mul(w, v_splat(c->forward_share)));
        to->s = v_fma(per_s, with_t, to->s);
        to->t = v_fma(v_mul(f, at->over_t), with_t, to->t);
    }
    if (c->reverse) {
        // The log ratio is infinite where one of the models has nothing in the group.
        const mask both = m_and(at->has_s, at->has_t),
                   settled = m_and(both, v_lt(d->reverse, v_splat((real)INFINITY)));
        const vec with_s = v_only(settled, v_mul(w, v_splat(c->reverse_share)));
        const vec pull = v_only(settled, v_mul(with_s, v_add(at->log_ratio, d->reverse)));
        to->s = v_fnma(per_s, pull, to->s);
        to->d = v_mul(v_mul(per_s, with_s), at->inv_t);
    }
}

// One group's low term; adds to the coefficients, which may have the high term's.
static inline vec finish_low(const criterion *c, const block *b, int g, int l, vec row_f,
                             v_coefficients *to) {
    const group_at at = group_of(&b->low, g, l);
    const v_divergences d = divergences_of(c, &b->low.sum[g], l, &at);
    const vec one = v_splat(1), zero = v_splat(0),
              term = low_of(c, &b->low.divergence[g], l, &at, &d);
    vec m = c->mass_scaled >> g & 1U ? v_load(&b->terms.teacher_mass[g][l]) : one;
    if (c->table_weighted >> g & 1U) m = v_mul(m, v_load(&b->low_weight[l]));

    // Where both models have one class, and the same, nothing pulls: two equal coefficients,
    // rounded apart, would leave a trace.
    const mask same = m_and(m_and(v_eq(at.s, one), v_eq(at.t, one)), v_eq(term, zero));
    const vec w = v_select(same, zero, v_mul(v_splat(c->w_low[g]), m)), f = v_mul(row_f, at.inv_t);
    const mask both = m_and(at.has_s, at.has_t);
    const mask pulled =
        m_and(m_and(at.refined, both), c->second_pass ? both : v_lt(term, v_splat(PULLED_BELOW)));
    if (!c->second_pass) pull_by_sums(c, &at, &d, f, v_select(pulled, zero, w), to);
    to->h = v_only(pulled, v_mul(f, w));
    const vec pull = v_only(pulled, v_load(&b->low.divergence[g].pull[l]));
    to->s = v_fnma(v_mul(to->h, at.over_s), pull, to->s);
    const vec scaled = v_mul(v_mul(v_splat(c->factor), m), term);
    return v_select(v_eq(m, zero), zero, scaled); // 0 times infinity is 0 here
}

// --- A row ---------------------------------------------------------------------------------------

// The high term's coefficient of one group's student.
static inline vec finish_high(const criterion *c, const row_groups *p, const row_terms *row, int g,
                              int l, vec row_f) {
    const vec s = v_load(&p->sum[g].s[l]);
    const vec apart = v_sub(v_load(&row->student_mass[g][l]), v_load(&row->teacher_mass[g][l]));
    const vec f = v_mul(row_f, v_load(&p->ref[g].at->inv_t[l])),
              pull = v_mul(v_splat(c->w_high), apart);
    return v_only(v_positive(s), v_mul(v_div(f, s), pull));
}

static inline void finish_groups(const criterion *c, block *b, int l, vec broken) {
    const vec zero = v_splat(0),
              row_f = v_mul(v_load(&b->grad_scale[l]), v_splat(c->kd_weight * c->factor));
    vec kd = has_high(c) ? v_mul(v_splat(c->w_high), v_load(&b->terms.high[l])) : zero;
    for (int g = 0; g < c->groups; g++) {
        v_coefficients low = {broken, broken, zero, zero}, high = low;
        if (has_high(c)) {
            const row_groups *of = c->split_high ? b->high : &b->low;
            const vec s = v_add(finish_high(c, of, &b->terms, g, l, row_f), broken);
            *(c->split_high ? &high.s : &low.s) = s;
        }
        if (c->split_high) {
            if (!has_high(c)) high = (v_coefficients){zero, zero, zero, zero};
            store_coefficients(&b->high->coefficient[g], l, &high);
        }
        vec term = zero;
        if (c->w_low[g] != 0) {
            term = finish_low(c, b, g, l, row_f, &low);
            kd = v_add(kd, v_mul(v_splat(c->w_low[g]), term));
        }
        v_store(&b->terms.low[g][l], term);
        store_coefficients(&b->low.coefficient[g], l, &low);
    }
    v_store(&b->terms.kd[l], v_add(kd, broken));
}

// What the second pass works with. A row that had it keeps its log ratio.
static inline void relate(const criterion *c, block *b, const vec *log_ratio, int l) {
    const vec one = v_splat(1);
    for (int g = 0; g < c->groups; g++) {
        group_relation *to = &b->low.relation[g];
        const vec s = v_load(&b->low.sum[g].s[l]), t = v_load(&b->low.sum[g].t[l]);
        const vec own = c->split_high ? v_log(v_div(s, t)) : log_ratio[g];
        const mask refined = v_positive(v_load(&b->low.divergence[g].found[l]));
        v_store(&to->log_ratio[l], v_select(refined, v_load(&to->log_ratio[l]), own));
        v_store(&to->per_s[l], v_only(v_positive(s), v_div(one, s)));
        v_store(&to->per_t[l], v_only(v_positive(t), v_div(one, t)));
    }
}

// Two groups are the most usual number; with that a constant, what there is of each stays in
// registers.
static inline void finish_kd(const criterion *c, block *b, int l, bool fresh, vec broken) {
    vec log_ratio[MAX_GROUPS];
    const row_groups *from = c->split_high ? b->high : &b->low;
    if (fresh) {
        if (c->groups == 2)
            weigh_groups(c, from, 2, &b->row, l, &b->terms, log_ratio);
        else
            weigh_groups(c, from, c->groups, &b->row, l, &b->terms, log_ratio);
        relate(c, b, log_ratio, l);
    }
    finish_groups(c, b, l, broken);
}

static inline void finish_ce(const criterion *c, block *b, int l, vec broken) {
    const real e = c->label_smoothing;
    const vec sum = v_load(&b->ce.sum[l]), num = v_load(&b->ce.count[l]);
    const mask any = v_positive(num), none = v_eq(sum, v_splat(0));
    const vec mean = v_only(any, v_div(v_load(&b->ce.linear[l]), num));
    const vec at_target = e < 1 ? v_mul(v_splat(1 - e), v_load(&b->ce.target[l])) : v_splat(0);
    const vec ce = v_sub(v_log(sum), v_fma(v_splat(e), mean, at_target));
    const mask endless = m_or(none, v_eq(at_target, v_lowest()));
    v_store(&b->terms.ce[l], v_select(endless, v_splat((real)INFINITY), ce));
    const vec f = v_mul(v_load(&b->grad_scale[l]), v_splat(c->ce_weight));
    v_store(&b->ce.c[l], v_add(v_select(none, v_splat(0), v_div(f, sum)), broken));
    v_store(&b->ce.flat[l], v_only(any, v_div(v_mul(f, v_splat(e)), num)));
    v_store(&b->ce.hot[l], v_mul(f, v_splat(1 - e)));
}

// NaN where a row has no distribution to speak of, else 0: one with a NaN or +inf has sums that are
// no numbers; one whose teacher has no class, but whose student has, has nothing to learn from.
static inline vec find_broken(const criterion *c, const block *b, int l) {
    vec students = v_splat(0), teachers = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        students = v_add(students, v_load(&b->low.sum[g].s[l]));
        teachers = v_add(teachers, v_load(&b->low.sum[g].t[l]));
    }
    vec sums = v_add(students, teachers);
    if (c->ce) sums = v_add(sums, v_load(&b->ce.sum[l]));
    const mask headless = m_and(v_eq(teachers, v_splat(0)), v_positive(students));
    return v_add(v_only(headless, v_splat((real)NAN)), v_sub(sums, sums));
}

// fresh: whether the sums changed since the last time, and not just what the second pass found.
static inline void finish_lanes(const criterion *c, block *b, int l, bool fresh) {
    const vec broken = find_broken(c, b, l);
    vec loss = broken;
    if (c->kd) {
        finish_kd(c, b, l, fresh, broken);
        loss = v_add(loss, v_mul(v_splat(c->kd_weight), v_load(&b->terms.kd[l])));
    }
    if (c->ce) {
        if (fresh) finish_ce(c, b, l, broken);
        loss = v_add(loss, v_mul(v_splat(c->ce_weight), v_load(&b->terms.ce[l])));
    }
    v_store(&b->terms.loss[l], loss);
    if (b->picks && most_picked(b->picks, b->rows, l) > 0) finish_picked(c, b, l);
}

static void finish(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) finish_lanes(c, b, l, true);
}

// The same where rows were done again since: refined, or in double.
static void finish_again(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const uint32_t here = ((1U << LANES) - 1U) << l;
        if ((b->in[NEEDS_DOUBLE] | b->in[NEEDS_REFINE]) & here)
            finish_lanes(c, b, l, (b->in[NEEDS_DOUBLE] & here) != 0);
    }
}

#endif
