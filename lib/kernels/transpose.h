// Rows of floats into a tile with one row per lane (tile[class][BLOCK_ROWS]), and back.
#ifndef GDKD_TRANSPOSE_H
#define GDKD_TRANSPOSE_H

#include "block.h"

enum { SQUARE = 8 };

static void gather_rows(const float *const *row, int rows, int32_t classes, float *tile) {
    const int32_t whole = classes - classes % SQUARE;
    for (int from = 0; from < rows; from += SQUARE) {
        const bool full = rows - from >= SQUARE;
        for (int32_t at = 0; full && at < whole; at += SQUARE) {
            const float *in[SQUARE];
            float *out[SQUARE];
            for (int i = 0; i < SQUARE; i++) {
                in[i] = row[from + i] + at;
                out[i] = tile + (int64_t)(at + i) * BLOCK_ROWS + from;
            }
            transpose_8x8(in, out);
        }
        for (int l = from; l < rows && l < from + SQUARE; l++)
            for (int32_t at = full ? whole : 0; at < classes; at++)
                tile[(int64_t)at * BLOCK_ROWS + l] = row[l][at];
    }
}

static void scatter_rows(const float *tile, int rows, int32_t classes, float *const *row) {
    const int32_t whole = classes - classes % SQUARE;
    for (int from = 0; from < rows; from += SQUARE) {
        const bool full = rows - from >= SQUARE;
        for (int32_t at = 0; full && at < whole; at += SQUARE) {
            const float *in[SQUARE];
            float *out[SQUARE];
            for (int i = 0; i < SQUARE; i++) {
                in[i] = tile + (int64_t)(at + i) * BLOCK_ROWS + from;
                out[i] = row[from + i] + at;
            }
            transpose_8x8(in, out);
        }
        for (int l = from; l < rows && l < from + SQUARE; l++)
            for (int32_t at = full ? whole : 0; at < classes; at++)
                row[l][at] = tile[(int64_t)at * BLOCK_ROWS + l];
    }
}

#endif
