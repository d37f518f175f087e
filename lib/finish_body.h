// From the sums of a block to the terms of its rows and the coefficients of their gradient, in
// double, with one row per lane. In the letters of docs/math.md:
//     a_g = log sum_s + ref_s / T,  b_g likewise,  log P_g = a_g - A,  log Q_g = b_g - B
//     log p_i - log q_i = d / T - (log sum_s - log sum_t)
// Special values take no branch: a group or row that is not there is masked out.
#ifndef GDKD_FINISH_BODY_H
#define GDKD_FINISH_BODY_H

#include "combine_body.h"

// The groups' shares of a model, P_g of the student or Q_g of the teacher.
typedef struct {
    vec value[MAX_GROUPS];
    vec distance
        [MAX_GROUPS]; // of the group's reference point from the row's, divided by the temperature
    vec total;        // of the sums, relative to the row's
} v_shares;

typedef enum { STUDENT, TEACHER } who;

OP vec load_ref(const group_terms *p, who w, int l) {
    return v_load(w == STUDENT ? &p->ref_s[l] : &p->ref_t[l]);
}
OP vec load_sum(const group_terms *p, who w, int l) {
    return v_load(w == STUDENT ? &p->sum_s[l] : &p->sum_t[l]);
}

static inline void shares(const criterion *c, const block *b, const group_terms *p, who w, int l,
                          v_shares *out) {
    const vec inv_t = v_load(w == STUDENT ? &b->row.inv_t[l] : &b->row.inv_tt[l]);
    const v_scale plain = v_scale_of(&c->ce64);
    const vec one = v_splat(1);
    vec base = v_lowest(), total = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        const mask there = v_positive(load_sum(&p[g], w, l));
        base = v_max(base, v_select(there, load_ref(&p[g], w, l), v_lowest()));
    }
    base = finite_or_0(base);
    for (int g = 0; g < c->groups; g++) {
        const vec sum = load_sum(&p[g], w, l);
        out->distance[g] = v_mul(v_sub(load_ref(&p[g], w, l), base), inv_t);
        out->value[g] = v_only(v_positive(sum), v_mul(sum, v_exp(out->distance[g], plain)));
        total = v_add(total, out->value[g]);
    }
    const vec part = v_div(one, v_select(v_positive(total), total, one));
    for (int g = 0; g < c->groups; g++) out->value[g] = v_mul(out->value[g], part);
    out->total = total;
}

// What the high term needs of all groups. Logarithms are those of ratios: one for each group, and one for the row.
// Where a model has nothing in a group its ratio is no number; the terms leave it out.
typedef struct {
    v_shares p, q;
    vec log_ratio[MAX_GROUPS]; // log(S_s / S_t)
    vec log_total;             // the same of the totals
} v_masses;

OP vec log_of_ratio(vec a, vec b) {
    return v_log(v_div(a, b));
}

static inline void masses(const criterion *c, const block *b, const group_terms *sums, int l,
                          v_masses *out) {
    shares(c, b, sums, STUDENT, l, &out->p);
    shares(c, b, sums, TEACHER, l, &out->q);
    out->log_total = log_of_ratio(out->p.total, out->q.total);
    for (int g = 0; g < c->groups; g++)
        out->log_ratio[g] =
            log_of_ratio(load_sum(&sums[g], STUDENT, l), load_sum(&sums[g], TEACHER, l));
}

// log P_g - log Q_g.
OP vec log_share_ratio(const v_masses *m, int g) {
    const vec apart = v_sub(m->p.distance[g], m->q.distance[g]);
    return v_sub(v_add(m->log_ratio[g], apart), m->log_total);
}

// What a row contributes besides its sums.
typedef struct {
    vec f;      // the gradient's common factor, before 1 / T
    vec weight; // of the low terms, from the caller's table
    vec broken; // NaN where the row has no distribution to speak of, else 0
} row_factors;

// One group's part of the high term.
static inline vec finish_high(const criterion *c, group_terms *sums, int g, int l,
                              const v_masses *m, const row_factors *row) {
    const vec p = m->p.value[g], q = m->q.value[g];
    const vec s = v_load(&sums[g].sum_s[l]);
    const mask has_s = v_positive(s), has_t = v_positive(v_load(&sums[g].sum_t[l]));
    vec term = v_sub(v_splat(0), v_mul(q, log_share_ratio(m, g)));
    term = v_only(has_t, v_select(has_s, term, v_splat((real)INFINITY)));
    vec pull = v_mul(v_splat(c->w_high), v_sub(p, q));
    const vec f = v_mul(row->f, v_load(&sums[g].at->inv_t[l]));
    v_store(&sums[g].c_s[l], v_add(v_only(has_s, v_mul(v_div(f, s), pull)), row->broken));
    v_store(&sums[g].c_t[l], row->broken);
    v_store(&sums[g].c_d[l], v_splat(0));
    return v_mul(v_splat(c->factor), term);
}

// The divergences of one group, before their weights.
typedef struct {
    vec forward, reverse, log_ratio;
    mask has_s, has_t;
    vec per_s, per_t; // the sums' inverses
} divergences;

