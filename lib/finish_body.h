// From the sums of a block to the terms of its rows and the coefficients of their gradient, in
// double, with one row per lane. In the letters of docs/math.md:
//     a_g = log sum_s + ref_s / T,  b_g likewise,  log P_g - log Q_g = (a_g - b_g) - (A - B)
//     log p_i - log q_i = d / T - (log sum_s - log sum_t)
// Special values take no branch: a group or row that is not there is masked out.
#ifndef GDKD_FINISH_BODY_H
#define GDKD_FINISH_BODY_H

#include "combine_body.h"

// Each group's share of the whole (P_g of the student, Q_g of the teacher), and its reference point's distance from
// the highest one, over T. total: of all groups' sums, relative to the highest reference point.
typedef struct {
    vec value[MAX_GROUPS], distance[MAX_GROUPS], total;
} v_shares;

typedef enum { STUDENT, TEACHER } who;

OP vec load_ref(const group_terms *p, who w, int l) {
    return v_load(w == STUDENT ? &p->ref_s[l] : &p->ref_t[l]);
}
OP vec load_sum(const group_terms *p, who w, int l) {
    return v_load(w == STUDENT ? &p->sum_s[l] : &p->sum_t[l]);
}

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

OP void shares(const criterion *c, const block *b, const group_terms *p, int groups, who w, int l,
               v_shares *out) {
    const vec inv_t = v_load(w == STUDENT ? &b->row.inv_t[l] : &b->row.inv_tt[l]), one = v_splat(1);
    vec base = v_lowest(), weight[MAX_GROUPS];
    mask there[MAX_GROUPS];
    for (int g = 0; g < groups; g++) {
        there[g] = v_positive(load_sum(&p[g], w, l));
        base = v_max(base, v_select(there[g], load_ref(&p[g], w, l), v_lowest()));
    }
    base = finite_or_0(base);
    for (int g = 0; g < groups; g++)
        out->distance[g] = v_mul(v_sub(load_ref(&p[g], w, l), base), inv_t);
    exp_distances(c, groups, out->distance, weight);
    out->total = v_splat(0);
    for (int g = 0; g < groups; g++) {
        out->value[g] = v_only(there[g], v_mul(load_sum(&p[g], w, l), weight[g]));
        out->total = v_add(out->total, out->value[g]);
    }
    const vec part = v_div(one, v_select(v_positive(out->total), out->total, one));
    for (int g = 0; g < groups; g++) out->value[g] = v_mul(out->value[g], part);
}

// What a row contributes besides its sums.
typedef struct {
    vec f;      // the gradient's common factor, before 1 / T
    vec weight; // of the low terms, from the caller's table
    vec broken; // NaN where the row has no distribution to speak of, else 0
} row_factors;

// One group's sums, and 1 over them; 0 where a sum is.
typedef struct {
    vec s, t, over_s, over_t;
    mask has_s, has_t;
} sum_pair;

OP sum_pair sums_at(const group_terms *p, int l) {
    sum_pair at = {.s = v_load(&p->sum_s[l]), .t = v_load(&p->sum_t[l])};
    at.has_s = v_positive(at.s);
    at.has_t = v_positive(at.t);
    at.over_s = v_only(at.has_s, v_div(v_splat(1), at.s));
    at.over_t = v_only(at.has_t, v_div(v_splat(1), at.t));
    return at;
}

typedef struct {
    vec s, t, d;
} coefficients;

OP void store_coefficients(group_terms *p, int l, coefficients k) {
    v_store(&p->c_s[l], k.s);
    v_store(&p->c_t[l], k.t);
    v_store(&p->c_d[l], k.d);
}

static inline bool has_high(const criterion *c) {
    return c->groups > 1 && c->w_high != 0;
}

// log sum_s - log sum_t, where both are there.
OP vec log_ratio_of(const group_terms *p, int l) {
    return v_log(v_div(v_load(&p->sum_s[l]), v_load(&p->sum_t[l])));
}

