// The float kernels: AVX-512.
#include "simd/f32_avx512.h"

#define ISA(name) name##_avx512

#include "f32.h"
