// The formats of image_file.h, one file each. A decoder is given a whole file whose beginning it
// knows.
#ifndef DISTILL_IMAGE_FORMAT_H
#define DISTILL_IMAGE_FORMAT_H

#include "data/image_file.h"

// Room for an image of this size, which the file claims to have; sets width and height.
bool image_make_room(decoded_image *image, size_t width, size_t height, const char *path,
                     error_line *e);

typedef bool image_decoder(decoded_image *image, const uint8_t *bytes, size_t size,
                           const char *path, error_line *e);
image_decoder png_decode, jpeg_decode, webp_decode, bmp_decode;

#endif
