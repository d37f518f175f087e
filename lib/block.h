// A block of rows on its way through the stages, and the memory that a thread works in. What
// belongs to a row is at [lane], the row's place in the block.
#ifndef GDKD_BLOCK_H
#define GDKD_BLOCK_H

#include "criterion.h"

#include <string.h>

enum {
    MOST_PICKED = 32, // classes of a row that are done one by one
    STEP = 16         // classes that a word of membership tells of; the lanes of a vector of floats
};

// A number for each row of a block.
typedef double lanes[BLOCK_ROWS];

// exp_scale, for each row.
typedef struct {
    lanes hi, lo, min;
} lane_scales;

// What turns logits into exponents: the criterion's temperatures, or those of a row or group that
// is standardised (kernels/moments.h).
typedef struct {
    lanes inv_t, inv_tt, rho;
    lane_scales student, teacher;
    lanes base, mean, slope; // of a standardised student, for its gradient
} temperatures;

// --- One group: what the stages hand on ----------------------------------------------------------

// With ds = s - ref.s, dt = t - ref.t, d = ds - rho dt. The points are each model's largest logit
// of the group: no exponential exceeds 1, and a group far below the others loses nothing.
typedef struct {
    const temperatures *at;
    lanes s, t;
} references;

typedef struct {
    lanes s;     // sum of exp(ds / T)
    lanes t;     // sum of exp(dt / T_t)
    lanes dot_t; // sum of exp(dt / T_t) d
    lanes dot_s; // sum of exp(ds / T) d
} group_sums;

// p = per_s exp(ds / T), q = per_t exp(dt / T_t), and u = log q - log p = log_ratio - d / T.
typedef struct {
    lanes log_ratio, per_s, per_t;
} group_relation;

// Sums over a group of what kernels/divergence.h says of its classes; found: 1 where the second
// pass made them, else 0.
typedef struct {
    lanes value, pull, drift, found;
} group_divergence;

// The gradient is exp(ds / T) (c.s + c.d d) - exp(dt / T_t) c.t + c.h pull.
typedef struct {
    lanes s, t, d, h;
} group_coefficients;

// The groups of every row, for the low terms, or for the high term where it needs sums of its own.
typedef struct {
    references ref[MAX_GROUPS];
    group_sums sum[MAX_GROUPS];
    group_relation relation[MAX_GROUPS];
    group_divergence divergence[MAX_GROUPS];
    group_coefficients coefficient[MAX_GROUPS];
} row_groups;

// The few classes of a row that are done one by one in double, and what the stages know of the
// others, the rest, which belong to the last group.
typedef struct {
    int32_t count[BLOCK_ROWS];
    lanes number; // count once more, for vectors
    int32_t index[MOST_PICKED][BLOCK_ROWS];
    lanes s[MOST_PICKED], t[MOST_PICKED], group[MOST_PICKED];
    lanes e_s[MOST_PICKED], e_t[MOST_PICKED], d[MOST_PICKED], gradient[MOST_PICKED];
    references ref;
    group_sums sum;
    group_relation relation;
    group_divergence divergence;
    group_coefficients coefficient;
} picked;

// --- The cross-entropy ---------------------------------------------------------------------------

typedef struct {
    lanes ref;    // the row's largest student logit
    lanes sum;    // sum of exp(s - ref)
    lanes linear; // sum of s - ref, over the classes that are not -inf
    lanes count;  // their number
    lanes target; // s_target - ref
    // The gradient is exp(s - ref) c - flat - onehot hot.
    lanes c, flat, hot;
} cross_entropy;

// --- A row's terms, as gdkd_result has them ------------------------------------------------------

typedef struct {
    lanes loss, ce, kd, high, low[MAX_GROUPS];
    lanes student_mass[MAX_GROUPS], teacher_mass[MAX_GROUPS];
    lanes norm2_ce, norm2_high, norm2_low[MAX_GROUPS];
} row_terms;

