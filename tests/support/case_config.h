// From a reference case to a call of the library: the configuration written out by hand, without
// the presets, so that the presets can be held against it.
#ifndef GDKD_TESTS_CASE_CONFIG_H
#define GDKD_TESTS_CASE_CONFIG_H

#include "cases.h"
#include "problem.h"

int case_is_dist(const ref_case *c);

// Fills the problem, or -1 with "case N (NAME, line L): reason" in error. For dist the temperature
// is in problem.config, and beta and gamma are set.
int case_problem(const ref_case *c, problem *p, double *beta, double *gamma, char *error,
                 size_t error_size);

// Where the library (or the plain implementation) reports a term of the case. low_of and mass_of
// are indices; kind says which field.
typedef enum term_kind {
    TERM_HIGH,
    TERM_LOW,
    TERM_MASS,
    TERM_INTER,
    TERM_INTRA,
    TERM_UNKNOWN
} term_kind;
term_kind case_term(const ref_case *c, const char *key, int *group);

#endif
