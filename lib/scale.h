#ifndef GDKD_SCALE_H
#define GDKD_SCALE_H

#include "kernel.h"

exp_scale gdkd_scale_f32(double temperature);
exp_scale gdkd_scale_f64(double temperature);

// Gives a row the criterion's temperatures: what the double path wants, and the float kernels where rows have none of
// their own.
void gdkd_use_temperatures(const criterion *c, block *b, int lane);

#endif
