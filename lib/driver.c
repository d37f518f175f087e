// Rows -> blocks -> threads, and the rows' terms -> totals, in an order that depends on the shape
// alone: blocks are cut into runs ("chunks"), every chunk is summed by one thread from front to
// back, and the chunks' sums are added in order. So the number of threads changes no bit.
#include "scale.h"
#include "workspace.h"

#include <omp.h>
#include <string.h>

// --- One block -----------------------------------------------------------------------------------

// Where row r lies: element offsets of its class 0. No division where rows follow each other.
static int64_t offset_of(const plan *p, int64_t row, int64_t stride) {
    const int64_t inner = p->batch->inner;
    return inner == 1 ? row * stride : row / inner * stride + row % inner;
}

// One of the caller's arrays of logits.
typedef struct {
    const char *data;
    int32_t dtype;
    int64_t stride;
} logits;

static logits student_of(const plan *p) {
    return (logits){p->batch->student, p->batch->student_dtype, p->student_stride};
}

static logits teacher_of(const plan *p) {
    return (logits){p->batch->teacher, p->batch->teacher_dtype, p->teacher_stride};
}

static gdkd_strided row_of(const plan *p, logits from, int64_t row) {
    const size_t at = gdkd_dtype_size(from.dtype) * (size_t)offset_of(p, row, from.stride);
    return (gdkd_strided){from.data + at, from.dtype, p->batch->inner};
}

static void *grad_row(const plan *p, int64_t row) {
    const size_t size = gdkd_dtype_size(p->batch->student_dtype);
    return (char *)p->result->grad + size * (size_t)offset_of(p, row, p->grad_stride);
}

static const uint8_t *map_of_row(const plan *p, int64_t row) {
    const gdkd_batch *b = p->batch;
    return b->groups_stride == 0 ? b->groups : b->groups + offset_of(p, row, b->groups_stride);
}

static void gather_map(const plan *p, int64_t row, uint8_t *out, int64_t out_step) {
    const uint8_t *map = map_of_row(p, row);
    const int64_t step = p->batch->groups_stride == 0 ? 1 : p->batch->inner;
    for (int64_t i = 0; i < p->c.classes; i++) out[i * out_step] = map[i * step];
}

static int32_t target_of_row(const plan *p, int64_t row) {
    if (p->batch->target) return (int32_t)gdkd_target_of(p->batch, row);
    gdkd_strided teacher = row_of(p, teacher_of(p), row);
    return gdkd_argmax(&teacher, p->c.classes);
}

static int64_t k_of(const plan *p, int64_t row, int32_t target) {
    switch (p->config->k_rule) {
    case GDKD_K_PER_ROW:
        return p->batch->k_table[row];
    case GDKD_K_PER_CLASS:
        return p->batch->k_table[target];
    default:
        return p->config->k;
    }
}

static bool uses_k(const criterion *c) {
    return c->kd && c->partition >= GDKD_PARTITION_TOP && c->partition <= GDKD_PARTITION_TOP1_TOPK;
}

static double low_weight_of(const plan *p, int64_t row, int32_t target) {
    const bool per_row = p->config->low_weight_index == GDKD_LOW_WEIGHT_PER_ROW;
    return p->batch->low_weight[per_row ? row : target];
}

static uint32_t used_rows(const plan *p, int64_t first, int rows) {
    if (!p->batch->row_weight && !p->batch->target) return gdkd_all_rows(rows);
    uint32_t used = 0;
    for (int l = 0; l < rows; l++) used |= (uint32_t)gdkd_row_used(p, first + l) << l;
    return used;
}

// Whether rows differ in what describe_row finds. Otherwise it stays as begin_block has it.
static bool rows_differ(const plan *p) {
    return p->needs_target || p->batch->row_weight || p->c.table_weighted != 0 ||
           p->config->k_rule == GDKD_K_PER_ROW;
}

static void describe_row(const plan *p, block *b, int lane, int64_t row) {
    const double *weight = p->batch->row_weight;
    if (p->needs_target) b->target[lane] = target_of_row(p, row);
    if (uses_k(&p->c)) b->k[lane] = k_of(p, row, b->target[lane]);
    if (p->c.table_weighted != 0) b->low_weight[lane] = low_weight_of(p, row, b->target[lane]);
    if (weight) b->grad_scale[lane] = p->result->grad_scale * weight[row] / p->divisor;
}

