// BMP without compression: no library of Debian's reads it alone, and its pixels stand in the file
// as they are. https://learn.microsoft.com/windows/win32/gdi/bitmap-storage: a file header, a
// header whose size tells its kind, masks or a palette, and rows from the bottom that fill whole
// words.
#include "data/image_format.h"

#include <stdlib.h>

enum {
    FILE_HEADER = 14,
    CORE_HEADER = 12,
    INFO_HEADER = 40,
    RGB_DATA = 0,
    BIT_FIELDS = 3,
    MASKS = 12
};

typedef struct {
    const uint8_t *bytes, *palette;
    size_t size, pixels; // where they begin
    size_t width, height, stride, colours, colour_bytes;
    unsigned bits;
    uint32_t masks[3];
    bool from_top;
} bmp;

static uint32_t number(const uint8_t *b, int bytes) {
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | b[i];
    return value;
}

static void choose_masks(bmp *b, const uint8_t *stored) {
    static const uint32_t shorts[3] = {0x7c00, 0x3e0, 0x1f}, words[3] = {0xff0000, 0xff00, 0xff};
    for (int i = 0; i < 3; i++)
        b->masks[i] = stored ? number(stored + 4 * i, 4) : b->bits == 16 ? shorts[i] : words[i];
}

// NULL, or what is wrong. The widths are those of the two kinds of headers.
static const char *parse_header(bmp *b) {
    const uint8_t *header = b->bytes + FILE_HEADER;
    if (b->size < FILE_HEADER + CORE_HEADER) return "the file ends too early";
    const size_t length = number(header, 4);
    const bool core = length == CORE_HEADER;
    if (!core && length < INFO_HEADER) return "its header is of no known kind";
    if (length > b->size - FILE_HEADER - MASKS) return "the file ends too early";
    const int32_t height = core ? (int32_t)number(header + 6, 2) : (int32_t)number(header + 8, 4);
    b->width = number(header + 4, core ? 2 : 4);
    b->from_top = height < 0;
    b->height = (size_t)llabs(height);
    b->bits = number(header + (core ? 10 : 14), 2);
    const uint32_t storage = core ? RGB_DATA : number(header + 16, 4);
    if (storage != RGB_DATA && storage != BIT_FIELDS) return "it is compressed; save it as PNG";
    choose_masks(b, storage == BIT_FIELDS ? header + INFO_HEADER : NULL);
    b->palette = header + length + (storage == BIT_FIELDS && length == INFO_HEADER ? MASKS : 0);
    b->colour_bytes = core ? 3 : 4;
    b->colours = core ? 0 : number(header + 32, 4);
    if (b->bits <= 8 && (b->colours == 0 || b->colours > 1U << b->bits)) b->colours = 1U << b->bits;
    b->pixels = number(b->bytes + 10, 4);
    return NULL;
}

static const char *check_sizes(bmp *b) {
    const unsigned bits = b->bits;
    if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
        return "its number of bits per pixel is of no known kind";
    b->stride = (b->width * bits + 31) / 32 * 4;
    if (b->pixels > b->size || b->stride * b->height > b->size - b->pixels)
        return "the file ends too early";
    if (bits <= 8 && (size_t)(b->palette - b->bytes) + b->colours * b->colour_bytes > b->pixels)
        return "its colours do not fit before its pixels";
    return NULL;
}

static uint8_t masked(uint32_t value, uint32_t mask) {
    const uint32_t unit = mask & -mask; // its lowest bit
    if (mask == 0) return 0;
    return (uint8_t)((uint64_t)((value & mask) / unit) * 255 / (mask / unit));
}

static bool read_pixel(const bmp *b, const uint8_t *row, size_t x, uint8_t *rgb) {
    if (b->bits > 8) {
        const uint32_t value = number(row + x * (b->bits / 8), (int)b->bits / 8);
        for (int c = 0; c < 3; c++) rgb[c] = masked(value, b->masks[c]);
        return true;
    }
    const unsigned shift = 8 - b->bits - (unsigned)(x * b->bits % 8);
    const unsigned byte = row[x * b->bits / 8];
    const size_t index = byte >> shift & ((1U << b->bits) - 1);
    if (index >= b->colours) return false;
    for (size_t c = 0; c < 3; c++) rgb[c] = b->palette[index * b->colour_bytes + 2 - c];
    return true;
}

static const char *read_pixels(const bmp *b, uint8_t *rgb) {
    for (size_t y = 0; y < b->height; y++) {
        const size_t line = b->from_top ? y : b->height - 1 - y;
        for (size_t x = 0; x < b->width; x++, rgb += 3)
            if (!read_pixel(b, b->bytes + b->pixels + line * b->stride, x, rgb))
                return "a pixel has a colour that is not there";
    }
    return NULL;
}

bool bmp_decode(decoded_image *image, const uint8_t *bytes, size_t size, const char *path,
                error_line *e) {
    bmp b = {.bytes = bytes, .size = size};
    const char *fault = parse_header(&b);
    if (!fault && !image_make_room(image, b.width, b.height, path, e)) return false;
    if (!fault) fault = check_sizes(&b);
    if (!fault) fault = read_pixels(&b, image->rgb);
    return !fault || error_set(e, "%s cannot be decoded as BMP: %s", path, fault);
}
