// The convolution as text books have it: im2col, then one matrix product per image. Not fast, but
// short: the tests hold the fast one (conv.c) against this one.
#include "net/conv.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

// im2col's matrix: the column of an output pixel holds what the kernel sees there, with a row for
// each input channel and tap, in the order of the weights.
typedef struct {
    const conv *c;
    size_t pixels;
    size_t depth;
} columns;

static columns columns_of(const conv *c) {
    return (columns){c, (size_t)c->out.height * (size_t)c->out.width,
                     (size_t)c->in.channels * (size_t)(c->kernel * c->kernel)};
}

// The input pixel that row `depth` sees at output pixel `pixel`; false when it lies in the padding.
static bool column_source(const columns *m, size_t depth, size_t pixel, size_t *at) {
    const conv *c = m->c;
    const int tap = (int)depth % (c->kernel * c->kernel);
    const int channel = (int)depth / (c->kernel * c->kernel);
    const int y = (int)pixel / c->out.width * c->stride + tap / c->kernel - c->kernel / 2;
    const int x = (int)pixel % c->out.width * c->stride + tap % c->kernel - c->kernel / 2;
    if (y < 0 || y >= c->in.height || x < 0 || x >= c->in.width) return false;
    *at = map_at(c->in, channel, y, x);
    return true;
}

static void im2col(const columns *m, const float *x, float *matrix) {
    size_t at;
    for (size_t d = 0; d < m->depth; d++)
        for (size_t p = 0; p < m->pixels; p++)
            matrix[d * m->pixels + p] = column_source(m, d, p, &at) ? x[at] : 0;
}

static void col2im_add(const columns *m, const float *matrix, float *x) {
    size_t at;
    for (size_t d = 0; d < m->depth; d++)
        for (size_t p = 0; p < m->pixels; p++)
            if (column_source(m, d, p, &at)) x[at] += matrix[d * m->pixels + p];
}

static float *floats(size_t count) {
    float *p = malloc(count * sizeof *p);
    if (!p) abort();
    return p;
}

// The pixels of a map without frame and filling start as those of `start`, or as zeros.
static void begin_map(map_shape s, const float *start, float *map) {
    for (int c = 0; c < s.channels; c++)
        for (int y = 0; y < s.height; y++)
            for (int x = 0; x < s.width; x++)
                map[map_at(s, c, y, x)] = start ? start[map_at(s, c, y, x)] : 0;
}

void conv_plain_forward(const conv *c, const float *weights, const float *x, const float *start,
                        float *y) {
    const columns m = columns_of(c);
    float *matrix = floats(m.depth * m.pixels);
    float *plain = floats((size_t)c->out.channels * m.pixels);
    im2col(&m, x, matrix);
    begin_map(c->out, start, y);
    map_unpack(c->out, y, plain);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, c->out.channels, (int)m.pixels,
                (int)m.depth, 1, weights, (int)m.depth, matrix, (int)m.pixels, 1, plain,
                (int)m.pixels);
    map_pack(c->out, plain, y);
    free(plain);
    free(matrix);
}

void conv_plain_backward(const conv *c, const float *weights, const float *x, const float *grad_y,
                         const float *start, float *grad_x, float *gradient) {
    const columns m = columns_of(c);
    float *matrix = floats(m.depth * m.pixels);
    float *plain = floats((size_t)c->out.channels * m.pixels);
    map_unpack(c->out, grad_y, plain);
    im2col(&m, x, matrix);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, c->out.channels, (int)m.depth,
                (int)m.pixels, 1, plain, (int)m.pixels, matrix, (int)m.pixels, 1, gradient,
                (int)m.depth);
    if (grad_x) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m.depth, (int)m.pixels,
                    c->out.channels, 1, weights, (int)m.depth, plain, (int)m.pixels, 0, matrix,
                    (int)m.pixels);
        begin_map(c->in, start, grad_x);
        col2im_add(&m, matrix, grad_x);
    }
    free(plain);
    free(matrix);
}
