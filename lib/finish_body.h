// From the sums of a block to the terms of its rows and the coefficients of their gradient, in double.
//
// Plain C without branches, one loop over the lanes per line of mathematics, so that the compiler makes
// vectors of it; compiled once per instruction set, with the same bits everywhere, since nothing is
// contracted. In the letters of docs/math.md:
//     a_g = log sum_s + ref_s / T,  b_g likewise,  log P_g = a_g - A,  log Q_g = b_g - B
//     log p_i - log q_i = d / T - (log sum_s - log sum_t)
#ifndef GDKD_FINISH_BODY_H
#define GDKD_FINISH_BODY_H

#include "kernel.h"

#include <math.h>
#include <string.h>

// The least loss, in units of its weights, that float sums give to the accuracy promised.
#define SMALL_LOSS 0.02

#define FOR_LANES for (int l = 0; l < BLOCK_ROWS; l++)

static inline double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint64_t to_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// log x for x normal, 0 (gives -inf) or NaN. x = 2^e m, m in [sqrt(1/2), sqrt 2); with
// u = (m - 1) / (m + 1), log m = 2 (u + u^3 / 3 + u^5 / 5 + ...), |u| < 0.172.
static inline double plain_log(double x) {
    const uint64_t root_half = 0x3FE6A09E667F3BCD, one = 0x3FF0000000000000;
    uint64_t shifted = to_bits(x) + (one - root_half), biased = shifted >> 52;
    double m = from_bits(to_bits(x) - (biased << 52) + one);
    // The integer as a double: in the low bits of 2^52, from which 2^52 and the bias go off again.
    double e = from_bits(biased | 0x4330000000000000) - (4503599627370496.0 + 1023.0);
    double u = (m - 1) / (m + 1), z = u * u, series = 2.0 / 21;
    series = series * z + 2.0 / 19;
    series = series * z + 2.0 / 17;
    series = series * z + 2.0 / 15;
    series = series * z + 2.0 / 13;
    series = series * z + 2.0 / 11;
    series = series * z + 2.0 / 9;
    series = series * z + 2.0 / 7;
    series = series * z + 2.0 / 5;
    series = series * z + 2.0 / 3;
    // log 2 in two parts, the first with 21 zero bits at its end, so that its product with e is exact.
    double log = e * 0x1.62e42fee00000p-1 + (2 * u + (u * z * series + e * 0x1.a39ef35793c76p-33));
    return x > 0 ? log : x * 0 - (double)INFINITY;
}

