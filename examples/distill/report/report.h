// A report of runs that lie on disk.
#ifndef DISTILL_REPORT_H
#define DISTILL_REPORT_H

#include "base/error.h"

// Of all runs of these folders and facts (NAME.run.json); `out` is only written when all of them
// can be used.
bool report_runs(const char *const *paths, int count, const char *out, error_line *e);

#endif
