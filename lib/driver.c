// Rows -> blocks -> threads, and the rows' terms -> totals, in an order that depends on the shape
// alone: blocks are cut into runs ("chunks"), every chunk is summed by one thread from front to
// back, and the chunks' sums are added in order. So the number of threads changes no bit.
#include "plan.h"
#include "scale.h"

#include <omp.h>
#include <string.h>

// --- Totals --------------------------------------------------------------------------------------

typedef struct {
    double total, ce, kd, high, low[MAX_GROUPS];
    double student_mass[MAX_GROUPS], teacher_mass[MAX_GROUPS];
    double norm2_ce, norm2_high, norm2_low[MAX_GROUPS];
    int64_t nonfinite, first_nonfinite;
} totals;

static void count_nonfinite(const block *b, int lane, int64_t row, totals *sum) {
    if (b->loss[lane] - b->loss[lane] == 0) return;
    if (sum->nonfinite == 0) sum->first_nonfinite = row;
    sum->nonfinite++;
}

static void add_row(const plan *p, const block *b, int lane, int64_t row, totals *sum) {
    const criterion *c = &p->c;
    const double w = p->batch->row_weight ? p->batch->row_weight[row] : 1;
    sum->total += w * b->loss[lane];
    count_nonfinite(b, lane, row, sum);
    if (c->ce) sum->ce += w * b->ce[lane];
    if (!c->kd) return;
    sum->kd += w * b->kd[lane];
    sum->high += w * b->high[lane];
    for (int g = 0; g < c->groups; g++) {
        sum->low[g] += w * b->low[g][lane];
        sum->student_mass[g] += w * b->student_mass[g][lane];
        sum->teacher_mass[g] += w * b->teacher_mass[g][lane];
    }
}

