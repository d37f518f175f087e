// What the driver and the kernels share: the criterion, a block of rows, and the table of kernels.
// Letters as in gdkd.h and docs/math.md.
#ifndef GDKD_KERNEL_H
#define GDKD_KERNEL_H

#include "gdkd.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLOCK_ROWS = 16, // rows of a block: as many as a vector of floats has lanes
    MAX_GROUPS = GDKD_MAX_GROUPS
};

// exp(d / T) = 2^(d (hi + lo)), for d in [min, max]; beyond, the result is 0 or infinity.
typedef struct {
    double hi, lo, min, max;
} exp_scale;

// The criterion, resolved: constant during a call.
typedef struct {
    int32_t classes;
    int partition;
    int groups;            // 1, 2, 3, or what the caller's map has; 0 without a distillation term
    bool forward, reverse; // which low sums are needed
    bool kd, ce;
    int k_rule;
    int64_t k_max;
    double k_ratio, k_mass;
    int standardize;
    bool norms;
    bool split_high;                     // the high term has sums and coefficients of its own
    double forward_share, reverse_share; // of the low terms: 1 and 0, 0 and 1, or 1/2 each
    double inv_t, inv_tt;                // 1 / temperature, student's and teacher's
    double rho;                          // T / teacher's T
    double factor;                       // T^2 or 1
    double w_high, w_low[MAX_GROUPS];
    uint32_t mass_scaled, table_weighted;
    double kd_weight, ce_weight, label_smoothing;
    // The same numbers for the arithmetic in float and in double.
    exp_scale student32, teacher32, ce32;
    exp_scale student64, teacher64, ce64;
} criterion;

// A number for each row of a block.
typedef double lanes[BLOCK_ROWS];

// Per group and row: sums relative to reference points, with ds = s - ref_s, dt = t - ref_t,
// d = ds - rho dt, and the coefficients of the gradient
//     exp(ds / T) (c_s + c_d d) - exp(dt / T_t) c_t.
typedef struct {
    lanes ref_s[MAX_GROUPS], ref_t[MAX_GROUPS];
    lanes sum_s[MAX_GROUPS]; // sum of exp(ds / T)
    lanes sum_t[MAX_GROUPS]; // sum of exp(dt / T_t)
    lanes dot_t[MAX_GROUPS]; // sum of exp(dt / T_t) d
    lanes dot_s[MAX_GROUPS]; // sum of exp(ds / T) d
    lanes c_s[MAX_GROUPS], c_t[MAX_GROUPS], c_d[MAX_GROUPS];
} group_sums;

