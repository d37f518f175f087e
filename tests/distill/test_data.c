// Reading data sets: small files made here, whole and damaged.
#include "data/class_names.h"
#include "data/dataset.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_suite.h"

#include <math.h>

#include <zlib.h>

enum { SIDE = 4, IMAGES = 5, PIXELS = SIDE * SIDE };

static uint8_t images_file[16 + IMAGES * PIXELS], labels_file[8 + IMAGES];
static error_line e;

static void make_idx(void) {
    idx_images_header(images_file, IMAGES, SIDE);
    idx_labels_header(labels_file, IMAGES);
    for (int i = 0; i < IMAGES * PIXELS; i++) images_file[16 + i] = (uint8_t)(3 * i);
    for (int i = 0; i < IMAGES; i++) labels_file[8 + i] = (uint8_t)(9 - i);
}

static void write_idx(void) {
    test_write("t10k-images-idx3-ubyte", images_file, sizeof images_file);
    test_write("t10k-labels-idx1-ubyte", labels_file, sizeof labels_file);
}

static void setup(void) {
    test_folder_make();
    make_idx();
}

static bool open_test(dataset *d, const char *name, size_t limit) {
    char specification[128];
    snprintf(specification, sizeof specification, "%s:%s", name, test_folder);
    return dataset_open(d, specification, DATASET_TEST, limit, 0, &e);
}

static void refuses(const char *name, const char *words) {
    dataset d;
    ck_assert(!open_test(&d, name, 0));
    ASSERT_SAYS(e, words);
    ASSERT_SAYS(e, test_folder);
    ck_assert_int_eq(e.status, EXIT_RUNTIME);
    ck_assert_ptr_null(strchr(e.text, '\n'));
    ck_assert_ptr_null(d.test.pixels);
}

START_TEST(idx_is_read) {
    dataset d;
    write_idx();
    ck_assert_msg(open_test(&d, "fashion-mnist", 0), "%s", e.text);
    ck_assert_int_eq(d.classes, 10);
    ck_assert_uint_eq(d.test.count, IMAGES);
    ck_assert_int_eq(d.test.channels, 1);
    ck_assert_int_eq(d.test.height, SIDE);
    ck_assert_mem_eq(d.test.pixels, images_file + 16, IMAGES * PIXELS);
    for (int i = 0; i < IMAGES; i++) ck_assert_int_eq(d.test.labels[i], 9 - i);
    ck_assert_uint_eq(d.train.count, 0); // not asked for, not read: its files are not there
    dataset_close(&d);
}
END_TEST

START_TEST(limit_cuts) {
    dataset d;
    write_idx();
    ck_assert_msg(open_test(&d, "fashion-mnist", 3), "%s", e.text);
    ck_assert_uint_eq(d.test.count, 3);
    ck_assert_int_eq(d.test.labels[2], 7);
    dataset_close(&d);
}
END_TEST

static void write_gz(const char *name, const void *bytes, unsigned size) {
    gzFile file = gzopen(test_path(name), "wb");
    ck_assert_int_eq(gzwrite(file, bytes, size), (int)size);
    gzclose(file);
}

START_TEST(gzipped_idx_is_read) {
    dataset d;
    write_gz("t10k-images-idx3-ubyte.gz", images_file, sizeof images_file);
    write_gz("t10k-labels-idx1-ubyte.gz", labels_file, sizeof labels_file);
    ck_assert_msg(open_test(&d, "fashion-mnist", 0), "%s", e.text);
    ck_assert_mem_eq(d.test.pixels, images_file + 16, IMAGES * PIXELS);
    dataset_close(&d);
}
END_TEST

START_TEST(cut_gzip_is_refused) {
    char bytes[4096];
    write_gz("t10k-images-idx3-ubyte.gz", images_file, sizeof images_file);
    const size_t size = test_read("t10k-images-idx3-ubyte.gz", bytes, sizeof bytes);
    test_write("t10k-images-idx3-ubyte.gz", bytes, size / 2);
    refuses("fashion-mnist", "t10k-images-idx3-ubyte.gz");
}
END_TEST

START_TEST(cut_images_are_refused) {
    write_idx();
    test_write("t10k-images-idx3-ubyte", images_file, sizeof images_file - 1);
    refuses("fashion-mnist", "ends too early");
}
END_TEST

START_TEST(cut_header_is_refused) {
    write_idx();
    test_write("t10k-images-idx3-ubyte", images_file, 10);
    refuses("fashion-mnist", "10 of 16 bytes of the header");
}
END_TEST

