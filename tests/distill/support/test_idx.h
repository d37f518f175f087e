// The headers of idx files, Fashion-MNIST's format, and a small data set.
#ifndef TEST_IDX_H
#define TEST_IDX_H

#include "test_files.h"

#include <stdint.h>

enum { IDX_IMAGES_HEADER = 16, IDX_LABELS_HEADER = 8 };

static inline void idx_images_header(uint8_t *bytes, uint8_t count, uint8_t side) {
    const uint8_t header[IDX_IMAGES_HEADER] = {0, 0, 8, 3,    0, 0, 0, count,
                                               0, 0, 0, side, 0, 0, 0, side};
    memcpy(bytes, header, sizeof header);
}

static inline void idx_labels_header(uint8_t *bytes, uint8_t count) {
    const uint8_t header[IDX_LABELS_HEADER] = {0, 0, 8, 1, 0, 0, 0, count};
    memcpy(bytes, header, sizeof header);
}

// A pair of files in the test's folder: `count` images of 4 x 4 with labels 0 to 9 in turn. part:
// "train", "t10k".
static inline void idx_write(const char *part, uint8_t count) {
    enum { SIDE = 4, PIXELS = SIDE * SIDE };
    uint8_t images[IDX_IMAGES_HEADER + UINT8_MAX * PIXELS], labels[IDX_LABELS_HEADER + UINT8_MAX];
    char name[64];
    idx_images_header(images, count, SIDE);
    idx_labels_header(labels, count);
    for (int i = 0; i < count * PIXELS; i++) images[IDX_IMAGES_HEADER + i] = (uint8_t)(i * i * 7);
    for (int i = 0; i < count; i++) labels[IDX_LABELS_HEADER + i] = (uint8_t)(i % 10);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    test_write(name, images, IDX_IMAGES_HEADER + (size_t)count * PIXELS);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    test_write(name, labels, IDX_LABELS_HEADER + (size_t)count);
}

#endif
