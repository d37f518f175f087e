// Rows -> blocks -> threads, and the rows' terms -> totals, in an order that depends on the shape
// alone: blocks are cut into runs ("chunks"), every chunk is summed by one thread from front to
// back, and the chunks' sums are added in order. So the number of threads changes no bit.
#include "memory.h"
#include "scale.h"
#include "workspace.h"

#include <omp.h>

// --- One block -----------------------------------------------------------------------------------

static void sums_in_float(const plan *p, block *b, const scratch *x, int64_t first) {
    const double_stages *k = p->kernels->in_double;
    gdkd_place_block(p, b, x, first);
    p->stages->sums(&p->c, b, x);
    if (b->picks) k->combine(&p->c, b);
    k->finish(&p->c, b);
    k->check_precision(&p->c, b);
    if (!b->in[NEEDS_REFINE]) return;
    p->stages->refine(&p->c, b, x);
    if (b->picks) k->combine_refined(&p->c, b);
    k->check_refined(&p->c, b);
}

static void block_sums(const plan *p, block *b, const scratch *x, int64_t first) {
    const double_stages *k = p->kernels->in_double;
    for (int g = 0; g < p->c.groups; g++) memset(b->low.divergence[g].found, 0, sizeof(lanes));
    if (float_rows(b)) sums_in_float(p, b, x, first);
    for (uint32_t open = b->in[NEEDS_DOUBLE]; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        if (b->picks) b->picks->number[lane] = b->picks->count[lane] = 0;
        gdkd_load_double(p, x, first + lane);
        k->sums(&p->c, b, lane, x);
    }
    if (b->in[NEEDS_DOUBLE] | b->in[NEEDS_REFINE]) k->finish_again(&p->c, b);
}

// Rows in double come first: read for the last time, before anything is written over them.
static void block_gradient(const plan *p, block *b, const scratch *x, int64_t first, totals *sum) {
    for (uint32_t open = b->in[NEEDS_DOUBLE]; open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        gdkd_load_double(p, x, first + lane);
        p->kernels->in_double->gradient(&p->c, b, lane, x);
        if (p->result->grad) gdkd_store_double(p, x, first + lane, &sum->grad_nonfinite);
    }
    if (!p->result->grad) return;
    if (float_rows(b) && (p->c.kd || p->c.ce)) {
        gdkd_place_gradient(p, b, x, first);
        p->stages->gradient(&p->c, b, x);
    }
    gdkd_deliver_block(p, b, x, first, &sum->grad_nonfinite);
}

// Rows that floats do with temperatures of the criterion had their own, or a double's, before.
static void reset_temperatures(const plan *p, block *b) {
    for (uint32_t done = b->in[NEEDS_DOUBLE]; done; done &= done - 1)
        give_row_temperatures(&p->c, b, __builtin_ctz(done), false);
}

static void run_block(const plan *p, block *b, const scratch *x, int64_t first, int rows,
                      totals *sum) {
    gdkd_describe_rows(p, b, first, rows);
    if (used_rows(b)) block_sums(p, b, x, first);
    for (int l = 0; p->result->row_loss && l < rows; l++)
        p->result->row_loss[first + l] = has_row(b->in[UNUSED], l) ? 0 : b->terms.loss[l];
    gdkd_add_terms(p, b, first, sum);
    if (p->result->grad || p->c.norms) block_gradient(p, b, x, first, sum);
    if (p->c.norms) gdkd_add_norms(p, b, sum);
    reset_temperatures(p, b);
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

static void clear_group(row_groups *b, int g) {
    memset(&b->ref[g], 0, sizeof b->ref[g]);
    memset(&b->sum[g], 0, sizeof b->sum[g]);
    memset(&b->relation[g], 0, sizeof b->relation[g]);
    memset(&b->divergence[g], 0, sizeof b->divergence[g]);
    memset(&b->coefficient[g], 0, sizeof b->coefficient[g]);
}

// What is the same in all rows. Zeros elsewhere: the stages that have a row per lane compute every
// lane of a vector, those too that have no row. (Across rows every lane has numbers.)
static void begin_block(const plan *p, block *b) {
    const criterion *c = &p->c;
    for (int l = 0; l < BLOCK_ROWS; l++) {
        b->k[l] = p->config->k;
        b->grad_scale[l] = p->result->grad_scale / p->divisor;
        b->low_weight[l] = 1;
        b->map[l] = p->batch->groups;
        if (b->picks) b->picks->number[l] = b->picks->count[l] = 0;
    }
    b->map_shared = p->needs_groups && p->batch->groups_stride == 0;
    b->map_step = b->map_shared ? 1 : p->batch->inner;
    b->accumulate = p->result->accumulate && !p->copy_grad;
    b->exp_in_gradient = p->exp_in_gradient;
    for (int g = 0; p->shape != SHAPE_ACROSS && p->shape != SHAPE_GATHERED && g < c->groups; g++)
        clear_group(&b->low, g);
    for (int g = 0; g < c->groups; g++) {
        b->low.ref[g].at = c->standardize >= GDKD_STANDARDIZE_GROUPS ? &b->group[g] : &b->row;
        if (c->split_high) b->high->ref[g].at = &b->row;
    }
    if (b->picks) b->picks->ref.at = &b->row;
    for (int l = 0; l < BLOCK_ROWS; l++) give_row_temperatures(c, b, l, false);
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
