// Direct convolution. A tile of neighbouring pixels times 16 or 32 output channels stays in
// registers while all the taps of one block of input channels go by: one weight vector is loaded,
// and multiplied by one number of each pixel.

ALWAYS_INLINE void conv_tile(const int pixels, const int blocks, const int stride,
                             const conv_pass *p, int lanes, const float *weights,
                             size_t weights_step, const float *from, const float *start, float *to,
                             size_t to_step) {
    const size_t pixel_step = (size_t)p->spread * MAP_LANES;
    vec sum[16][TILE_BLOCKS * PARTS];
    UNROLLED for (int i = 0; i < pixels; i++) {
        UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
            const size_t at = (size_t)i * pixel_step + (size_t)(v / PARTS) * to_step +
                              (size_t)(v % PARTS) * VEC_LANES;
            sum[i][v] = start ? load(start + at) : (vec){0};
        }
    }
    for (int t = 0; t < p->taps; t++) {
        const float *x = from + p->offset[t];
        const float *w = weights + p->weight[t] * MAP_LANES * MAP_LANES;
        for (int lane = 0; lane < lanes; lane++, x++, w += MAP_LANES) {
            vec row[TILE_BLOCKS * PARTS];
            UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
                row[v] =
                    load(w + (size_t)(v / PARTS) * weights_step + (size_t)(v % PARTS) * VEC_LANES);
            }
            UNROLLED for (int i = 0; i < pixels; i++) {
                UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
                    sum[i][v] += x[i * stride * MAP_LANES] * row[v];
                }
            }
        }
    }
    UNROLLED for (int i = 0; i < pixels; i++) {
        UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
            const size_t at = (size_t)i * pixel_step + (size_t)(v / PARTS) * to_step +
                              (size_t)(v % PARTS) * VEC_LANES;
            store(to + at, sum[i][v]);
        }
    }
}

// The compiler makes one tile of each size; larger ones than the registers hold do not occur.
#define TILE_SIZE(n, most) ((n) <= (most) ? (n) : 1)
#define TILE_CASE(n)                                                                               \
    case n:                                                                                        \
        conv_tile(TILE_SIZE(n, blocks == 1 ? TILE_1 : TILE_2), blocks, stride, p, lanes, weights,  \
                  weights_step, from, start, to, to_step);                                         \
        break;

ALWAYS_INLINE void conv_tile_of(int pixels, const int blocks, const int stride, const conv_pass *p,
                                int lanes, const float *weights, size_t weights_step,
                                const float *from, const float *start, float *to, size_t to_step) {
    switch (pixels) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
        TILE_CASE(13)
        TILE_CASE(14)
        TILE_CASE(15)
        TILE_CASE(16)
    default:
        break;
    }
}

// All pixels of the pass for one block of `from` and one or two blocks of `to`: a row is cut into
// tiles of nearly the same size.
ALWAYS_INLINE void conv_block(const int blocks, const int stride, const conv_pass *p, int lanes,
                              const float *weights, size_t weights_step, const float *from,
                              const float *start, float *to) {
    const int most = blocks == 1 ? TILE_1 : TILE_2;
    const int tiles = (p->columns + most - 1) / most;
    for (int i = 0; i < p->rows; i++) {
        for (int t = 0; t < tiles; t++) {
            const int first = p->columns * t / tiles;
            const int pixels = p->columns * (t + 1) / tiles - first;
            const size_t at =
                map_pixel(p->to, 0, p->row + i * p->spread, p->column + first * p->spread);
            conv_tile_of(pixels, blocks, stride, p, lanes, weights, weights_step,
                         from + map_pixel(p->from, 0, i * stride, first * stride),
                         start ? start + at : NULL, to + at, map_block(p->to));
        }
    }
}

// Each of the combinations of blocks and stride is compiled once.
typedef void conv_block_function(const conv_pass *p, int lanes, const float *weights,
                                 size_t weights_step, const float *from, const float *start,
                                 float *to);

#define CONV_BLOCK(name, blocks, stride)                                                           \
    static void name(const conv_pass *p, int lanes, const float *weights, size_t weights_step,     \
                     const float *from, const float *start, float *to) {                           \
        conv_block(blocks, stride, p, lanes, weights, weights_step, from, start, to);              \
    }
CONV_BLOCK(conv_block_1_1, 1, 1)
CONV_BLOCK(conv_block_1_2, 1, 2)
#if TILE_2 > 0
CONV_BLOCK(conv_block_2_1, 2, 1)
CONV_BLOCK(conv_block_2_2, 2, 2)
#endif

// [blocks - 1][stride - 1]
static conv_block_function *const conv_blocks[TILE_BLOCKS][2] = {
    {conv_block_1_1, conv_block_1_2},
#if TILE_2 > 0
    {conv_block_2_1, conv_block_2_2},
#endif
};

// Channels of a block that are not filling.
ALWAYS_INLINE int used_lanes(map_shape s, size_t block) {
    const int left = s.channels - (int)block * MAP_LANES;
    return left < MAP_LANES ? left : MAP_LANES;
}

