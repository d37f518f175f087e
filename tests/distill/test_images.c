// Folders of PNG and JPEG files: decoding, resizing, order, and what must be refused.
#include "base/rng.h"
#include "data/dataset.h"
#include "data/image_file.h"
#include "data/resize.h"
#include "test_files.h"
#include "test_suite.h"

#include <math.h>
#include <png.h>
#include <sys/stat.h>
#include <turbojpeg.h>
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

enum { W = 20, H = 12 };

static void write_png(const char *name, png_uint_32 format, const void *pixels) {
    png_image png = {.version = PNG_IMAGE_VERSION, .width = W, .height = H, .format = format};
    ck_assert_int_ne(png_image_write_to_file(&png, test_path(name), 0, pixels, 0, NULL), 0);
}

static void write_jpeg(const char *name, int format, int sampling, const unsigned char *pixels) {
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    tjhandle jpeg = tjInitCompress();
    ck_assert_int_eq(
        tjCompress2(jpeg, pixels, W, 0, H, format, &bytes, &size, sampling, 95, TJFLAG_ACCURATEDCT),
        0);
    test_write(name, bytes, size);
    tjFree(bytes);
    tjDestroy(jpeg);
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
    reads(&image, "rgba.png"); // what is transparent is black
    for (size_t i = 0; i < sizeof rgb; i++)
        ck_assert_int_eq(image.rgb[i], i / RGB % 2 ? rgb[i] : 0);
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
    write_jpeg("rgb.jpg", TJPF_RGB, TJSAMP_444, rgb);
    write_jpeg("grey.jpg", TJPF_GRAY, TJSAMP_GRAY, grey);
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

static void refuses_file(const char *name, const char *words) {
    decoded_image image = {0};
    ck_assert(!image_file_read(&image, test_path(name), &e));
    ASSERT_SAYS(e, name);
    ASSERT_SAYS(e, words);
    ck_assert_ptr_null(strchr(e.text, '\n'));
    decoded_image_free(&image);
}

// "a.png" or "a.jpg", both of which are made; its size.
static size_t whole_file(const char *name, char bytes[8192]) {
    uint8_t rgb[W * H * RGB];
    fill_slope(rgb);
    write_png("a.png", PNG_FORMAT_RGB, rgb);
    write_jpeg("a.jpg", TJPF_RGB, TJSAMP_420, rgb);
    return test_read(name, bytes, 8192);
}

// At every length. Only what follows the pixels may be missing from a PNG: its checksums have
// vouched for them.
static void cut(const char *name, size_t harmless) {
    char bytes[8192];
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
}
END_TEST

// A bit of every byte in turn. What is read in spite of it has the pixels that it says (the sanitizers watch), and those
// of a PNG are the same as before.
START_TEST(flipped_bits_do_no_harm) {
    char bytes[8192];
    uint8_t slope[W * H * RGB];
    const char *name = _i % 2 ? "a.jpg" : "a.png";
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
            if (_i % 2 == 0) ck_assert_mem_eq(copy, slope, sizeof slope);
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
    unsigned char ink[W * H * 4] = {0};
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
    write_jpeg("ink.jpg", TJPF_CMYK, TJSAMP_444, ink);
    refuses_file("ink.jpg", "CMYK");
    test_write("text.png", "hello", 5);
    refuses_file("text.png", "is neither a PNG nor a JPEG file");
    test_write("empty.jpg", "", 0);
    refuses_file("empty.jpg", "is neither a PNG nor a JPEG file");
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

START_TEST(a_limit_takes_of_every_class) {
    dataset d;
    make_animals();
    ck_assert_msg(open_animals(&d, DATASET_TRAIN, 5, 8), "%s", e.text);
    ck_assert_uint_eq(d.train.count, 4); // 2, 2 and 1; Zoo has one
    ck_assert_str_eq(d.train.names[2], "ant/b.png");
    ck_assert_str_eq(d.train.names[3], "cat/10.png");
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
    refuses_animals("/train/dog is empty");
    add_image("train/dog/1.png", 1, 1, 1);
    refuses_animals("/test/dog is empty");
    rmdir(test_path("test/dog"));
    refuses_animals("/test has no folder dog as ");
    test_write("test/dog", "x", 1);
    refuses_animals("/test/dog is not a folder");
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

START_TEST(the_first_bad_file_is_named) {
    make_animals();
    test_write("train/cat/10.png", "x", 1);
    test_write("train/ant/b.png", "x", 1);
    refuses_animals("train/ant/b.png is neither");
    make_class("train", "ant/b.d");
    test_write("train/ant/b.png", "", 0);
    refuses_animals("train/ant/b.d is a directory, not a regular file");
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
    tcase_add_test(files, jpeg_is_read);
    tcase_add_test(files, cut_files_are_refused);
    tcase_add_loop_test(files, flipped_bits_do_no_harm, 0, 4);
    tcase_add_test(files, damaged_png_is_refused);
    tcase_add_test(files, wrong_files_are_refused);
    tcase_add_checked_fixture(folders, setup, test_folder_remove);
    tcase_add_test(folders, the_order_is_the_documented_one);
    tcase_add_test(folders, moments_are_the_training_images);
    tcase_add_test(folders, a_limit_takes_of_every_class);
    tcase_add_test(folders, other_images_are_another_data_set);
    tcase_add_test(folders, folders_that_do_not_fit_are_refused);
    tcase_add_test(folders, unreadable_folders_are_refused);
    tcase_add_test(folders, the_first_bad_file_is_named);
    tcase_add_test(folders, image_size_is_for_images_alone);
    suite_add_tcase(suite, sizes);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, folders);
    return test_run(suite);
}
