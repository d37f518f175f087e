// Which instruction set to use: the best that this machine has, or a lower one that GDKD_ISA names.
#include "kernels/stages.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    bool (*available)(void);
    const kernels *kernels;
} instruction_set;

static bool always(void) { return true; }

#if defined(__x86_64__)

#    include <cpuid.h>

// The compiler's own check asks the operating system too whether it saves the registers. It does
// not know F16C everywhere.
static bool has_avx2(void) {
    uint32_t a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt") && __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

#    define X86(available, kernels) available, kernels
#else
#    define X86(available, kernels) NULL, NULL
#endif

// Of one architecture, a later set has all that an earlier one has; another architecture's are
// empty.
static const instruction_set sets[] = {
    [GDKD_ISA_BEST] = {"best", NULL, NULL},
    [GDKD_ISA_SCALAR] = {"scalar", always, &gdkd_kernels_scalar},
    [GDKD_ISA_AVX2] = {"avx2", X86(has_avx2, &gdkd_kernels_avx2)},
    [GDKD_ISA_AVX512] = {"avx512", X86(has_avx512, &gdkd_kernels_avx512)},
};
enum { SETS = sizeof sets / sizeof *sets };

const char *gdkd_isa_name(int32_t isa) { return isa >= 0 && isa < SETS ? sets[isa].name : NULL; }

static int32_t choose(void) {
    const char *wish = getenv("GDKD_ISA");
    int32_t best = GDKD_ISA_SCALAR;
    for (int32_t isa = 0; isa < SETS; isa++) {
        if (!sets[isa].available || !sets[isa].available()) continue;
        best = isa;
        if (wish && strcmp(wish, sets[isa].name) == 0) break;
    }
    return best;
}

int32_t gdkd_isa(void) {
    // Two threads may both choose; they find the same.
    static atomic_int chosen;
    int32_t isa = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (isa == 0) {
        isa = choose();
        atomic_store_explicit(&chosen, isa, memory_order_relaxed);
    }
    return isa;
}

const kernels *gdkd_kernels(int32_t isa) {
    const int32_t best = gdkd_isa();
    return sets[isa < best && sets[isa].kernels ? isa : best].kernels;
}
