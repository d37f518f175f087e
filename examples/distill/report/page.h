// The page about runs that lie on disk: report.py makes it, a program of its own beside this one.
#ifndef DISTILL_PAGE_H
#define DISTILL_PAGE_H

#include "base/error.h"

// e->status when the page cannot be made here for want of Python or one of its packages; the runs are fine.
enum { PAGE_UNAVAILABLE = 3 };

// Of all runs of these folders and facts (NAME.run.json). `out` is only written when all of them can be used; NULL:
// report.html in the first folder. The page's path, PATH_MAX bytes, comes back in `made` unless that is NULL.
bool page_make(const char *const *paths, int count, const char *out, char *made, error_line *e);

#endif
