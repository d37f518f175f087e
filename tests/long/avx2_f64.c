#define REAL_IS_DOUBLE
#include "simd/avx2.h"

#define EXP_ARRAY exp_f64_avx2
#include "exp_body.h"
