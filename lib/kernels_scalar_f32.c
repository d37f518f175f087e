// The float kernels: plain C.
#define REAL_IS_FLOAT
#include "simd/scalar.h"

#define ISA(name) name##_scalar

#include "kernels_f32_body.h"
