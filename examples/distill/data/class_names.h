// Lists of names: what the classes of a data set are called, for one.
#ifndef DISTILL_CLASS_NAMES_H
#define DISTILL_CLASS_NAMES_H

#include "base/error.h"

#include <stddef.h>

// `count` names in one block, to be freed as a whole; NULL when there is no memory.
char **names_copy(const char *const *names, int count);

// The same, for people and other programs to read: see escape.h.
char **names_escaped(const char *const *names, int count);

// One name a line from directory/file. *names is NULL when the file is not there or does not have
// as many: names are a comfort, so a data set without them is as good. False only when the file
// could not be read.
bool class_names_read(char ***names, const char *directory, const char *file, int count,
                      error_line *e);

#endif
