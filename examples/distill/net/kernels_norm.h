// Batch normalisation's passes over one image. The rows of a block are walked from pixel to pixel;
// four sums side by side, so that an addition need not wait for the one before.

enum { CHAINS = 4 };

ALWAYS_INLINE vec chains_total(const vec sum[CHAINS]) {
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Channel block, and the vector of the block, by the offset of its first channel.
#define FOR_EACH_VECTOR(s, c) for (size_t(c) = 0; (c) < map_padded(s); (c) += VEC_LANES)

ALWAYS_INLINE size_t vector_pixel(map_shape s, size_t c, int y) {
    return map_pixel(s, c / MAP_LANES, y, 0) + c % MAP_LANES;
}

static void norm_sums(map_shape s, const float *x, float *sums) {
    const size_t n = map_padded(s);
    FOR_EACH_VECTOR(s, c) {
        const vec origin = load(x + vector_pixel(s, c, 0));
        vec sum[CHAINS] = {{0}};
        vec square[CHAINS] = {{0}};
        for (int y = 0; y < s.height; y++) {
            const float *row = x + vector_pixel(s, c, y);
            int j = 0;
            for (; j + CHAINS <= s.width; j += CHAINS) UNROLLED for (int k = 0; k < CHAINS; k++) {
                    const vec d = load(row + (j + k) * MAP_LANES) - origin;
                    sum[k] += d;
                    square[k] += d * d;
                }
            for (; j < s.width; j++) {
                const vec d = load(row + j * MAP_LANES) - origin;
                sum[0] += d;
                square[0] += d * d;
            }
        }
        store(sums + c, origin);
        store(sums + n + c, chains_total(sum));
        store(sums + 2 * n + c, chains_total(square));
    }
}

static void norm_apply(map_shape s, const float *x, const float *mean, const float *scale,
                       const float *bias, const float *add, bool relu, float *y) {
    FOR_EACH_VECTOR(s, c) {
        const vec m = load(mean + c);
        const vec a = load(scale + c);
        const vec b = load(bias + c);
        for (int i = 0; i < s.height; i++) {
            const size_t row = vector_pixel(s, c, i);
            for (int j = 0; j < s.width; j++) {
                const size_t at = row + (size_t)j * MAP_LANES;
                vec v = (load(x + at) - m) * a + b;
                if (add) v += load(add + at);
                store(y + at, relu ? positive(v, v) : v);
            }
        }
    }
}

ALWAYS_INLINE void reduce_pixel(const float *x, const float *y, float *grad, size_t at, vec mean,
                                vec *sum, vec *product) {
    vec g = load(grad + at);
    if (y) {
        g = positive(g, load(y + at));
        store(grad + at, g);
    }
    *sum += g;
    *product += g * (load(x + at) - mean);
}

static void norm_reduce(map_shape s, const float *x, const float *mean, const float *y, float *grad,
                        float *sums) {
    const size_t n = map_padded(s);
    FOR_EACH_VECTOR(s, c) {
        const vec m = load(mean + c);
        vec sum[CHAINS] = {{0}};
        vec product[CHAINS] = {{0}};
        for (int i = 0; i < s.height; i++) {
            const size_t row = vector_pixel(s, c, i);
            int j = 0;
            for (; j + CHAINS <= s.width; j += CHAINS) UNROLLED for (int k = 0; k < CHAINS; k++) {
                    reduce_pixel(x, y, grad, row + (size_t)(j + k) * MAP_LANES, m, &sum[k],
                                 &product[k]);
                }
            for (; j < s.width; j++)
                reduce_pixel(x, y, grad, row + (size_t)j * MAP_LANES, m, &sum[0], &product[0]);
        }
        store(sums + c, chains_total(sum));
        store(sums + n + c, chains_total(product));
    }
}

static void norm_backward(map_shape s, const float *x, const float *grad, const float *mean,
                          const float *scale, const float *shift, const float *slope,
                          const float *add, float *to) {
    FOR_EACH_VECTOR(s, c) {
        const vec m = load(mean + c);
        const vec a = load(scale + c);
        const vec b = load(shift + c);
        const vec d = load(slope + c);
        for (int i = 0; i < s.height; i++) {
            const size_t row = vector_pixel(s, c, i);
            for (int j = 0; j < s.width; j++) {
                const size_t at = row + (size_t)j * MAP_LANES;
                vec v = a * (load(grad + at) - b - (load(x + at) - m) * d);
                if (add) v += load(add + at);
                store(to + at, v);
            }
        }
    }
}
