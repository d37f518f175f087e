// The library's answer against the plain one, by the bounds of docs/numerics.md.
#ifndef GDKD_TESTS_COMPARE_H
#define GDKD_TESTS_COMPARE_H

#include "call.h"
#include "plain.h"

typedef struct worst {
    double ratio; // the error over what is allowed: up to 1 is fine
    double error; // the error over the size of the number's parts
} worst;

typedef struct verdict {
    worst loss, terms, grad;
    int wrong;         // something is over its bound, or not as it should be
    char message[320]; // the first such thing
} verdict;

// The bound on an error: loss and gradient, relative to the sizes in plain_result.
double bound_of(const call *how, const plain_result *truth);

void compare(const problem *p, const call *how, const plain_result *truth, const answer *got,
             verdict *out);

// call_run(), plain_loss() or plain_dist() of the rounded problem, compare(); 0 when all is well.
int compare_call(const problem *p, const call *how, verdict *out);

// The same on every instruction set of this machine; config.isa is left at the one that failed.
int compare_on_every_isa(problem *p, const call *how, verdict *out);

// The same for several calls that differ in layout alone: the first that failed, or NULL.
const call *compare_every_way(problem *p, const call *ways, int count, verdict *out);

// A short description of the call, for messages.
void describe_call(const problem *p, const call *how, char *text, size_t size);

#endif
