#ifndef GDKD_SCALE_H
#define GDKD_SCALE_H

#include "kernel.h"

exp_scale gdkd_scale_f32(double temperature);
exp_scale gdkd_scale_f64(double temperature);

#endif
