#include "compare.h"

#include "number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

double bound_of(const call *how, const plain_result *truth) {
    // docs/numerics.md: 3e-7 and 5e-7 for float32 arithmetic on logits as networks give them
    // (|x| <= 30), 2e-6 for any finite input; the factor 5/3 is applied to gradients.
    if (how->student_dtype == GDKD_F64) return 1e-10;
    return truth->largest_input <= 30.0 ? 3e-7 : 2e-6;
}

static double grad_bound_of(const call *how, const plain_result *truth) {
    const double bound = bound_of(how, truth);
    return bound == 3e-7 ? 5e-7 : bound;
}

// Where the two models agree, or a model is certain, the terms above are nothing and the logarithms
// whose difference they are remain: no arithmetic in double comes closer than a few of its
// roundings of these. The library does such rows in double, whatever their type. The worst that was
// measured is in tests/README.md.
static const double rounding = 2e-15;

static void wrong(verdict *out, const char *format, ...) {
    if (out->wrong) return;
    out->wrong = 1;
    va_list arguments;
    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is initialised a line above
    vsnprintf(out->message, sizeof out->message, format, arguments);
    va_end(arguments);
}

// Error over what is allowed. Values that are not finite must be the same kind.
static double ratio(double got, double truth, double allowed) {
    if (isnan(truth)) return isnan(got) ? 0.0 : INFINITY;
    if (isinf(truth)) return got == truth ? 0.0 : INFINITY;
    if (!isfinite(got)) return INFINITY;
    if (got == truth) return 0.0;
    return fabs(got - truth) / allowed;
}

static void note(worst *w, double ratio_, double got, double truth, double size) {
    w->ratio = fmax(w->ratio, ratio_);
    if (got == truth || (isnan(got) && isnan(truth))) return;
    w->error = fmax(w->error, isfinite(got) ? fabs(got - truth) / size : (double)INFINITY);
}

// |got - truth| <= bound * size + rounding * logs
static void check_term(verdict *out, worst *w, const char *name, int index, double got,
                       double truth, double bound, double size, double logs) {
    const double r = ratio(got, truth, bound * size + rounding * logs);
    note(w, r, got, truth, size);
    if (!(r <= 1.0)) {
        wrong(out, "%s[%d] is %.17g, should be %.17g: %.3g of what is allowed", name, index, got,
              truth, r);
    }
}

static void check_number(verdict *out, worst *w, const char *name, int index, double got,
                         double truth, double bound, double size) {
    check_term(out, w, name, index, got, truth, bound, size, 0.0);
}

// The promise is for the loss. A term that hardly counts in it may be off by as much as that
// allows.
static double share_of(const plain_result *truth, double weight, double size) {
    return weight != 0.0 ? fmax(size, truth->total_size / fabs(weight)) : size;
}

static void check_terms(const problem *p, const call *how, const plain_result *truth,
                        const gdkd_result *r, verdict *out) {
    const double bound = bound_of(how, truth);
    check_term(out, &out->loss, "total", 0, r->total, truth->total, bound, truth->total_size,
               truth->total_logs);
    if (truth->rows_nonfinite > 0) return; // terms of rows that have none
    const gdkd_config *c = &p->config;
    check_term(out, &out->terms, "ce", 0, r->ce, truth->ce, bound,
               share_of(truth, c->ce_weight, truth->ce_size), truth->ce_logs);
    check_term(out, &out->terms, "kd", 0, r->kd, truth->kd, bound,
               share_of(truth, c->kd_weight, truth->kd_size), truth->kd_logs);
    check_term(out, &out->terms, "high", 0, r->high, truth->high, bound,
               share_of(truth, c->kd_weight * c->w_high, truth->high_size), truth->high_logs);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        check_term(out, &out->terms, "low", g, r->low[g], truth->low[g], bound,
                   share_of(truth, c->kd_weight * c->w_low[g], truth->low_size[g]),
                   truth->low_logs[g]);
        if (c->kd_weight == 0.0) continue;
        check_number(out, &out->terms, "student_mass", g, r->student_mass[g],
                     truth->student_mass[g], bound, 1.0); // the masses of a row sum to 1
        check_number(out, &out->terms, "teacher_mass", g, r->teacher_mass[g],
                     truth->teacher_mass[g], bound, 1.0);
    }
}

