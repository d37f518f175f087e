// Small files of the formats that the program reads itself, cut at many places (GDKD_TEST_LONG: at
// more) and with bits flipped at random; test_images has PNG and JPEG, test_page and test_report
// what a run leaves. Whatever comes: no crash (the sanitizers watch), and a refusal is one line
// that names the file. Where the format has a checksum, or no room for other meanings, every damage
// is refused.
#include "base/npy.h"
#include "base/rng.h"
#include "base/safe_file.h"
#include "base/safetensors.h"
#include "data/dataset.h"
#include "net/weights.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_suite.h"
#include "train/checkpoint.h"

#include "data/image_file.h"

#include <sys/stat.h>
#include <zlib.h>

enum { SIDE = 4, IMAGES = 3, CLASSES = 3, CIFAR_RECORD = 3074 };

static error_line e;
static model *small;
static run_log history;

// --- Whole files ---------------------------------------------------------------------------------

static void write_labels(void) {
    uint8_t labels[IDX_LABELS_HEADER + IMAGES] = {[IDX_LABELS_HEADER] = 9, 5, 0};
    idx_labels_header(labels, IMAGES);
    test_write("t10k-labels-idx1-ubyte", labels, sizeof labels);
}

static void write_images(void) {
    uint8_t images[IDX_IMAGES_HEADER + IMAGES * SIDE * SIDE];
    idx_images_header(images, IMAGES, SIDE);
    for (size_t i = IDX_IMAGES_HEADER; i < sizeof images; i++) images[i] = (uint8_t)(i * i);
    test_write("t10k-images-idx3-ubyte", images, sizeof images);
}

// As gzip -n would: the header without a time, so that no byte is without a meaning.
static void zip(const char *name) {
    char zipped[64];
    size_t size;
    char *bytes = safe_file_read(test_path(name), &size, &e);
    snprintf(zipped, sizeof zipped, "%s.gz", name);
    gzFile file = gzopen(test_path(zipped), "wb");
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    gzclose(file);
    unlink(test_path(name));
    free(bytes);
}

static void make_idx(void) {
    write_images();
    write_labels();
}

static void make_idx_gz(void) {
    make_idx();
    zip("t10k-images-idx3-ubyte");
}

static void make_cifar(void) {
    static uint8_t records[2 * CIFAR_RECORD];
    for (size_t i = 0; i < sizeof records; i++) records[i] = (uint8_t)(i % CIFAR_RECORD % 97);
    test_write("test.bin", records, sizeof records);
}

static void make_cifar_gz(void) {
    make_cifar();
    zip("test.bin");
}

static void make_npy(void) {
    static const float numbers[6] = {1, -2, 3, 4, 5, 6};
    FILE *file = fopen(test_path("x.npy"), "wb");
    npy_write_header(file, 2, 3);
    fwrite(numbers, sizeof *numbers, 6, file);
    fclose(file);
}

static void make_model(void) {
    const model_shape shape = {1, SIDE, SIDE, CLASSES, 2, true};
    const char *fault;
    small = model_create("resnet8", &shape, &fault);
    ck_assert_ptr_nonnull(small);
    model_init(small, 1);
}

static void make_weights(void) {
    const safetensors_note note = {"model", "resnet8"};
    make_model();
    ck_assert(weights_save(small, test_path("x.safetensors"), &note, 1, &e));
}

static void make_checkpoint(void) {
    make_model();
    ck_assert(run_log_init(&history, 3, &e));
    history.count = 2;
    history.begun.batches = 1;
    ck_assert(checkpoint_save(small, &history, "a recipe", test_path("x.checkpoint"), &e));
}

// --- Readers -------------------------------------------------------------------------------------

static bool read_data(const char *name) {
    dataset d;
    char specification[128];
    snprintf(specification, sizeof specification, "%s:%s", name, test_folder);
    const bool fine = dataset_open(&d, specification, DATASET_TEST, 0, 0, &e);
    for (size_t i = 0; fine && i < d.test.count; i++)
        ck_assert(d.test.labels[i] >= 0 && d.test.labels[i] < d.classes);
    if (fine) dataset_close(&d);
    return fine;
}

static bool read_idx(void) {
    return read_data("fashion-mnist");
}

static bool read_cifar(void) {
    return read_data("cifar100");
}

static bool read_npy(void) {
    npy_matrix m;
    if (!npy_read(&m, test_path("x.npy"), &e)) return false;
    free(m.values);
    return true;
}

static bool read_weights(void) {
    return weights_load(small, "resnet8", test_path("x.safetensors"), &e);
}

static bool read_checkpoint(void) {
    return checkpoint_load(small, &history, "a recipe", test_path("x.checkpoint"), &e);
}

