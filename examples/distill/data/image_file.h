// PNG, JPEG, WebP and BMP files.
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

// As torchvision's ImageFolder has it, which is PIL's convert("RGB"): grey becomes RGB,
// transparency and gamma are passed over, CMYK is taken as Adobe stores it. Of 16 bits the upper 8
// count. What the file's beginning says decides, not its name. A file whose pixels are damaged or
// missing is refused.
bool image_file_read(decoded_image *image, const char *path, error_line *e);
void decoded_image_free(decoded_image *image);

#endif