// --- The block -----------------------------------------------------------------------------------

// Every row is in one of these. Floats do the rows in DONE and NEEDS_REFINE.
typedef enum { UNUSED, DONE, NEEDS_REFINE, NEEDS_DOUBLE, ROW_STATES } row_state;

// How the membership of a class is told, after split.
typedef enum {
    ONE,   // one group
    HOLES, // one group, but for the picked classes
    TWO,   // words of the first group
    EACH,  // a group for each class, the same in all rows
    MANY,  // words of each group
    KINDS
} group_kind;

typedef struct {
    int rows;
    uint32_t in[ROW_STATES]; // bit l: row l is in this state

    // Where the logits lie. Along the classes: row[lane] points to consecutive classes. Across
    // rows: lane l of class c is at s[c * s_step + l].
    const void *s_row[BLOCK_ROWS], *t_row[BLOCK_ROWS];
    void *g_row[BLOCK_ROWS];
    const void *s, *t;
    void *g;
    int64_t s_step, t_step, g_step;
    bool accumulate;
    bool exp_in_gradient; // the student's exponentials are kept where the gradient will be
    const uint8_t *map[BLOCK_ROWS]; // the caller's groups of the row's classes
    int64_t map_step;
    bool map_shared; // by all rows

    int32_t target[BLOCK_ROWS];
    int64_t k[BLOCK_ROWS];
    lanes grad_scale; // row weight, divisor and the caller's scale
    lanes low_weight;

    // How split has laid out the row. A sorted row: the classes of group g lie from first[g] on.
    group_kind kind[BLOCK_ROWS];
    bool sorted[BLOCK_ROWS];
    bool order_known; // the one order of rows that share a map
    int32_t first[MAX_GROUPS + 1][BLOCK_ROWS];

    temperatures row; // of the row
    lanes top;        // the row's largest student logit, or -inf
    row_groups low;
    cross_entropy ce;
    row_terms terms;

    // Where they are needed, else NULL.
    picked *picks;
    row_groups *high;
    temperatures *group; // of the low terms, where groups are standardised
} block;

// Scratch of one thread, carved out of the workspace. A tile is for BLOCK_ROWS rows, along the
// classes or across.
typedef struct {
    float *tile_s, *tile_t, *tile_g;     // gathered or converted logits, and their gradient
    float *exp_s, *exp_t, *exp_ce;       // the exponentials that the sums found, for the gradient
    float *exp_high;                     // the student's in the high term, where that has its own
    uint16_t *words;                     // membership: see words_of
    float *sorted_s, *sorted_t;          // rows whose classes lie group by group
    int32_t *order;                      // the classes in that order
    double *row_s, *row_t, *row_g;       // one row in double
    double *sorted_row_s, *sorted_row_t; // the same, group by group
    double *share;                       // a part of its gradient
    int32_t *row_order;
    uint16_t *row_words;
    void *select_value; // for the wider type
    int32_t *select_index;
} scratch;

static inline bool has_row(uint32_t rows, int lane) { return rows >> lane & 1U; }

// The rows that floats do.
static inline uint32_t float_rows(const block *b) { return b->in[DONE] | b->in[NEEDS_REFINE]; }

static inline uint32_t used_rows(const block *b) { return float_rows(b) | b->in[NEEDS_DOUBLE]; }

static inline void move_rows(block *b, uint32_t rows, row_state to) {
    for (int s = 0; s < ROW_STATES; s++) b->in[s] &= ~rows;
    b->in[to] |= rows;
}

// Whether rows may be laid out group by group (kernels/sorted.h): for the caller's groups, for
// groups with temperatures of their own, and for more than two, unless their classes are picked.
static inline bool is_sorted(const criterion *c) {
    return c->mapped || c->split_high || c->groups > 2;
}

// Words for a row of so many classes, for each group that they tell of.
static inline int32_t steps_of(int32_t classes) { return (classes + STEP - 1) / STEP; }

#endif