static void check_counts(const plain_result *truth, const gdkd_result *r, verdict *out) {
    if (r->rows_used != truth->rows_used) {
        wrong(out, "rows_used is %lld, should be %lld", (long long)r->rows_used,
              (long long)truth->rows_used);
    }
    if (r->rows_nonfinite != truth->rows_nonfinite ||
        r->first_nonfinite != truth->first_nonfinite) {
        wrong(out, "rows_nonfinite is %lld (first %lld), should be %lld (%lld)",
              (long long)r->rows_nonfinite, (long long)r->first_nonfinite,
              (long long)truth->rows_nonfinite, (long long)truth->first_nonfinite);
    }
    if (r->error_row != -1) wrong(out, "error_row is %lld", (long long)r->error_row);
    if (truth->rows_used > 0 && ratio(r->divisor, truth->divisor, 1e-12 * truth->divisor) > 1.0) {
        wrong(out, "divisor is %.17g, should be %.17g", r->divisor, truth->divisor);
    }
}

static void check_row_losses(const problem *p, const call *how, const plain_result *truth,
                             const answer *got, verdict *out) {
    const double bound = bound_of(how, truth);
    for (int64_t row = 0; row < p->rows; row++) {
        check_term(out, &out->loss, "row_loss", (int)row, got->row_loss[row], truth->row_loss[row],
                   bound, truth->row_size[row], truth->row_logs[row]);
    }
}

static void check_norms(const problem *p, const call *how, const plain_result *truth,
                        const gdkd_result *r, verdict *out) {
    const double scale = fabs(how->grad_scale != 0.0 ? how->grad_scale : 1.0);
    const double bound = grad_bound_of(how, truth);
    double size = 0.0; // of the whole gradient: a bound on the error of any share
    for (int64_t row = 0; row < p->rows; row++) {
        size += truth->grad_size[row] * truth->grad_size[row] * (double)p->classes;
    }
    size = sqrt(size) * scale;
    check_number(out, &out->grad, "grad_norm_ce", 0, r->grad_norm_ce, truth->grad_norm_ce * scale,
                 bound, size);
    check_number(out, &out->grad, "grad_norm_high", 0, r->grad_norm_high,
                 truth->grad_norm_high * scale, bound, size);
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) {
        check_number(out, &out->grad, "grad_norm_low", g, r->grad_norm_low[g],
                     truth->grad_norm_low[g] * scale, bound, size);
    }
}

static void check_gradient(const problem *p, const call *how, const plain_result *truth,
                           const answer *got, verdict *out) {
    const double scale = how->grad_scale != 0.0 ? how->grad_scale : 1.0;
    const double bound = grad_bound_of(how, truth);
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        const int64_t row = i / p->classes;
        double expected = scale * truth->grad[i];
        double allowed = bound * fabs(scale) * truth->grad_size[row];
        if (how->accumulate) expected += got->before[i];
        if (how->accumulate && !plain_row_is_read(p, row)) allowed = 0.0;
        // An answer in a narrow type may be half a unit in its last place off, and a sum with what
        // was there as well. Below the type's range there is half of its smallest number.
        if (how->student_dtype != GDKD_F64 && allowed > 0.0 && isfinite(expected)) {
            const int narrow = how->student_dtype != GDKD_F32 || how->accumulate;
            allowed += narrow ? number_half_ulp(how->student_dtype,
                                                fmax(fabs(expected), fabs(got->grad[i])))
                              : number_half_ulp(GDKD_F32, 0.0);
            expected = fabs(expected) > 65504.0 && how->student_dtype == GDKD_F16
                           ? number_round(GDKD_F16, expected)
                           : expected;
        }
        if (how->accumulate && how->student_dtype == GDKD_F64) allowed += 0x1p-53 * fabs(expected);
        const double r = ratio(got->grad[i], expected, allowed);
        note(&out->grad, r, got->grad[i], expected, fabs(scale) * truth->grad_size[row]);
        if (!(r <= 1.0)) {
            wrong(out, "grad[%lld][%lld] is %.17g, should be %.17g: %.3g of what is allowed",
                  (long long)row, (long long)(i % p->classes), got->grad[i], expected, r);
        }
    }
}

