#define REAL_IS_FLOAT
#include "simd/avx512.h"

#define EXP_ARRAY exp_f32_avx512
#include "exp_body.h"
