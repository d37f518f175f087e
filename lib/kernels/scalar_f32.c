// The float kernels: plain C.
#define REAL_IS_FLOAT
#include "simd/scalar.h"

#define ISA(name) name##_scalar

#include "f32.h"