// The terms of DIST are differences from 1, so T^2 is their size.
static void check_dist(const problem *p, const call *how, const plain_result *truth,
                       const gdkd_result *r, verdict *out) {
    const double T = p->config.temperature;
    const double one = p->config.temperature_squared ? T * T : 1.0;
    const double bound = bound_of(how, truth);
    const double size = one * (fabs(how->beta) + fabs(how->gamma));
    check_number(out, &out->loss, "total", 0, r->total, truth->total, bound, size);
    check_number(out, &out->loss, "kd", 0, r->kd, truth->kd, bound, size);
    check_number(out, &out->terms, "inter", 0, r->dist_inter, truth->inter, bound, one);
    check_number(out, &out->terms, "intra", 0, r->dist_intra, truth->intra, bound, one);
}

void compare(const problem *p, const call *how, const plain_result *truth, const answer *got,
             verdict *out) {
    memset(out, 0, sizeof *out);
    if (got->status != GDKD_OK) {
        wrong(out, "status %d: %s", got->status, gdkd_status_string(got->status));
        return;
    }
    if (got->trespassed) wrong(out, "an input or the space between rows was written to");
    check_counts(truth, &got->result, out);
    if (how->dist) {
        check_dist(p, how, truth, &got->result, out);
        if (got->grad) check_gradient(p, how, truth, got, out);
        return;
    }
    check_terms(p, how, truth, &got->result, out);
    check_row_losses(p, how, truth, got, out);
    if (got->grad) check_gradient(p, how, truth, got, out);
    if (how->want_norms && truth->rows_nonfinite == 0) {
        check_norms(p, how, truth, &got->result, out);
    }
}

void describe_call(const problem *p, const call *how, char *text, size_t size) {
    const gdkd_config *c = &p->config;
    snprintf(text, size,
             "%s%lldx%lld %s/%s inner %lld pad %lld/%lld/%lld isa %s threads %d T %.4g/%.3g "
             "partition %d k_rule %d k %lld divergence %d std %d red %d mass %u table %u ce %g kd "
             "%g%s%s%s",
             how->dist ? "dist " : "", (long long)p->rows, (long long)p->classes,
             number_name(how->student_dtype), number_name(how->teacher_dtype),
             (long long)how->inner, (long long)how->student_pad, (long long)how->teacher_pad,
             (long long)how->grad_pad, gdkd_isa_name(c->isa), c->num_threads, c->temperature,
             c->teacher_temperature, c->partition, c->k_rule, (long long)c->k, c->divergence,
             c->standardize, c->reduction, c->mass_scaled_groups, c->low_weight_groups,
             c->ce_weight, c->kd_weight, how->in_place ? " in place" : "",
             how->accumulate ? " accumulate" : "", how->loss_only ? " loss only" : "");
}

static void truth_of(const problem *p, const call *how, problem *rounded, plain_result *truth) {
    problem_copy(rounded, p);
    problem_round(rounded, how->student_dtype, how->teacher_dtype);
    if (how->dist) {
        plain_dist(rounded, how->beta, how->gamma, truth);
    } else {
        plain_loss(rounded, truth);
    }
}

static int compare_with(const problem *rounded, const call *how, const plain_result *truth,
                        verdict *out) {
    answer got;
    call_run(rounded, how, &got);
    compare(rounded, how, truth, &got, out);
    answer_free(&got);
    return out->wrong;
}

int compare_call(const problem *p, const call *how, verdict *out) {
    problem rounded;
    plain_result truth;
    truth_of(p, how, &rounded, &truth);
    compare_with(&rounded, how, &truth, out);
    plain_free(&truth);
    problem_free(&rounded);
    return out->wrong;
}

const call *compare_every_way(problem *p, const call *ways, int count, verdict *out) {
    problem rounded;
    plain_result truth;
    const call *failed = NULL;
    truth_of(p, ways, &rounded, &truth);
    for (int i = 0; i < count && !failed; i++) {
        for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa() && !failed; isa++) {
            p->config.isa = rounded.config.isa = isa;
            if (compare_with(&rounded, &ways[i], &truth, out)) failed = &ways[i];
        }
    }
    plain_free(&truth);
    problem_free(&rounded);
    return failed;
}

int compare_on_every_isa(problem *p, const call *how, verdict *out) {
    return compare_every_way(p, how, 1, out) != NULL;
}
