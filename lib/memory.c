#include "memory.h"

// --- Where rows lie ------------------------------------------------------------------------------

// Element offset of row r's class 0. No division where rows follow each other.
static int64_t offset_of(const plan *p, int64_t row, int64_t stride) {
    const int64_t inner = p->batch->inner;
    return inner == 1 ? row * stride : row / inner * stride + row % inner;
}

// One of the caller's arrays of logits.
typedef struct {
    char *data;
    int32_t dtype;
    int64_t stride;
} logits;

static logits student_of(const plan *p) {
    return (logits){(char *)p->batch->student, p->batch->student_dtype, p->student_stride};
}
static logits teacher_of(const plan *p) {
    return (logits){(char *)p->batch->teacher, p->batch->teacher_dtype, p->teacher_stride};
}
static logits gradient_of(const plan *p) {
    return (logits){p->result->grad, p->batch->student_dtype, p->grad_stride};
}

static gdkd_strided row_of(const plan *p, logits from, int64_t row) {
    const size_t at = gdkd_dtype_size(from.dtype) * (size_t)offset_of(p, row, from.stride);
    return (gdkd_strided){from.data + at, from.dtype, p->batch->inner};
}

// --- What is a row's own -------------------------------------------------------------------------

static int32_t target_of_row(const plan *p, int64_t row) {
    if (p->batch->target) return (int32_t)gdkd_target_of(p->batch, row);
    const gdkd_strided teacher = row_of(p, teacher_of(p), row);
    return gdkd_argmax(&teacher, p->c.classes);
}

static int64_t k_of(const plan *p, int64_t row, int32_t target) {
    const int64_t *table = p->batch->k_table;
    return p->config->k_rule == GDKD_K_PER_ROW     ? table[row]
           : p->config->k_rule == GDKD_K_PER_CLASS ? table[target]
                                                   : p->config->k;
}

static double low_weight_of(const plan *p, int64_t row, int32_t target) {
    const bool per_row = p->config->low_weight_index == GDKD_LOW_WEIGHT_PER_ROW;
    return p->batch->low_weight[per_row ? row : target];
}

static void describe_row(const plan *p, block *b, int lane, int64_t row) {
    const double *weight = p->batch->row_weight;
    if (p->needs_target) b->target[lane] = target_of_row(p, row);
    if (p->needs_k) b->k[lane] = k_of(p, row, b->target[lane]);
    if (p->c.table_weighted != 0) b->low_weight[lane] = low_weight_of(p, row, b->target[lane]);
    if (weight) b->grad_scale[lane] = p->result->grad_scale * weight[row] / p->divisor;
    if (!p->needs_groups || b->map_shared) return;
    b->map[lane] = p->batch->groups + offset_of(p, row, p->batch->groups_stride);
}

// Whether rows differ in what describe_row finds. Otherwise it stays as the first block has it.
static bool rows_differ(const plan *p) {
    return p->needs_target || p->batch->row_weight || p->c.table_weighted != 0 || p->needs_groups ||
           p->config->k_rule == GDKD_K_PER_ROW;
}

void gdkd_describe_rows(const plan *p, block *b, int64_t first, int rows) {
    const uint32_t all = (1U << rows) - 1U;
    uint32_t used = all;
    for (int l = 0; (p->batch->row_weight || p->batch->target) && l < rows; l++)
        if (!gdkd_row_used(p, first + l)) used &= ~(1U << l);
    b->rows = rows;
    b->in[UNUSED] = all & ~used;
    b->in[DONE] = p->shape == SHAPE_DOUBLE ? 0 : used;
    b->in[NEEDS_REFINE] = 0;
    b->in[NEEDS_DOUBLE] = p->shape == SHAPE_DOUBLE ? used : 0;
    for (uint32_t open = rows_differ(p) ? used : 0; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        describe_row(p, b, lane, first + lane);
    }
}

// --- Into tiles ----------------------------------------------------------------------------------

static bool is_whole(const block *b) { return float_rows(b) == (1U << BLOCK_ROWS) - 1U; }

