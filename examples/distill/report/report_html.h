// report.html: one file without scripts or links, readable on a phone and on paper.
#ifndef DISTILL_REPORT_HTML_H
#define DISTILL_REPORT_HTML_H

#include "report/run_set.h"

bool report_write(const run_set *set, const char *path, error_line *e);

#endif
