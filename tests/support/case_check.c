#include "case_check.h"

#include "case_config.h"

#include <math.h>

static double term_of(const gdkd_result *r, term_kind kind, int group) {
    switch (kind) {
    case TERM_HIGH:
        return r->high;
    case TERM_LOW:
        return r->low[group];
    case TERM_MASS:
        return r->teacher_mass[group];
    case TERM_INTER:
        return r->dist_inter;
    case TERM_INTRA:
        return r->dist_intra;
    default:
        return NAN; // a term that is not known is an error of the file
    }
}

static double relative(double got, double truth, double size) {
    if (got == truth) return 0.0;
    const double error = fabs(got - truth) / size;
    return error < (double)INFINITY ? error : (double)INFINITY; // NaN, too, is no agreement
}

case_errors case_check(const ref_case *c, const answer *got) {
    case_errors e = {0.0, 0.0, 0.0};
    double largest = fabs(c->loss);
    double steepest = 0.0;
    for (int i = 0; i < c->term_count; i++) largest = fmax(largest, fabs(c->terms[i].value));
    for (int64_t i = 0; i < c->rows * c->classes; i++) steepest = fmax(steepest, fabs(c->grad[i]));
    e.loss = relative(got->result.total, c->loss, largest);
    for (int i = 0; i < c->term_count; i++) {
        int group;
        const term_kind kind = case_term(c, c->terms[i].key, &group);
        const double value = term_of(&got->result, kind, group);
        e.terms = fmax(e.terms, relative(value, c->terms[i].value, largest));
    }
    for (int64_t i = 0; i < c->rows * c->classes; i++) {
        e.grad = fmax(e.grad, relative(got->grad[i], c->grad[i], steepest));
    }
    return e;
}