START_TEST(cut_labels_are_refused) {
    write_idx();
    test_write("t10k-labels-idx1-ubyte", labels_file, sizeof labels_file - 1);
    refuses("fashion-mnist", "t10k-labels-idx1-ubyte ends too early");
}
END_TEST

START_TEST(long_file_is_refused) {
    images_file[7] = IMAGES - 1;
    labels_file[7] = IMAGES - 1;
    write_idx();
    refuses("fashion-mnist", "longer than its header says");
}
END_TEST

// As many pixels, so that every file is whole.
START_TEST(parts_of_different_shapes_are_refused) {
    dataset d;
    char specification[128];
    write_idx();
    images_file[11] = SIDE * 2;
    images_file[15] = SIDE / 2;
    test_write("train-images-idx3-ubyte", images_file, sizeof images_file);
    test_write("train-labels-idx1-ubyte", labels_file, sizeof labels_file);
    snprintf(specification, sizeof specification, "fashion-mnist:%s", test_folder);
    ck_assert(dataset_open(&d, specification, DATASET_TRAIN, 0, 0, &e));
    dataset_close(&d);
    ck_assert(!dataset_open(&d, specification, DATASET_TRAIN | DATASET_TEST, 0, 0, &e));
    ASSERT_SAYS(e, "the training images are 8 x 2, the test images 4 x 4");
}
END_TEST

START_TEST(wrong_magic_is_refused) {
    images_file[3] = 1;
    write_idx();
    refuses("fashion-mnist", "magic 0x00000801, expected 0x00000803");
}
END_TEST

START_TEST(zero_sides_are_refused) {
    images_file[11] = 0;
    write_idx();
    refuses("fashion-mnist", "its images are 0 x 4");
}
END_TEST

START_TEST(label_count_must_match) {
    labels_file[7] = IMAGES + 1;
    write_idx();
    refuses("fashion-mnist", "6 labels for 5 images");
}
END_TEST

START_TEST(label_out_of_range_is_refused) {
    labels_file[8 + 2] = 10;
    write_idx();
    refuses("fashion-mnist", "label 10 of image 2 is out of range 0 to 9");
}
END_TEST

START_TEST(missing_files_say_where_to_get_them) {
    refuses("fashion-mnist", "apt install dataset-fashion-mnist");
    refuses("cifar100", "cifar-100-binary");
}
END_TEST

// Files of one name for each part; labels from `first` on, one per image and class in turn.
static void write_part(const char *prefix, int first, int classes, int count, int seed) {
    uint8_t images[IDX_IMAGES_HEADER + 64 * 16], labels[IDX_LABELS_HEADER + 64];
    char name[64];
    idx_images_header(images, (uint8_t)count, 4);
    idx_labels_header(labels, (uint8_t)count);
    for (int i = 0; i < count * 16; i++) images[IDX_IMAGES_HEADER + i] = (uint8_t)(seed + i * i);
    for (int i = 0; i < count; i++) labels[IDX_LABELS_HEADER + i] = (uint8_t)(first + i % classes);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    test_write(name, images, IDX_IMAGES_HEADER + (size_t)count * 16);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    test_write(name, labels, IDX_LABELS_HEADER + (size_t)count);
}

// first, classes: of the labels in the files. word: the name of the last class. mean: 0 where it is
// found in the images.
static const struct {
    const char *name, *train, *test;
    int first, classes;
    const char *word;
    float mean, deviation;
} idx_sets[] = {
    {"mnist", "train", "t10k", 0, 10, "9", 0.1307F, 0.3081F},
    {"kmnist", "train", "t10k", 0, 10, "wo", 0, 0},
    {"emnist-byclass", "emnist-byclass-train", "emnist-byclass-test", 0, 62, "z", 0, 0},
    {"emnist-bymerge", "emnist-bymerge-train", "emnist-bymerge-test", 0, 47, "t", 0, 0},
    {"emnist-balanced", "emnist-balanced-train", "emnist-balanced-test", 0, 47, "t", 0, 0},
    {"emnist-letters", "emnist-letters-train", "emnist-letters-test", 1, 26, "Z", 0, 0},
    {"emnist-digits", "emnist-digits-train", "emnist-digits-test", 0, 10, "9", 0, 0},
    {"emnist-mnist", "emnist-mnist-train", "emnist-mnist-test", 0, 10, "9", 0, 0},
};

