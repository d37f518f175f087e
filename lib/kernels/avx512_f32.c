// The float kernels: AVX-512.
#define REAL_IS_FLOAT
#include "simd/avx512.h"

#define ISA(name) name##_avx512

#include "f32.h"
