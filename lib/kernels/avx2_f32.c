// The float kernels: AVX2 with FMA.
#define REAL_IS_FLOAT
#include "simd/avx2.h"

#define ISA(name) name##_avx2

#include "f32.h"
