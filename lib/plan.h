// A call, resolved: what validation made of config, batch and result, for the driver to run.
#ifndef GDKD_PLAN_H
#define GDKD_PLAN_H

#include "convert.h"
#include "kernels/stages.h"

// Runs of blocks whose sums are kept apart, at most.
enum { MOST_CHUNKS = 128 };

// How the rows reach the kernels.
typedef enum {
    SHAPE_ALONG,    // one after the other, lanes along the classes
    SHAPE_ACROSS,   // one per lane, inner >= a vector: floats where they lie, others copied
    SHAPE_GATHERED, // one per lane, gathered into a tile
    SHAPE_DOUBLE    // one after the other, all in double
} plan_shape;

typedef struct {
    criterion c;
    const kernels *kernels;
    const float_stages *stages; // of the shape
    const gdkd_config *config;
    const gdkd_batch *batch;
    gdkd_result *result; // NULL when only the workspace is asked for
    plan_shape shape;
    int64_t rows, student_stride, teacher_stride, grad_stride;
    bool copy_student, copy_teacher, copy_grad; // not where or what the kernels want
    bool exp_in_gradient;                       // the gradient has room for exponentials
    bool needs_target, needs_groups, needs_k;
    int block_rows; // rows of a block
    int64_t blocks;
    int chunks; // depends on the shape alone, not on the threads
    int threads;
    int room_threads; // for which a workspace has room: no fewer, whatever the result asks for
    int64_t rows_used;
    double weight_sum; // of the used rows
    double divisor;
} plan;

// Everything that does not look into the arrays.
gdkd_status gdkd_plan(const gdkd_config *config, const gdkd_batch *batch, gdkd_result *result,
                      plan *p);

// Looks through targets, tables, weights and groups; counts the rows that are used.
gdkd_status gdkd_plan_rows(plan *p);

// The target of a row: an int64 of either type. Only when batch->target is there.
int64_t gdkd_target_of(const gdkd_batch *batch, int64_t row);

// Whether a row is read at all.
bool gdkd_row_used(const plan *p, int64_t row);

static inline bool is_finite(double x) { return x - x == 0; }

// Bytes of workspace for this plan, and the most that any call of these sizes and types can need.
size_t gdkd_plan_workspace(const plan *p);
size_t gdkd_plan_room(const plan *p);

void gdkd_run(const plan *p, void *workspace);

#endif
