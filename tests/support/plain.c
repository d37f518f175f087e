#include "plain_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void allocate(const problem *p, plain_result *out) {
    memset(out, 0, sizeof *out);
    out->grad = checked_calloc((size_t)(p->rows * p->classes), sizeof *out->grad);
    out->row_loss = checked_calloc((size_t)p->rows, sizeof *out->row_loss);
    out->row_size = checked_calloc((size_t)p->rows, sizeof *out->row_size);
    out->row_logs = checked_calloc((size_t)p->rows, sizeof *out->row_logs);
    out->grad_size = checked_calloc((size_t)p->rows, sizeof *out->grad_size);
    out->first_nonfinite = -1;
    out->divisor = 1.0;
}

void plain_free(plain_result *out) {
    free(out->grad);
    free(out->row_loss);
    free(out->row_size);
    free(out->row_logs);
    free(out->grad_size);
    memset(out, 0, sizeof *out);
}

static real weight_of(const problem *p, int64_t row) {
    return p->row_weight ? (real)p->row_weight[row] : 1.0L;
}

// Sums over the rows, in the order of the fields of plain_result.
typedef struct sums {
    real ce, high, low[GDKD_MAX_GROUPS];
    real ce_size, high_size, low_size[GDKD_MAX_GROUPS];
    real ce_logs, high_logs, low_logs[GDKD_MAX_GROUPS];
    real student_mass[GDKD_MAX_GROUPS], teacher_mass[GDKD_MAX_GROUPS];
    real norm_ce, norm_high, norm_low[GDKD_MAX_GROUPS]; // squared
    real total, total_size, total_logs, weight;
} sums;

static void note_largest(const problem *p, int64_t row, plain_result *out) {
    const gdkd_config *c = &p->config;
    const double T = c->temperature;
    const double Tt = c->teacher_temperature > 0.0 ? c->teacher_temperature : T;
    for (int64_t i = row * p->classes; i < (row + 1) * p->classes; i++) {
        const double s = fabs(p->student[i]);
        const double t = fabs(p->teacher[i]);
        if (isfinite(s)) out->largest_input = fmax(out->largest_input, s / fmin(T, 1.0));
        if (isfinite(t) && c->kd_weight != 0.0) {
            out->largest_input = fmax(out->largest_input, t / Tt);
        }
    }
}

static real add_term(real weight, const term *t, real row_weight, int64_t classes, real *grad,
                     real *norm, real *grad_size) {
    if (weight == 0.0L) return 0.0L;
    for (int64_t i = 0; i < classes; i++) {
        const real share = row_weight * weight * t->grad[i];
        grad[i] += share;
        *norm += share * share;
    }
    *grad_size = fmaxl(*grad_size, fabsl(row_weight * weight) * t->grad_size);
    return weight * t->value;
}

static void add_row(const problem *p, int64_t row, const plain_row *r, real *grad, sums *sum,
                    plain_result *out) {
    const gdkd_config *c = &p->config;
    const real w = weight_of(p, row);
    const real kd = (real)c->kd_weight;
    real grad_size = 0.0L;
    real loss =
        add_term((real)c->ce_weight, &r->ce, w, p->classes, grad, &sum->norm_ce, &grad_size);
    real size = fabsl((real)c->ce_weight) * r->ce.size;
    real logs = fabsl((real)c->ce_weight) * r->ce.logs;
    sum->ce += w * r->ce.value;
    sum->ce_size += fabsl(w) * r->ce.size;
    sum->ce_logs += fabsl(w) * r->ce.logs;
    if (kd != 0.0L) {
        loss += add_term(kd * (real)c->w_high, &r->high, w, p->classes, grad, &sum->norm_high,
                         &grad_size);
        size += fabsl(kd * (real)c->w_high) * r->high.size;
        logs += fabsl(kd * (real)c->w_high) * r->high.logs;
    }
    sum->high += w * r->high.value;
    sum->high_size += fabsl(w) * r->high.size;
    sum->high_logs += fabsl(w) * r->high.logs;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        sum->student_mass[g] += w * r->student_mass[g];
        sum->teacher_mass[g] += w * r->teacher_mass[g];
        if (kd == 0.0L || c->w_low[g] == 0.0) continue;
        loss += add_term(kd * (real)c->w_low[g], &r->low[g], w, p->classes, grad, &sum->norm_low[g],
                         &grad_size);
        size += fabsl(kd * (real)c->w_low[g]) * r->low[g].size;
        logs += fabsl(kd * (real)c->w_low[g]) * r->low[g].logs;
        sum->low[g] += w * r->low[g].value;
        sum->low_size[g] += fabsl(w) * r->low[g].size;
        sum->low_logs[g] += fabsl(w) * r->low[g].logs;
    }
    if (r->invalid) {
        loss = (real)NAN;
        for (int64_t i = 0; i < p->classes; i++) grad[i] = (real)NAN;
    }
    out->row_loss[row] = (double)loss;
    out->row_size[row] = (double)size;
    out->row_logs[row] = (double)logs;
    out->grad_size[row] = (double)grad_size;
    sum->total += w * loss;
    sum->total_size += fabsl(w) * size;
    sum->total_logs += fabsl(w) * logs;
    sum->weight += w;
    out->rows_used += 1;
    if (!isfinite((double)loss)) {
        out->rows_nonfinite += 1;
        if (out->first_nonfinite < 0) out->first_nonfinite = row;
    }
}

