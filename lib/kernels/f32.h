// The float kernels of one instruction set. The includer has included the vector operations and
// defines ISA(name).
#include "across.h"
#include "halves.h"
#include "rows.h"
#include "stages.h"
#include "transpose.h"

const kernels ISA(gdkd_kernels) = {
    .along = {rows_sums, rows_refine, rows_gradient},
    .across = {across_sums, across_refine, across_gradient},
    .in_double = &ISA(gdkd_double_stages),
    .gather = gather_rows,
    .scatter = scatter_rows,
    .widen = widen,
    .narrow = narrow,
};