// The groups' masses and levels and the high term: all that takes exponentials and logarithms. No term wants more
// than the difference of the models' logarithms: so they are taken of ratios, one for each group and one for the whole.
OP void weigh_groups(const criterion *c, block *b, int groups, int l) {
    const group_terms *sums = c->split_high ? b->high_sums : b->low_sums;
    v_shares p, q;
    shares(c, b, sums, groups, STUDENT, l, &p);
    shares(c, b, sums, groups, TEACHER, l, &q);
    vec high = v_splat(0);
    const vec whole = has_high(c) ? v_log(v_div(p.total, q.total)) : high;
    for (int g = 0; g < groups; g++) {
        const vec ratio = log_ratio_of(&sums[g], l);
        v_store(&b->low_sums[g].level[l], c->split_high ? log_ratio_of(&b->low_sums[g], l) : ratio);
        v_store(&b->student_mass[g][l], p.value[g]);
        v_store(&b->teacher_mass[g][l], q.value[g]);
        if (!has_high(c)) continue;
        const mask has_s = v_positive(v_load(&sums[g].sum_s[l])),
                   has_t = v_positive(v_load(&sums[g].sum_t[l]));
        const vec apart = v_add(ratio, v_sub(p.distance[g], q.distance[g]));
        const vec term = v_mul(q.value[g], v_sub(whole, apart));
        high = v_add(high, v_only(has_t, v_select(has_s, term, v_splat((real)INFINITY))));
    }
    v_store(&b->high[l], v_mul(v_splat(c->factor), high));
}

// The high term's coefficient of one group's student.
static inline vec finish_high(const criterion *c, const block *b, const group_terms *p, int g,
                              int l, const row_factors *row) {
    const vec s = v_load(&p->sum_s[l]),
              apart = v_sub(v_load(&b->student_mass[g][l]), v_load(&b->teacher_mass[g][l]));
    const vec f = v_mul(row->f, v_load(&p->at->inv_t[l])), pull = v_mul(v_splat(c->w_high), apart);
    return v_only(v_positive(s), v_mul(v_div(f, s), pull));
}

// The divergences of one group, before their weights.
typedef struct {
    vec forward, reverse;
} divergences;

static inline divergences divergences_of(const criterion *c, const block *b, const group_terms *p,
                                         int l, const sum_pair *at) {
    const vec infinite = v_splat((real)INFINITY), inv_t = v_load(&p->at->inv_t[l]);
    const vec level = v_load(&p->level[l]);
    divergences d = {v_splat(0), v_splat(0)};
    const mask refined = v_positive(v_load(&b->refined[l]));
    if (c->forward) {
        vec mean = v_mul(v_mul(v_load(&p->dot_t[l]), at->over_t), inv_t);
        vec term =
            v_select(refined, v_mul(v_load(&p->excess_t[l]), at->over_t), v_sub(level, mean));
        d.forward = v_only(at->has_t, v_select(at->has_s, term, infinite));
    }
    if (c->reverse) {
        vec mean = v_mul(v_mul(v_load(&p->dot_s[l]), at->over_s), inv_t);
        vec term =
            v_select(refined, v_mul(v_load(&p->excess_s[l]), at->over_s), v_sub(mean, level));
        d.reverse = v_only(at->has_s, v_select(at->has_t, term, infinite));
    }
    return d;
}

// One group's low term; adds to the coefficients, which may have the high term's.
static inline vec finish_low(const criterion *c, const block *b, int g, int l,
                             const row_factors *row, coefficients *to) {
    const group_terms *p = &b->low_sums[g];
    const sum_pair at = sums_at(p, l);
    const divergences d = divergences_of(c, b, p, l, &at);
    const vec one = v_splat(1), zero = v_splat(0);
    vec m = c->mass_scaled >> g & 1U ? v_load(&b->teacher_mass[g][l]) : one;
    if (c->table_weighted >> g & 1U) m = v_mul(m, row->weight);
    vec term = zero;
    if (c->forward) term = v_mul(v_splat(c->forward_share), d.forward);
    if (c->reverse) term = v_add(term, v_mul(v_splat(c->reverse_share), d.reverse));

    // Where both models have one class, and the same, nothing pulls: two equal coefficients, rounded apart,
    // would leave a trace.
    const mask same = m_and(m_and(v_eq(at.s, one), v_eq(at.t, one)), v_eq(term, zero));
    const vec w = v_select(same, zero, v_mul(v_splat(c->w_low[g]), m));
    const vec inv_t = v_load(&p->at->inv_t[l]), f = v_mul(row->f, inv_t);
    const vec per_s = v_mul(f, at.over_s);
    if (c->forward) {
        const vec with_t = v_only(at.has_t, v_mul(w, v_splat(c->forward_share)));
        to->s = v_fma(per_s, with_t, to->s);
        to->t = v_fma(v_mul(f, at.over_t), with_t, to->t);
    }
    if (c->reverse) {
        // The level is infinite where one of the models has nothing in the group.
        const vec level = v_load(&p->level[l]);
        const mask both = m_and(at.has_s, at.has_t),
                   settled = m_and(both, v_lt(d.reverse, v_splat((real)INFINITY)));
        const vec with_s = v_only(settled, v_mul(w, v_splat(c->reverse_share)));
        const vec pull = v_only(settled, v_mul(with_s, v_add(level, d.reverse)));
        to->s = v_fnma(per_s, pull, to->s);
        to->d = v_mul(v_mul(per_s, with_s), inv_t);
    }
    const vec scaled = v_mul(v_mul(v_splat(c->factor), m), term);
    return v_select(v_eq(m, zero), zero, scaled); // 0 times infinity is 0 here
}

