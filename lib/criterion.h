// What a call computes, resolved from the caller's config: constant while the call runs. Letters as
// in docs/math.md.
#ifndef GDKD_CRITERION_H
#define GDKD_CRITERION_H

#include "gdkd.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLOCK_ROWS = 16, // rows of a block: as many as a vector of floats has lanes
    MAX_GROUPS = GDKD_MAX_GROUPS
};

#define STANDARD_EPSILON 1e-7 // of the reference's logit standardisation

// exp(d / T) = 2^(d (hi + lo)), for d in [min, 0]; 0 below.
typedef struct {
    double hi, lo, min;
} exp_scale;

typedef struct {
    int32_t classes;
    bool kd, ce;
    int groups;    // as many as the partition has; 0 without a distillation term
    int partition; // for split alone, with what finds k
    int k_rule;
    int64_t k_max;
    double k_ratio, k_mass;
    bool picks;     // the largest classes may be done one by one (kernels/picked.h)
    bool mapped;    // the groups are the caller's
    int divergence; // of the low terms
    // Of the low terms, as KL divergences: 1 and 0, 0 and 1, or 1/2 each; 0 and 0 for others.
    double forward_share, reverse_share;
    bool forward, reverse; // which dot products the sums need
    bool second_pass;      // a divergence that the sums do not give: every row is refined
    int standardize;
    bool norms;
    bool split_high;      // the high term has sums and coefficients of its own
    double inv_t, inv_tt; // 1 / temperature, student's and teacher's
    double rho;           // T / teacher's T
    double factor;        // T^2 or 1
    double w_high, w_low[MAX_GROUPS];
    uint32_t mass_scaled, table_weighted; // bit g: low_g is scaled by Q_g, by the caller's table
    double kd_weight, ce_weight, label_smoothing;
    // The same temperatures for the arithmetic in float and in double.
    exp_scale student32, teacher32, ce32;
    exp_scale student64, teacher64, ce64;
} criterion;

#endif
