// The stages of one instruction set, in the order in which a block goes through them
// (docs/design.md).
#ifndef GDKD_STAGES_H
#define GDKD_STAGES_H

#include "block.h"

// In float, for the rows of DONE and NEEDS_REFINE. sums: splits the rows into groups; writes
// b->low.ref and .sum, where they are needed those of b->high, b->picks and b->ce. refine: reads
// relation, writes divergence. gradient: from the coefficients.
typedef struct {
    void (*sums)(const criterion *c, block *b, const scratch *x);
    void (*refine)(const criterion *c, block *b, const scratch *x);
    void (*gradient)(const criterion *c, block *b, const scratch *x);
} float_stages;

// One row per lane. combine: the picked classes join the sums of the rest. finish: from sums to
// terms, relations and coefficients. check_precision: moves the rows that need it to NEEDS_REFINE
// or NEEDS_DOUBLE. combine_refined: as combine, after refine. check_refined: what remains of
// NEEDS_REFINE. finish_again: the rows of both.
// sums, gradient: of one row, whose logits are in x->row_s and x->row_t; the gradient goes to
// x->row_g.
typedef struct {
    void (*combine)(const criterion *c, block *b);
    void (*finish)(const criterion *c, block *b);
    void (*check_precision)(const criterion *c, block *b);
    void (*combine_refined)(const criterion *c, block *b);
    void (*check_refined)(const criterion *c, block *b);
    void (*finish_again)(const criterion *c, block *b);
    void (*sums)(const criterion *c, block *b, int lane, const scratch *x);
    void (*gradient)(const criterion *c, block *b, int lane, const scratch *x);
} double_stages;

typedef struct {
    // Rows one after the other, lanes along the classes; or one row per lane.
    float_stages along, across;
    const double_stages *in_double;
    // Rows of floats into a tile for the across stages, and back.
    void (*gather)(const float *const *row, int rows, int32_t classes, float *tile);
    void (*scatter)(const float *tile, int rows, int32_t classes, float *const *row);
    // Rows of 16-bit floats without gaps to floats, and back; dtype: GDKD_BF16 or GDKD_F16.
    void (*widen)(int32_t dtype, const uint16_t *from, int64_t count, float *to);
    void (*narrow)(int32_t dtype, const float *from, int64_t count, uint16_t *to);
} kernels;

// The table for an upper bound (GDKD_ISA_*), after what the processor has and GDKD_ISA allows.
const kernels *gdkd_kernels(int32_t isa);

// Each is made of two files, of float and of double kernels.
#define KERNELS_OF(isa)                                                                            \
    extern const kernels gdkd_kernels_##isa;                                                       \
    extern const double_stages gdkd_double_stages_##isa
KERNELS_OF(scalar);
KERNELS_OF(avx2);
KERNELS_OF(avx512);

#endif
