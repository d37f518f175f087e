// Folders of image files: decoding, resizing, order, and what must be refused.
#include "base/rng.h"
#include "data/dataset.h"
#include "data/image_file.h"
#include "data/resize.h"
#include "test_files.h"
#include "test_suite.h"

#include <fcntl.h>
#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <sys/stat.h>
#include <webp/encode.h>
#include <zlib.h>

static error_line e;

static void setup(void) {
    test_folder_make();
}

// --- Resizing ------------------------------------------------------------------------------------

// Every old pixel becomes side x side small ones, of which every new pixel takes width x height.
static double plain_area(const uint8_t *rgb, int width, int height, int side, int c, int y, int x) {
    double sum = 0;
    for (int v = y * height; v < (y + 1) * height; v++)
        for (int u = x * width; u < (x + 1) * width; u++) {
            const int pixel = v / side * width + u / side;
            sum += rgb[pixel * RGB + c];
        }
    return sum / (width * height);
}

static void fill_random(uint8_t *bytes, size_t count) {
    rng r;
    rng_seed(&r, 5);
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)rng_below(&r, 256);
}

static const int shrinks[][3] = {{8, 8, 4}, {3, 3, 2}, {7, 5, 3}, {40, 33, 32}, {32, 32, 32}};

START_TEST(shrinking_averages_areas) {
    enum { MOST = 40 * 40 };
    uint8_t rgb[MOST * RGB], planes[MOST * RGB];
    const int width = shrinks[_i][0], height = shrinks[_i][1], side = shrinks[_i][2];
    fill_random(rgb, sizeof rgb);
    ck_assert(resize_to_planes(rgb, width, height, side, planes, &e));
    for (int c = 0; c < RGB; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                ck_assert_double_le(fabs(planes[(c * side + y) * side + x] -
                                         plain_area(rgb, width, height, side, c, y, x)),
                                    0.5 + 1e-9);
}
END_TEST

START_TEST(growing_interpolates) {
    // Between the centres of two pixels, 0 and 100: at -1/4 (the edge), 1/4, 3/4 and 5/4.
    static const uint8_t rgb[2 * RGB] = {0, 0, 7, 100, 200, 7};
    static const int expected[RGB][4] = {{0, 25, 75, 100}, {0, 50, 150, 200}, {7, 7, 7, 7}};
    uint8_t planes[RGB * 16];
    ck_assert(resize_to_planes(rgb, 2, 1, 4, planes, &e));
    for (int c = 0; c < RGB; c++)
        for (int i = 0; i < 16; i++) ck_assert_int_eq(planes[c * 16 + i], expected[c][i % 4]);
}
END_TEST

// --- Files ---------------------------------------------------------------------------------------

enum { W = 20, H = 12, WHOLE = 8192 };

static void write_png(const char *name, png_uint_32 format, const void *pixels) {
    png_image png = {.version = PNG_IMAGE_VERSION, .width = W, .height = H, .format = format};
    ck_assert_int_ne(png_image_write_to_file(&png, test_path(name), 0, pixels, 0, NULL), 0);
}

// `sampling`: of the first component, against the others.
static void write_jpeg(const char *name, J_COLOR_SPACE space, int components, int sampling,
                       uint8_t *pixels) {
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&errors)};
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = W;
    jpeg.image_height = H;
    jpeg.input_components = components;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = sampling;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < H; y++) {
        JSAMPROW row = pixels + (ptrdiff_t)y * W * components;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    test_write(name, bytes, size);
    free(bytes);
}

static void write_webp(const char *name, const uint8_t *rgb) {
    uint8_t *bytes;
    const size_t size = WebPEncodeLosslessRGB(rgb, W, H, RGB * W, &bytes);
    ck_assert_uint_gt(size, 0);
    test_write(name, bytes, size);
    WebPFree(bytes);
}