static inline void finish_groups(const criterion *c, block *b, int l, const row_factors *row) {
    const vec zero = v_splat(0);
    vec kd = has_high(c) ? v_mul(v_splat(c->w_high), v_load(&b->high[l])) : zero;
    for (int g = 0; g < c->groups; g++) {
        coefficients low = {row->broken, row->broken, zero}, high = {zero, zero, zero};
        if (has_high(c)) {
            const group_terms *p = c->split_high ? &b->high_sums[g] : &b->low_sums[g];
            high = low;
            high.s = v_add(finish_high(c, b, p, g, l, row), row->broken);
        }
        if (c->split_high)
            store_coefficients(&b->high_sums[g], l, high);
        else if (has_high(c))
            low = high;
        vec term = zero;
        if (c->w_low[g] != 0) {
            term = finish_low(c, b, g, l, row, &low);
            kd = v_add(kd, v_mul(v_splat(c->w_low[g]), term));
        }
        v_store(&b->low[g][l], term);
        store_coefficients(&b->low_sums[g], l, low);
    }
    v_store(&b->kd[l], v_add(kd, row->broken));
}

// Two groups are the most usual number; with that a constant, what there is of each stays in registers.
static inline void finish_kd(const criterion *c, block *b, int l, bool fresh,
                             const row_factors *row) {
    if (fresh && c->groups == 2)
        weigh_groups(c, b, 2, l);
    else if (fresh)
        weigh_groups(c, b, c->groups, l);
    finish_groups(c, b, l, row);
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
        students = v_add(students, v_load(&b->low_sums[g].sum_s[l]));
        teachers = v_add(teachers, v_load(&b->low_sums[g].sum_t[l]));
    }
    vec sums = v_add(students, teachers);
    if (c->ce) sums = v_add(sums, v_load(&b->sum_ce[l]));
    mask headless = m_and(v_eq(teachers, v_splat(0)), v_positive(students));
    return v_add(v_only(headless, v_splat((real)NAN)), v_sub(sums, sums));
}

// fresh: whether the sums changed since the last time, and not just what refine found.
static inline void finish_lanes(const criterion *c, block *b, int l, bool fresh) {
    const row_factors row = {v_mul(v_load(&b->grad_scale[l]), v_splat(c->kd_weight * c->factor)),
                             v_load(&b->low_weight[l]), find_broken(c, b, l)};
    vec loss = row.broken;
    if (c->kd) {
        finish_kd(c, b, l, fresh, &row);
        loss = v_add(loss, v_mul(v_splat(c->kd_weight), v_load(&b->kd[l])));
    }
    if (c->ce) {
        if (fresh) finish_ce(c, b, l, row.broken);
        loss = v_add(loss, v_mul(v_splat(c->ce_weight), v_load(&b->ce[l])));
    }
    v_store(&b->loss[l], loss);
    if (any_list(b, l)) finish_list(c, b, l);
}

static void finish(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) finish_lanes(c, b, l, true);
}

// The same where rows were done again since: refined, or in double.
static void finish_again(const criterion *c, block *b) {
    for (int l = 0; l < b->rows; l += LANES) {
        const uint32_t here = ((1U << LANES) - 1U) << l;
        if ((b->refused | b->near) & here) finish_lanes(c, b, l, (b->refused & here) != 0);
    }
}

#endif
