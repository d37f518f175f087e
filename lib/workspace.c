// The workspace cut into pieces: the chunks' totals, then a scratch and a block for each thread.
#include "workspace.h"

enum { ALIGNMENT = 64 };

static size_t round_up(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

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

static void *carve_if(bool wanted, carver *w, size_t bytes) {
    return wanted ? carve(w, bytes) : NULL;
}

// What the float stages need. Across rows, a block that is not whole goes through tiles.
static void carve_floats(const plan *p, carver *w, scratch *x) {
    const size_t classes = (size_t)p->batch->classes, rows = (size_t)p->block_rows;
    const size_t tile = sizeof(float) * classes * rows;
    const bool across = p->shape != SHAPE_ALONG, sorted = !across && is_sorted(&p->c);
    x->tile_s = carve_if(across || p->copy_student, w, tile);
    x->tile_t = carve_if((across && p->c.kd) || p->copy_teacher, w, tile);
    x->tile_g = carve_if(across || p->copy_grad, w, tile);
    // A class of tile_g is written when its exponential has been read, unless they are sorted.
    x->exp_s = x->tile_g && !sorted ? x->tile_g : carve(w, tile);
    x->exp_t = carve(w, tile);
    x->exp_ce = carve_if(p->c.ce, w, tile);
    x->exp_high = carve_if(sorted && p->c.split_high, w, tile);
    x->words = carve_if(p->c.kd, w,
                        sizeof(uint16_t) * MAX_GROUPS *
                            (across ? classes : (size_t)steps_of(p->c.classes) * rows));
    x->sorted_s = carve_if(sorted, w, tile);
    x->sorted_t = carve_if(sorted, w, tile);
    x->order = carve_if(sorted, w, sizeof(int32_t) * classes * rows);
}

static void carve_thread(const plan *p, carver *w, scratch *x, block **b) {
    const size_t classes = (size_t)p->batch->classes, row = sizeof(double) * classes;
    *x = (scratch){0};
    *b = carve(w, sizeof **b);
    picked *picks = carve_if(p->shape == SHAPE_ALONG && p->c.kd, w, sizeof *picks);
    row_groups *high = carve_if(p->c.split_high, w, sizeof *high);
    temperatures *group = carve_if(p->c.split_high, w, sizeof *group * MAX_GROUPS);
    if (*b) {
        memset(*b, 0, offsetof(block, low));
        (*b)->picks = picks, (*b)->high = high, (*b)->group = group;
        if (high) memset(high, 0, sizeof *high);
        if (picks) memset(&picks->ref, 0, sizeof *picks - offsetof(picked, ref));
    }
    if (p->shape != SHAPE_DOUBLE) carve_floats(p, w, x);
    double **rows[] = {&x->row_s,        &x->row_t,        &x->row_g,
                       &x->sorted_row_s, &x->sorted_row_t, &x->share};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) *rows[i] = carve(w, row);
    x->row_order = carve(w, sizeof(int32_t) * classes);
    x->row_words = carve(w, sizeof(uint16_t) * MAX_GROUPS * (size_t)steps_of(p->c.classes));
    x->select_value = carve(w, row);
    x->select_index = carve(w, sizeof(int32_t) * classes);
}

// For as many threads as any gdkd_result may call for: norms cut the rows into other blocks.
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
