// The double kernels of one instruction set. The includer has included the vector operations and
// defines ISA(name).
#include "exact_body.h"
#include "judge_body.h"

void ISA(gdkd_combine)(const criterion *c, block *b) {
    combine(c, b);
}

void ISA(gdkd_finish)(const criterion *c, block *b) {
    finish(c, b);
}

void ISA(gdkd_finish_again)(const criterion *c, block *b) {
    finish_again(c, b);
}

void ISA(gdkd_judge)(const criterion *c, block *b) {
    judge(c, b);
}

void ISA(gdkd_combine_refined)(const criterion *c, block *b) {
    combine_refined(c, b);
}

void ISA(gdkd_exact_sums)(const criterion *c, block *b, int lane, const scratch *x) {
    exact_sums(c, b, lane, x);
}

void ISA(gdkd_exact_gradient)(const criterion *c, block *b, int lane, const scratch *x) {
    exact_gradient(c, b, lane, x);
}
