// The parts of report.html, each in a file of its own. They return false when they fail.
#ifndef DISTILL_REPORT_PARTS_H
#define DISTILL_REPORT_PARTS_H

#include "report/run_set.h"

#include <stdio.h>

// report_tables.c
void report_summary(FILE *out, const run_set *set);
void report_every_run(FILE *out, const run_set *set);
void report_settings(FILE *out, const run_set *set);
// A number with so many decimals, or a dash for NaN, in a cell of a table.
void report_cell(FILE *out, int decimals, double value);

// report_curves.c: accuracy and terms over the epochs.
bool report_curves(FILE *out, const run_set *set, error_line *e);

// report_legend.c: markers with names; squares of colour with names.
void report_legend(FILE *out, const char *const *names, int count);
void report_legend_of_series(FILE *out, const run_set *set);
void report_colours(FILE *out, const char *const *names, int count);

// report_classes.c: the accuracy of each class.
bool report_classes(FILE *out, const run_set *set, error_line *e);

// report_students.c: the students beside their teacher, and what their losses consist of.
bool report_students(FILE *out, const run_set *set, error_line *e);

// report_teachers.c: the teachers' distributions, for the choice of k.
bool report_teachers(FILE *out, const run_set *set, error_line *e);

#endif
