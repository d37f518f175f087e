// A problem laid out in memory as a caller might have it, run through the public header, and read
// back. Everything around the data is watched: padding, inputs.
#ifndef GDKD_TESTS_CALL_H
#define GDKD_TESTS_CALL_H

#include "problem.h"

typedef struct call {
    int64_t inner;                                          // divides the rows; 0 counts as 1
    int64_t student_pad, teacher_pad, grad_pad, groups_pad; // elements after each outer
    int32_t student_dtype, teacher_dtype, target_dtype;
    int32_t loss_only, in_place, accumulate, want_norms;
    int32_t own_workspace; // 1: the call is given a workspace
    int32_t dist;          // gdkd_dist instead of gdkd_loss, with these weights
    double beta, gamma;
    double grad_scale; // 0 counts as 1
} call;

typedef struct answer {
    gdkd_status status;
    gdkd_result result;
    double *grad;       // [rows][classes], as numbers; NULL with loss_only
    double *before;     // what accumulate found there
    double *row_loss;   // [rows]
    int32_t trespassed; // 1: an input or an element between rows was written to
} answer;

void call_run(const problem *p, const call *how, answer *out);
void answer_free(answer *a);

#endif
