// Which instruction set to use: what the processor and the operating system have, lowered by
// GDKD_ISA.
#include "kernels/stages.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"best", "scalar", "avx2", "avx512"};

const char *gdkd_isa_name(int32_t isa) {
    return isa >= GDKD_ISA_BEST && isa <= GDKD_ISA_AVX512 ? names[isa] : NULL;
}

#if defined(__x86_64__)

#    include <cpuid.h>

// The register state that the operating system saves: AVX code faults, or loses the upper halves,
// where XCR0 does not name it, whatever CPUID says.
static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int32_t detect(void) {
    uint32_t a, b, c, d;
    const uint32_t fma = 1U << 12, popcnt = 1U << 23, osxsave = 1U << 27, avx = 1U << 28,
                   f16c = 1U << 29;
    const uint32_t needed = fma | popcnt | osxsave | avx | f16c;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return GDKD_ISA_SCALAR;
    if ((c & needed) != needed) return GDKD_ISA_SCALAR;
    const uint64_t state = saved_state(), ymm = 0x6,
                   zmm = 0xE6; // XMM, YMM; opmask and both parts of ZMM
    if ((state & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return GDKD_ISA_SCALAR;
    const uint32_t avx2 = 1U << 5, f = 1U << 16, dq = 1U << 17, bw = 1U << 30, vl = 1U << 31;
    if (!(b & avx2)) return GDKD_ISA_SCALAR;
    bool avx512 = (b & (f | dq | bw | vl)) == (f | dq | bw | vl) && (state & zmm) == zmm;
    return avx512 ? GDKD_ISA_AVX512 : GDKD_ISA_AVX2;
}

static const kernels *const tables[] = {NULL, &gdkd_kernels_scalar, &gdkd_kernels_avx2,
                                        &gdkd_kernels_avx512};

#else

static int32_t detect(void) { return GDKD_ISA_SCALAR; }
static const kernels *const tables[] = {NULL, &gdkd_kernels_scalar};

#endif

static int32_t choose(void) {
    int32_t best = detect();
    const char *wish = getenv("GDKD_ISA");
    for (int32_t isa = GDKD_ISA_SCALAR; wish && isa < best; isa++)
        if (strcmp(wish, names[isa]) == 0) return isa;
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
    int32_t best = gdkd_isa();
    return tables[isa == GDKD_ISA_BEST || isa > best ? best : isa];
}
