#include "net/conv.h"

#include <string.h>

enum {
    TILE = MAP_LANES * MAP_LANES, // weights between a block of inputs and a block of outputs
    SLICE_BLOCKS = 2,             // blocks of outputs in a slice of the gradient
    PIECES = 16                   // of the gradient, at the least: work for as many threads
};

static int taps(const conv *c) {
    return c->kernel * c->kernel;
}

static conv_pass forward_pass(const conv *c) {
    conv_pass p = {.from = c->in,
                   .to = c->out,
                   .rows = c->out.height,
                   .columns = c->out.width,
                   .spread = 1,
                   .stride = c->stride,
                   .kernel_taps = taps(c),
                   .taps = taps(c)};
    const int pad = c->kernel / 2;
    const ptrdiff_t row = (ptrdiff_t)map_row(c->in);
    for (int t = 0; t < p.taps; t++) {
        p.weight[t] = t;
        p.offset[t] = (t / c->kernel - pad) * row + (t % c->kernel - pad) * (ptrdiff_t)MAP_LANES;
    }
    return p;
}

// Input pixel h got output pixel o through tap k when h = o * stride + k - pad. So the inputs of
// one parity, h = j * stride + parity, see the taps with parity + pad - k divisible by the stride,
// at o = j + (parity + pad - k) / stride.
static conv_pass backward_pass(const conv *c, int row_parity, int column_parity) {
    conv_pass p = {.from = c->out,
                   .to = c->in,
                   .row = row_parity,
                   .column = column_parity,
                   .rows = (c->in.height - row_parity + c->stride - 1) / c->stride,
                   .columns = (c->in.width - column_parity + c->stride - 1) / c->stride,
                   .spread = c->stride,
                   .stride = 1,
                   .kernel_taps = taps(c)};
    const int pad = c->kernel / 2;
    const ptrdiff_t row = (ptrdiff_t)map_row(c->out);
    for (int t = 0; t < p.kernel_taps; t++) {
        const int y = row_parity + pad - t / c->kernel;
        const int x = column_parity + pad - t % c->kernel;
        if (y % c->stride != 0 || x % c->stride != 0) continue;
        p.weight[p.taps] = t;
        p.offset[p.taps++] = y / c->stride * row + x / c->stride * (ptrdiff_t)MAP_LANES;
    }
    return p;
}

conv conv_make(map_shape in, int channels, int kernel, int stride) {
    conv c = {.in = in,
              .out = {channels, (in.height - 1) / stride + 1, (in.width - 1) / stride + 1},
              .kernel = kernel,
              .stride = stride};
    c.forward = forward_pass(&c);
    for (int y = 0; y < stride; y++)
        for (int x = 0; x < stride; x++) c.backward[c.backward_passes++] = backward_pass(&c, y, x);
    return c;
}

size_t conv_weights_count(const conv *c) {
    return (size_t)c->out.channels * (size_t)c->in.channels * (size_t)taps(c);
}

size_t conv_packed_size(const conv *c) {
    return map_blocks(c->out) * map_blocks(c->in) * (size_t)taps(c) * TILE;
}

// Where the weight (from, to, tap) lies in the blocks [to block][from block][tap][from lane][to
// lane].
static size_t packed_at(size_t from_blocks, size_t kernel_taps, size_t from, size_t to,
                        size_t tap) {
    const size_t tile = ((to / MAP_LANES) * from_blocks + from / MAP_LANES) * kernel_taps + tap;
    return tile * TILE + from % MAP_LANES * MAP_LANES + to % MAP_LANES;
}

void conv_pack_forward(const conv *c, const float *weights, float *packed) {
    const size_t n = (size_t)taps(c);
    for (size_t o = 0; o < (size_t)c->out.channels; o++)
        for (size_t i = 0; i < (size_t)c->in.channels; i++)
            for (size_t t = 0; t < n; t++)
                packed[packed_at(map_blocks(c->in), n, i, o, t)] = *weights++;
}

void conv_pack_backward(const conv *c, const float *weights, float *packed) {
    const size_t n = (size_t)taps(c);
    for (size_t o = 0; o < (size_t)c->out.channels; o++)
        for (size_t i = 0; i < (size_t)c->in.channels; i++)
            for (size_t t = 0; t < n; t++)
                packed[packed_at(map_blocks(c->out), n, o, i, t)] = *weights++;
}

void conv_forward(const conv *c, const kernels *k, const float *packed, const float *x,
                  const float *start, float *y) {
    k->conv(&c->forward, packed, x, start, y);
}

void conv_backward(const conv *c, const kernels *k, const float *packed, const float *grad_y,
                   const float *start, float *grad_x) {
    for (int i = 0; i < c->backward_passes; i++)
        k->conv(&c->backward[i], packed, grad_y, start, grad_x);
}

int conv_slices(const conv *c) {
    return ((int)map_blocks(c->out) + SLICE_BLOCKS - 1) / SLICE_BLOCKS;
}

int conv_parts(const conv *c) {
    const int slices = conv_slices(c);
    return slices >= PIECES ? 1 : PIECES / slices;
}

size_t conv_partial_size(const conv *c) {
    return (size_t)conv_parts(c) * conv_packed_size(c);
}

void conv_gradient_piece(const conv *c, const kernels *k, int part, int slice, int count,
                         const float *x, const float *grad_y, float *partial) {
    const int parts = conv_parts(c);
    const size_t block = (size_t)slice * SLICE_BLOCKS;
    const size_t left = map_blocks(c->out) - block;
    const size_t blocks = left < SLICE_BLOCKS ? left : SLICE_BLOCKS;
    const size_t per_block = conv_packed_size(c) / map_blocks(c->out);
    float *sum = partial + (size_t)part * conv_packed_size(c);
    memset(sum + block * per_block, 0, blocks * per_block * sizeof *sum);
    for (int i = count * part / parts; i < count * (part + 1) / parts; i++)
        k->conv_weights(&c->forward, block, blocks, x + (size_t)i * map_size(c->in),
                        grad_y + (size_t)i * map_size(c->out), sum);
}

void conv_gradient_sum(const conv *c, const float *partial, int channel, float *gradient) {
    const size_t n = (size_t)taps(c);
    const size_t size = conv_packed_size(c);
    const size_t inputs = (size_t)c->in.channels;
    const size_t o = (size_t)channel;
    const int parts = conv_parts(c);
    for (size_t i = 0; i < inputs; i++)
        for (size_t t = 0; t < n; t++) {
            const float *p = partial + packed_at(map_blocks(c->in), n, i, o, t);
            float sum = 0;
            for (int part = 0; part < parts; part++) sum += p[(size_t)part * size];
            gradient[(o * inputs + i) * n + t] = sum;
        }
}
