// The double kernels of one instruction set: the stages that take a block of rows, one per lane, from sums to terms, and
// those of a row in double. The includer has included the vector operations and defines ISA(name).
#include "double.h"
#include "precision.h"
#include "stages.h"

void ISA(gdkd_combine)(const criterion *c, block *b) { combine(c, b); }

void ISA(gdkd_finish)(const criterion *c, block *b) { finish(c, b); }

void ISA(gdkd_finish_again)(const criterion *c, block *b) { finish_again(c, b); }

void ISA(gdkd_judge_sums)(const criterion *c, block *b) { judge_sums(c, b); }

void ISA(gdkd_judge_refined)(const criterion *c, block *b) { judge_refined(c, b); }

void ISA(gdkd_combine_refined)(const criterion *c, block *b) { combine_refined(c, b); }

void ISA(gdkd_double_sums)(const criterion *c, block *b, int lane, const scratch *x) {
    double_sums(c, b, lane, x);
}

void ISA(gdkd_double_gradient)(const criterion *c, block *b, int lane, const scratch *x) {
    double_gradient(c, b, lane, x);
}
