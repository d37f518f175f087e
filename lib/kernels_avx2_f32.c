// The float kernels: AVX2 with FMA.
#include "simd/f32_avx2.h"

#define ISA(name) name##_avx2

#include "kernels_f32_body.h"
