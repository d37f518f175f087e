#ifndef GDKD_SCALE_H
#define GDKD_SCALE_H

#include "kernel.h"

exp_scale gdkd_scale_f32(double temperature);
exp_scale gdkd_scale_f64(double temperature);

// The criterion's temperatures, for one row.
void gdkd_give_temperatures(const criterion *c, temperatures *at, int lane);

// The same for the whole of a row: what the double path wants, and the float kernels where rows have none of
// their own.
void gdkd_use_temperatures(const criterion *c, block *b, int lane);

// The same for every row of a block that is new; it says whose temperatures each group has.
void gdkd_begin_temperatures(const criterion *c, block *b);

#endif
