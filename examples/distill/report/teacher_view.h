// A teacher's distribution over the classes at one temperature, summed up over the test images.
#ifndef DISTILL_TEACHER_VIEW_H
#define DISTILL_TEACHER_VIEW_H

#include "report/run_set.h"
#include "report/svg_plot.h"

enum { MOST_MARKS = 16 };

// Means and quantiles over the images, for each x.
typedef struct {
    int count;
    double *x, *mean, *low, *median, *high;
} profile;

// One teacher at one temperature.
typedef struct {
    const recorded_teacher *teacher;
    const int64_t *labels;
    double temperature;
    size_t rows;
    int classes;
    double *sorted, *plain; // sorted_softmax at the temperature and at 1
    double *values, *sums;  // [rows]: room for a number of each image
    double *label;          // [classes]: percent of the images whose label is among the top k
    profile rank, mass, by_ratio, by_mass, plain_rank, plain_mass;
    svg_mark marks[MOST_MARKS];
    char mark_names[MOST_MARKS][16];
    int mark_count;
} teacher_view;

// Frees what it has on failure too, which is lack of memory.
bool teacher_view_make(teacher_view *v, const run_set *set, const recorded_teacher *t,
                       double temperature);
void teacher_view_free(teacher_view *v);

// The k of the runs that have one, ascending and each once: at most `room` of them.
int runs_k(const run_set *set, int *k, int room);

// The temperatures of the runs that distil from this teacher, each once, the first run's first.
int runs_temperatures(const run_set *set, const recorded_teacher *teacher, double *list, int room);

#endif