START_TEST(relatives_of_mnist_are_read) {
    const int first = idx_sets[_i].first, classes = idx_sets[_i].classes;
    char specification[128];
    double sum = 0, squares = 0;
    dataset d;
    write_part(idx_sets[_i].train, first, classes, classes, 3);
    write_part(idx_sets[_i].test, first, classes, 5, 90);
    snprintf(specification, sizeof specification, "%s:%s", idx_sets[_i].name, test_folder);
    ck_assert_msg(dataset_open(&d, specification, DATASET_TEST, 0, 0, &e), "%s", e.text);
    ck_assert_str_eq(d.name, idx_sets[_i].name);
    ck_assert_int_eq(d.classes, classes);
    ck_assert_str_eq(d.class_names[classes - 1], idx_sets[_i].word);
    ck_assert_uint_eq(d.train.count, 0); // not asked for
    ck_assert_uint_eq(d.test.count, 5);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(d.test.labels[i], i);
    const int pixels = 16 * classes;
    for (int i = 0; i < pixels; i++) {
        const double value = (uint8_t)(3 + i * i) / 255.0;
        sum += value / pixels;
        squares += value * value / pixels;
    }
    const bool known = idx_sets[_i].mean > 0;
    ck_assert_double_eq_tol((double)d.mean[0], known ? (double)idx_sets[_i].mean : sum, 1e-6);
    ck_assert_double_eq_tol((double)d.deviation[0],
                            known ? (double)idx_sets[_i].deviation : sqrt(squares - sum * sum),
                            1e-6);
    dataset_close(&d);
    write_part(idx_sets[_i].test, first + 1, classes, classes, 90);
    ck_assert(!dataset_open(&d, specification, DATASET_TEST, 0, 0, &e));
    ASSERT_SAYS(e, "is out of range");
}
END_TEST

START_TEST(unknown_data_set_is_a_usage_error) {
    dataset d;
    ck_assert(!dataset_open(&d, "imagenet", DATASET_TEST, 0, 0, &e));
    ck_assert_int_eq(e.status, EXIT_USAGE);
    ASSERT_SAYS(e, "fashion-mnist[:DIR]");
    ck_assert(!dataset_open(&d, "cifar10", DATASET_TEST, 0, 0, &e));
    ASSERT_SAYS(e, "cifar10:DIR");
}
END_TEST

// --- CIFAR ---------------------------------------------------------------------------------------

enum { CIFAR_PIXELS = 3072 };
static uint8_t records[3 * (2 + CIFAR_PIXELS)];

// Pixel j of image i is a function of both, so that a shifted read shows.
static size_t make_cifar(int label_bytes, int first_label) {
    uint8_t *at = records;
    for (int i = 0; i < 3; i++) {
        if (label_bytes == 2) *at++ = 19;
        *at++ = (uint8_t)(first_label + i);
        for (int j = 0; j < CIFAR_PIXELS; j++) *at++ = (uint8_t)(7 * j + 31 * i);
    }
    return (size_t)(at - records);
}

START_TEST(cifar100_is_read) {
    dataset d;
    test_write("test.bin", records, make_cifar(2, 97));
    ck_assert_msg(open_test(&d, "cifar100", 0), "%s", e.text);
    ck_assert_int_eq(d.classes, 100);
    ck_assert_uint_eq(d.test.count, 3);
    ck_assert_int_eq(d.test.channels, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(d.test.labels[i], 97 + i); // the fine label
        for (int j = 0; j < CIFAR_PIXELS; j++)
            ck_assert_int_eq(d.test.pixels[i * CIFAR_PIXELS + j], (uint8_t)(7 * j + 31 * i));
    }
    dataset_close(&d);
}
END_TEST

START_TEST(cifar10_joins_its_training_files) {
    dataset d;
    char specification[128], name[32];
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        test_write(name, records, make_cifar(1, i));
    }
    snprintf(specification, sizeof specification, "cifar10:%s", test_folder);
    ck_assert_msg(dataset_open(&d, specification, DATASET_TRAIN, 0, 0, &e), "%s", e.text);
    ck_assert_uint_eq(d.train.count, 15);
    for (int i = 0; i < 15; i++) ck_assert_int_eq(d.train.labels[i], 1 + i / 3 + i % 3);
    dataset_close(&d);
    ck_assert(dataset_open(&d, specification, DATASET_TRAIN, 4, 0, &e));
    ck_assert_uint_eq(d.train.count, 4);
    dataset_close(&d);
    unlink(test_path("data_batch_4.bin"));
    ck_assert(!dataset_open(&d, specification, DATASET_TRAIN, 0, 0, &e));
    ASSERT_SAYS(e, "data_batch_4.bin");
}
END_TEST