// The same for all rows of a block that weigh the same. Of a whole block, halves are added.
static double sum_of(const lanes value, int rows) {
    double sum = 0, half[BLOCK_ROWS / 2];
    if (rows < BLOCK_ROWS) {
        for (int l = 0; l < rows; l++) sum += value[l];
        return sum;
    }
    for (int l = 0; l < BLOCK_ROWS / 2; l++) half[l] = value[l] + value[l + BLOCK_ROWS / 2];
    for (int l = 0; l < BLOCK_ROWS / 4; l++) half[l] += half[l + BLOCK_ROWS / 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
}

static void add_whole_block(const plan *p, const block *b, int64_t first, totals *sum) {
    const criterion *c = &p->c;
    const double total = sum_of(b->loss, b->rows);
    sum->total += total;
    for (int l = 0; !(total - total == 0) && l < b->rows; l++)
        count_nonfinite(b, l, first + l, sum);
    if (c->ce) sum->ce += sum_of(b->ce, b->rows);
    if (!c->kd) return;
    sum->kd += sum_of(b->kd, b->rows);
    sum->high += sum_of(b->high, b->rows);
    for (int g = 0; g < c->groups; g++) {
        sum->low[g] += sum_of(b->low[g], b->rows);
        sum->student_mass[g] += sum_of(b->student_mass[g], b->rows);
        sum->teacher_mass[g] += sum_of(b->teacher_mass[g], b->rows);
    }
}

static void add_norms(const criterion *c, const block *b, int lane, totals *sum) {
    if (c->ce) sum->norm2_ce += b->norm2_ce[lane];
    if (!c->kd) return;
    sum->norm2_high += b->norm2_high[lane];
    for (int g = 0; g < c->groups; g++) sum->norm2_low[g] += b->norm2_low[g][lane];
}

static void add_totals(const totals *from, totals *to) {
    to->total += from->total;
    to->ce += from->ce;
    to->kd += from->kd;
    to->high += from->high;
    to->norm2_ce += from->norm2_ce;
    to->norm2_high += from->norm2_high;
    for (int g = 0; g < MAX_GROUPS; g++) {
        to->low[g] += from->low[g];
        to->student_mass[g] += from->student_mass[g];
        to->teacher_mass[g] += from->teacher_mass[g];
        to->norm2_low[g] += from->norm2_low[g];
    }
    if (to->nonfinite == 0 && from->nonfinite > 0) to->first_nonfinite = from->first_nonfinite;
    to->nonfinite += from->nonfinite;
}

static void report(const plan *p, const totals *sum) {
    gdkd_result *r = p->result;
    const double d = p->divisor, w = p->weight_sum > 0 ? p->weight_sum : 1;
    r->total = sum->total / d;
    r->ce = sum->ce / d;
    r->kd = sum->kd / d;
    r->high = sum->high / d;
    for (int g = 0; g < MAX_GROUPS; g++) {
        r->low[g] = sum->low[g] / d;
        r->student_mass[g] = sum->student_mass[g] / w;
        r->teacher_mass[g] = sum->teacher_mass[g] / w;
        r->grad_norm_low[g] = sqrt(sum->norm2_low[g]);
    }
    r->grad_norm_ce = sqrt(sum->norm2_ce);
    r->grad_norm_high = sqrt(sum->norm2_high);
    r->inter = r->intra = 0;
    r->divisor = d;
    r->rows_used = p->rows_used;
    r->rows_nonfinite = sum->nonfinite;
    r->first_nonfinite = sum->nonfinite > 0 ? sum->first_nonfinite : -1;
    r->error_row = -1;
}

// --- Workspace -----------------------------------------------------------------------------------

enum { ALIGNMENT = 64 };

static size_t round_up(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// Gives the next piece of a workspace; with start NULL it only counts.
typedef struct {
    char *start;
    size_t used;
} carver;

static void *carve(carver *w, size_t bytes) {
    void *piece = w->start ? w->start + w->used : NULL;
    w->used += round_up(bytes);
    return piece;
}

// Whether rows are laid out group by group (sorted_body.h).
static bool sorts(const plan *p) {
    return p->shape == SHAPE_ROWS && (p->needs_groups || p->c.split_high);
}

static void carve_thread(const plan *p, carver *w, scratch *x, block **b) {
    const size_t classes = (size_t)p->batch->classes;
    const size_t tile = sizeof(float) * classes * (size_t)p->block_rows;
    const size_t row = sizeof(double) * classes;
    *b = carve(w, sizeof **b);
    x->tile_s = p->copy_student ? carve(w, tile) : NULL;
    x->tile_t = p->copy_teacher ? carve(w, tile) : NULL;
    x->tile_g = p->copy_grad ? carve(w, tile) : NULL;
    x->tile_map = p->copy_map ? carve(w, classes * (size_t)p->block_rows) : NULL;
    const bool floats = p->shape != SHAPE_EXACT;
    // A class of tile_g is written when its exponential has been read, unless they lie in another order.
    x->exp_s = x->tile_g && !sorts(p) ? x->tile_g : floats ? carve(w, tile) : NULL;
    x->exp_t = floats ? carve(w, tile) : NULL;
    x->exp_ce = floats && p->c.ce ? carve(w, tile) : NULL;
    const size_t index = sizeof(int32_t) * (classes + SLACK) * (size_t)p->block_rows;
    x->exp_high = sorts(p) && p->c.split_high ? carve(w, tile) : NULL;
    x->sorted_s = sorts(p) ? carve(w, tile) : NULL;
    x->sorted_t = sorts(p) ? carve(w, tile) : NULL;
    x->sorted_index = sorts(p) ? carve(w, index) : NULL;
    x->row_s = carve(w, row);
    x->row_t = carve(w, row);
    x->row_g = carve(w, row);
    x->standard_s = carve(w, row);
    x->standard_t = carve(w, row);
    x->standard_g = carve(w, row);
    x->select_value = carve(w, row);
    x->select_index = carve(w, sizeof(int32_t) * classes);
    x->map = carve(w, classes);
}

// Enough for a gdkd_result that asks for norms too: that call cuts its rows into other blocks, for
// which as many threads may work as room_threads says, but takes no tiles.
size_t gdkd_plan_workspace(const plan *p) {
    carver w = {NULL, ALIGNMENT}; // room to align the start
    carve(&w, sizeof(totals) * MOST_CHUNKS);
    for (int t = 0; t < p->room_threads; t++) {
        scratch x;
        block *b;
        carve_thread(p, &w, &x, &b);
    }
    return w.used;
}

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

static uint32_t all_rows(int rows) {
    return (1U << rows) - 1U;
}

static uint32_t used_rows(const plan *p, int64_t first, int rows) {
    if (!p->batch->row_weight && !p->batch->target) return all_rows(rows);
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
    return dtype == GDKD_F32 && p->batch->inner == 1 && b->used == all_rows(b->rows);
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
                         p->result->grad != p->batch->student && !sorts(p);
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
    if (!p->batch->row_weight && b->used == all_rows(rows))
        add_whole_block(p, b, first, sum);
    else
        for (int l = 0; l < rows; l++)
            if (b->used >> l & 1U) add_row(p, b, l, first + l, sum);
    if (p->result->grad || p->c.norms) block_gradient(p, b, x, first);
    for (int l = 0; l < rows && p->c.norms; l++)
        if (b->used >> l & 1U) add_norms(&p->c, b, l, sum);
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
static void run_share(const plan *p, char *pieces, size_t piece, int thread, int team,
                      totals *sums) {
    carver mine = {pieces + piece * (size_t)thread, 0};
    scratch x;
    block *b;
    carve_thread(p, &mine, &x, &b);
    begin_block(p, b);
    for (int chunk = thread; chunk < p->chunks; chunk += team)
        run_chunk(p, b, &x, chunk, &sums[chunk]);
}

void gdkd_run(const plan *p, void *workspace) {
    carver w = {(char *)workspace, 0};
    w.used = (ALIGNMENT - (uintptr_t)workspace % ALIGNMENT) % ALIGNMENT;
    totals *sums = carve(&w, sizeof *sums * MOST_CHUNKS);
    carver measure = {NULL, 0};
    scratch ignored;
    block *none;
    carve_thread(p, &measure, &ignored, &none);
    char *pieces = w.start + w.used;
    const size_t piece = measure.used;

    // One thread alone needs no team: the OpenMP run-time may allocate to make one.
    if (p->threads == 1) {
        run_share(p, pieces, piece, 0, 1, sums);
    } else {
#pragma omp parallel num_threads(p->threads)
        run_share(p, pieces, piece, omp_get_thread_num(), omp_get_num_threads(), sums);
    }

    totals sum = {0};
    for (int chunk = 0; chunk < p->chunks; chunk++) add_totals(&sums[chunk], &sum);
    report(p, &sum);
}