static void describe_rows(const plan *p, block *b, int64_t first, int rows) {
    if (b->near) memset(b->refined, 0, sizeof b->refined);
    if (p->shape == SHAPE_ROWS) memset(b->list.count, 0, sizeof b->list.count);
    b->rows = rows;
    b->used = used_rows(p, first, rows);
    b->refused = b->near = 0;
    for (uint32_t open = rows_differ(p) ? b->used : 0; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        describe_row(p, b, lane, first + lane);
    }
}

// Whether a block's rows are floats that lie one behind the other and are all used.
static bool can_transpose(const plan *p, const block *b, int32_t dtype) {
    return dtype == GDKD_F32 && p->batch->inner == 1 && b->used == gdkd_all_rows(b->rows);
}

static void fill_tile(const plan *p, const block *b, int64_t first, logits from, float *tile) {
    if (can_transpose(p, b, from.dtype)) {
        const float *row[BLOCK_ROWS], *start = row_of(p, from, first).data;
        for (int l = 0; l < b->rows; l++) row[l] = start + l * from.stride;
        p->kernels->gather(row, b->rows, p->c.classes, tile);
        return;
    }
    for (int l = 0; l < b->rows; l++) {
        const gdkd_strided row = row_of(p, from, first + l);
        if (b->used >> l & 1U) gdkd_gather_f32(&row, p->c.classes, tile + l, BLOCK_ROWS);
    }
}

// Fills tiles or points into the caller's memory, for lanes across rows.
static void place_across(const plan *p, block *b, const scratch *x, int64_t first) {
    const gdkd_batch *batch = p->batch;
    const logits student = student_of(p), teacher = teacher_of(p);
    b->s_step = b->g_step = p->copy_student ? BLOCK_ROWS : batch->inner;
    b->t_step = p->copy_teacher ? BLOCK_ROWS : batch->inner;
    b->s = p->copy_student ? x->tile_s : row_of(p, student, first).data;
    b->t = p->c.kd ? (p->copy_teacher ? x->tile_t : row_of(p, teacher, first).data) : NULL;
    if (p->copy_student) fill_tile(p, b, first, student, x->tile_s);
    if (p->copy_teacher) fill_tile(p, b, first, teacher, x->tile_t);
    for (int l = 0; p->copy_map && l < b->rows; l++)
        if (b->used >> l & 1U) gather_map(p, first + l, x->tile_map + l, BLOCK_ROWS);
    b->g = !p->result->grad ? NULL : p->copy_grad ? (void *)x->tile_g : grad_row(p, first);
    b->accumulate = p->result->accumulate && !p->copy_grad;
    b->map_shared = p->needs_groups && batch->groups_stride == 0;
    b->map_step = b->map_shared ? 1 : p->copy_map ? BLOCK_ROWS : batch->inner;
    b->map = !p->needs_groups ? NULL : p->copy_map ? x->tile_map : map_of_row(p, first);
}

// A row to floats side by side.
static void copy_row(const plan *p, const gdkd_strided *row, float *to) {
    if (gdkd_dtype_size(row->dtype) == 2 && row->step == 1)
        p->kernels->widen(row->dtype, row->data, p->c.classes, to);
    else
        gdkd_gather_f32(row, p->c.classes, to, 1);
}

static void place_rows(const plan *p, block *b, const scratch *x, int64_t first) {
    const int64_t classes = p->c.classes;
    for (int l = 0; l < b->rows; l++) {
        if (!(b->used >> l & 1U)) continue;
        const gdkd_strided s = row_of(p, student_of(p), first + l),
                           t = p->c.kd ? row_of(p, teacher_of(p), first + l) : s;
        b->s_row[l] = p->copy_student ? x->tile_s + l * classes : s.data;
        b->t_row[l] = !p->c.kd ? NULL : p->copy_teacher ? x->tile_t + l * classes : t.data;
        if (p->copy_student) copy_row(p, &s, x->tile_s + l * classes);
        if (p->copy_teacher) copy_row(p, &t, x->tile_t + l * classes);
        if (p->result->grad)
            b->g_row[l] = p->copy_grad ? x->tile_g + l * classes : grad_row(p, first + l);
        if (p->copy_map) gather_map(p, first + l, x->tile_map + l * classes, 1);
        b->map_row[l] = !p->needs_groups ? NULL
                        : p->copy_map    ? x->tile_map + l * classes
                                         : map_of_row(p, first + l);
    }
    b->accumulate = p->result->accumulate && !p->copy_grad;
    b->map_shared = p->needs_groups && p->batch->groups_stride == 0;
    b->exp_in_gradient = p->result->grad && !p->copy_grad && !p->result->accumulate &&
                         p->result->grad != p->batch->student && !gdkd_sorts(p);
}

