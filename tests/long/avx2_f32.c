#define REAL_IS_FLOAT
#include "simd/avx2.h"

#define EXP_ARRAY exp_f32_avx2
#include "exp_body.h"
