// One row in double: for double logits, for the gradients' norms, which only this path knows, and for
// float rows that the float kernels refused. Reference points are the true maxima of each
// group, so that no finite input leaves the range, and infinities get what gdkd.h promises.
//
// The groups are first written down as a map, so that one instance of the bodies serves all
// partitions.
#ifndef GDKD_EXACT_BODY_H
#define GDKD_EXACT_BODY_H

#include "gradient_body.h"
#include "split_body.h"

static inline void draw_map(const criterion *c, const block *b, int lane, const real *t,
                            uint8_t *map) {
    const double bound = b->bound[lane], top = b->top[lane];
    const int32_t last = b->last[lane], index = b->index[lane];
    for (int32_t i = 0; i < c->classes; i++) {
        bool above = t[i] > bound || (t[i] == bound && i <= last);
        bool below = t[i] < bound || (t[i] == bound && i <= last);
        switch (c->partition) {
        case GDKD_PARTITION_ALL:
            map[i] = 0;
            break;
        case GDKD_PARTITION_TARGET:
            map[i] = i != index;
            break;
        case GDKD_PARTITION_TOP:
            map[i] = !above;
            break;
        case GDKD_PARTITION_BOTTOM:
            map[i] = !below;
            break;
        default:
            map[i] = t[i] == top && i <= index ? 0 : above ? 1 : 2;
        }
    }
}

// --- Standardisation: y = (x - mean) / (1e-7 + std), in a group or over the row ------------------

typedef struct {
    double base, mean; // the mean relative to the first logit: a common offset costs nothing
    double std, scale; // scale = 1 / (eps + std)
    double count;
    bool raw; // the group stays as it is
} standard;

static inline double centred(const standard *d, double x) {
    return (x - d->base) - d->mean;
}

// Whether class i belongs to part g: the whole row is the one part of GLOBAL.
static inline bool in_part(const criterion *c, const uint8_t *map, int32_t i, int g) {
    return c->standardize == GDKD_STANDARDIZE_GLOBAL || map[i] == g;
}
static inline bool is_there(double x) {
    return x != -(double)INFINITY;
}

// unit: a power of 2 by which distances are made smaller before they are squared.
static inline standard measure(const criterion *c, const double *x, const uint8_t *map, int g,
                               double unit) {
    standard d = {.raw = c->standardize == GDKD_STANDARDIZE_OTHER && g == 0};
    double sum = 0, square = 0;
    for (int32_t i = 0; i < c->classes; i++) {
        bool in = in_part(c, map, i, g) && is_there(x[i]);
        d.base = in && d.count == 0 ? x[i] : d.base;
        sum += in ? (x[i] - d.base) * unit : 0;
        d.count += in;
    }
    d.mean = d.count > 0 ? sum / d.count / unit : 0;
    for (int32_t i = 0; i < c->classes; i++) {
        bool in = in_part(c, map, i, g) && is_there(x[i]);
        const double far = in ? centred(&d, x[i]) * unit : 0;
        square += far * far;
    }
    double freedom = c->standardize == GDKD_STANDARDIZE_GLOBAL ? d.count - 1 : d.count;
    d.std = freedom > 0 ? sqrt(square / freedom) / unit : 0;
    d.scale = 1 / (STANDARD_EPSILON + d.std);
    return d;
}

// The squares of distances above 2^512 are no doubles; those of distances times 2^-600 all are.
static inline standard standard_of(const criterion *c, const double *x, const uint8_t *map, int g) {
    const standard d = measure(c, x, map, g, 1);
    return d.std - d.std == 0 ? d : measure(c, x, map, g, 0x1p-600);
}

static inline int parts_of(const criterion *c) {
    return c->standardize == GDKD_STANDARDIZE_GLOBAL ? 1 : c->groups;
}

static inline void standardise(const criterion *c, const double *x, const uint8_t *map, double *y) {
    for (int g = 0; g < parts_of(c); g++) {
        const standard d = standard_of(c, x, map, g);
        for (int32_t i = 0; i < c->classes; i++)
            if (in_part(c, map, i, g)) y[i] = d.raw ? x[i] : centred(&d, x[i]) * d.scale;
    }
}

// From the gradient with respect to y to that with respect to x, in place:
//     dL/dx_i = scale (g_i - mean g) - scale^2 (x_i - mean) / (freedom std) sum_j g_j (x_j - mean)
static inline void standardise_backward(const criterion *c, const double *x, const uint8_t *map,
                                        double *gradient) {
    for (int part = 0; part < parts_of(c); part++) {
        const standard d = standard_of(c, x, map, part);
        if (d.raw) continue;
        double sum = 0, dot = 0;
        for (int32_t i = 0; i < c->classes; i++) {
            bool in = in_part(c, map, i, part) && is_there(x[i]);
            sum += in ? gradient[i] : 0;
            dot += in ? gradient[i] * (centred(&d, x[i]) * d.scale) : 0;
        }
        double freedom = c->standardize == GDKD_STANDARDIZE_GLOBAL ? d.count - 1 : d.count;
        double slope = d.std > 0 ? dot / freedom / d.std : 0;
        for (int32_t i = 0; i < c->classes; i++) {
            if (!in_part(c, map, i, part)) continue;
            gradient[i] = is_there(x[i])
                              ? d.scale * (gradient[i] - sum / d.count - slope * centred(&d, x[i]))
                              : d.scale * gradient[i];
        }
    }
}

static const kept nowhere = {NULL, NULL, NULL}; // the exponentials are computed again

// --- The stages ----------------------------------------------------------------------------------

