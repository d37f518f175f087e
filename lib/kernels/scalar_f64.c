// The double kernels: plain C.
#define REAL_IS_DOUBLE
#include "simd/scalar.h"

#define ISA(name) name##_scalar

#include "f64.h"