static void conv_run(const conv_pass *p, const float *weights, const float *from,
                     const float *start, float *to) {
    const size_t from_blocks = map_blocks(p->from);
    const size_t to_blocks = map_blocks(p->to);
    const size_t weights_block = (size_t)p->kernel_taps * MAP_LANES * MAP_LANES;
    const size_t weights_step = from_blocks * weights_block;
    for (size_t block = 0; block < to_blocks;) {
        const size_t blocks = to_blocks - block < TILE_BLOCKS ? 1 : TILE_BLOCKS;
        float *target = to + block * map_block(p->to);
        const float *begin = start ? start + block * map_block(p->to) : NULL;
        for (size_t k = 0; k < from_blocks; k++) {
            const int lanes = used_lanes(p->from, k);
            const float *w = weights + block * weights_step + k * weights_block;
            const float *x = from + k * map_block(p->from);
            conv_blocks[blocks - 1][p->stride - 1](p, lanes, w, weights_step, x, begin, target);
            begin = target;
        }
        block += blocks;
    }
}

// --- Gradient of the weights ---------------------------------------------------------------------

// `lanes` input channels times the output channels of one or two blocks stay in registers while
// some rows of pixels go by.
ALWAYS_INLINE void weights_tile(const int lanes, const int blocks, const conv_pass *p,
                                int first_row, int rows, const float *from, const float *grad,
                                float *gradient, size_t gradient_step) {
    const size_t grad_step = map_block(p->to);
    const int step = p->stride * MAP_LANES;
    vec sum[MAP_LANES][TILE_BLOCKS * PARTS];
    UNROLLED for (int i = 0; i < lanes; i++) {
        UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
            sum[i][v] = load(gradient + i * MAP_LANES + (size_t)(v / PARTS) * gradient_step +
                             (size_t)(v % PARTS) * VEC_LANES);
        }
    }
    for (int r = first_row; r < first_row + rows; r++) {
        const float *x = from + map_pixel(p->from, 0, r * p->stride, 0);
        const float *g = grad + map_pixel(p->to, 0, r, 0);
        for (int j = 0; j < p->columns; j++, x += step, g += MAP_LANES) {
            vec pixel[TILE_BLOCKS * PARTS];
            UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
                pixel[v] =
                    load(g + (size_t)(v / PARTS) * grad_step + (size_t)(v % PARTS) * VEC_LANES);
            }
            UNROLLED for (int i = 0; i < lanes; i++) {
                UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
                    sum[i][v] += x[i] * pixel[v];
                }
            }
        }
    }
    UNROLLED for (int i = 0; i < lanes; i++) {
        UNROLLED for (int v = 0; v < blocks * PARTS; v++) {
            store(gradient + i * MAP_LANES + (size_t)(v / PARTS) * gradient_step +
                      (size_t)(v % PARTS) * VEC_LANES,
                  sum[i][v]);
        }
    }
}

// The input channels of one block, as many at a time as the registers hold.
ALWAYS_INLINE void weights_lanes(const int blocks, const conv_pass *p, int lanes, int first_row,
                                 int rows, const float *from, const float *grad, float *gradient,
                                 size_t gradient_step) {
    enum { MANY = TILE_1 >= 16 ? 16 : TILE_1 >= 6 ? 4 : 2, HALF = 8 };
    const int most = blocks == 2 ? HALF : MANY;
    int lane = 0;
    for (; lane + most <= lanes; lane += most)
        weights_tile(blocks == 2 ? HALF : MANY, blocks, p, first_row, rows, from + lane, grad,
                     gradient + (size_t)lane * MAP_LANES, gradient_step);
    for (; lane + 2 <= lanes; lane += 2)
        weights_tile(2, blocks, p, first_row, rows, from + lane, grad,
                     gradient + (size_t)lane * MAP_LANES, gradient_step);
    for (; lane < lanes; lane++)
        weights_tile(1, blocks, p, first_row, rows, from + lane, grad,
                     gradient + (size_t)lane * MAP_LANES, gradient_step);
}

// Rows of the gradient that stay in the L1 cache while the taps go by, but enough pixels that
// loading and storing the sums does not count.
enum { WEIGHTS_PIXELS = 128 };

ALWAYS_INLINE void weights_blocks(const int blocks, const conv_pass *p, const float *from,
                                  const float *grad, float *gradient, size_t gradient_step) {
    const size_t gradient_block = (size_t)p->kernel_taps * MAP_LANES * MAP_LANES;
    int group = WEIGHTS_PIXELS / p->columns;
    if (group < 1) group = 1;
    for (size_t k = 0; k < map_blocks(p->from); k++) {
        const int lanes = used_lanes(p->from, k);
        for (int row = 0; row < p->rows; row += group) {
            const int rows = p->rows - row < group ? p->rows - row : group;
            for (int t = 0; t < p->taps; t++)
                weights_lanes(blocks, p, lanes, row, rows,
                              from + (ptrdiff_t)(k * map_block(p->from)) + p->offset[t], grad,
                              gradient + k * gradient_block +
                                  (size_t)p->weight[t] * MAP_LANES * MAP_LANES,
                              gradient_step);
        }
    }
}

static void conv_weights(const conv_pass *p, size_t block, size_t count, const float *from,
                         const float *grad, float *gradient) {
    const size_t gradient_step =
        map_blocks(p->from) * (size_t)p->kernel_taps * MAP_LANES * MAP_LANES;
    const size_t end = block + count;
    while (block < end) {
        const float *g = grad + block * map_block(p->to);
        float *d = gradient + block * gradient_step;
        const int blocks = end - block < TILE_BLOCKS ? 1 : TILE_BLOCKS;
        if (blocks == 1)
            weights_blocks(1, p, from, g, d, gradient_step);
        else
            weights_blocks(TILE_BLOCKS, p, from, g, d, gradient_step);
        block += (size_t)blocks;
    }
}
