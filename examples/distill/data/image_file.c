#include "data/image_file.h"

#include "base/safe_file.h"
#include "data/image_format.h"

#include <stdlib.h>
#include <string.h>

// A small file can claim to be a huge image.
enum { MAX_PIXELS = 1 << 27 };

static const struct {
    const char *magic;
    size_t length, offset;
    image_decoder *decode;
} formats[] = {
    {"\x89PNG", 4, 0, png_decode},
    {"\xff\xd8\xff", 3, 0, jpeg_decode},
    {"WEBP", 4, 8, webp_decode},
    {"BM", 2, 0, bmp_decode},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static size_t find_format(const char *bytes, size_t count) {
    size_t i = 0;
    while (i < FORMATS &&
           !(count >= formats[i].offset + formats[i].length &&
             memcmp(bytes + formats[i].offset, formats[i].magic, formats[i].length) == 0))
        i++;
    return i;
}

static bool check_beginning(const char *bytes, size_t count, size_t size, const char *path,
                            error_line *e) {
    (void)size;
    return find_format(bytes, count) < FORMATS ||
           error_set(e, "%s is no PNG, JPEG, WebP or BMP file", path);
}

bool image_make_room(decoded_image *image, size_t width, size_t height, const char *path,
                     error_line *e) {
    if (width == 0 || height == 0 || width > MAX_PIXELS || height > MAX_PIXELS / width)
        return error_set(e, "%s: an image of %zu x %zu is not usable", path, width, height);
    const size_t bytes = 3 * width * height;
    image->width = (int)width;
    image->height = (int)height;
    if (bytes <= image->room) return true;
    free(image->rgb);
    image->rgb = malloc(bytes);
    image->room = image->rgb ? bytes : 0;
    return image->rgb || error_memory(e, path);
}

bool image_file_read(decoded_image *image, const char *path, error_line *e) {
    size_t size;
    char *bytes = safe_file_read_if(path, check_beginning, &size, e);
    if (!bytes) return false;
    const bool fine =
        formats[find_format(bytes, size)].decode(image, (const uint8_t *)bytes, size, path, e);
    free(bytes);
    return fine;
}

void decoded_image_free(decoded_image *image) {
    free(image->rgb);
    *image = (decoded_image){0};
}