static inline divergences divergences_of(const criterion *c, const block *b, int g, int l,
                                         vec log_ratio) {
    const group_terms *sums = &b->low_sums[g];
    const vec s = v_load(&sums->sum_s[l]), t = v_load(&sums->sum_t[l]), one = v_splat(1);
    const vec infinite = v_splat((real)INFINITY), inv_t = v_load(&sums->at->inv_t[l]);
    divergences d = {.log_ratio = log_ratio,
                     .has_s = v_positive(s),
                     .has_t = v_positive(t),
                     .per_s = v_div(one, s),
                     .per_t = v_div(one, t)};
    const mask refined = v_positive(v_load(&b->refined[l]));
    if (c->forward) {
        const vec mean = v_mul(v_mul(v_load(&sums->dot_t[l]), d.per_t), inv_t),
                  anew = v_mul(v_load(&sums->excess_t[l]), d.per_t);
        const vec term = v_select(refined, anew, v_sub(log_ratio, mean));
        d.forward = v_only(d.has_t, v_select(d.has_s, term, infinite));
    }
    if (c->reverse) {
        const vec mean = v_mul(v_mul(v_load(&sums->dot_s[l]), d.per_s), inv_t),
                  anew = v_mul(v_load(&sums->excess_s[l]), d.per_s);
        const vec term = v_select(refined, anew, v_sub(mean, log_ratio));
        d.reverse = v_only(d.has_s, v_select(d.has_t, term, infinite));
    }
    return d;
}

// One group's low term; adds its coefficients to those of the high term, which may lie in the same
// place.
static inline void finish_low(const criterion *c, block *b, int g, int l, vec q, vec log_ratio,
                              const row_factors *row) {
    group_terms *sums = b->low_sums;
    const vec s = v_load(&sums[g].sum_s[l]), t = v_load(&sums[g].sum_t[l]);
    const divergences d = divergences_of(c, b, g, l, log_ratio);
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
    const vec f = v_mul(row->f, v_load(&sums[g].at->inv_t[l]));
    vec per_s = v_only(d.has_s, v_mul(f, d.per_s)), per_t = v_only(d.has_t, v_mul(f, d.per_t));
    v_store(&sums[g].c_s[l], v_add(v_load(&sums[g].c_s[l]), v_mul(per_s, v_sub(with_t, pull))));
    v_store(&sums[g].c_t[l], v_add(v_load(&sums[g].c_t[l]), v_mul(per_t, with_t)));
    v_store(&sums[g].c_d[l], v_mul(v_mul(per_s, with_s), v_load(&sums[g].at->inv_t[l])));
}

static inline void finish_kd(const criterion *c, block *b, int l, const row_factors *row) {
    const bool split = c->split_high, with_high = c->groups > 1 && c->w_high != 0;
    group_terms *sums = split ? b->high_sums : b->low_sums;
    v_masses m;
    masses(c, b, sums, l, &m);
    vec high = v_splat(0), kd = v_splat(0);
    for (int g = 0; g < c->groups; g++) {
        v_store(&b->student_mass[g][l], m.p.value[g]);
        v_store(&b->teacher_mass[g][l], m.q.value[g]);
        if (with_high) {
            high = v_add(high, finish_high(c, sums, g, l, &m, row));
        }
        if (!with_high || split) {
            v_store(&b->low_sums[g].c_s[l], row->broken);
            v_store(&b->low_sums[g].c_t[l], row->broken);
            v_store(&b->low_sums[g].c_d[l], v_splat(0));
        }
        if (!with_high && split) {
            v_store(&b->high_sums[g].c_s[l], v_splat(0));
            v_store(&b->high_sums[g].c_t[l], v_splat(0));
            v_store(&b->high_sums[g].c_d[l], v_splat(0));
        }
        v_store(&b->low[g][l], v_splat(0));
        if (c->w_low[g] == 0) continue;
        const vec log_ratio =
            split ? log_of_ratio(v_load(&b->low_sums[g].sum_s[l]), v_load(&b->low_sums[g].sum_t[l]))
                  : m.log_ratio[g];
        v_store(&b->low_sums[g].level[l], log_ratio);
        finish_low(c, b, g, l, m.q.value[g], log_ratio, row);
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
        students = v_add(students, v_load(&b->low_sums[g].sum_s[l]));
        teachers = v_add(teachers, v_load(&b->low_sums[g].sum_t[l]));
    }
    vec sums = v_add(students, teachers);
    if (c->ce) sums = v_add(sums, v_load(&b->sum_ce[l]));
    mask headless = m_and(v_eq(teachers, v_splat(0)), v_positive(students));
    return v_add(v_only(headless, v_splat((real)NAN)), v_sub(sums, sums));
}

static inline void finish_lanes(const criterion *c, block *b, int l) {
    const row_factors row = {v_mul(v_load(&b->grad_scale[l]), v_splat(c->kd_weight * c->factor)),
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
    for (int l = 0; l < b->rows; l += LANES) {
        finish_lanes(c, b, l);
        if (longest_list(b, l) > 0) finish_list(c, b, l);
    }
}

#endif
