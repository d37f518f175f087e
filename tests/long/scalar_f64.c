#define REAL_IS_DOUBLE
#include "simd/scalar.h"

#define EXP_ARRAY exp_f64_scalar
#include "exp_body.h"
