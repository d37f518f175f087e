// What each class adds to a divergence of two distributions p (student) and q (teacher), with u =
// log q - log p. For L = sum f(p, q), the gradient with respect to x is
//     pull_i - p_i sum_j pull_j,    pull = p df/dp.
//
// A divergence of models that are nearly alike is a small difference of large sums. So f is taken
// in a form that is never negative, and that with pull vanishes at u = 0: since p and q add up to
// 1, a term c (p - q) may be added to f, and c p to pull. (For the forward KL, f = q (u - 1) + p =
// q phi(u), phi(u) = u + exp(-u) - 1: the terms of J. Schulman's estimator "k3", Approximating KL
// Divergence, 2020; here summed over all classes.)
#ifndef GDKD_DIVERGENCE_H
#define GDKD_DIVERGENCE_H

#include "walk.h"

// Low terms below this, where they are refined, have their gradient from the pulls: a float's
// difference p - q would be wrong by 2^-24 p / |p - q|, and |p - q| / p is about the root of the
// term.
#define PULLED_BELOW 0x1p-16

// drift: p - q, whose sum tells how far the log ratio in u is from making p add up to 1 (refine.h).
typedef struct {
    vec value, pull, drift;
} class_divergence;

// phi(u) / u^2 near 0, to 2e-8 of it for floats, to 1e-16 for doubles.
#ifdef REAL_IS_FLOAT
enum { PHI_TERMS = 8 };
#else
enum { PHI_TERMS = 15 };
#endif
#define PHI_NEAR 0.7

OP vec phi_over_square(vec u) {
    static const real over_factorial[] = {(real)(1.0 / 2),
                                          (real)(-1.0 / 6),
                                          (real)(1.0 / 24),
                                          (real)(-1.0 / 120),
                                          (real)(1.0 / 720),
                                          (real)(-1.0 / 5040),
                                          (real)(1.0 / 40320),
                                          (real)(-1.0 / 362880),
                                          (real)(1.0 / 3628800),
                                          (real)(-1.0 / 39916800),
                                          (real)(1.0 / 479001600),
                                          (real)(-1.0 / 6227020800),
                                          (real)(1.0 / 87178291200),
                                          (real)(-1.0 / 1307674368000),
                                          (real)(1.0 / 20922789888000)};
    vec series = v_splat(over_factorial[PHI_TERMS - 1]);
    for (int i = PHI_TERMS - 2; i >= 0; i--) series = v_fma(series, u, v_splat(over_factorial[i]));
    return series;
}

// What the divergences are made of; each form is the one that loses nothing where it is taken.
typedef struct {
    mask near;      // u is near 0
    vec qu, series; // there, q phi(u)
} class_parts;

LARGE_OP void find_parts(const vec *u, const vec *q, class_parts *k) {
    k->near = v_le(v_max(*u, v_sub(v_splat(0), *u)), v_splat((real)PHI_NEAR));
    k->qu = v_mul(*q, *u);
    k->series = v_mul(v_mul(k->qu, *u), phi_over_square(*u));
}

// q phi(u), p - q, and p phi(-u).
OP vec forward_kl(const class_parts *k, vec u, vec p, vec q) {
    return v_select(k->near, k->series, v_fma(q, v_sub(u, v_splat(1)), p));
}
OP vec drift_of(const class_parts *k, vec p, vec q) {
    return v_select(k->near, v_sub(k->series, k->qu), v_sub(p, q));
}
OP vec reverse_kl(const class_parts *k, vec u, vec p, vec q) {
    const vec near = v_fnma(v_sub(k->series, k->qu), u, v_sub(v_splat(0), k->series));
    return v_select(k->near, near, v_fnma(p, v_add(u, v_splat(1)), q));
}

// Whether the drift is worth taking off: the KL divergences have no slope, or next to none, in the
// log ratio.
OP bool drifts(int divergence) { return divergence > GDKD_DIVERGENCE_SYMMETRIC_KL; }

// What a class's divergence is made of. forward_share, reverse_share: of the KL divergences. pulls:
// whether pull and drift are wanted; they are 0 otherwise.
typedef struct {
    int divergence;
    double forward_share, reverse_share;
    bool pulls;
} divergence_task;

LARGE_OP void find_divergence(const divergence_task *how, const vec *at_u, const vec *at_p,
                              const vec *at_q, class_divergence *to) {
    const vec u = *at_u, p = *at_p, q = *at_q, f = v_splat((real)how->forward_share),
              r = v_splat((real)how->reverse_share);
    class_parts k;
    find_parts(&u, &q, &k);
    to->pull = to->drift = v_splat(0);
    to->value = v_splat((real)NAN); // of a divergence that is forgotten here
    switch (how->divergence) {
    case GDKD_DIVERGENCE_FORWARD_KL:
        to->value = forward_kl(&k, u, p, q);
        if (how->pulls) to->pull = drift_of(&k, p, q);
        break;
    case GDKD_DIVERGENCE_REVERSE_KL:
        to->value = reverse_kl(&k, u, p, q);
        if (how->pulls) to->pull = v_sub(v_splat(0), v_mul(p, u));
        break;
    case GDKD_DIVERGENCE_SYMMETRIC_KL:
        to->value = v_fma(f, forward_kl(&k, u, p, q), v_mul(r, reverse_kl(&k, u, p, q)));
        if (how->pulls) to->pull = v_fnma(v_mul(r, p), u, v_mul(f, drift_of(&k, p, q)));
        break;
    case GDKD_DIVERGENCE_TOTAL_VARIATION: {
        const vec half = v_splat((real)0.5), zero = v_splat(0), pull = v_mul(half, p);
        to->drift = drift_of(&k, p, q);
        to->value = v_mul(half, v_max(to->drift, v_sub(zero, to->drift)));
        to->pull = v_sub(v_only(v_lt(zero, to->drift), pull), v_only(v_lt(to->drift, zero), pull));
        break;
    }
    }
}

OP class_divergence divergence_at(const divergence_task *how, vec u, vec p, vec q) {
    class_divergence at;
    find_divergence(how, &u, &p, &q, &at);
    return at;
}

OP divergence_task divergence_of(const criterion *c, bool pulls) {
    return (divergence_task){c->divergence, c->forward_share, c->reverse_share, pulls};
}

#endif
