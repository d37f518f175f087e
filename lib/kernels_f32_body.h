// The float kernels of one instruction set: instances of the bodies for each partition. The
// includer has included the vector operations and defines ISA(name).
#include "across_body.h"
#include "half_body.h"
#include "rows_body.h"
#include "transpose_body.h"

const kernels ISA(gdkd_kernels) = {
    .rows_sums = rows_sums,
    .rows_refine = rows_refine,
    .rows_gradient = rows_gradient,
    .across_sums = across_sums,
    .across_refine = across_refine,
    .across_gradient = across_gradient,
    .gather = gather_rows,
    .scatter = scatter_rows,
    .widen = widen,
    .narrow = narrow,
    .combine = ISA(gdkd_combine),
    .finish = ISA(gdkd_finish),
    .finish_again = ISA(gdkd_finish_again),
    .judge = ISA(gdkd_judge),
    .combine_refined = ISA(gdkd_combine_refined),
    .exact_sums = ISA(gdkd_exact_sums),
    .exact_gradient = ISA(gdkd_exact_gradient),
};
