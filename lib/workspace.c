// The workspace cut into pieces: the chunks' totals, then a scratch and a block for each thread.
#include "workspace.h"

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
    x->exp_s = x->tile_g && !gdkd_sorts(p) ? x->tile_g : floats ? carve(w, tile) : NULL;
    x->exp_t = floats ? carve(w, tile) : NULL;
    x->exp_ce = floats && p->c.ce ? carve(w, tile) : NULL;
    const size_t index = sizeof(int32_t) * (classes + SLACK) * (size_t)p->block_rows;
    x->exp_high = gdkd_sorts(p) && p->c.split_high ? carve(w, tile) : NULL;
    x->sorted_s = gdkd_sorts(p) ? carve(w, tile) : NULL;
    x->sorted_t = gdkd_sorts(p) ? carve(w, tile) : NULL;
    x->sorted_index = gdkd_sorts(p) ? carve(w, index) : NULL;
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

layout gdkd_cut_workspace(const plan *p, void *memory) {
    carver w = {(char *)memory, 0}, one = {NULL, 0};
    w.used = (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
    totals *sums = carve(&w, sizeof *sums * MOST_CHUNKS);
    scratch x;
    block *b;
    carve_thread(p, &one, &x, &b);
    return (layout){sums, w.start + w.used, one.used};
}

block *gdkd_cut_thread(const plan *p, const layout *w, int thread, scratch *x) {
    carver mine = {w->pieces + w->piece * (size_t)thread, 0};
    block *b;
    carve_thread(p, &mine, x, &b);
    return b;
}
