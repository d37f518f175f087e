// The constants of exp(d / T) for float and double; see exp2.h.
#include "scale.h"

// log2(e) = 1.442695040888963407359924681001892137... as two doubles.
static const double log2_e = 0x1.71547652b82fep+0, log2_e_rest = 0x1.777d0ffda0d24p-56;

exp_scale gdkd_scale_f32(double temperature) {
    const double c = log2_e / temperature;
    const float hi = (float)c;
    return (exp_scale){
        .hi = hi, .lo = (float)(c - (double)hi), .min = (float)(-127.0 / (double)hi)};
}

exp_scale gdkd_scale_f64(double temperature) {
    const double hi = log2_e / temperature;
    const double lo = (fma(-hi, temperature, log2_e) + log2_e_rest) / temperature;
    return (exp_scale){.hi = hi, .lo = lo, .min = -1023.0 / hi};
}

static void give(lane_scales *to, int lane, const exp_scale *scale) {
    to->hi[lane] = scale->hi;
    to->lo[lane] = scale->lo;
    to->min[lane] = scale->min;
}

void gdkd_give_temperatures(const criterion *c, temperatures *at, int lane) {
    at->inv_t[lane] = c->inv_t;
    at->inv_tt[lane] = c->inv_tt;
    at->rho[lane] = c->rho;
    at->base_s[lane] = at->mean_s[lane] = at->slope[lane] = 0;
    give(&at->student32, lane, &c->student32);
    give(&at->teacher32, lane, &c->teacher32);
}

void gdkd_use_temperatures(const criterion *c, block *b, int lane) {
    gdkd_give_temperatures(c, &b->row, lane);
    for (int g = 0; c->split_high && g < c->groups; g++)
        gdkd_give_temperatures(c, &b->group[g], lane);
}

void gdkd_begin_temperatures(const criterion *c, block *b) {
    b->rest.at = &b->row;
    for (int g = 0; g < c->groups; g++) {
        b->low_sums[g].at = c->split_high ? &b->group[g] : &b->row;
        b->high_sums[g].at = &b->row;
    }
    for (int l = 0; l < BLOCK_ROWS; l++) gdkd_use_temperatures(c, b, l);
}
