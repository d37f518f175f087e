#include "plain_row.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The classes of a row that are not masked in both models, with everything known about them. The
// logits are relative to the row's largest: an offset of 1e4 costs even a long double 1e-15.
typedef struct members {
    int64_t n;
    int64_t *index; // the class
    uint8_t *group;
    real *s, *t; // logits
    real *x, *z; // logits / temperature, standardised where that is asked for
} members;

static void members_init(members *c, int64_t n) {
    c->n = 0;
    c->index = checked_calloc((size_t)n, sizeof *c->index);
    c->group = checked_calloc((size_t)n, 1);
    c->s = checked_calloc((size_t)(4 * n), sizeof *c->s);
    c->t = c->s + n;
    c->x = c->t + n;
    c->z = c->x + n;
}

static void members_free(members *c) {
    free(c->index);
    free(c->group);
    free(c->s);
}

void plain_row_init(plain_row *out, int64_t n) {
    memset(out, 0, sizeof *out);
    out->memory = checked_calloc((size_t)(n * (2 + GDKD_MAX_GROUPS)), sizeof *out->memory);
    out->ce.grad = out->memory;
    out->high.grad = out->memory + n;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) out->low[g].grad = out->memory + n * (2 + g);
}

void plain_row_free(plain_row *out) {
    free(out->memory);
}

#define ALL_GROUPS (-1)

static int in_group(const members *c, int64_t j, int g) {
    return g == ALL_GROUPS || c->group[j] == g;
}

static real log_sum_exp(const members *c, const real *v, int g) {
    real largest = -INFINITY;
    real sum = 0.0L;
    for (int64_t j = 0; j < c->n; j++) {
        if (in_group(c, j, g)) largest = fmaxl(largest, v[j]);
    }
    if (largest == -INFINITY) return -INFINITY;
    for (int64_t j = 0; j < c->n; j++) {
        if (in_group(c, j, g)) sum += expl(v[j] - largest);
    }
    return largest + logl(sum);
}

static int64_t group_count(const members *c, int g) {
    int64_t count = 0;
    for (int64_t j = 0; j < c->n; j++) count += in_group(c, j, g);
    return count;
}

// The classes of a group that one model has: only they count in its mean and deviation.
static int is_there(const members *c, const real *v, int64_t j, int g) {
    return in_group(c, j, g) && v[j] > -INFINITY;
}

static void largest_of(real *largest, real value) {
    *largest = fmaxl(*largest, fabsl(value));
}

// --- Standardisation ----------------------------------------------------------------------------

typedef struct moments {
    real mean, deviation, freedom; // freedom: n, or n - 1
    int64_t n;
} moments;

static moments moments_of(const members *c, const real *v, int g, int less) {
    int64_t n = 0;
    for (int64_t j = 0; j < c->n; j++) n += is_there(c, v, j, g);
    moments m = {0.0L, 0.0L, (real)(n - less), n};
    real squares = 0.0L;
    for (int64_t j = 0; j < c->n; j++) {
        if (is_there(c, v, j, g)) m.mean += v[j] / (real)n;
    }
    for (int64_t j = 0; j < c->n; j++) {
        if (is_there(c, v, j, g)) squares += (v[j] - m.mean) * (v[j] - m.mean);
    }
    if (m.freedom > 0.0L) m.deviation = sqrtl(squares / m.freedom);
    return m;
}

// from -> (from - mean) / (1e-7 + deviation) / temperature
static moments standardise(const members *c, const real *from, int g, int less, real temperature,
                           real *to) {
    const moments m = moments_of(c, from, g, less);
    for (int64_t j = 0; j < c->n; j++) {
        if (in_group(c, j, g)) to[j] = (from[j] - m.mean) / (1e-7L + m.deviation) / temperature;
    }
    return m;
}

