// The page about runs that lie on disk. report.py, a program of its own beside this one, makes it.
#ifndef DISTILL_PAGE_H
#define DISTILL_PAGE_H

#include "base/error.h"

// e->status when no page can be made here for want of Python or one of its packages; the runs are
// fine.
enum { PAGE_UNAVAILABLE = 3 };

// Of all runs of these folders and facts (NAME.run.json). `out` is only written when all of them
// can be used, and not over a file that is no page.
bool page_make(const char *const *paths, int count, const char *out, error_line *e);

#endif
