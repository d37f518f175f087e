// A line plot as inline SVG. Colours come from the page's style sheet: class s0, s1 ... of a line.
#ifndef DISTILL_SVG_PLOT_H
#define DISTILL_SVG_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum { SVG_STYLES = 8 }; // colours and markers before they come round again

typedef struct {
    const char *label;
    const char *unit; // behind a value in a tooltip: " %"
    double low, high; // where it ends; y: both 0 for as far as the values go
    bool log;
    bool whole; // x: ticks at whole numbers only
} svg_axis;

typedef struct {
    const char *name; // for the tooltips: "gdkd seed 2"
    int style;
    bool faint;      // thin and without markers: one seed behind the mean of all
    const double *y; // NaN leaves a gap
    int count;
    const double *x; // NULL: 1, 2, 3 ...
} svg_line;

// An area between two lines.
typedef struct {
    int style;
    const double *low, *high;
    int count;
    const double *x; // as of a line
} svg_band;

// A dashed vertical line.
typedef struct {
    double x;
    const char *label; // short: it stands above the line
} svg_mark;

typedef struct {
    const char *title;
    svg_axis x, y;
    const svg_line *lines;
    int count;
    const svg_band *band; // NULL for none
    const svg_mark *marks;
    int mark_count;
    double reference; // a dashed horizontal line, NaN for none
    const char *reference_name;
} svg_plot;

void svg_plot_write(FILE *out, const svg_plot *plot);

// A marker of a style, centred there; styles differ in shape as well as in colour.
void svg_marker(FILE *out, int style, double x, double y);

// The same on a piece of its line, for a legend: a small <svg>.
void svg_legend_marker(FILE *out, int style);

#endif
