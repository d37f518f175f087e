#ifdef __x86_64__
#    define KERNELS_TABLE kernels_avx2
#    define KERNELS_NAME  "avx2"
#    define VEC_BYTES     32
// 6 pixels of 2 vectors are 12 of the 16 registers; the rest hold weights and a pixel.
#    define TILE_1 6
#    define TILE_2 0
#    include "net/kernels_body.h"
#else
typedef int kernels_avx2_is_for_x86_64;
#endif
