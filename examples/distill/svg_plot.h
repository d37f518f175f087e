// A line plot over epochs as inline SVG. Colours come from the page's style sheet: class s0, s1 ...
// of a line.
#ifndef DISTILL_SVG_PLOT_H
#define DISTILL_SVG_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum { SVG_STYLES = 8 }; // colours and markers before they come round again

typedef struct {
    const char *name; // for the tooltips: "gdkd seed 2"
    int style;
    bool faint;      // thin and without markers: one seed behind the mean of all
    const double *y; // y[i] belongs to epoch i + 1; NaN leaves a gap
    int count;
} svg_line;

typedef struct {
    const char *title, *y_label;
    const char *unit; // behind a value in a tooltip: " %"
    int epochs;
    const svg_line *lines;
    int count;
    double reference; // a dashed horizontal line, NaN for none
    const char *reference_name;
} svg_plot;

void svg_plot_write(FILE *out, const svg_plot *plot);

// A marker of a style, for a legend: a small <svg>.
void svg_legend_marker(FILE *out, int style);

#endif