static void load_exact_row(const plan *p, const scratch *x, int64_t row) {
    const gdkd_strided s = row_of(p, student_of(p), row);
    gdkd_gather_f64(&s, p->c.classes, x->row_s);
    if (!p->c.kd) return;
    const gdkd_strided t = row_of(p, teacher_of(p), row);
    gdkd_gather_f64(&t, p->c.classes, x->row_t);
    if (p->needs_groups) gather_map(p, row, x->map, 1);
}

static void float_sums(const plan *p, block *b, const scratch *x, int64_t first) {
    const kernels *k = p->kernels;
    const bool rows = p->shape == SHAPE_ROWS;
    (rows ? place_rows : place_across)(p, b, x, first);
    (rows ? k->rows_sums : k->across_sums)(&p->c, b, x);
    if (rows) k->combine(&p->c, b);
    k->finish(&p->c, b);
    k->judge(&p->c, b);
    if (!b->near) return;
    (rows ? k->rows_refine : k->across_refine)(&p->c, b, x);
    k->combine_refined(&p->c, b);
}

static void exact_sums(const plan *p, block *b, const scratch *x, int64_t first) {
    for (uint32_t refused = b->refused; refused; refused &= refused - 1) {
        const int lane = __builtin_ctz(refused);
        b->list.count[lane] = 0;
        gdkd_use_temperatures(&p->c, b, lane);
        load_exact_row(p, x, first + lane);
        p->kernels->exact_sums(&p->c, b, lane, x);
    }
}

static void block_sums(const plan *p, block *b, const scratch *x, int64_t first) {
    if (p->shape == SHAPE_EXACT)
        b->refused = b->used;
    else
        float_sums(p, b, x, first);
    exact_sums(p, b, x, first);
    if (b->refused | b->near) p->kernels->finish_again(&p->c, b);
}

static void clear_gradient(const plan *p, int64_t row) {
    static const double nothing = 0;
    char *g = grad_row(p, row);
    const size_t size = gdkd_dtype_size(p->batch->student_dtype);
    for (int64_t i = 0; i < p->c.classes; i++)
        memcpy(g + (size_t)(i * p->batch->inner) * size, &nothing, size);
}

static void scatter_tile(const plan *p, const block *b, const scratch *x, int64_t first) {
    const int64_t classes = p->c.classes;
    const bool along = p->shape == SHAPE_ROWS;
    if (!along && !b->refused && !p->result->accumulate &&
        can_transpose(p, b, p->batch->student_dtype)) {
        float *row[BLOCK_ROWS], *start = grad_row(p, first);
        for (int l = 0; l < b->rows; l++) row[l] = start + l * p->grad_stride;
        p->kernels->scatter(x->tile_g, b->rows, p->c.classes, row);
        return;
    }
    const bool halves = along && gdkd_dtype_size(p->batch->student_dtype) == 2 &&
                        p->batch->inner == 1 && !p->result->accumulate;
    for (uint32_t open = b->used & ~b->refused; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const float *from = x->tile_g + (along ? lane * classes : lane);
        if (halves)
            p->kernels->narrow(p->batch->student_dtype, from, classes, grad_row(p, first + lane));
        else
            gdkd_scatter_f32(from, along ? 1 : BLOCK_ROWS, classes, p->result->accumulate != 0,
                             grad_row(p, first + lane), p->batch->student_dtype, p->batch->inner);
    }
}

static void block_gradient(const plan *p, block *b, const scratch *x, int64_t first) {
    const kernels *k = p->kernels;
    // Rows in double come first: a row of theirs is read for the last time, before anything is
    // written over it.
    for (uint32_t refused = b->refused; refused; refused &= refused - 1) {
        const int lane = __builtin_ctz(refused);
        load_exact_row(p, x, first + lane);
        k->exact_gradient(&p->c, b, lane, x);
        if (p->result->grad)
            gdkd_scatter_f64(x->row_g, p->c.classes, p->result->accumulate != 0,
                             grad_row(p, first + lane), p->batch->student_dtype, p->batch->inner);
    }
    if (!p->result->grad) return;
    if (b->used & ~b->refused) {
        if (p->shape == SHAPE_ROWS)
            k->rows_gradient(&p->c, b, x);
        else
            k->across_gradient(&p->c, b, x);
        if (p->copy_grad) scatter_tile(p, b, x, first);
    }
    for (int l = 0; l < b->rows && !p->result->accumulate; l++)
        if (!(b->used >> l & 1U)) clear_gradient(p, first + l);
}