static const struct {
    const char *name; // of the file that is damaged
    void (*make)(void);
    bool (*read)(void);
    int header;         // bytes that are cut one by one, and that flips prefer
    bool cuts_refused;  // all of them; CIFAR's records have no end
    bool flips_refused; // of the content too
} formats[] = {
    {"t10k-images-idx3-ubyte", make_idx, read_idx, 200, true, false},
    {"t10k-labels-idx1-ubyte", make_idx, read_idx, 200, true, false},
    {"t10k-images-idx3-ubyte.gz", make_idx_gz, read_idx, 200, true, false},
    {"test.bin", make_cifar, read_cifar, 100, false, false},
    {"test.bin.gz", make_cifar_gz, read_cifar, 400, true, false},
    {"x.npy", make_npy, read_npy, 200, true, false},
    {"x.safetensors", make_weights, read_weights, 6000, true, false},
    {"x.checkpoint", make_checkpoint, read_checkpoint, 10000, true, true},
};
enum { FORMATS = sizeof formats / sizeof *formats };

// --- Damage --------------------------------------------------------------------------------------

static char *original;
static size_t size;

static void begin(int i) {
    formats[i].make();
    original = safe_file_read(test_path(formats[i].name), &size, &e);
    ck_assert_msg(formats[i].read(), "%s", e.text);
}

static void end(void) {
    free(original);
    model_free(small);
    run_log_free(&history);
}

static void check_line(int i) {
    ck_assert_int_eq(e.status, EXIT_RUNTIME);
    ck_assert_ptr_null(strchr(e.text, '\n'));
    // A pair of idx files may disagree: then it is the other one that does not fit.
    ASSERT_SAYS(e, i < 2 ? "t10k-" : formats[i].name);
}

static size_t more(size_t usual) {
    return getenv("GDKD_TEST_LONG") ? 20 * usual : usual;
}

START_TEST(cut_anywhere) {
    begin(_i);
    const size_t step = size / more(60) + 1, header = (size_t)formats[_i].header;
    const size_t careful = header / more(150) + 1;
    for (size_t cut = 0; cut < size; cut += cut < header ? careful : step) {
        test_write(formats[_i].name, original, cut);
        const bool fine = formats[_i].read();
        if (fine)
            ck_assert_msg(!formats[_i].cuts_refused && cut % CIFAR_RECORD == 0, "cut at %zu", cut);
        else
            check_line(_i);
    }
    end();
}
END_TEST

START_TEST(flipped_bits) {
    rng dice;
    begin(_i);
    rng_seed(&dice, (uint64_t)_i);
    const size_t header = (size_t)formats[_i].header < size ? (size_t)formats[_i].header : size;
    for (size_t n = more(150); n-- > 0;) {
        const size_t place = rng_below(&dice, (uint32_t)(n % 2 ? size : header));
        const char bit = (char)(1 << rng_below(&dice, 8));
        original[place] = (char)(original[place] ^ bit);
        test_write(formats[_i].name, original, size);
        if (!formats[_i].read())
            check_line(_i);
        else
            ck_assert_msg(!formats[_i].flips_refused, "bit %d of byte %zu", bit, place);
        original[place] = (char)(original[place] ^ bit);
    }
    end();
}
END_TEST

START_TEST(a_folder_in_its_place) {
    begin(_i);
    unlink(test_path(formats[_i].name));
    ck_assert_int_eq(mkdir(test_path(formats[_i].name), 0777), 0);
    ck_assert(!formats[_i].read());
    check_line(_i);
    ck_assert_msg(strstr(e.text, "irectory") != NULL, "%s", e.text);
    rmdir(test_path(formats[_i].name));
    end();
}
END_TEST

// Another kind of file may be larger than the memory. This one has no bytes on the disk.
static bool is_weights(const char *path) {
    safetensors s;
    return safetensors_read(&s, path, &e);
}

static bool is_numbers(const char *path) {
    npy_matrix m;
    return npy_read(&m, path, &e);
}

static bool is_image(const char *path) {
    decoded_image image = {0};
    return image_file_read(&image, path, &e);
}

START_TEST(only_the_beginning_of_another_file_is_read) {
    static bool (*const readers[])(const char *path) = {is_weights, is_numbers, is_image};
    static const char *const words[] = {"is not a safetensors file", "NumPy's magic",
                                        "is no PNG, JPEG, WebP or BMP file"};
    test_write("huge", "PK\3\4 some archive", 17);
    ck_assert_int_eq(truncate(test_path("huge"), (off_t)1 << 42), 0);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        ck_assert(!readers[i](test_path("huge")));
        ASSERT_SAYS(e, words[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("damage");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_set_timeout(all, 1800);
    tcase_add_loop_test(all, cut_anywhere, 0, FORMATS);
    tcase_add_loop_test(all, flipped_bits, 0, FORMATS);
    tcase_add_loop_test(all, a_folder_in_its_place, 0, FORMATS);
    tcase_add_test(all, only_the_beginning_of_another_file_is_read);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