// The gradient with respect to the standardised logits becomes that with respect to the raw ones:
// with y = (s - mean)/(eps + dev),  dy_j/ds_i = (delta_ij - 1/n)/(eps + dev)
//                                            - y_j (s_i - mean) / (freedom dev (eps + dev)).
// A class at -inf stays there whatever the others do, and counts in no mean.
static void standardise_backward(const members *c, int g, moments m, term *out) {
    const real scale = 1.0L / (1e-7L + m.deviation);
    real mean = 0.0L;
    real dot = 0.0L;
    real dot_size = 0.0L;
    for (int64_t j = 0; j < c->n; j++) {
        if (!is_there(c, c->s, j, g)) continue;
        const real y = (c->s[j] - m.mean) * scale;
        mean += out->grad[c->index[j]] / (real)m.n;
        dot += out->grad[c->index[j]] * y;
        dot_size += out->grad_size * fabsl(y);
    }
    real largest = out->grad_size;
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g)) continue;
        if (c->s[j] == -INFINITY) {
            out->grad[c->index[j]] *= scale;
            continue;
        }
        real slope = 0.0L; // d dev / d s_j; the deviation of equal logits has none
        if (m.deviation > 0.0L) slope = (c->s[j] - m.mean) / (m.freedom * m.deviation);
        out->grad[c->index[j]] = scale * (out->grad[c->index[j]] - mean - dot * slope);
        // The sum `dot` is a difference of terms as large as the gradient's: they count.
        largest_of(&largest, fminl(dot_size, out->grad_size * (real)m.n) * slope);
    }
    out->grad_size = scale * largest;
}

// --- Terms --------------------------------------------------------------------------------------

static real logs_of(real log_p, real log_q) {
    return 1.0L + fabsl(log_p) + fabsl(log_q);
}

static void cross_entropy(const problem *p, int64_t row, int64_t target, plain_row *out) {
    const int64_t C = p->classes;
    const double *s = p->student + row * C;
    const real e = (real)p->config.label_smoothing;
    real largest = -INFINITY;
    real sum = 0.0L;
    int64_t there = 0; // classes that are not masked: the smoothing is shared among them
    for (int64_t i = 0; i < C; i++) {
        largest = fmaxl(largest, (real)s[i]);
        there += s[i] > -INFINITY;
    }
    if (there == 0) { // p is 0 everywhere
        out->ce.value = out->ce.size = INFINITY;
        out->ce.grad[target] = e - 1.0L;
        out->ce.grad_size = 1.0L - e;
        return;
    }
    for (int64_t i = 0; i < C; i++) sum += expl((real)s[i] - largest);
    for (int64_t i = 0; i < C; i++) {
        const real smooth = s[i] > -INFINITY ? e / (real)there : 0.0L;
        const real y = (i == target ? 1.0L - e : 0.0L) + smooth;
        const real log_p = (real)s[i] - largest - logl(sum);
        if (y > 0.0L) out->ce.value -= y * log_p;
        if (y > 0.0L) out->ce.logs += y * (1.0L - log_p);
        out->ce.grad[i] = expl(log_p) - y;
        largest_of(&out->ce.grad_size, y);
        largest_of(&out->ce.grad_size, expl(log_p));
    }
    out->ce.size = out->ce.value;
}

// high = sum_g Q_g (log Q_g - log P_g); its gradient p_i (P_g - Q_g), p_i within the group.
static void high_term(const members *c, plain_row *out) {
    const real A = log_sum_exp(c, c->x, ALL_GROUPS);
    const real B = log_sum_exp(c, c->z, ALL_GROUPS);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        if (group_count(c, g) == 0) continue;
        const real a = log_sum_exp(c, c->x, g);
        const real b = log_sum_exp(c, c->z, g);
        const real P = a > -INFINITY ? expl(a - A) : 0.0L;
        const real Q = b > -INFINITY ? expl(b - B) : 0.0L;
        out->student_mass[g] = P;
        out->teacher_mass[g] = Q;
        if (b > -INFINITY) {
            const real value = a > -INFINITY ? Q * ((b - B) - (a - A)) : (real)INFINITY;
            out->high.value += value;
            out->high.size += fabsl(value);
            out->high.logs += Q * logs_of(a - A, b - B);
        }
        if (a == -INFINITY) continue; // its classes have no shares in a mass of 0: no pull
        for (int64_t j = 0; j < c->n; j++) {
            if (!in_group(c, j, g)) continue;
            const real within = expl(c->x[j] - a);
            out->high.grad[c->index[j]] = within * (P - Q);
            largest_of(&out->high.grad_size, within * P);
            largest_of(&out->high.grad_size, within * Q);
        }
    }
}

