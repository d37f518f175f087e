#ifndef GDKD_WORKSPACE_H
#define GDKD_WORKSPACE_H

#include "totals.h"

typedef struct {
    totals *sums; // one for each chunk
    char *pieces; // one for each thread, of `piece` bytes
    size_t piece;
} layout;

layout gdkd_cut_workspace(const plan *p, void *memory);

// A thread's block, and its scratch into *x.
block *gdkd_cut_thread(const plan *p, const layout *w, int thread, scratch *x);

#endif