static void put_number(uint8_t *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

// Turns a picture into one that this many bits per pixel can tell: of a palette, entry i is (i, 2
// i, 255 - i).
static void bmp_colours(int bits, uint8_t *rgb) {
    for (int i = 0; i < W * H; i++) {
        uint8_t *p = rgb + RGB * i;
        const int index = bits <= 8 ? p[0] & ((1 << bits) - 1) : 0;
        if (bits <= 8) {
            p[0] = (uint8_t)index;
            p[1] = (uint8_t)(2 * index);
            p[2] = (uint8_t)(255 - index);
        }
        for (int c = 0; bits == 16 && c < RGB; c++) p[c] = (uint8_t)((p[c] >> 3) * 255 / 31);
    }
}

static void put_pixel(uint8_t *row, int x, int bits, const uint8_t *p) {
    if (bits <= 8)
        row[x * bits / 8] |= (uint8_t)(p[0] << (8 - bits - x * bits % 8));
    else if (bits == 16)
        put_number(row + 2 * x,
                   (uint32_t)((p[0] * 31 + 254) / 255 << 10 | (p[1] * 31 + 254) / 255 << 5 |
                              (p[2] * 31 + 254) / 255),
                   2);
    else
        put_number(row + bits / 8 * x, (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]), 3);
}

// From the bottom; with negative bits, from the top.
static void write_bmp(const char *name, int signed_bits, const uint8_t *rgb) {
    enum { HEADERS = 54 };
    static uint8_t bytes[WHOLE];
    const int bits = abs(signed_bits), colours = bits <= 8 ? 1 << bits : 0;
    const int stride = (W * bits + 31) / 32 * 4, begin = HEADERS + 4 * colours;
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 'B';
    bytes[1] = 'M';
    put_number(bytes + 10, (uint32_t)begin, 4);
    put_number(bytes + 14, 40, 4);
    put_number(bytes + 18, W, 4);
    put_number(bytes + 22, (uint32_t)(signed_bits < 0 ? -H : H), 4);
    put_number(bytes + 26, 1, 2);
    put_number(bytes + 28, (uint32_t)bits, 2);
    for (int i = 0; i < colours; i++)
        put_number(bytes + HEADERS + 4 * i, (uint32_t)(i << 16 | (2 * i & 255) << 8 | (255 - i)),
                   4);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            put_pixel(bytes + begin + (signed_bits < 0 ? y : H - 1 - y) * stride, x, bits,
                      rgb + RGB * (y * W + x));
    test_write(name, bytes, (size_t)begin + H * (size_t)stride);
}

static void reads(decoded_image *image, const char *name) {
    ck_assert_msg(image_file_read(image, test_path(name), &e), "%s", e.text);
    ck_assert_int_eq(image->width, W);
    ck_assert_int_eq(image->height, H);
}

START_TEST(png_is_read) {
    uint8_t rgb[W * H * RGB], rgba[W * H * 4], grey[W * H];
    decoded_image image = {0};
    fill_random(rgb, sizeof rgb);
    fill_random(grey, sizeof grey);
    write_png("rgb.png", PNG_FORMAT_RGB, rgb);
    write_png("grey.png", PNG_FORMAT_GRAY, grey);
    for (size_t i = 0; i < W * H; i++) {
        memcpy(rgba + 4 * i, rgb + RGB * i, RGB);
        rgba[4 * i + 3] = i % 2 ? 255 : 0;
    }
    write_png("rgba.png", PNG_FORMAT_RGBA, rgba);
    reads(&image, "rgb.png");
    ck_assert_mem_eq(image.rgb, rgb, sizeof rgb);
    reads(&image, "grey.png");
    for (size_t i = 0; i < sizeof rgb; i++) ck_assert_int_eq(image.rgb[i], grey[i / RGB]);
    reads(&image, "rgba.png"); // transparent or not
    ck_assert_mem_eq(image.rgb, rgb, sizeof rgb);
    decoded_image_free(&image);
}
END_TEST

