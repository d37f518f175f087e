// The losses that are measured, by name.
#ifndef BENCH_LOSSES_H
#define BENCH_LOSSES_H

#include <gdkd.h>

typedef struct {
    char name[32];
    int is_dist; // gdkd_dist; otherwise gdkd_loss
    gdkd_config config;
    gdkd_dist_config dist;
} bench_loss;

// All of them, separated by commas, in the order of the table.
extern const char ALL_LOSSES[];

// The groups of the caller's own partition (loss map4).
enum { MAP_GROUPS = 4 };

// A name of the list, or with another k: gdkd:k=50. 1, or 0 when there is no such loss.
int find_loss(const char *name, bench_loss *loss);

#endif
