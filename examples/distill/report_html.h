// report.html: one file without scripts or links, readable on a phone and on paper.
#ifndef DISTILL_REPORT_HTML_H
#define DISTILL_REPORT_HTML_H

#include "summary.h"

typedef struct {
    const char *label, *value;
} report_fact;

typedef struct {
    const char *title;
    const report_fact *facts; // the settings, in the order shown
    int fact_count;
    const series *series;
    int series_count;
    const char *teacher; // "teacher resnet20"
    double teacher_top1; // percent; NaN: not known
} report;

bool report_write(const report *r, const char *path, error_line *e);

#endif
