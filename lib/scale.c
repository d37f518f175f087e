// The constants of exp(d / T) for float and double; see exp2.h.
#include "scale.h"

#include <float.h>

// log2(e), to more digits than any type here holds.
static const long double log2_e = 1.442695040888963407359924681001892137L;

exp_scale gdkd_scale_f32(double temperature) {
    long double c = log2_e / (long double)temperature;
    float hi = (float)c;
    return (exp_scale){
        .hi = hi, .lo = (float)(c - (long double)hi), .min = (float)(-127.0 / (double)hi)};
}

exp_scale gdkd_scale_f64(double temperature) {
    long double c = log2_e / (long double)temperature;
    double hi = (double)c;
    return (exp_scale){.hi = hi, .lo = (double)(c - (long double)hi), .min = -1023.0 / hi};
}

static void give(lane_scales *to, int lane, const exp_scale *scale) {
    to->hi[lane] = scale->hi;
    to->lo[lane] = scale->lo;
    to->min[lane] = scale->min;
}

void gdkd_use_temperatures(const criterion *c, block *b, int lane) {
    b->inv_t[lane] = c->inv_t;
    b->inv_tt[lane] = c->inv_tt;
    b->rho[lane] = c->rho;
    give(&b->student32, lane, &c->student32);
    give(&b->teacher32, lane, &c->teacher32);
}
