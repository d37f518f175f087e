#define REAL_IS_DOUBLE
#include "simd/avx512.h"

#define EXP_ARRAY exp_f64_avx512
#include "exp_body.h"