// sum q (log q - log p), gradient p - q; p is 0 throughout where the student has none of the group
static void forward_kl(const members *c, int g, real a, real b, real share, term *out) {
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g)) continue;
        const real q = expl(c->z[j] - b);
        const real p = a > -INFINITY ? expl(c->x[j] - a) : 0.0L;
        if (c->z[j] > -INFINITY) {
            const real value =
                c->x[j] > -INFINITY ? q * ((c->z[j] - b) - (c->x[j] - a)) : (real)INFINITY;
            out->value += share * value;
            out->size += share * fabsl(value);
            out->logs += share * q * logs_of(c->x[j] - a, c->z[j] - b);
        }
        out->grad[c->index[j]] += share * (p - q);
        largest_of(&out->grad_size, share * p);
        largest_of(&out->grad_size, share * q);
    }
}

// sum p (log p - log q), gradient p ((log p - log q) - value)
static void reverse_kl(const members *c, int g, real a, real b, real share, term *out) {
    real value = 0.0L;
    real size = 0.0L;
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g) || c->x[j] == -INFINITY) continue;
        const real part = c->z[j] > -INFINITY ? expl(c->x[j] - a) * ((c->x[j] - a) - (c->z[j] - b))
                                              : (real)INFINITY;
        value += part;
        size += fabsl(part);
        out->logs += share * expl(c->x[j] - a) * logs_of(c->x[j] - a, c->z[j] - b);
    }
    out->value += share * value;
    out->size += share * size;
    if (value == INFINITY) return; // it has no finite gradient: none
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g) || c->x[j] == -INFINITY) continue;
        const real p = expl(c->x[j] - a);
        const real difference = (c->x[j] - a) - (c->z[j] - b);
        out->grad[c->index[j]] += share * p * (difference - value);
        largest_of(&out->grad_size, share * p);
        largest_of(&out->grad_size, share * p * difference);
        largest_of(&out->grad_size, share * p * size);
    }
}

// log sum exp(v - largest) in a group: by what is beside the largest, so that next to nothing
// counts.
static real log_beside(const members *c, const real *v, int g, real largest) {
    real beside = 0.0L;
    int found = 0;
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g)) continue;
        if (v[j] < largest || found) beside += expl(v[j] - largest);
        found = found || v[j] == largest;
    }
    return log1pl(beside);
}

static real largest_in(const members *c, const real *v, int g) {
    real largest = -INFINITY;
    for (int64_t j = 0; j < c->n; j++) {
        if (in_group(c, j, g)) largest = fmaxl(largest, v[j]);
    }
    return largest;
}

