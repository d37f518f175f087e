// JPEG, by libjpeg.
#include "data/image_format.h"

#include <stdio.h>
// After stdio.h, which it wants.
#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>

typedef struct {
    struct jpeg_error_mgr base; // first: libjpeg knows this part alone
    jmp_buf back;
    char fault[JMSG_LENGTH_MAX];
} jpeg_errors;

static void fail(j_common_ptr jpeg) {
    jpeg_errors *errors = (jpeg_errors *)jpeg->err;
    errors->base.format_message(jpeg, errors->fault);
    longjmp(errors->back, 1);
}

// Warnings of what costs no pixel: bytes that belong to nothing (before a marker, or zeros before
// the end), and headers whose version or profile is odd. Others decode such files as well. The rest
// are pixels made up.
static bool harmless(int code) {
    static const int codes[] = {JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR, JWRN_ADOBE_XFORM,
                                JWRN_BOGUS_ICC};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code) return true;
    return false;
}

static void hear(j_common_ptr jpeg, int level) {
    if (level < 0 && !harmless(jpeg->err->msg_code)) fail(jpeg); // a warning; above, what goes on
}

// a * b / 255, rounded, as PIL has it.
static uint8_t product(int a, int b) {
    const int scaled = a * b + 128;
    return (uint8_t)(((scaled >> 8) + scaled) >> 8);
}

// Ink is stored inverted, as Adobe does it: 255 is none. PIL takes it so in every file.
static void ink_to_rgb(const uint8_t *ink, size_t width, uint8_t *rgb) {
    for (size_t x = 0; x < width; x++, ink += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            const int value = ink[3] - product(255 - ink[c], ink[3]);
            rgb[c] = (uint8_t)(value < 0 ? 0 : value);
        }
}

static void read_rows(j_decompress_ptr jpeg, uint8_t *rgb) {
    const size_t width = jpeg->output_width;
    const bool ink = jpeg->out_color_space == JCS_CMYK;
    JSAMPARRAY line =
        jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * jpeg->output_width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = rgb + jpeg->output_scanline * width * 3;
        jpeg_read_scanlines(jpeg, ink ? line : &row, 1);
        if (ink) ink_to_rgb(*line, width, row);
    }
}

// False with *e empty when libjpeg gave up.
static bool read_image(j_decompress_ptr jpeg, jpeg_errors *errors, decoded_image *image,
                       const uint8_t *bytes, size_t size, const char *path, error_line *e) {
    if (setjmp(errors->back)) return false;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, bytes, size);
    jpeg_read_header(jpeg, TRUE);
    if (!image_make_room(image, jpeg->image_width, jpeg->image_height, path, e)) return false;
    const J_COLOR_SPACE stored = jpeg->jpeg_color_space;
    jpeg->out_color_space = stored == JCS_CMYK || stored == JCS_YCCK ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    read_rows(jpeg, image->rgb);
    jpeg_finish_decompress(jpeg); // a missing end shows here
    return true;
}

bool jpeg_decode(decoded_image *image, const uint8_t *bytes, size_t size, const char *path,
                 error_line *e) {
    jpeg_errors errors = {.fault = ""};
    struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&errors.base)};
    errors.base.error_exit = fail;
    errors.base.emit_message = hear;
    e->text[0] = '\0';
    const bool fine = read_image(&jpeg, &errors, image, bytes, size, path, e);
    jpeg_destroy_decompress(&jpeg);
    if (fine || e->text[0]) return fine;
    if (errors.base.msg_code == JERR_OUT_OF_MEMORY) return error_memory(e, path);
    return error_set(e, "%s cannot be decoded as JPEG: %s", path, errors.fault);
}
