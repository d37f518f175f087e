// DIST from its formulas: two softmax matrices, a Pearson correlation per row and per column.
#include "plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void softmax(const double *logits, int64_t n, real temperature, real *out) {
    real largest = -INFINITY;
    real sum = 0.0L;
    for (int64_t i = 0; i < n; i++) {
        // fmax() would drop a NaN.
        if (!((real)logits[i] <= largest)) largest = (real)logits[i];
    }
    for (int64_t i = 0; i < n; i++) sum += out[i] = expl(((real)logits[i] - largest) / temperature);
    for (int64_t i = 0; i < n; i++) out[i] /= sum;
}

// 1 - r of two vectors of n elements `step` apart, with the method's 1e-8 beside the norms:
//     r = <a, b> / (|a||b| + eps),  a = y - mean y,  b = z - mean z.
// Adds weight * d(1 - r)/dy to grad, and the absolute values of its two parts to size.
static real unlikeness(const real *y, const real *z, int64_t n, int64_t step, real weight,
                       real *grad, real *size) {
    real mean_y = 0.0L;
    real mean_z = 0.0L;
    real ab = 0.0L;
    real aa = 0.0L;
    real bb = 0.0L;
    for (int64_t i = 0; i < n; i++) {
        mean_y += y[i * step] / (real)n;
        mean_z += z[i * step] / (real)n;
    }
    for (int64_t i = 0; i < n; i++) {
        const real a = y[i * step] - mean_y;
        const real b = z[i * step] - mean_z;
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    const real below = sqrtl(aa) * sqrtl(bb) + 1e-8L;
    // dr/da = b / below - <a, b> / below^2 |b| a / |a|; its mean over the vector is 0.
    const real pull = aa > 0.0L ? ab / (below * below) * sqrtl(bb) / sqrtl(aa) : 0.0L;
    for (int64_t i = 0; i < n; i++) {
        const real a = y[i * step] - mean_y;
        const real b = z[i * step] - mean_z;
        grad[i * step] -= weight * (b / below - pull * a);
        size[i * step] += fabsl(weight) * (fabsl(b / below) + fabsl(pull * a));
    }
    return 1.0L - ab / below;
}

// Through the softmax: grad_i = y_i (slope_i - <slope, y>) / T; size: the largest such part.
static void softmax_backward(const real *y, const real *slope, const real *size, int64_t n,
                             real temperature, double *grad, double *largest) {
    real dot = 0.0L;
    real dot_size = 0.0L;
    for (int64_t i = 0; i < n; i++) {
        dot += slope[i] * y[i];
        dot_size += size[i] * y[i];
    }
    for (int64_t i = 0; i < n; i++) {
        grad[i] = (double)(y[i] * (slope[i] - dot) / temperature);
        *largest = fmax(*largest, (double)(y[i] * fmaxl(size[i], dot_size) / temperature));
    }
}

void plain_dist(const problem *p, double beta, double gamma, plain_result *out) {
    const int64_t C = p->classes;
    const real T = (real)p->config.temperature;
    const real factor = p->config.temperature_squared ? T * T : 1.0L;
    memset(out, 0, sizeof *out);
    out->grad = checked_calloc((size_t)(p->rows * C), sizeof *out->grad);
    out->grad_size = checked_calloc((size_t)p->rows, sizeof *out->grad_size);
    out->divisor = 1.0;
    out->first_nonfinite = -1;
    real *y = checked_calloc((size_t)(4 * p->rows * C), sizeof *y);
    real *z = y + p->rows * C;
    real *slope = z + p->rows * C;
    real *size = slope + p->rows * C;
    int64_t used = 0;
    for (int64_t r = 0; r < p->rows; r++) {
        if (!plain_row_is_read(p, r)) continue;
        for (int64_t c = r * C; c < (r + 1) * C; c++) {
            const double larger = fmax(fabs(p->student[c]), fabs(p->teacher[c]));
            out->largest_input = fmax(out->largest_input, larger / p->config.temperature);
        }
        softmax(p->student + r * C, C, T, y + used * C);
        softmax(p->teacher + r * C, C, T, z + used * C);
        used++;
    }
    out->rows_used = used;
    real inter = 0.0L;
    real intra = 0.0L;
    for (int64_t r = 0; r < used; r++) {
        const real w = factor * (real)beta / (real)used;
        inter +=
            unlikeness(y + r * C, z + r * C, C, 1, w, slope + r * C, size + r * C) / (real)used;
    }
    for (int64_t c = 0; c < C && used > 0; c++) {
        const real w = factor * (real)gamma / (real)C;
        intra += unlikeness(y + c, z + c, used, C, w, slope + c, size + c) / (real)C;
    }
    out->inter = (double)(factor * inter);
    out->intra = (double)(factor * intra);
    out->total = out->kd = (double)(factor * ((real)beta * inter + (real)gamma * intra));
    int64_t k = 0;
    for (int64_t r = 0; r < p->rows; r++) {
        if (!plain_row_is_read(p, r)) continue;
        softmax_backward(y + k * C, slope + k * C, size + k * C, C, T, out->grad + r * C,
                         &out->grad_size[r]);
        k++;
    }
    free(y);
}
