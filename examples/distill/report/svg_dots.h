// Dots in rows as inline SVG: a row per class, a dot per series.
#ifndef DISTILL_SVG_DOTS_H
#define DISTILL_SVG_DOTS_H

#include <stdio.h>

typedef struct {
    const char *name;
    double reference;                 // a grey tick; NaN for none
    const double *value, *low, *high; // per series; a thin line from low to high; NaN: no dot
} dots_row;

typedef struct {
    const char *title, *x_label;
    const char *reference_name;
    double low, high;         // of the x axis
    const char *const *names; // of the series, for the tooltips
    int series;
    const dots_row *rows;
    int count;
} svg_dots;

void svg_dots_write(FILE *out, const svg_dots *dots);

#endif