// exp x for x <= 0 (or NaN), 0 below -708. The polynomial is exp2.h's, of degree 11.
static inline double plain_exp(double x) {
    double y = x < -800 ? -800 : x;
    const double magic = 6755399441055744.0 + 1023.0;
    double shifted = y * 1.4426950408889634 + magic, n = shifted - magic;
    double f = (y - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    // Taylor's coefficients: the 13th term is below 2^-55 of the sum for |f| <= log(2) / 2.
    double p = 1.0 / 6227020800;
    p = p * f + 1.0 / 479001600;
    p = p * f + 1.0 / 39916800;
    p = p * f + 1.0 / 3628800;
    p = p * f + 1.0 / 362880;
    p = p * f + 1.0 / 40320;
    p = p * f + 1.0 / 5040;
    p = p * f + 1.0 / 720;
    p = p * f + 1.0 / 120;
    p = p * f + 1.0 / 24;
    p = p * f + 1.0 / 6;
    p = p * f + 0.5;
    p = p * f + 1;
    p = p * f + 1;
    double power = from_bits(to_bits(shifted) << 52);
    return y < -708 ? 0 : p * power;
}

// log of each group's share of the whole, and the share: P_g of the student, Q_g of the teacher.
static inline void shares(const criterion *c, double inv_t, lanes *ref, lanes *sum, lanes *log_share,
                          lanes *share) {
    lanes base, top, total;
    FOR_LANES {
        base[l] = -(double)INFINITY;
        for (int g = 0; g < c->groups; g++) {
            double r = sum[g][l] > 0 ? ref[g][l] : -(double)INFINITY;
            base[l] = base[l] > r ? base[l] : r;
        }
        base[l] = base[l] > -(double)INFINITY ? base[l] : 0;
    }
    FOR_LANES {
        top[l] = -(double)INFINITY;
        for (int g = 0; g < c->groups; g++) {
            double a = plain_log(sum[g][l]) + (ref[g][l] - base[l]) * inv_t;
            log_share[g][l] = sum[g][l] > 0 ? a : -(double)INFINITY;
            top[l] = top[l] > log_share[g][l] ? top[l] : log_share[g][l];
        }
        top[l] = top[l] > -(double)INFINITY ? top[l] : 0;
        total[l] = 0;
    }
    for (int g = 0; g < c->groups; g++) FOR_LANES total[l] += plain_exp(log_share[g][l] - top[l]);
    FOR_LANES total[l] = top[l] + plain_log(total[l]);
    for (int g = 0; g < c->groups; g++) FOR_LANES {
        double a = log_share[g][l] - total[l];
        log_share[g][l] = sum[g][l] > 0 ? a : -(double)INFINITY;
        share[g][l] = sum[g][l] > 0 ? plain_exp(a < 0 ? a : a * 0) : 0;
    }
}

// What one group adds: its part of the high term, its low term and its coefficients.
static inline void finish_group(const criterion *c, block *b, int g, const lanes log_p, const lanes log_q) {
    const double infinite = (double)INFINITY, w = c->w_low[g];
    const double scaled = (double)(c->mass_scaled >> g & 1U), listed = (double)(c->table_weighted >> g & 1U);
    const double w_high = c->groups > 1 ? c->w_high : 0;
    group_sums *low = &b->low_sums, *high = c->split_high ? &b->high_sums : low;
    FOR_LANES {
        double s = high->sum_s[g][l], t = high->sum_t[g][l];
        double p = b->student_mass[g][l], q = b->teacher_mass[g][l];
        double term = t > 0 ? (s > 0 ? q * (log_q[l] - log_p[l]) : infinite) : 0;
        b->high[l] += w_high != 0 ? c->factor * term : 0;
        double f = b->grad_scale[l] * c->kd_weight * c->factor * c->inv_t;
        high->c_s[g][l] = s > 0 && w_high != 0 ? f / s * (w_high * (p - q)) : 0;
        high->c_t[g][l] = high->c_d[g][l] = 0;
    }
    FOR_LANES {
        double s = low->sum_s[g][l], t = low->sum_t[g][l];
        double log_ratio = plain_log(s) - plain_log(t);
        double forward = c->forward && t > 0 ? (s > 0 ? log_ratio - low->dot_t[g][l] / t * c->inv_t : infinite) : 0;
        double reverse = c->reverse && s > 0 ? (t > 0 ? low->dot_s[g][l] / s * c->inv_t - log_ratio : infinite) : 0;
        double m = (scaled != 0 ? b->teacher_mass[g][l] : 1) * (listed != 0 ? b->low_weight[l] : 1);
        double term = (c->forward ? c->forward_share * forward : 0) + (c->reverse ? c->reverse_share * reverse : 0);
        b->low[g][l] = w != 0 && m != 0 ? c->factor * m * term : 0;

        double f = b->grad_scale[l] * c->kd_weight * c->factor * c->inv_t;
        double with_t = t > 0 ? w * m * c->forward_share : 0;
        double with_s = s > 0 && reverse < infinite ? w * m * c->reverse_share : 0;
        double pull = with_s != 0 ? with_s * (log_ratio + reverse) : 0;
        double c_s = s > 0 ? f / s * (with_t - pull) : 0;
        low->c_s[g][l] = high == low ? low->c_s[g][l] + c_s : c_s;
        low->c_t[g][l] = t > 0 ? f / t * with_t : 0;
        low->c_d[g][l] = s > 0 ? f / s * with_s * c->inv_t : 0;
    }
}

static inline void finish_kd(const criterion *c, block *b) {
    lanes log_p[MAX_GROUPS], log_q[MAX_GROUPS];
    group_sums *sums = c->split_high ? &b->high_sums : &b->low_sums;
    shares(c, c->inv_t, sums->ref_s, sums->sum_s, log_p, b->student_mass);
    shares(c, c->inv_tt, sums->ref_t, sums->sum_t, log_q, b->teacher_mass);
    for (int g = 0; g < c->groups; g++) finish_group(c, b, g, log_p[g], log_q[g]);
    FOR_LANES b->kd[l] = c->groups > 1 && c->w_high != 0 ? c->w_high * b->high[l] : 0;
    for (int g = 0; g < c->groups; g++) FOR_LANES b->kd[l] += c->w_low[g] != 0 ? c->w_low[g] * b->low[g][l] : 0;
}

static inline void finish_ce(const criterion *c, block *b) {
    const double e = c->label_smoothing;
    FOR_LANES {
        double mean = b->num_ce[l] > 0 ? b->lin_ce[l] / b->num_ce[l] : 0;
        double at_target = e < 1 ? (1 - e) * b->target_ce[l] : 0;
        double ce = plain_log(b->sum_ce[l]) - (at_target + e * mean);
        b->ce[l] = at_target == -(double)INFINITY ? (double)INFINITY : ce;
        double f = b->grad_scale[l] * c->ce_weight;
        b->c_ce[l] = b->sum_ce[l] > 0 || b->sum_ce[l] != b->sum_ce[l] ? f / b->sum_ce[l] : 0;
        b->c_flat[l] = b->num_ce[l] > 0 ? f * e / b->num_ce[l] : 0;
        b->c_hot[l] = f * (1 - e);
    }
}

// NaN in every lane whose row has no distribution to speak of, 0 in the others.
static inline void find_broken(const criterion *c, const block *b, lanes broken) {
    lanes students, teachers;
    FOR_LANES students[l] = teachers[l] = 0;
    for (int g = 0; g < c->groups; g++) FOR_LANES {
        students[l] += b->low_sums.sum_s[g][l];
        teachers[l] += b->low_sums.sum_t[g][l];
    }
    FOR_LANES {
        double headless = c->groups > 0 && teachers[l] == 0 && students[l] > 0 ? (double)NAN : 0;
        double sums = students[l] + teachers[l] + (c->ce ? b->sum_ce[l] : 0);
        broken[l] = headless + (sums - sums);
    }
}

static inline void finish_rows(const criterion *c, block *b) {
    lanes broken;
    find_broken(c, b, broken);
    FOR_LANES b->high[l] = b->kd[l] = b->ce[l] = 0;
    if (c->kd) finish_kd(c, b);
    if (c->ce) finish_ce(c, b);
    FOR_LANES b->loss[l] = broken[l] + (c->kd ? c->kd_weight * b->kd[l] : 0) + (c->ce ? c->ce_weight * b->ce[l] : 0);
    for (int g = 0; g < c->groups; g++) FOR_LANES {
        b->low_sums.c_s[g][l] += broken[l];
        b->low_sums.c_t[g][l] += broken[l];
    }
    if (c->ce) FOR_LANES b->c_ce[l] += broken[l];
    if (c->kd) FOR_LANES b->kd[l] += broken[l];
}

#endif
