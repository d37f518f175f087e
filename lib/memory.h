// Between the caller's arrays and what the stages work on: where a block's rows lie, tiles, rows in
// double, and back.
#ifndef GDKD_MEMORY_H
#define GDKD_MEMORY_H

#include "plan.h"

// What is a row's own: its target, k, scale and weight, into the block; and which rows are used.
void gdkd_describe_rows(const plan *p, block *b, int64_t first, int rows);

// Points a block at its rows, or fills tiles with them. A block of lanes across rows that is not
// whole goes through tiles.
void gdkd_place_block(const plan *p, block *b, const scratch *x, int64_t first);

// Says where the gradient of lanes across rows goes: the caller's memory, if all rows of the block
// are done in float.
void gdkd_place_gradient(const plan *p, block *b, const scratch *x, int64_t first);

// The rows' gradients from where the stages left them to the caller; rows that are not used get 0.
// Adds the elements that are not finite to *nonfinite.
void gdkd_deliver_block(const plan *p, const block *b, const scratch *x, int64_t first,
                        int64_t *nonfinite);

// One row to x->row_s and x->row_t, and x->row_g to the caller.
void gdkd_load_double(const plan *p, const scratch *x, int64_t row);
void gdkd_store_double(const plan *p, const scratch *x, int64_t row, int64_t *nonfinite);

#endif
