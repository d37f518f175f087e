// Memory that begins on a cache line, or one line on stderr and exit(1).
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

void *allocate(size_t bytes);

#endif
