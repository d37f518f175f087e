// The library's exponential on arrays, on each instruction set; n is a multiple of 16.
#ifndef GDKD_TESTS_EXP_ARRAYS_H
#define GDKD_TESTS_EXP_ARRAYS_H

#include "kernels/stages.h"

void exp_f32_scalar(const exp_scale *scale, const float *x, float *y, size_t n);
void exp_f64_scalar(const exp_scale *scale, const double *x, double *y, size_t n);
void exp_f32_avx2(const exp_scale *scale, const float *x, float *y, size_t n);
void exp_f64_avx2(const exp_scale *scale, const double *x, double *y, size_t n);
void exp_f32_avx512(const exp_scale *scale, const float *x, float *y, size_t n);
void exp_f64_avx512(const exp_scale *scale, const double *x, double *y, size_t n);

#endif