// sum |q - p| / 2, gradient p (sign(p - q) / 2 - sum p sign(p - q) / 2)
static void total_variation(const members *c, int g, term *out) {
    const real x = largest_in(c, c->x, g), a = log_beside(c, c->x, g, x);
    const real z = largest_in(c, c->z, g), b = log_beside(c, c->z, g, z);
    real mean = 0.0L;
    for (int64_t j = 0; j < c->n; j++) {
        if (!in_group(c, j, g)) continue;
        const real log_p = (c->x[j] - x) - a, log_q = (c->z[j] - z) - b, p = expl(log_p);
        const real apart = fabsl(log_p - log_q);
        const real difference = apart < 1.0L ? p * -expm1l(log_q - log_p) : p - expl(log_q);
        const real slope = difference > 0.0L ? 0.5L : difference < 0.0L ? -0.5L : 0.0L;
        out->value += fabsl(difference) / 2;
        if (fminl(log_p, log_q) > -INFINITY) out->logs += p * logs_of(log_p, log_q);
        out->grad[c->index[j]] = p * slope;
        mean += p * slope;
        largest_of(&out->grad_size, p);
        // The sign of next to nothing, which rounding decides: no gradient is expected.
        if (fabsl(difference) < 1e-6L * p) largest_of(&out->grad_size, 1e11L * p);
    }
    out->size = out->value;
    for (int64_t j = 0; j < c->n; j++) {
        if (in_group(c, j, g)) out->grad[c->index[j]] -= expl((c->x[j] - x) - a) * mean;
    }
}

static void low_term(const members *c, int g, int32_t divergence, plain_row *out) {
    const real a = log_sum_exp(c, c->x, g);
    const real b = log_sum_exp(c, c->z, g);
    if (divergence == GDKD_DIVERGENCE_TOTAL_VARIATION) {
        if (a > -INFINITY && b > -INFINITY) {
            total_variation(c, g, &out->low[g]);
        } else if (a > -INFINITY || b > -INFINITY) { // they have nothing in common
            out->low[g].value = out->low[g].size = 1.0L;
        }
        return;
    }
    const real forward = divergence == GDKD_DIVERGENCE_FORWARD_KL   ? 1.0L
                         : divergence == GDKD_DIVERGENCE_REVERSE_KL ? 0.0L
                                                                    : 0.5L;
    // A group that either model masks as a whole has no distribution to compare with.
    if (a == -INFINITY && b == -INFINITY) return;
    if (b == -INFINITY && forward == 1.0L) return;
    if (a == -INFINITY && forward == 0.0L) return;
    if (b == -INFINITY) { // the reverse part is infinite, and so without a gradient
        out->low[g].value = out->low[g].size = INFINITY;
        return;
    }
    if (forward > 0.0L) forward_kl(c, g, a, b, forward, &out->low[g]);
    if (forward < 1.0L && a > -INFINITY) reverse_kl(c, g, a, b, 1.0L - forward, &out->low[g]);
}

// A term of the scaled logits x becomes one of s: value times T^2, gradient times T^2 / T.
static void scale_term(const problem *p, real weight, int64_t classes, term *t) {
    const real T = (real)p->config.temperature;
    const real factor = weight * (p->config.temperature_squared ? T * T : 1.0L);
    if (weight == 0.0L) { // nothing of it counts, infinite or not
        t->value = t->size = t->logs = t->grad_size = 0.0L;
        memset(t->grad, 0, (size_t)classes * sizeof *t->grad);
        return;
    }
    t->value *= factor;
    t->size *= fabsl(factor);
    t->logs *= fabsl(factor);
    t->grad_size *= fabsl(factor / T);
    for (int64_t i = 0; i < classes; i++) t->grad[i] *= factor / T;
}

// A mass below the normal numbers of a double counts as 0, whatever it would multiply.
static real counted_mass(real q) {
    return q < (real)DBL_MIN ? 0.0L : q;
}

// Whether all classes of all rows are in group 0: then there is no high term.
static int one_group(const problem *p) {
    if (p->config.partition != GDKD_PARTITION_MAP) return p->config.partition == GDKD_PARTITION_ALL;
    const int64_t n = p->groups_per_row ? p->rows * p->classes : p->classes;
    for (int64_t i = 0; i < n; i++) {
        if (p->groups[i] != 0) return 0;
    }
    return 1;
}

static real low_factor(const problem *p, int64_t row, int64_t target, int g, const plain_row *out) {
    const gdkd_config *c = &p->config;
    real m = 1.0L;
    if (c->mass_scaled_groups >> g & 1u) m *= counted_mass(out->teacher_mass[g]);
    if (c->low_weight_groups >> g & 1u) {
        m *= (real)p->low_weight[c->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS ? target : row];
    }
    return m;
}

