// A float64 answer against the values that a reference case carries.
#ifndef GDKD_TESTS_CASE_CHECK_H
#define GDKD_TESTS_CASE_CHECK_H

#include "call.h"
#include "cases.h"

// Relative errors: of loss and terms to the largest of them, since some terms are zero but for
// rounding; of the gradient to its largest entry. Infinite where a value is not finite.
typedef struct case_errors {
    double loss, terms, grad;
} case_errors;

// The tolerance for all three.
#define CASE_TOLERANCE 1e-10

case_errors case_check(const ref_case *c, const answer *got);

#endif
