#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

void *allocate(size_t bytes) {
    size_t line = 64;
    void *memory = aligned_alloc(line, (bytes + line - 1) / line * line + line);
    if (!memory) {
        fprintf(stderr, "gdkd-bench: no memory for %zu MiB; try smaller shapes (--shape)\n",
                bytes >> 20U);
        exit(EXIT_FAILURE);
    }
    return memory;
}
