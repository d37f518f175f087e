// The constants of exp(d / T) for float and double (kernels/exp2.h), and the temperatures that the
// criterion gives a row.
#ifndef GDKD_SCALE_H
#define GDKD_SCALE_H

#include "block.h"

// log2(e) = 1.442695040888963407359924681001892137... as two doubles.
#define LOG2_E      0x1.71547652b82fep+0
#define LOG2_E_REST 0x1.777d0ffda0d24p-56

static inline exp_scale scale_f32(double temperature) {
    const double c = LOG2_E / temperature;
    const float hi = (float)c;
    return (exp_scale){
        .hi = hi, .lo = (float)(c - (double)hi), .min = (float)(-127.0 / (double)hi)};
}

static inline exp_scale scale_f64(double temperature) {
    const double hi = LOG2_E / temperature;
    const double lo = (fma(-hi, temperature, LOG2_E) + LOG2_E_REST) / temperature;
    return (exp_scale){.hi = hi, .lo = lo, .min = -1023.0 / hi};
}

static inline void give_scale(lane_scales *to, int lane, const exp_scale *scale) {
    to->hi[lane] = scale->hi;
    to->lo[lane] = scale->lo;
    to->min[lane] = scale->min;
}

// The criterion's temperatures, for one row that is done in floats or in doubles.
static inline void give_temperatures(const criterion *c, temperatures *at, int lane, bool doubles) {
    at->inv_t[lane] = c->inv_t;
    at->inv_tt[lane] = c->inv_tt;
    at->rho[lane] = c->rho;
    at->base[lane] = at->mean[lane] = at->slope[lane] = 0;
    give_scale(&at->student, lane, doubles ? &c->student64 : &c->student32);
    give_scale(&at->teacher, lane, doubles ? &c->teacher64 : &c->teacher32);
}

// The same for all that a row has temperatures for.
static inline void give_row_temperatures(const criterion *c, block *b, int lane, bool doubles) {
    give_temperatures(c, &b->row, lane, doubles);
    for (int g = 0; c->split_high && g < c->groups; g++)
        give_temperatures(c, &b->group[g], lane, doubles);
}

#endif
