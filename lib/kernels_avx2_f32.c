// The float kernels: AVX2 with FMA.
#include "simd/f32_avx2.h"

#define ISA(name)  name##_avx2
#define ISA_NUMBER GDKD_ISA_AVX2

#include "kernels_f32_body.h"
