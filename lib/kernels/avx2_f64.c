// The double kernels: AVX2 with FMA.
#define REAL_IS_DOUBLE
#include "simd/avx2.h"

#define ISA(name) name##_avx2

#include "f64.h"
