#define REAL_IS_FLOAT
#include "simd/scalar.h"

#define EXP_ARRAY exp_f32_scalar
#include "exp_body.h"
