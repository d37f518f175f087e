#include "simd/f32_avx512.h"

#define EXP_ARRAY exp_f32_avx512
#include "exp_body.h"
