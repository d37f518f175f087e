// What every CPU of the architecture has: SSE2 on x86-64, NEON on aarch64. "scalar" is libgdkd's
// name for it.
#define KERNELS_TABLE kernels_base
#define KERNELS_NAME  "scalar"
#define VEC_BYTES     16
// Accumulators that fit into the registers: pixels of a tile for one block of 16 channels.
#ifdef __aarch64__
#    define TILE_1 6
#else
#    define TILE_1 2
#endif
#define TILE_2 0
#include "net/kernels_body.h"
