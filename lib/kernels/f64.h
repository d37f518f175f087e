// The double kernels of one instruction set: the stages that take a block of rows, one per lane,
// from sums to terms, and those of a row in double. The includer has included the vector operations
// and defines ISA(name).
#include "double.h"
#include "precision.h"
#include "stages.h"

const double_stages ISA(gdkd_double_stages) = {
    .combine = combine,
    .finish = finish,
    .check_precision = check_precision,
    .combine_refined = combine_refined,
    .check_refined = check_refined,
    .finish_again = finish_again,
    .sums = double_sums,
    .gradient = double_gradient,
};
