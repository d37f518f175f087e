// exp(d / T) of lib/kernels/exp2.h for one instruction set and one type, as a plain function over
// an array. The includer has included the vector operations and defines EXP_ARRAY, the function's
// name.
#include "exp2.h"
#include "exp_arrays.h"

void EXP_ARRAY(const exp_scale *scale, const real *x, real *y, size_t n) {
    const v_scale c = v_scale_of(scale);
    for (size_t i = 0; i < n; i += LANES) v_store(y + i, v_exp(v_load(x + i), c));
}