// Whether a block's rows are floats that lie one behind the other, and all used.
static bool can_transpose(const plan *p, const block *b, int32_t dtype) {
    return dtype == GDKD_F32 && p->batch->inner == 1 && is_whole(b);
}

static void fill_tile(const plan *p, const block *b, int64_t first, logits from, float *tile) {
    const int32_t classes = p->c.classes;
    if (can_transpose(p, b, from.dtype)) {
        const float *row[BLOCK_ROWS], *start = row_of(p, from, first).data;
        for (int l = 0; l < BLOCK_ROWS; l++) row[l] = start + l * from.stride;
        p->kernels->gather(row, BLOCK_ROWS, classes, tile);
        return;
    }
    if (!is_whole(b)) memset(tile, 0, sizeof *tile * BLOCK_ROWS * (size_t)classes);
    for (uint32_t open = b->in[DONE]; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const gdkd_strided row = row_of(p, from, first + lane);
        gdkd_gather_f32(&row, classes, tile + lane, BLOCK_ROWS);
    }
}

// Where the lanes of a block across rows find the logits: with the caller, if side by side there.
typedef struct {
    void *at;
    int64_t step;
} place;

static place place_of(const plan *p, int64_t first, logits from, bool copy, float *tile) {
    if (copy) return (place){tile, BLOCK_ROWS};
    return (place){(void *)row_of(p, from, first).data, p->batch->inner};
}

static void place_across(const plan *p, block *b, const scratch *x, int64_t first) {
    const bool part = !is_whole(b);
    const place s = place_of(p, first, student_of(p), p->copy_student || part, x->tile_s);
    b->s = s.at, b->s_step = s.step;
    if (s.at == x->tile_s) fill_tile(p, b, first, student_of(p), x->tile_s);
    if (p->c.kd) {
        const place t = place_of(p, first, teacher_of(p), p->copy_teacher || part, x->tile_t);
        b->t = t.at, b->t_step = t.step;
        if (t.at == x->tile_t) fill_tile(p, b, first, teacher_of(p), x->tile_t);
    }
}

void gdkd_place_gradient(const plan *p, block *b, const scratch *x, int64_t first) {
    if (p->shape == SHAPE_ALONG) return;
    const place g = place_of(p, first, gradient_of(p), p->copy_grad || !is_whole(b), x->tile_g);
    b->g = g.at, b->g_step = g.step;
    b->accumulate = p->result->accumulate && g.at != x->tile_g;
}

// A row to floats side by side.
static void copy_row(const plan *p, const gdkd_strided *row, float *to) {
    if (gdkd_dtype_size(row->dtype) == 2 && row->step == 1)
        p->kernels->widen(row->dtype, row->data, p->c.classes, to);
    else
        gdkd_gather_f32(row, p->c.classes, to, 1);
}

static const void *place_row(const plan *p, int64_t row, logits from, bool copy, float *tile) {
    const gdkd_strided r = row_of(p, from, row);
    if (!copy) return r.data;
    copy_row(p, &r, tile);
    return tile;
}

static void place_along(const plan *p, block *b, const scratch *x, int64_t first) {
    for (uint32_t open = b->in[DONE]; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const size_t at = (size_t)lane * (size_t)p->c.classes;
        b->s_row[lane] = place_row(p, first + lane, student_of(p), p->copy_student, x->tile_s + at);
        if (p->c.kd)
            b->t_row[lane] =
                place_row(p, first + lane, teacher_of(p), p->copy_teacher, x->tile_t + at);
        if (!p->result->grad) continue;
        b->g_row[lane] =
            p->copy_grad ? x->tile_g + at : (void *)row_of(p, gradient_of(p), first + lane).data;
    }
}

void gdkd_place_block(const plan *p, block *b, const scratch *x, int64_t first) {
    (p->shape == SHAPE_ALONG ? place_along : place_across)(p, b, x, first);
}

