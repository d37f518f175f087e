#include "net/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TABLES = 3 };

// From the plainest to the best; the names are those of libgdkd's kernels.
static int usable(const kernels *tables[MAX_TABLES]) {
    int count = 0;
    tables[count++] = &kernels_base;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tables[count++] = &kernels_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
            tables[count++] = &kernels_avx512;
    }
#endif
    return count;
}

const kernels *kernels_number(int index) {
    const kernels *tables[MAX_TABLES];
    return index >= 0 && index < usable(tables) ? tables[index] : NULL;
}

const kernels *kernels_get(void) {
    const kernels *tables[MAX_TABLES];
    int best = usable(tables) - 1;
    const char *limit = getenv("GDKD_ISA");
    for (int i = 0; limit && i <= best; i++)
        if (strcmp(limit, tables[i]->name) == 0) return tables[i];
    return tables[best];
}
