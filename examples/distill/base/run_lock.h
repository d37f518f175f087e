// A run's files belong to one program at a time, from before the first is written until after the
// last: two runs with the same name would leave the settings of one beside the weights of the
// other.
#ifndef DISTILL_RUN_LOCK_H
#define DISTILL_RUN_LOCK_H

#include "base/error.h"

#include <limits.h>

// Begins as {0}.
typedef struct {
    bool held;
    int fd;
    char path[PATH_MAX];
} run_lock;

// `path` is a file of its own, made here and removed by run_lock_release. What a killed program
// left is taken over. Where another program holds it, the line says which.
bool run_lock_take(run_lock *lock, const char *path, error_line *e);
void run_lock_release(run_lock *lock); // does nothing when it is not held

#endif
