// The double kernels: AVX-512.
#define REAL_IS_DOUBLE
#include "simd/avx512.h"

#define ISA(name) name##_avx512

#include "f64.h"