static void run_block(const plan *p, block *b, const scratch *x, int64_t first, int rows,
                      totals *sum) {
    describe_rows(p, b, first, rows);
    if (b->used) block_sums(p, b, x, first);
    for (int l = 0; p->result->row_loss && l < rows; l++)
        p->result->row_loss[first + l] = b->used >> l & 1U ? b->loss[l] : 0;
    gdkd_add_terms(p, b, first, sum);
    if (p->result->grad || p->c.norms) block_gradient(p, b, x, first);
    if (p->c.norms) gdkd_add_norms(p, b, sum);
}

// --- All blocks ----------------------------------------------------------------------------------

static void run_numbered_block(const plan *p, block *b, const scratch *x, int64_t number,
                               totals *sum) {
    int64_t first, end;
    if (p->shape == SHAPE_ACROSS) { // blocks do not cross from one outer to the next
        const int64_t inner = p->batch->inner, per_outer = (inner + BLOCK_ROWS - 1) / BLOCK_ROWS;
        const int64_t outer = number / per_outer, from = number % per_outer * BLOCK_ROWS;
        first = outer * inner + from;
        end = outer * inner + (from + BLOCK_ROWS < inner ? from + BLOCK_ROWS : inner);
    } else {
        first = number * p->block_rows;
        end = first + p->block_rows < p->rows ? first + p->block_rows : p->rows;
    }
    run_block(p, b, x, first, (int)(end - first), sum);
}

static void run_chunk(const plan *p, block *b, const scratch *x, int chunk, totals *sum) {
    memset(sum, 0, sizeof *sum);
    const int64_t from = p->blocks / p->chunks * chunk + p->blocks % p->chunks * chunk / p->chunks;
    const int64_t to =
        p->blocks / p->chunks * (chunk + 1) + p->blocks % p->chunks * (chunk + 1) / p->chunks;
    for (int64_t i = from; i < to; i++) run_numbered_block(p, b, x, i, sum);
}

static void clear_members(block *b, size_t from, size_t to) {
    memset((char *)b + from, 0, to - from);
}

// What is the same in all rows; and zeros where a stage may read what none has written: flags of another shape, and
// the lanes of a vector, which the kernels compute all: those of a row that is not there, not used or refused have no
// borders, reference points, sums or coefficients of their own. The rows' terms are looked at in used rows alone.
static void begin_block(const plan *p, block *b) {
    const criterion *c = &p->c;
    clear_members(b, 0, offsetof(block, target)); // places and flags
    for (int l = 0; l < BLOCK_ROWS; l++) {
        b->target[l] = 0;
        b->k[l] = p->config->k;
        b->grad_scale[l] = p->result->grad_scale / p->divisor;
        b->low_weight[l] = 1;
        b->list.count[l] = 0;
        b->refined[l] = 0;
    }
    b->near = 0;
    clear_members(b, offsetof(block, bound), offsetof(block, near)); // borders
    if (c->ce) clear_members(b, offsetof(block, ref_ce), offsetof(block, loss));
    if (p->shape == SHAPE_ROWS) memset(&b->rest, 0, sizeof b->rest);
    memset(b->low_sums, 0, sizeof *b->low_sums * (size_t)c->groups);
    if (c->split_high) memset(b->high_sums, 0, sizeof *b->high_sums * (size_t)c->groups);
    gdkd_begin_temperatures(c, b);
}

// One thread's share of the chunks. They are dealt out beforehand: all cost about the same. The
// team may be smaller than asked for, inside a parallel region of the caller's for one.
static void run_share(const plan *p, const layout *w, int thread, int team) {
    scratch x;
    block *b = gdkd_cut_thread(p, w, thread, &x);
    begin_block(p, b);
    for (int chunk = thread; chunk < p->chunks; chunk += team)
        run_chunk(p, b, &x, chunk, &w->sums[chunk]);
}

void gdkd_run(const plan *p, void *memory) {
    const layout w = gdkd_cut_workspace(p, memory);
    // One thread alone needs no team: the OpenMP run-time may allocate to make one.
    if (p->threads == 1) {
        run_share(p, &w, 0, 1);
    } else {
#pragma omp parallel num_threads(p->threads)
        run_share(p, &w, omp_get_thread_num(), omp_get_num_threads());
    }
    totals sum = {0};
    for (int chunk = 0; chunk < p->chunks; chunk++) gdkd_add_totals(&w.sums[chunk], &sum);
    gdkd_report(p, &sum);
}
