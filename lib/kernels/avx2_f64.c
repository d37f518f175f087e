// The double kernels: AVX2 with FMA.
#include "simd/f64_avx2.h"

#define ISA(name) name##_avx2

#include "f64.h"