void gdkd_load_double(const plan *p, const scratch *x, int64_t row) {
    const gdkd_strided s = row_of(p, student_of(p), row);
    gdkd_gather_f64(&s, p->c.classes, x->row_s);
    if (!p->c.kd) return;
    const gdkd_strided t = row_of(p, teacher_of(p), row);
    gdkd_gather_f64(&t, p->c.classes, x->row_t);
}

// --- Out of tiles --------------------------------------------------------------------------------

// The coefficients of a row that floats do are far below what any type but float16 can hold
// (kernels/precision.h).
static bool may_overflow(const plan *p) {
    return p->batch->student_dtype == GDKD_F16 || p->result->accumulate;
}

static void store_row(const plan *p, const float *from, int64_t step, int64_t row,
                      int64_t *nonfinite) {
    const gdkd_strided to = row_of(p, gradient_of(p), row);
    if (step == 1 && to.step == 1 && gdkd_dtype_size(to.dtype) == 2 && !p->result->accumulate)
        p->kernels->narrow(to.dtype, from, p->c.classes, (void *)to.data);
    else
        gdkd_scatter_f32(from, step, p->c.classes, p->result->accumulate != 0, &to);
    if (may_overflow(p)) *nonfinite += gdkd_count_nonfinite(&to, p->c.classes);
}

void gdkd_store_double(const plan *p, const scratch *x, int64_t row, int64_t *nonfinite) {
    const gdkd_strided to = row_of(p, gradient_of(p), row);
    gdkd_scatter_f64(x->row_g, p->c.classes, p->result->accumulate != 0, &to);
    *nonfinite += gdkd_count_nonfinite(&to, p->c.classes);
}

static void clear_gradient(const plan *p, int64_t row) {
    static const double nothing = 0;
    const gdkd_strided to = row_of(p, gradient_of(p), row);
    const size_t size = gdkd_dtype_size(to.dtype);
    for (int64_t i = 0; i < p->c.classes; i++)
        memcpy((char *)to.data + (size_t)(i * to.step) * size, &nothing, size);
}

// A tile with one row per lane.
static void deliver_tile(const plan *p, const block *b, const scratch *x, int64_t first,
                         int64_t *nonfinite) {
    if (can_transpose(p, b, p->batch->student_dtype) && !p->result->accumulate) {
        float *row[BLOCK_ROWS], *start = (float *)row_of(p, gradient_of(p), first).data;
        for (int l = 0; l < BLOCK_ROWS; l++) row[l] = start + l * p->grad_stride;
        p->kernels->scatter(x->tile_g, BLOCK_ROWS, p->c.classes, row);
        return;
    }
    for (uint32_t open = float_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        store_row(p, x->tile_g + lane, BLOCK_ROWS, first + lane, nonfinite);
    }
}

void gdkd_deliver_block(const plan *p, const block *b, const scratch *x, int64_t first,
                        int64_t *nonfinite) {
    if (!p->c.kd && !p->c.ce) {
        // There is no gradient.
    } else if (p->shape == SHAPE_ALONG && p->copy_grad) {
        for (uint32_t open = float_rows(b); open; open &= open - 1) {
            const int lane = __builtin_ctz(open);
            store_row(p, x->tile_g + (size_t)lane * (size_t)p->c.classes, 1, first + lane,
                      nonfinite);
        }
    } else if (p->shape != SHAPE_ALONG && float_rows(b) && b->g == x->tile_g) {
        deliver_tile(p, b, x, first, nonfinite);
    } else if (may_overflow(p)) {
        for (uint32_t open = float_rows(b); open; open &= open - 1) {
            const gdkd_strided to = row_of(p, gradient_of(p), first + __builtin_ctz(open));
            *nonfinite += gdkd_count_nonfinite(&to, p->c.classes);
        }
    }
    const uint32_t idle_rows = p->c.kd || p->c.ce ? b->in[UNUSED] : b->in[UNUSED] | used_rows(b);
    for (uint32_t idle = p->result->accumulate ? 0 : idle_rows; idle; idle &= idle - 1)
        clear_gradient(p, first + __builtin_ctz(idle));
}
