// The headers of idx files: Fashion-MNIST's format.
#ifndef TEST_IDX_H
#define TEST_IDX_H

#include <stdint.h>
#include <string.h>

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

#endif
