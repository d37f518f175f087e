// The float kernels: AVX2 with FMA.
#include "simd/f32_avx2.h"

#define ISA(name) name##_avx2

#include "f32.h"
