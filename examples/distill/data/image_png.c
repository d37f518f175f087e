// PNG, by libpng. As PIL's convert("RGB") does it, and with it torchvision's ImageFolder:
// transparency and gAMA are passed over, of 16 bits the upper 8 count.
#include "data/image_format.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// What libpng hands to the functions below.
typedef struct {
    const uint8_t *at;
    size_t left;
    bool memory_was_short;
    char fault[128];
} png_file;

static void fail(png_structp png, png_const_charp text) {
    png_file *file = png_get_error_ptr(png);
    snprintf(file->fault, sizeof file->fault, "%s", text);
    png_longjmp(png, 1);
}

static void pass(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t count) {
    png_file *file = png_get_io_ptr(png);
    if (count > file->left) png_error(png, "the file ends too early");
    memcpy(to, file->at, count);
    file->at += count;
    file->left -= count;
}

static png_voidp take(png_structp png, png_alloc_size_t size) {
    png_file *file = png_get_mem_ptr(png);
    void *memory = malloc(size);
    file->memory_was_short |= !memory;
    return memory;
}

static void give_back(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

static void ask_for_rgb(png_structp png) {
    png_set_strip_16(png);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
}

// False with *e empty when libpng gave up.
static bool read_image(png_structp png, png_infop info, decoded_image *image, const char *path,
                       error_line *e) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_read_info(png, info);
    const png_uint_32 width = png_get_image_width(png, info);
    const png_uint_32 height = png_get_image_height(png, info);
    if (!image_make_room(image, width, height, path, e)) return false;
    ask_for_rgb(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    for (int i = 0; i < passes; i++)
        for (size_t y = 0; y < height; y++) png_read_row(png, image->rgb + y * width * 3, NULL);
    return true;
}

bool png_decode(decoded_image *image, const uint8_t *bytes, size_t size, const char *path,
                error_line *e) {
    png_file file = {.at = bytes, .left = size};
    png_structp png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &file, fail, pass, &file, take, give_back);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    e->text[0] = '\0';
    if (png) {
        png_set_read_fn(png, &file, read_bytes);
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // image_make_room has its own
    }
    const bool fine = info && read_image(png, info, image, path, e);
    png_destroy_read_struct(&png, &info, NULL);
    if (fine || e->text[0]) return fine;
    if (file.memory_was_short || !file.fault[0]) return error_memory(e, path);
    return error_set(e, "%s cannot be decoded as PNG: %s", path, file.fault);
}
