// Included by kernels_<isa>.c, once each. It expects
//   KERNELS_TABLE, KERNELS_NAME   the table that it defines
//   VEC_BYTES                     16, 32 or 64
//   TILE_1, TILE_2                how many accumulators of one and of two blocks the registers hold
#include "net/kernels.h"

// GNU C's vectors: the operators work on all elements. may_alias: they are laid over arrays of
// float.
typedef float vec __attribute__((vector_size(VEC_BYTES), may_alias));
typedef int mask __attribute__((vector_size(VEC_BYTES)));

enum {
    VEC_LANES = VEC_BYTES / 4,
    PARTS = MAP_LANES / VEC_LANES, // vectors of one block of channels
    TILE_BLOCKS = TILE_2 > 0 ? 2 : 1
};

// For loops with a constant count that must disappear, so that an array of vectors becomes
// registers.
#ifdef __clang__
#    define UNROLLED _Pragma("unroll")
#else
#    define UNROLLED _Pragma("GCC unroll 32")
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vec load(const float *p) {
    return *(const vec *)__builtin_assume_aligned(p, VEC_BYTES);
}

ALWAYS_INLINE void store(float *p, vec v) {
    *(vec *)__builtin_assume_aligned(p, VEC_BYTES) = v;
}

// x where it is not known to be <= 0: a NaN stays a NaN, as in PyTorch.
ALWAYS_INLINE vec positive(vec x, vec of) {
    return (vec)((mask)x & ~(mask)(of <= 0));
}

#include "net/kernels_conv.h"
#include "net/kernels_norm.h"

const kernels KERNELS_TABLE = {KERNELS_NAME, conv_run,    conv_weights, norm_sums,
                               norm_apply,   norm_reduce, norm_backward};