// The first image of either part: its label, and its first pixel, which is 0 in the test part, 1 in
// training.
static void check_parts(const char *name, int test_label, int training_label) {
    dataset d;
    char specification[128];
    snprintf(specification, sizeof specification, "%s:%s", name, test_folder);
    ck_assert_msg(dataset_open(&d, specification, DATASET_TRAIN | DATASET_TEST, 0, 0, &e), "%s",
                  e.text);
    ck_assert_int_eq(d.test.labels[0], test_label);
    ck_assert_int_eq(d.train.labels[0], training_label);
    ck_assert_uint_eq(d.test.pixels[0], 0);
    ck_assert_uint_eq(d.train.pixels[0], 1);
    dataset_close(&d);
}

START_TEST(each_part_has_its_own_files) {
    write_idx();
    images_file[16] = 1;
    labels_file[8] = 4; // 9 in the test part
    test_write("train-images-idx3-ubyte", images_file, sizeof images_file);
    test_write("train-labels-idx1-ubyte", labels_file, sizeof labels_file);
    check_parts("fashion-mnist", 9, 4);
    test_write("test.bin", records, make_cifar(2, 20));
    const size_t size = make_cifar(2, 60);
    records[2] = 1;
    test_write("train.bin", records, size);
    check_parts("cifar100", 20, 60);
}
END_TEST

START_TEST(cut_cifar_is_refused) {
    test_write("test.bin", records, make_cifar(2, 0) - 1);
    refuses("cifar100", "3073 of 3074 bytes of a record");
    test_write("test.bin", records, 0);
    refuses("cifar100", "is empty");
}
END_TEST

START_TEST(cifar_label_out_of_range_is_refused) {
    test_write("test_batch.bin", records, make_cifar(1, 8));
    refuses("cifar10", "label 10 of record 2 is out of range 0 to 9");
    test_write("test.bin", records, make_cifar(2, 98));
    refuses("cifar100", "label 100 of record 2");
}
END_TEST

// --- Names of classes ----------------------------------------------------------------------------

START_TEST(class_names_are_read) {
    test_write("names", "apple\r\naquarium fish\n\n", 22);
    char **names;
    error_line failure = {0};
    ck_assert(class_names_read(&names, test_folder, "names", 2, &failure));
    ck_assert_str_eq(names[0], "apple");
    ck_assert_str_eq(names[1], "aquarium fish");
    free(names);
    ck_assert(class_names_read(&names, test_folder, "names", 3, &failure) && !names);
    ck_assert(class_names_read(&names, test_folder, "names", 1, &failure) && !names);
    ck_assert(class_names_read(&names, test_folder, "nothing", 2, &failure) && !names);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("data");
    TCase *idx = tcase_create("idx"), *cifar = tcase_create("cifar");
    tcase_add_checked_fixture(idx, setup, test_folder_remove);
    tcase_add_checked_fixture(cifar, setup, test_folder_remove);
    tcase_add_test(idx, idx_is_read);
    tcase_add_test(idx, limit_cuts);
    tcase_add_test(idx, gzipped_idx_is_read);
    tcase_add_test(idx, cut_gzip_is_refused);
    tcase_add_test(idx, cut_images_are_refused);
    tcase_add_test(idx, cut_header_is_refused);
    tcase_add_test(idx, cut_labels_are_refused);
    tcase_add_test(idx, long_file_is_refused);
    tcase_add_test(idx, parts_of_different_shapes_are_refused);
    tcase_add_test(idx, wrong_magic_is_refused);
    tcase_add_test(idx, zero_sides_are_refused);
    tcase_add_test(idx, label_count_must_match);
    tcase_add_test(idx, label_out_of_range_is_refused);
    tcase_add_test(idx, missing_files_say_where_to_get_them);
    tcase_add_loop_test(idx, relatives_of_mnist_are_read, 0, sizeof idx_sets / sizeof *idx_sets);
    tcase_add_test(idx, unknown_data_set_is_a_usage_error);
    tcase_add_test(cifar, class_names_are_read);
    tcase_add_test(cifar, cifar100_is_read);
    tcase_add_test(cifar, cifar10_joins_its_training_files);
    tcase_add_test(cifar, each_part_has_its_own_files);
    tcase_add_test(cifar, cut_cifar_is_refused);
    tcase_add_test(cifar, cifar_label_out_of_range_is_refused);
    suite_add_tcase(suite, idx);
    suite_add_tcase(suite, cifar);
    return test_run(suite);
}
