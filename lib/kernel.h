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
    SLACK = 16,      // what i_store_lanes may write beyond its end
    MAX_GROUPS = GDKD_MAX_GROUPS,
    MOST_LISTED = 32 // classes of a row that are done one by one
};

// exp(d / T) = 2^(d (hi + lo)), for d in [min, 0]; 0 below.
typedef struct {
    double hi, lo, min;
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

// exp_scale, for each row.
typedef struct {
    lanes hi, lo, min;
} lane_scales;

// What turns logits into exponents: the criterion's temperatures, or those of a row or a group that is standardised
// (standard_body.h).
typedef struct {
    lanes inv_t, inv_tt, rho;
    lane_scales student32, teacher32;
    lanes base_s, mean_s, slope; // of a standardised student, for its gradient
} temperatures;

#define STANDARD_EPSILON 1e-7 // of the reference's logit standardisation

// One group of every row: sums relative to reference points, with ds = s - ref_s, dt = t - ref_t,
// d = ds - rho dt, and the coefficients of the gradient
//     exp(ds / T) (c_s + c_d d) - exp(dt / T_t) c_t.
typedef struct {
    const temperatures *at;
    lanes ref_s, ref_t;
    lanes sum_s;         // sum of exp(ds / T)
    lanes sum_t;         // sum of exp(dt / T_t)
    lanes dot_t;         // sum of exp(dt / T_t) d
    lanes dot_s;         // sum of exp(ds / T) d
    lanes c_s, c_t, c_d; // coefficients
    lanes level,
        odds; // for refine: log q_i - log p_i = level - d / T, and S_t / S_s in these units
    lanes excess_t,
        excess_s; // what refine finds: sum of exp(dt / T_t) phi(u), of exp(ds / T) phi(-u)
} group_terms;

// The classes that a row in the rows shape has done one by one, in double: those that stand out, and whole
// groups of few classes. The kernels then run over the rest of the row as one group.
typedef struct {
    int32_t count[BLOCK_ROWS];
    int32_t index[MOST_LISTED][BLOCK_ROWS];
    lanes s[MOST_LISTED], t[MOST_LISTED];
    lanes group[MOST_LISTED];
    lanes e_s[MOST_LISTED], e_t[MOST_LISTED], d[MOST_LISTED];
    lanes gradient[MOST_LISTED];
} listing;

// Up to BLOCK_ROWS rows on their way through the stages; [lane] is the row's place in the block. What comes
// from `rest` on is large, and cleared as far as it is used.
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
    bool exp_in_gradient; // the student's exponentials are kept where the gradient will be

    // Rows shape, a sorted row: its classes lie group by group (sorted_body.h), those of group g from first[g] on.
    // all_sorted: in one order that is already known.
    int32_t first[MAX_GROUPS + 1][BLOCK_ROWS];
    bool all_sorted;

    uint32_t used;    // bit l: the row is read
    uint32_t refused; // bit l: the float kernel declined the row; the double kernel does it
    int32_t target[BLOCK_ROWS];
    int64_t k[BLOCK_ROWS];
    double grad_scale[BLOCK_ROWS]; // row weight, divisor and the caller's scale
    double low_weight[BLOCK_ROWS];

    temperatures row;

    // The split. A class c is above the border when t > bound, or t = bound and c <= last (BOTTOM:
    // t < bound). TARGET: index is the target. TOP1_TOPK: the top class has t = top and c <= index.
    // A row with a list: the listed classes have t >= bound, or are class index of TARGET.
    double bound[BLOCK_ROWS], top[BLOCK_ROWS];
    int32_t last[BLOCK_ROWS], index[BLOCK_ROWS];

    uint32_t near; // bit l: the models are so alike that the low terms need refine
    lanes refined; // 1 where excess_t and excess_s hold, else 0

    lanes row_top; // the row's largest student logit, or -inf
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

    // The groups' sums and coefficients. high is used where the high term needs other logits than
    // the low ones (standardisation inside the groups) or its share of the gradient by itself
    // (norms). rest: of the classes that are not listed, in rows that have a list.
    group_terms rest, low_sums[MAX_GROUPS], high_sums[MAX_GROUPS];
    temperatures group[MAX_GROUPS]; // of the low terms, where groups are standardised
    listing list;
} block;

// Scratch of one thread, carved out of the workspace; each for `classes` elements, the tiles for
// BLOCK_ROWS times as many.
typedef struct {
    float *tile_s, *tile_t, *tile_g; // gathered or converted logits, and their gradient
    uint8_t *tile_map;               // likewise, the groups
    float *exp_s, *exp_t, *exp_ce;   // the exponentials that the sums found, for the gradient
    float *exp_high;                 // the student's in the high term, where that has its own
    float *sorted_s, *sorted_t;      // rows whose classes lie group by group
    int32_t *sorted_index;           // the classes' places in the row, with room for SLACK more
    double *row_s, *row_t, *row_g;   // one row in double
    double *standard_s, *standard_t, *standard_g; // the same, standardised
    void *select_value;                           // for the wider type
    int32_t *select_index;
    uint8_t *map; // the group of each class
} scratch;

// The stages of one instruction set.
typedef struct {
    // Float, for the rows in `used` without those in `refused`: one row after the other with lanes
    // along the classes (rows_), or one row per lane (across_). The sums include the split into
    // groups.
    void (*rows_sums)(const criterion *c, block *b, const scratch *x);
    void (*rows_refine)(const criterion *c, block *b, const scratch *x);
    void (*rows_gradient)(const criterion *c, block *b, const scratch *x);
    void (*across_sums)(const criterion *c, block *b, const scratch *x);
    void (*across_refine)(const criterion *c, block *b, const scratch *x);
    void (*across_gradient)(const criterion *c, block *b, const scratch *x);
    // Rows of floats into a tile for the across stages, and back.
    void (*gather)(const float *const *row, int rows, int32_t classes, float *tile);
    void (*scatter)(const float *tile, int rows, int32_t classes, float *const *row);
    // Rows of 16-bit floats without gaps to floats, and back; dtype: GDKD_BF16 or GDKD_F16.
    void (*widen)(int32_t dtype, const uint16_t *from, int64_t count, float *to);
    void (*narrow)(int32_t dtype, const float *from, int64_t count, uint16_t *to);
    // Double, all rows. combine adds the listed classes to the sums of the rest; finish goes from the sums to
    // terms and coefficients; judge finds the rows whose sums a float does not hold (refused), and those whose
    // terms the sums do not give well enough (near); combine_refined ends what the refine stages began;
    // finish_again finishes the rows that were refined or done in double since.
    void (*combine)(const criterion *c, block *b);
    void (*finish)(const criterion *c, block *b);
    void (*finish_again)(const criterion *c, block *b);
    void (*judge)(const criterion *c, block *b);
    void (*combine_refined)(const criterion *c, block *b);
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
    void gdkd_combine_##isa(const criterion *c, block *b);                                         \
    void gdkd_finish_##isa(const criterion *c, block *b);                                          \
    void gdkd_finish_again_##isa(const criterion *c, block *b);                                    \
    void gdkd_judge_##isa(const criterion *c, block *b);                                           \
    void gdkd_combine_refined_##isa(const criterion *c, block *b);                                 \
    void gdkd_exact_sums_##isa(const criterion *c, block *b, int lane, const scratch *x);          \
    void gdkd_exact_gradient_##isa(const criterion *c, block *b, int lane, const scratch *x)
DOUBLE_STAGES(scalar);
DOUBLE_STAGES(avx2);
DOUBLE_STAGES(avx512);

#endif
