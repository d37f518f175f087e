// The float kernels: plain C.
#define REAL_IS_FLOAT
#include "simd/scalar.h"

#define ISA(name)  name##_scalar
#define ISA_NUMBER GDKD_ISA_SCALAR

#include "kernels_f32_body.h"