static void reduce(const problem *p, const sums *sum, const real *grad, plain_result *out) {
    const gdkd_config *c = &p->config;
    const real weight = out->rows_used > 0 ? sum->weight : 1.0L;
    real divisor = 1.0L;
    if (c->reduction == GDKD_REDUCTION_MEAN) divisor = c->divisor > 0.0 ? (real)c->divisor : weight;
    out->divisor = (double)divisor;
    out->total = (double)(sum->total / divisor);
    out->ce = (double)(sum->ce / divisor);
    out->high = (double)(sum->high / divisor);
    out->total_size = (double)(sum->total_size / divisor);
    out->total_logs = (double)(sum->total_logs / divisor);
    out->ce_size = (double)(sum->ce_size / divisor);
    out->ce_logs = (double)(sum->ce_logs / divisor);
    out->high_size = (double)(sum->high_size / divisor);
    out->high_logs = (double)(sum->high_logs / divisor);
    out->grad_norm_ce = (double)(sqrtl(sum->norm_ce) / divisor);
    out->grad_norm_high = (double)(sqrtl(sum->norm_high) / divisor);
    out->kd = c->w_high != 0.0 ? c->w_high * out->high : 0.0;
    out->kd_size = fabs(c->w_high) * out->high_size;
    out->kd_logs = fabs(c->w_high) * out->high_logs;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        out->low[g] = (double)(sum->low[g] / divisor);
        out->low_size[g] = (double)(sum->low_size[g] / divisor);
        out->low_logs[g] = (double)(sum->low_logs[g] / divisor);
        out->student_mass[g] = (double)(sum->student_mass[g] / weight);
        out->teacher_mass[g] = (double)(sum->teacher_mass[g] / weight);
        out->grad_norm_low[g] = (double)(sqrtl(sum->norm_low[g]) / divisor);
        out->kd += c->w_low[g] != 0.0 ? c->w_low[g] * out->low[g] : 0.0;
        out->kd_size += fabs(c->w_low[g]) * out->low_size[g];
        out->kd_logs += fabs(c->w_low[g]) * out->low_logs[g];
    }
    for (int64_t i = 0; i < p->rows * p->classes; i++) out->grad[i] = (double)(grad[i] / divisor);
    for (int64_t r = 0; r < p->rows; r++) out->grad_size[r] /= fabs((double)divisor);
}

void plain_loss(const problem *p, plain_result *out) {
    sums sum;
    memset(&sum, 0, sizeof sum);
    allocate(p, out);
    real *grad = checked_calloc((size_t)(p->rows * p->classes), sizeof *grad);
    for (int64_t row = 0; row < p->rows; row++) {
        if (!plain_row_is_read(p, row)) continue;
        plain_row r;
        plain_row_init(&r, p->classes);
        note_largest(p, row, out);
        plain_row_terms(p, row, &r);
        add_row(p, row, &r, grad + row * p->classes, &sum, out);
        plain_row_free(&r);
    }
    reduce(p, &sum, grad, out);
    free(grad);
}
