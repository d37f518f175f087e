// Images of another size: area averaging where they shrink, linear interpolation where they grow,
// each direction by itself.
#ifndef DISTILL_RESIZE_H
#define DISTILL_RESIZE_H

#include "base/error.h"

#include <stdint.h>

enum { RGB = 3 };

// From rgb [height][width][RGB] to planes [RGB][side][side]. Fails for want of memory only.
bool resize_to_planes(const uint8_t *rgb, int width, int height, int side, uint8_t *planes,
                      error_line *e);

#endif
