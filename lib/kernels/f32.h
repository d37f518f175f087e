// The float kernels of one instruction set. The includer has included the vector operations and defines ISA(name).
#include "across.h"
#include "halves.h"
#include "rows.h"
#include "stages.h"
#include "transpose.h"

const kernels ISA(gdkd_kernels) = {
    .along = {rows_sums, rows_refine, rows_gradient},
    .across = {across_sums, across_refine, across_gradient},
    .gather = gather_rows,
    .scatter = scatter_rows,
    .widen = widen,
    .narrow = narrow,
    .combine = ISA(gdkd_combine),
    .finish = ISA(gdkd_finish),
    .finish_again = ISA(gdkd_finish_again),
    .judge_sums = ISA(gdkd_judge_sums),
    .judge_refined = ISA(gdkd_judge_refined),
    .combine_refined = ISA(gdkd_combine_refined),
    .double_sums = ISA(gdkd_double_sums),
    .double_gradient = ISA(gdkd_double_gradient),
};
