#ifdef __x86_64__
#    define KERNELS_TABLE kernels_avx512
#    define KERNELS_NAME  "avx512"
#    define VEC_BYTES     64
// Of the 32 registers: 16 pixels for one block, or 14 pixels for two.
#    define TILE_1 16
#    define TILE_2 14
#    include "net/kernels_body.h"
#else
typedef int kernels_avx512_is_for_x86_64;
#endif
