// Shapes of logits: 512x1000 is rows x classes, 4x19x512x1024 is N x C x H x W.
#ifndef BENCH_SHAPE_H
#define BENCH_SHAPE_H

#include <stdint.h>

typedef struct {
    int64_t outer, classes, inner;
    char name[48];
} bench_shape;

// 1, or 0 when the text is no shape.
int parse_shape(const char *text, bench_shape *shape);

bench_shape matrix_shape(int64_t rows, int64_t classes);

int64_t shape_elements(const bench_shape *shape);

#endif
