// How a feature map lies in memory, and why: the channels go in blocks of 16, side by side, so that
// one vector holds 16 channels of a pixel (the last block is filled up with zeros); and every block
// carries a frame of zeros, one pixel wide, so that a 3x3 convolution needs no special case at the
// edge.
//
//     [block][height + 2][width + 2][16]
//
// Nobody ever writes to the frame: it is zeroed once, when the buffer is made.
#ifndef DISTILL_MAP_H
#define DISTILL_MAP_H

#include <stddef.h>

enum { MAP_LANES = 16 };

typedef struct {
    int channels;
    int height;
    int width;
} map_shape;

static inline size_t map_blocks(map_shape s) {
    return ((size_t)s.channels + MAP_LANES - 1) / MAP_LANES;
}

// Channels, filled up to whole blocks.
static inline size_t map_padded(map_shape s) {
    return map_blocks(s) * MAP_LANES;
}

// Floats from a pixel to the one below, from a block to the next, and of a whole map.
static inline size_t map_row(map_shape s) {
    return ((size_t)s.width + 2) * MAP_LANES;
}
static inline size_t map_block(map_shape s) {
    return ((size_t)s.height + 2) * map_row(s);
}
static inline size_t map_size(map_shape s) {
    return map_blocks(s) * map_block(s);
}

// The pixel (y, x) of a block's first channel.
static inline size_t map_pixel(map_shape s, size_t block, int y, int x) {
    return block * map_block(s) + ((size_t)y + 1) * map_row(s) + ((size_t)x + 1) * MAP_LANES;
}

static inline size_t map_at(map_shape s, int channel, int y, int x) {
    return map_pixel(s, (size_t)channel / MAP_LANES, y, x) + (size_t)channel % MAP_LANES;
}

// From and to plain [channels][height][width]. map_pack leaves the frame and the filling alone.
void map_pack(map_shape s, const float *plain, float *map);
void map_unpack(map_shape s, const float *map, float *plain);

#endif
