#include "data/image_file.h"

#include "base/safe_file.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

// A small file can claim to be a huge image.
enum { MAX_PIXELS = 1 << 27 };

static bool make_room(decoded_image *image, unsigned width, unsigned height, const char *path,
                      error_line *e) {
    const size_t pixels = (size_t)width * height, bytes = 3 * pixels;
    if (pixels == 0 || pixels > MAX_PIXELS)
        return error_set(e, "%s: an image of %u x %u is not usable", path, width, height);
    image->width = (int)width;
    image->height = (int)height;
    if (bytes <= image->room) return true;
    free(image->rgb);
    image->rgb = malloc(bytes);
    image->room = image->rgb ? bytes : 0;
    return image->rgb || error_memory(e, path);
}

static bool decode_png(decoded_image *image, const char *bytes, size_t size, const char *path,
                       error_line *e) {
    static const png_color black = {0, 0, 0};
    png_image png = {.version = PNG_IMAGE_VERSION};
    bool fine = png_image_begin_read_from_memory(&png, bytes, size) != 0;
    if (fine) {
        png.format = PNG_FORMAT_RGB;
        png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; // as 8 bits are; libpng would think them linear
        if (!make_room(image, png.width, png.height, path, e)) {
            png_image_free(&png);
            return false;
        }
        fine = png_image_finish_read(&png, &black, image->rgb, 0, NULL) != 0;
    }
    if (!fine) error_set(e, "%s cannot be decoded as PNG: %s", path, png.message);
    png_image_free(&png);
    return fine;
}

// Reads the header first: it says how much room the image needs.
static bool decode_jpeg(decoded_image *image, const char *bytes, size_t size, const char *path,
                        error_line *e) {
    const unsigned char *data = (const unsigned char *)bytes;
    int width = 0, height = 0, sampling, space;
    tjhandle jpeg = tjInitDecompress();
    if (!jpeg) return error_memory(e, path);
    bool decoded = tjDecompressHeader3(jpeg, data, size, &width, &height, &sampling, &space) == 0;
    bool fine = !decoded || make_room(image, (unsigned)width, (unsigned)height, path, e);
    if (fine && decoded && (space == TJCS_CMYK || space == TJCS_YCCK)) {
        fine = error_set(e, "%s is a JPEG for print (CMYK); save it as RGB", path);
    } else if (fine) {
        // Also what the decoder only warns of, a missing end for one, is a failure.
        decoded = decoded && tjDecompress2(jpeg, data, size, image->rgb, width, 0, height, TJPF_RGB,
                                           TJFLAG_ACCURATEDCT) == 0;
        fine =
            decoded || error_set(e, "%s cannot be decoded as JPEG: %s", path, tjGetErrorStr2(jpeg));
    }
    tjDestroy(jpeg);
    return fine;
}

bool image_file_read(decoded_image *image, const char *path, error_line *e) {
    size_t size;
    bool fine;
    char *bytes = safe_file_read(path, &size, e);
    if (!bytes) return false;
    if (size >= 4 && memcmp(bytes, "\x89PNG", 4) == 0)
        fine = decode_png(image, bytes, size, path, e);
    else if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        fine = decode_jpeg(image, bytes, size, path, e);
    else
        fine = error_set(e, "%s is neither a PNG nor a JPEG file", path);
    free(bytes);
    return fine;
}

void decoded_image_free(decoded_image *image) {
    free(image->rgb);
    *image = (decoded_image){0};
}
