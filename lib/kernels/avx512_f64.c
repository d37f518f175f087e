// The double kernels: AVX-512.
#include "simd/f64_avx512.h"

#define ISA(name) name##_avx512

#include "f64.h"