static void distillation(const problem *p, int64_t row, int64_t target, members *c,
                         plain_row *out) {
    const gdkd_config *f = &p->config;
    const real T = (real)f->temperature;
    const real Tt = f->teacher_temperature > 0.0 ? (real)f->teacher_temperature : T;
    const int global = f->standardize == GDKD_STANDARDIZE_GLOBAL;
    moments m = {0.0L, 0.0L, 0.0L, 0};
    plain_partition(p, row, target, c->index, c->n, c->group);
    for (int64_t j = 0; j < c->n; j++) {
        c->x[j] = c->s[j] / T;
        c->z[j] = c->t[j] / Tt;
    }
    if (global) {
        m = standardise(c, c->s, ALL_GROUPS, 1, T, c->x);
        standardise(c, c->t, ALL_GROUPS, 1, Tt, c->z);
    }
    high_term(c, out);
    if (f->w_high == 0.0 || one_group(p)) {
        out->high.value = out->high.size = out->high.logs = out->high.grad_size = 0.0L;
        memset(out->high.grad, 0, (size_t)p->classes * sizeof *out->high.grad);
    }
    if (global) standardise_backward(c, ALL_GROUPS, m, &out->high);
    scale_term(p, 1.0L, p->classes, &out->high);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        if (f->w_low[g] == 0.0 || group_count(c, g) == 0) continue;
        const int inside = f->standardize == GDKD_STANDARDIZE_GROUPS ||
                           (f->standardize == GDKD_STANDARDIZE_OTHER && g > 0);
        if (inside) {
            m = standardise(c, c->s, g, 0, T, c->x);
            standardise(c, c->t, g, 0, Tt, c->z);
        }
        low_term(c, g, f->divergence, out);
        if (inside) standardise_backward(c, g, m, &out->low[g]);
        if (global) standardise_backward(c, ALL_GROUPS, m, &out->low[g]);
        scale_term(p, low_factor(p, row, target, g, out), p->classes, &out->low[g]);
    }
}

static void make_relative(real *v, int64_t n) {
    real largest = -INFINITY;
    for (int64_t j = 0; j < n; j++) largest = fmaxl(largest, v[j]);
    for (int64_t j = 0; j < n && largest > -INFINITY; j++) v[j] -= largest;
}

static int not_a_number(real v) {
    return isnan(v) || v == (real)INFINITY;
}

void plain_row_terms(const problem *p, int64_t row, plain_row *out) {
    const int64_t C = p->classes;
    const double *s = p->student + row * C;
    const double *t = p->teacher + row * C;
    const int distils = p->config.kd_weight != 0.0;
    const int reads = distils || p->config.ce_weight != 0.0;
    const int64_t target = plain_target(p, row);
    members c;
    members_init(&c, C);
    int student_alive = 0;
    int teacher_alive = 0;
    for (int64_t i = 0; i < C; i++) {
        if (reads && not_a_number(s[i])) out->invalid = 1;
        if (distils && not_a_number(t[i])) out->invalid = 1;
        student_alive |= s[i] > -INFINITY;
        if (!distils || (s[i] == -INFINITY && t[i] == -INFINITY)) continue;
        teacher_alive |= t[i] > -INFINITY;
        c.index[c.n] = i;
        c.s[c.n] = (real)s[i];
        c.t[c.n++] = (real)t[i];
    }
    if (distils && !teacher_alive && student_alive) out->invalid = 1;
    if (!out->invalid) {
        if (p->config.ce_weight != 0.0) cross_entropy(p, row, target, out);
        make_relative(c.s, c.n);
        make_relative(c.t, c.n);
        if (c.n > 0) distillation(p, row, target, &c, out);
    }
    members_free(&c);
}