// Up to BLOCK_ROWS rows on their way through the stages; [lane] is the row's place in the block.
typedef struct {
    int rows;

    // Where the logits lie. Rows shape: row[lane] points to consecutive classes. Across shape: lane
    // l of class c is at s[c * s_step + l].
    const void *s_row[BLOCK_ROWS], *t_row[BLOCK_ROWS];
    void *g_row[BLOCK_ROWS];
    const void *s, *t;
    void *g;
    int64_t s_step, t_step, g_step;
    const uint8_t *map_row[BLOCK_ROWS]; // rows shape: the groups of the row's classes, consecutive
    const uint8_t *map;                 // across shape, as the logits
    int64_t map_step;
    bool accumulate;
    bool map_shared;

    uint32_t used;    // bit l: the row is read
    uint32_t refused; // bit l: the float kernel declined the row; the double kernel does it
    int32_t target[BLOCK_ROWS];
    int64_t k[BLOCK_ROWS];
    double grad_scale[BLOCK_ROWS]; // row weight, divisor and the caller's scale
    double low_weight[BLOCK_ROWS];

    // The split. A class c is above the border when t > bound, or t = bound and c <= last (BOTTOM:
    // t < bound). TARGET: index is the target. TOP1_TOPK: the top class has t = top and c <= index.
    double bound[BLOCK_ROWS], top[BLOCK_ROWS];
    int32_t last[BLOCK_ROWS], index[BLOCK_ROWS];

    // The groups' sums and coefficients. high is used where the high term needs other logits than
    // the low ones (standardisation inside the groups) or its share of the gradient by itself
    // (norms).
    group_sums low_sums, high_sums;

    double ref_ce[BLOCK_ROWS];
    double sum_ce[BLOCK_ROWS];    // sum of exp(s - ref_ce)
    double lin_ce[BLOCK_ROWS];    // sum of s - ref_ce, over the classes that are not -inf
    double num_ce[BLOCK_ROWS];    // their number
    double target_ce[BLOCK_ROWS]; // s_target - ref_ce

    // The cross-entropy's gradient: exp(s - ref_ce) c_ce - c_flat - (onehot) c_hot
    double c_ce[BLOCK_ROWS], c_flat[BLOCK_ROWS], c_hot[BLOCK_ROWS];

    // The row's terms, as gdkd_result has them.
    double loss[BLOCK_ROWS], ce[BLOCK_ROWS], kd[BLOCK_ROWS], high[BLOCK_ROWS];
    double low[MAX_GROUPS][BLOCK_ROWS];
    double student_mass[MAX_GROUPS][BLOCK_ROWS], teacher_mass[MAX_GROUPS][BLOCK_ROWS];
    double norm2_ce[BLOCK_ROWS], norm2_high[BLOCK_ROWS], norm2_low[MAX_GROUPS][BLOCK_ROWS];
} block;

// Scratch of one thread, carved out of the workspace; each for `classes` elements, the tiles for
// BLOCK_ROWS times as many.
typedef struct {
    float *tile_s, *tile_t, *tile_g; // gathered or converted logits, and their gradient
    uint8_t *tile_map;               // likewise, the groups
    double *row_s, *row_t, *row_g;   // one row in double
    double *standard_s, *standard_t, *standard_g; // the same, standardised
    void *select_value;                           // for the wider type
    int32_t *select_index;
    uint8_t *map; // the group of each class
} scratch;

// The stages of one instruction set.
typedef struct {
    int32_t isa;
    // Float, for the rows in `used` without those in `refused`: one row after the other with lanes
    // along the classes (rows_), or one row per lane (across_). The sums include the split into
    // groups.
    void (*rows_sums)(const criterion *c, block *b, const scratch *x);
    void (*rows_gradient)(const criterion *c, block *b, const scratch *x);
    void (*across_sums)(const criterion *c, block *b, const scratch *x);
    void (*across_gradient)(const criterion *c, block *b, const scratch *x);
    // From the sums to terms and coefficients. judge adds to `refused` the rows whose sums a float
    // does not hold well enough.
    void (*finish)(const criterion *c, block *b);
    void (*judge)(const criterion *c, block *b);
    // Double, one row, whose logits are in x->row_s and x->row_t (and its groups in x->map, where
    // they are the caller's); the gradient goes to x->row_g.
    void (*exact_sums)(const criterion *c, block *b, int lane, const scratch *x);
    void (*exact_gradient)(const criterion *c, block *b, int lane, const scratch *x);
} kernels;

// The table for an upper bound (GDKD_ISA_*), after what the processor has and GDKD_ISA allows.
const kernels *gdkd_kernels(int32_t isa);

extern const kernels gdkd_kernels_scalar, gdkd_kernels_avx2, gdkd_kernels_avx512;

// The double halves of the tables.
#define DOUBLE_STAGES(isa)                                                                         \
    void gdkd_finish_##isa(const criterion *c, block *b);                                          \
    void gdkd_judge_##isa(const criterion *c, block *b);                                           \
    void gdkd_exact_sums_##isa(const criterion *c, block *b, int lane, const scratch *x);          \
    void gdkd_exact_gradient_##isa(const criterion *c, block *b, int lane, const scratch *x)
DOUBLE_STAGES(scalar);
DOUBLE_STAGES(avx2);
DOUBLE_STAGES(avx512);

#endif