// The logits of the low terms: the row's own, or the standardised ones.
static inline const double *low_student(const criterion *c, const scratch *x) {
    return c->standardize != GDKD_STANDARDIZE_NONE ? x->standard_s : x->row_s;
}
static inline const double *low_teacher(const criterion *c, const scratch *x) {
    return c->standardize != GDKD_STANDARDIZE_NONE ? x->standard_t : x->row_t;
}

// Those of the high term: standardised only where the whole row is.
static inline bool high_is_raw(const criterion *c) {
    return c->standardize != GDKD_STANDARDIZE_GLOBAL;
}

// The teacher as the partition sees it: classes that are -inf in both models are out of the row, and
// NaN, which is in no rank. Returns their number.
static inline int32_t ranked_teacher(const criterion *c, const scratch *x, double *t) {
    int32_t gone = 0;
    for (int32_t i = 0; i < c->classes; i++) {
        bool out = !is_there(x->row_s[i]) && !is_there(x->row_t[i]);
        t[i] = out ? (double)NAN : x->row_t[i];
        gone += out;
    }
    return gone;
}

static inline void exact_prepare(const criterion *c, block *b, int lane, const scratch *x) {
    if (c->partition != GDKD_PARTITION_MAP) {
        double *ranked = x->standard_t;
        int32_t gone = ranked_teacher(c, x, ranked);
        split_row(c, b, lane, ranked, gone, x);
        draw_map(c, b, lane, ranked, x->map);
    }
    if (c->standardize != GDKD_STANDARDIZE_NONE) {
        standardise(c, x->row_s, x->map, x->standard_s);
        standardise(c, x->row_t, x->map, x->standard_t);
    }
}

static void exact_sums(const criterion *c, block *b, int lane, const scratch *x) {
    const double *s = x->row_s, *t = x->row_t, *low_s = low_student(c, x),
                 *low_t = low_teacher(c, x);
    if (c->ce) {
        refer_ce(b, lane, s, 1, largest_of(s, c->classes, 1));
        sums_of_row(c, b, b->low_sums, lane, PARTITION_NONE, WITH_CE, c->classes, s, t, NULL,
                    nowhere);
    }
    if (!c->kd) return;
    exact_prepare(c, b, lane, x);
    if (c->split_high) {
        const double *high_s = high_is_raw(c) ? s : low_s, *high_t = high_is_raw(c) ? t : low_t;
        refer_row(c, b, b->high_sums, lane, GDKD_PARTITION_MAP, c->classes, high_s, high_t, x->map);
        sums_of_row(c, b, b->high_sums, lane, GDKD_PARTITION_MAP, AS_ASKED, c->classes, high_s,
                    high_t, x->map, nowhere);
    }
    refer_row(c, b, b->low_sums, lane, GDKD_PARTITION_MAP, c->classes, low_s, low_t, x->map);
    sums_of_row(c, b, b->low_sums, lane, GDKD_PARTITION_MAP, AS_ASKED, c->classes, low_s, low_t,
                x->map, nowhere);
}

static inline double square_norm(const criterion *c, const double *gradient) {
    double sum = 0;
    for (int32_t i = 0; i < c->classes; i++) sum += gradient[i] * gradient[i];
    return sum;
}

// What of the gradient a call of add_share is for.
typedef enum { SHARE_CE, SHARE_HIGH, SHARE_LOW } share_kind;

// Adds one share of the gradient to the row's and gives its squared norm.
static double add_share(const criterion *c, const block *b, share_kind kind, int lane,
                        const scratch *x) {
    double *share = x->standard_g;
    const bool ce = kind == SHARE_CE;
    const bool raw = ce || (kind == SHARE_HIGH && high_is_raw(c));
    const double *s = raw ? x->row_s : low_student(c, x), *t = raw ? x->row_t : low_teacher(c, x);
    const group_terms *p = kind == SHARE_HIGH ? b->high_sums : b->low_sums;
    gradient_of_row(c, b, p, lane, ce ? PARTITION_NONE : GDKD_PARTITION_MAP,
                    ce ? WITH_CE : AS_ASKED, c->classes, s, t, x->map, nowhere, share, false);
    if (!raw && c->standardize != GDKD_STANDARDIZE_NONE)
        standardise_backward(c, x->row_s, x->map, share);
    for (int32_t i = 0; i < c->classes; i++) x->row_g[i] += share[i];
    return c->norms ? square_norm(c, share) : 0;
}

// The low term of one group alone, for its norm.
static void add_low_shares(const criterion *c, block *b, int lane, const scratch *x) {
    group_terms *p = b->low_sums;
    double c_s[MAX_GROUPS], c_t[MAX_GROUPS], c_d[MAX_GROUPS];
    for (int g = 0; g < c->groups; g++) {
        c_s[g] = p[g].c_s[lane];
        c_t[g] = p[g].c_t[lane];
        c_d[g] = p[g].c_d[lane];
    }
    for (int one = 0; one < c->groups; one++) {
        for (int g = 0; g < c->groups; g++) {
            p[g].c_s[lane] = g == one ? c_s[g] : 0;
            p[g].c_t[lane] = g == one ? c_t[g] : 0;
            p[g].c_d[lane] = g == one ? c_d[g] : 0;
        }
        b->norm2_low[one][lane] = add_share(c, b, SHARE_LOW, lane, x);
    }
}

static void exact_gradient(const criterion *c, block *b, int lane, const scratch *x) {
    for (int32_t i = 0; i < c->classes; i++) x->row_g[i] = 0;
    if (c->ce) b->norm2_ce[lane] = add_share(c, b, SHARE_CE, lane, x);
    if (!c->kd) return;
    exact_prepare(c, b, lane, x);
    if (c->split_high) b->norm2_high[lane] = add_share(c, b, SHARE_HIGH, lane, x);
    if (c->norms)
        add_low_shares(c, b, lane, x);
    else
        add_share(c, b, SHARE_LOW, lane, x);
}

#endif
