// PNG and JPEG files, decoded by libpng and libjpeg-turbo.
#ifndef DISTILL_IMAGE_FILE_H
#define DISTILL_IMAGE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// A decoded image, in memory that the next one reuses. Begins as {0}.
typedef struct {
    int width, height;
    uint8_t *rgb; // [height][width][3]
    size_t room;
} decoded_image;

// Grey becomes RGB, transparency lies on black, 16 bits become 8. What the file's beginning says
// decides, not its name. A file that is damaged in any way is refused.
bool image_file_read(decoded_image *image, const char *path, error_line *e);
void decoded_image_free(decoded_image *image);

#endif
