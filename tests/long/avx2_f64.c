#include "simd/f64_avx2.h"

#define EXP_ARRAY exp_f64_avx2
#include "exp_body.h"
