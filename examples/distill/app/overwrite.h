// What a command may not write over: the files that its options name as input, and those of its
// data set. Both calls belong before anything is read, let alone written.
#ifndef DISTILL_OVERWRITE_H
#define DISTILL_OVERWRITE_H

#include "app/training_plan.h"

// Fails with EXIT_USAGE when `path`, which `option_name` chose, is one of them.
bool check_output(const settings *s, const char *path, const char *option_name, error_line *e);

// The same for every file of a run that has a name; and they have to be different ones.
bool check_run_files(const settings *s, const run_files *f, error_line *e);

#endif