// libpng's 16 bits are linear light, its 8 bits sRGB: 0 and 1 are the same in both, and so is any
// value when the reader takes 16 bits for what they nearly always are, sRGB as well. So the file is
// written by hand: one grey pixel of 0x8080, zlib without compression.
START_TEST(sixteen_bits_become_eight) {
    static const unsigned char file[] = {
        0x89, 'P',  'N',  'G', '\r', '\n', 0x1a, '\n', 0,    0,    0,   13,   'I',  'H',  'D',
        'R',  0,    0,    0,   1,    0,    0,    0,    1,    16,   0,   0,    0,    0,    0x6a,
        0xee, 0x47, 0x16, 0,   0,    0,    14,   'I',  'D',  'A',  'T', 0x78, 0x01, 0x01, 0x03,
        0x00, 0xfc, 0xff, 0,   0x80, 0x80, 0x01, 0x83, 0x01, 0x01, 0,   0,    0,    0,    0,
        0,    0,    0,    'I', 'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};
    unsigned char bytes[sizeof file];
    decoded_image image = {0};
    memcpy(bytes, file, sizeof file);
    const uLong sums[2] = {crc32(0, bytes + 12, 17), crc32(0, bytes + 37, 18)};
    for (int i = 0; i < 4; i++) {
        bytes[29 + i] = (unsigned char)(sums[0] >> (24 - 8 * i));
        bytes[55 + i] = (unsigned char)(sums[1] >> (24 - 8 * i));
    }
    test_write("deep.png", bytes, sizeof bytes);
    ck_assert_msg(image_file_read(&image, test_path("deep.png"), &e), "%s", e.text);
    for (int c = 0; c < RGB; c++) ck_assert_int_eq(image.rgb[c], 0x80);
    decoded_image_free(&image);
}
END_TEST

// Any chunks of a PNG, for those that libpng's simple writer does not write.
static void write_with_chunks(const char *name, int colour, const png_color *palette,
                              png_byte transparent, uint8_t *pixels) {
    FILE *file = fopen(test_path(name), "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    const int channels = colour == PNG_COLOR_TYPE_RGB ? RGB : 1;
    const png_color_16 key = {
        .red = pixels[0], .green = pixels[1], .blue = pixels[2], .gray = pixels[0]};
    png_init_io(png, file);
    png_set_IHDR(png, info, W, H, 8, colour, PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_gAMA(png, info, 1.0); // linear light: looked at, it would change nearly every value
    if (palette) png_set_PLTE(png, info, palette, 256);
    png_set_tRNS(png, info, &transparent, palette ? 1 : 0, &key);
    png_write_info(png, info);
    png_set_interlace_handling(png);
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (int y = 0; y < H; y++) png_write_row(png, pixels + y * W * channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

// The file's values as they are: grey, RGB and palette, each with a transparent colour and a gAMA
// of 1.
START_TEST(transparency_and_gamma_are_passed_over) {
    uint8_t rgb[W * H * RGB], one[W * H];
    png_color palette[256];
    decoded_image image = {0};
    fill_random(rgb, sizeof rgb);
    fill_random(one, sizeof one);
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(7 * i)};
    write_with_chunks("rgb.png", PNG_COLOR_TYPE_RGB, NULL, 0, rgb);
    write_with_chunks("grey.png", PNG_COLOR_TYPE_GRAY, NULL, 0, one);
    write_with_chunks("palette.png", PNG_COLOR_TYPE_PALETTE, palette, 0, one);
    reads(&image, "rgb.png");
    ck_assert_mem_eq(image.rgb, rgb, sizeof rgb);
    reads(&image, "grey.png");
    for (size_t i = 0; i < sizeof rgb; i++) ck_assert_int_eq(image.rgb[i], one[i / RGB]);
    reads(&image, "palette.png");
    for (size_t i = 0; i < sizeof one; i++)
        ck_assert_mem_eq(image.rgb + i * RGB, &palette[one[i]], RGB);
    decoded_image_free(&image);
}
END_TEST

// A slope, which JPEG keeps nearly as it is.
static void fill_slope(uint8_t *rgb) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            uint8_t *p = rgb + (y * W + x) * RGB;
            p[0] = (uint8_t)(10 * x);
            p[1] = (uint8_t)(15 * y + 20);
            p[2] = (uint8_t)(200 - 5 * x);
        }
}

START_TEST(jpeg_is_read) {
    uint8_t rgb[W * H * RGB], grey[W * H];
    decoded_image image = {0};
    fill_slope(rgb);
    for (size_t i = 0; i < W * H; i++) grey[i] = rgb[i * RGB];
    write_jpeg("rgb.jpg", JCS_RGB, 3, 1, rgb);
    write_jpeg("grey.jpg", JCS_GRAYSCALE, 1, 1, grey);
    reads(&image, "rgb.jpg");
    for (size_t i = 0; i < sizeof rgb; i++) ck_assert_int_le(abs(image.rgb[i] - rgb[i]), 8);
    reads(&image, "grey.jpg");
    for (size_t i = 0; i < sizeof rgb; i++) {
        ck_assert_int_le(abs(image.rgb[i] - grey[i / RGB]), 8);
        ck_assert_int_eq(image.rgb[i], image.rgb[i / RGB * RGB]);
    }
    decoded_image_free(&image);
}
END_TEST

// Ink is stored inverted: 255 is none. Flat colours, which JPEG keeps to a step or two.
START_TEST(ink_becomes_light) {
    static const uint8_t inks[][4] = {
        {255, 255, 255, 255}, {0, 255, 255, 255}, {255, 255, 255, 0}, {200, 100, 50, 128}};
    static const int lights[][3] = {{255, 255, 255}, {0, 255, 255}, {0, 0, 0}, {100, 50, 25}};
    for (int i = 0; i < 4; i++) {
        uint8_t pixels[W * H * 4];
        decoded_image image = {0};
        for (size_t j = 0; j < sizeof pixels; j++) pixels[j] = inks[i][j % 4];
        write_jpeg("ink.jpg", JCS_CMYK, 4, 1, pixels);
        reads(&image, "ink.jpg");
        for (int j = 0; j < W * H * RGB; j++)
            ck_assert_int_le(abs(image.rgb[j] - lights[i][j % RGB]), 3);
        decoded_image_free(&image);
    }
}
END_TEST

// What libjpeg warns of although no pixel is missing. The first two bytes and the last are the
// markers of begin and end; a JFIF header follows the first.
START_TEST(harmless_warnings_are_no_failures) {
    uint8_t rgb[W * H * RGB];
    char bytes[WHOLE], other[WHOLE + 16];
    decoded_image whole = {0}, image = {0};
    fill_slope(rgb);
    write_jpeg("a.jpg", JCS_RGB, 3, 2, rgb);
    const size_t size = test_read("a.jpg", bytes, WHOLE);
    reads(&whole, "a.jpg");
    for (int i = 0; i < 3; i++) {
        const size_t at = i == 0 ? size - 2 : i == 1 ? 20 : size, extra = i < 2 ? 9 : 0;
        memcpy(other, bytes, at);
        memset(other + at, i == 0 ? 0 : 'x', extra);
        memcpy(other + at + extra, bytes + at, size - at);
        if (i == 2) other[11] = other[12] = 0; // version 0.00
        test_write("b.jpg", other, size + extra);
        reads(&image, "b.jpg");
        ck_assert_mem_eq(image.rgb, whole.rgb, sizeof rgb);
    }
    decoded_image_free(&image);
    decoded_image_free(&whole);
}
END_TEST

// Without loss; with transparency, which is passed over.
START_TEST(webp_is_read) {
    uint8_t rgb[W * H * RGB], rgba[W * H * 4], *bytes;
    decoded_image image = {0};
    fill_random(rgb, sizeof rgb);
    for (size_t i = 0; i < W * H; i++) {
        memcpy(rgba + 4 * i, rgb + RGB * i, RGB);
        rgba[4 * i + 3] = i % 2 ? 255 : 100;
    }
    const size_t size = WebPEncodeLosslessRGBA(rgba, W, H, 4 * W, &bytes);
    test_write("a.webp", bytes, size);
    WebPFree(bytes);
    reads(&image, "a.webp");
    ck_assert_mem_eq(image.rgb, rgb, sizeof rgb);
    decoded_image_free(&image);
}
END_TEST

// By hand, row by row: 24 and 32 bits, 16 bits of 5 per colour, and colours of a palette.
START_TEST(bmp_is_read) {
    static const int bits[] = {1, 4, 8, 16, 24, 32};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        uint8_t rgb[W * H * RGB];
        decoded_image image = {0};
        fill_random(rgb, sizeof rgb);
        bmp_colours(bits[i], rgb);
        for (int from_top = 0; from_top < 2; from_top++) {
            write_bmp("a.bmp", from_top ? -bits[i] : bits[i], rgb);
            reads(&image, "a.bmp");
            ck_assert_mem_eq(image.rgb, rgb, sizeof rgb);
        }
        decoded_image_free(&image);
    }
}
END_TEST

static void refuses_file(const char *name, const char *words) {
    decoded_image image = {0};
    ck_assert(!image_file_read(&image, test_path(name), &e));
    ASSERT_SAYS(e, name);
    ASSERT_SAYS(e, words);
    ck_assert_ptr_null(strchr(e.text, '\n'));
    decoded_image_free(&image);
}

// "a.png" or one of the others, all of which are made; its size.
static size_t whole_file(const char *name, char bytes[WHOLE]) {
    uint8_t rgb[W * H * RGB];
    fill_slope(rgb);
    write_png("a.png", PNG_FORMAT_RGB, rgb);
    write_jpeg("a.jpg", JCS_RGB, 3, 2, rgb);
    write_webp("a.webp", rgb);
    write_bmp("a.bmp", 24, rgb);
    return test_read(name, bytes, WHOLE);
}

// At every length. Only what follows the pixels may be missing from a PNG: its checksums have
// vouched for them.
static void cut(const char *name, size_t harmless) {
    char bytes[WHOLE];
    decoded_image image = {0};
    const size_t size = whole_file(name, bytes);
    for (size_t length = 0; length < size - harmless; length++) {
        test_write(name, bytes, length);
        ck_assert_msg(!image_file_read(&image, test_path(name), &e), "%s of %zu bytes is read",
                      name, length);
        ASSERT_SAYS(e, name);
        ck_assert_ptr_null(strchr(e.text, '\n'));
    }
    decoded_image_free(&image);
}

START_TEST(cut_files_are_refused) {
    enum { IEND_CHUNK = 12, IDAT_CRC = 4 };
    cut("a.png", IEND_CHUNK + IDAT_CRC);
    cut("a.jpg", 0);
    cut("a.webp", 0);
    cut("a.bmp", 0);
}
END_TEST

// A bit of every byte in turn. What is read in spite of it has the pixels that it says (the
// sanitizers watch), and those of a PNG are the same as before.
START_TEST(flipped_bits_do_no_harm) {
    char bytes[WHOLE];
    uint8_t slope[W * H * RGB];
    static const char *const names[] = {"a.png", "a.jpg", "a.webp", "a.bmp"};
    const char *name = names[_i % 4];
    const size_t size = whole_file(name, bytes);
    size_t refused = 0;
    fill_slope(slope);
    for (size_t at = 0; at < size; at++) {
        decoded_image image = {0};
        const char bit = (char)(1 << (at + (size_t)_i) % 8);
        bytes[at] = (char)(bytes[at] ^ bit);
        test_write(name, bytes, size);
        if (!image_file_read(&image, test_path(name), &e)) {
            ASSERT_SAYS(e, name);
            ck_assert_ptr_null(strchr(e.text, '\n'));
            refused++;
        } else {
            uint8_t *copy = malloc((size_t)image.width * (size_t)image.height * RGB);
            ck_assert_ptr_nonnull(copy);
            memcpy(copy, image.rgb, (size_t)image.width * (size_t)image.height * RGB);
            if (_i % 4 == 0) ck_assert_mem_eq(copy, slope, sizeof slope);
            free(copy);
        }
        decoded_image_free(&image);
        bytes[at] = (char)(bytes[at] ^ bit);
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(damaged_png_is_refused) {
    uint8_t rgb[W * H * RGB];
    fill_slope(rgb);
    write_png("a.png", PNG_FORMAT_RGB, rgb);
    FILE *file = fopen(test_path("a.png"), "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, 60, SEEK_SET);
    fputc(0x55, file);
    fclose(file);
    refuses_file("a.png", "cannot be decoded as PNG");
}
END_TEST

START_TEST(wrong_files_are_refused) {
    // 70000 x 70000 pixels of nothing
    static const unsigned char huge[] = {0x89, 'P', 'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,
                                         0,    13,  'I',  'H',  'D',  'R',  0,    1,    0x11, 0x70,
                                         0,    1,   0x11, 0x70, 8,    2,    0,    0,    0};
    static const unsigned char next[] = {0, 0, 0, 0, 'I', 'D', 'A', 'T'};
    unsigned char bytes[sizeof huge + 4 + sizeof next];
    const uLong sum = crc32(0, huge + 12, 17);
    memcpy(bytes, huge, sizeof huge);
    for (int i = 0; i < 4; i++)
        bytes[sizeof huge + (size_t)i] = (unsigned char)(sum >> (24 - 8 * i));
    memcpy(bytes + sizeof huge + 4, next, sizeof next);
    test_write("huge.png", bytes, sizeof bytes);
    refuses_file("huge.png", "70000 x 70000");
    test_write("text.png", "hello", 5);
    refuses_file("text.png", "is no PNG, JPEG, WebP or BMP file");
    test_write("empty.jpg", "", 0);
    refuses_file("empty.jpg", "is no PNG, JPEG, WebP or BMP file");
    refuses_file("missing.jpg", "cannot be opened");
}
END_TEST

// --- Data sets -----------------------------------------------------------------------------------

static void make_class(const char *part, const char *name) {
    mkdir(test_path(part), 0777);
    char path[64];
    snprintf(path, sizeof path, "%s/%s", part, name);
    mkdir(test_path(path), 0777);
}

// One colour, so that the image's size does not matter.
static void add_image(const char *name, int red, int green, int blue) {
    uint8_t rgb[W * H * RGB];
    for (size_t i = 0; i < sizeof rgb; i += RGB) {
        rgb[i] = (uint8_t)red;
        rgb[i + 1] = (uint8_t)green;
        rgb[i + 2] = (uint8_t)blue;
    }
    write_png(name, PNG_FORMAT_RGB, rgb);
}

// In an order that no folder would give back sorted; "Zoo" is before "ant" in bytes.
static void make_animals(void) {
    static const char *const classes[] = {"cat", "ant", "Zoo"};
    for (int i = 0; i < 3; i++) {
        make_class("train", classes[i]);
        make_class("test", classes[i]);
    }
    add_image("train/cat/9.png", 90, 0, 10);
    add_image("train/cat/10.png", 100, 0, 10);
    add_image("train/ant/b.png", 60, 0, 10);
    add_image("train/ant/B.png", 50, 0, 10);
    add_image("train/Zoo/x.png", 10, 0, 30);
    add_image("test/cat/1.png", 1, 2, 3);
    add_image("test/ant/1.png", 4, 5, 6);
    add_image("test/Zoo/1.png", 7, 8, 9);
    test_write("train/ant/.hidden", "x", 1);
}

static bool open_animals(dataset *d, unsigned parts, size_t limit, int size) {
    char specification[128];
    snprintf(specification, sizeof specification, "images:%s/", test_folder);
    return dataset_open(d, specification, parts, limit, size, &e);
}

START_TEST(the_order_is_the_documented_one) {
    static const char *const names[] = {"Zoo/x.png", "ant/B.png", "ant/b.png", "cat/10.png",
                                        "cat/9.png"};
    static const int reds[] = {10, 50, 60, 100, 90}, labels[] = {0, 1, 1, 2, 2};
    dataset d;
    make_animals();
    ck_assert_msg(open_animals(&d, DATASET_TRAIN | DATASET_TEST, 0, 8), "%s", e.text);
    ck_assert_int_eq(d.classes, 3);
    ck_assert_str_eq(d.class_names[0], "Zoo");
    ck_assert_str_eq(d.class_names[1], "ant");
    ck_assert_str_eq(d.name, strrchr(test_folder, '/') + 1);
    ck_assert_uint_eq(d.train.count, 5);
    ck_assert_uint_eq(d.test.count, 3);
    ck_assert_int_eq(d.train.width, 8);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(d.train.names[i], names[i]);
        ck_assert_int_eq(d.train.labels[i], labels[i]);
        for (int j = 0; j < 64; j++) ck_assert_int_eq(d.train.pixels[i * 192 + j], reds[i]);
    }
    ck_assert_int_eq(d.test.pixels[2 * 192 + 2 * 64], 3); // cat, blue
    dataset_close(&d);
}
END_TEST

START_TEST(moments_are_the_training_images) {
    // Red: 90, 100, 60, 50, 10: mean 62, variance (28^2 + 38^2 + 2^2 + 12^2 + 52^2) / 5 = 1016.
    // Green: all 0. Blue: 10 four times, 30: mean 14, variance (4 * 16 + 256) / 5 = 64.
    dataset d;
    make_animals();
    ck_assert_msg(open_animals(&d, DATASET_TEST, 0, 0), "%s", e.text);
    ck_assert_uint_eq(d.train.count, 0); // not asked for
    ck_assert_int_eq(d.test.width, IMAGE_SIZE);
    ck_assert_float_eq_tol(d.mean[0], 62.0F / 255, 1e-6F);
    ck_assert_float_eq_tol(d.mean[1], 0, 1e-6F);
    ck_assert_float_eq_tol(d.mean[2], 14.0F / 255, 1e-6F);
    ck_assert_float_eq_tol(d.deviation[0], sqrtf(1016) / 255, 1e-6F);
    ck_assert_float_eq(d.deviation[1], 0);
    ck_assert_float_eq_tol(d.deviation[2], 8.0F / 255, 1e-6F);
    dataset_close(&d);
}
END_TEST

// 1, 2 and 2 images: the least that one class gives, where others have more.
START_TEST(a_limit_takes_of_every_class) {
    static const struct {
        size_t limit;
        int per_class[3];
    } cases[] = {{1, {1, 0, 0}}, {2, {1, 1, 0}}, {3, {1, 1, 1}}, {4, {1, 2, 1}},
                 {5, {1, 2, 2}}, {6, {1, 2, 2}}, {0, {1, 2, 2}}};
    make_animals();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int found[3] = {0};
        dataset d;
        ck_assert_msg(open_animals(&d, DATASET_TRAIN, cases[i].limit, 8), "%s", e.text);
        for (size_t j = 0; j < d.train.count; j++) found[d.train.labels[j]]++;
        ck_assert_mem_eq(found, cases[i].per_class, sizeof found);
        dataset_close(&d);
    }
}
END_TEST

// Those of other programs, and notes: torchvision's ImageFolder looks at the ends of names, and at
// folders.
START_TEST(other_files_are_passed_over) {
    dataset d;
    make_animals();
    test_write("train/Thumbs.db", "x", 1);
    test_write("train/cat/Thumbs.db", "x", 1);
    test_write("train/cat/desktop.ini", "x", 1);
    test_write("test/ant/notes", "x", 1);
    test_write("test/ant/png", "x", 1);
    add_image("train/cat/A.PNG", 80, 0, 10);
    ck_assert_msg(open_animals(&d, DATASET_TRAIN | DATASET_TEST, 0, 8), "%s", e.text);
    ck_assert_uint_eq(d.passed_over, 5);
    ck_assert_ptr_nonnull(strstr(d.first_passed_over, "/train/Thumbs.db"));
    ck_assert_uint_eq(d.train.count, 6);
    ck_assert_str_eq(d.train.names[5], "cat/A.PNG");
    ck_assert_uint_eq(d.test.count, 3);
    dataset_close(&d);
}
END_TEST

// Bytes that are no UTF-8, and a control character, in the names of a class and of an image.
START_TEST(names_become_text) {
    dataset d;
    make_animals();
    make_class("train", "n\xe9");
    make_class("test", "n\xe9");
    add_image("train/n\xe9/a\tb.png", 1, 2, 3);
    add_image("test/n\xe9/\xc3\xa9.png", 1, 2, 3);
    ck_assert_msg(open_animals(&d, DATASET_TRAIN | DATASET_TEST, 0, 8), "%s", e.text);
    ck_assert_str_eq(d.class_names[3], "n\\xe9");
    ck_assert_str_eq(d.train.names[5], "n\\xe9/a\\x09b.png");
    ck_assert_str_eq(d.test.names[3], "n\\xe9/\xc3\xa9.png"); // UTF-8 stays
    dataset_close(&d);
}
END_TEST

START_TEST(other_images_are_another_data_set) {
    dataset a, b;
    make_animals();
    ck_assert(open_animals(&a, DATASET_TRAIN, 0, 8));
    add_image("train/ant/b.png", 61, 0, 10);
    ck_assert(open_animals(&b, DATASET_TRAIN, 0, 8));
    ck_assert_str_ne(a.detail, b.detail);
    dataset_close(&a);
    dataset_close(&b);
}
END_TEST

static void refuses_animals(const char *words) {
    dataset d;
    ck_assert(!open_animals(&d, DATASET_TEST | DATASET_TRAIN, 0, 8));
    ASSERT_SAYS(e, words);
    ck_assert_int_eq(e.status, EXIT_RUNTIME);
    ck_assert_ptr_null(d.train.pixels);
    ck_assert_ptr_null(d.class_names);
}

START_TEST(folders_that_do_not_fit_are_refused) {
    refuses_animals("/train cannot be read: No such file or directory");
    make_animals();
    make_class("test", "dog");
    refuses_animals("/train has no folder dog as ");
    make_class("train", "dog");
    refuses_animals("/train/dog holds no image");
    add_image("train/dog/1.png", 1, 1, 1);
    refuses_animals("/test/dog holds no image");
    rmdir(test_path("test/dog"));
    refuses_animals("/test has no folder dog as ");
    test_write("test/dog", "x", 1); // not a folder
    refuses_animals("/test has no folder dog as ");
}
END_TEST

// Root may read everything: then as nobody, who is to get as far as the folder.
START_TEST(unreadable_folders_are_refused) {
    enum { NOBODY = 65534 };
    const bool root = geteuid() == 0;
    make_animals();
    ck_assert_int_eq(chmod(test_folder, 0755), 0);
    ck_assert_int_eq(chmod(test_path("train"), 0755), 0);
    ck_assert_int_eq(chmod(test_path("train/cat"), 0), 0);
    if (root) ck_assert_int_eq(seteuid(NOBODY), 0);
    refuses_animals("/train/cat cannot be read: Permission denied");
    if (root) ck_assert_int_eq(seteuid(0), 0);
    chmod(test_path("train/cat"), 0777);
}
END_TEST

// As refuses_animals; what was said before goes into said.txt.
static void refuses_and_says(const char *words) {
    const int file = open(test_path("said.txt"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int before = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    refuses_animals(words);
    dup2(before, STDERR_FILENO);
    close(before);
    close(file);
}

START_TEST(every_bad_file_is_named) {
    char said[1024];
    make_animals();
    test_write("train/cat/10.png", "x", 1);
    refuses_and_says("train/cat/10.png is no PNG");
    ck_assert_uint_eq(test_read("said.txt", said, sizeof said), 0);
    test_write("train/ant/b.png", "x", 1);
    mkdir(test_path("train/cat/x.jpg"), 0777);
    refuses_and_says("3 of 6 images of ");
    test_read("said.txt", said, sizeof said);
    const char *first = strstr(said, "train/ant/b.png is no PNG"),
               *second = strstr(said, "train/cat/10.png is no PNG"),
               *third = strstr(said, "train/cat/x.jpg is a directory, not a regular file\n");
    ck_assert_msg(first && first < second && second < third, "%s", said);
    make_class("train", "ant/more");
    refuses_animals("train/ant/more is a folder");
}
END_TEST

START_TEST(image_size_is_for_images_alone) {
    dataset d;
    ck_assert(!dataset_open(&d, "fashion-mnist", DATASET_TEST, 0, 32, &e));
    ASSERT_SAYS(e, "--image-size is for images:DIR");
    ck_assert_int_eq(e.status, EXIT_USAGE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("images");
    TCase *sizes = tcase_create("sizes"), *files = tcase_create("files");
    TCase *folders = tcase_create("folders");
    tcase_add_loop_test(sizes, shrinking_averages_areas, 0, sizeof shrinks / sizeof *shrinks);
    tcase_add_test(sizes, growing_interpolates);
    tcase_set_timeout(files, 60); // a file for every length
    tcase_add_checked_fixture(files, setup, test_folder_remove);
    tcase_add_test(files, png_is_read);
    tcase_add_test(files, sixteen_bits_become_eight);
    tcase_add_test(files, transparency_and_gamma_are_passed_over);
    tcase_add_test(files, jpeg_is_read);
    tcase_add_test(files, ink_becomes_light);
    tcase_add_test(files, harmless_warnings_are_no_failures);
    tcase_add_test(files, webp_is_read);
    tcase_add_test(files, bmp_is_read);
    tcase_add_test(files, cut_files_are_refused);
    tcase_add_loop_test(files, flipped_bits_do_no_harm, 0, 8);
    tcase_add_test(files, damaged_png_is_refused);
    tcase_add_test(files, wrong_files_are_refused);
    tcase_add_checked_fixture(folders, setup, test_folder_remove);
    tcase_add_test(folders, the_order_is_the_documented_one);
    tcase_add_test(folders, moments_are_the_training_images);
    tcase_add_test(folders, a_limit_takes_of_every_class);
    tcase_add_test(folders, other_files_are_passed_over);
    tcase_add_test(folders, names_become_text);
    tcase_add_test(folders, other_images_are_another_data_set);
    tcase_add_test(folders, folders_that_do_not_fit_are_refused);
    tcase_add_test(folders, unreadable_folders_are_refused);
    tcase_add_test(folders, every_bad_file_is_named);
    tcase_add_test(folders, image_size_is_for_images_alone);
    suite_add_tcase(suite, sizes);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, folders);
    return test_run(suite);
}
