#include "data/dataset.h"

#include "base/byte_file.h"
#include "base/escape.h"
#include "base/safe_file.h"
#include "data/class_names.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define FASHION_MNIST_DIRECTORY "/usr/share/datasets/fashion-mnist"

size_t image_bytes(const image_set *set) {
    return (size_t)set->channels * (size_t)set->height * (size_t)set->width;
}

// Room is made in powers of two, so that a reader may ask for one image after another: there is
// none left exactly when the count is a power of two, or 0.
static size_t room_for(size_t count) {
    size_t room = 1024;
    while (room < count) room *= 2;
    return room;
}

bool image_set_grow(image_set *set, size_t count, error_line *e) {
    const size_t room = room_for(set->count + count);
    if (set->pixels && room == room_for(set->count)) return true;
    uint8_t *pixels = realloc(set->pixels, room * image_bytes(set));
    if (pixels) set->pixels = pixels;
    int64_t *labels = realloc(set->labels, room * sizeof *labels);
    if (labels) set->labels = labels;
    return (pixels && labels) || error_memory(e, "the images");
}

// In 0..1. Sums of bytes are exact.
void image_set_moments(const image_set *set, float *means, float *deviations) {
    const size_t channels = (size_t)set->channels, plane = image_bytes(set) / channels;
    const double count = (double)(set->count * plane);
    for (size_t c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < set->count; i++) {
            const uint8_t *pixels = set->pixels + (i * channels + c) * plane;
            for (size_t j = 0; j < plane; j++) {
                sum += pixels[j];
                squares += (uint64_t)pixels[j] * pixels[j];
            }
        }
        const double mean = (double)sum / count;
        means[c] = (float)(mean / 255);
        deviations[c] = (float)(sqrt(fmax((double)squares / count - mean * mean, 0)) / 255);
    }
}

void image_set_free(image_set *set) {
    for (size_t i = 0; set->names && i < set->count; i++) free(set->names[i]);
    free(set->names);
    free(set->pixels);
    free(set->labels);
    *set = (image_set){0};
}

// --- The data sets -------------------------------------------------------------------------------

typedef struct source {
    const char *name;
    const char *directory; // where it is looked for when none is given, or NULL
    int classes;
    int first_label;                                   // the label of class 0
    float mean[MAX_CHANNELS], deviation[MAX_CHANNELS]; // all 0: found in the training images
    bool (*read)(image_set *set, const struct source *s, const char *directory, bool train,
                 size_t limit, error_line *e);
    const char *const *files;            // ended by NULL: test and training images, then the others
    const char *advice;                  // where the files come from
    const char *const *class_names;      // [classes], or
    const char *class_file;              // where they may stand, a line each
    size_t test_images, training_images; // of a format whose files do not say how many they hold
} source;

enum { FIRST_TEST_FILE, FIRST_TRAINING_FILE };
static const char *const mnist_files[] = {"t10k-images-idx3-ubyte", "train-images-idx3-ubyte",
                                          "t10k-labels-idx1-ubyte", "train-labels-idx1-ubyte",
                                          NULL};
static const char *const cifar10_files[] = {"test_batch.bin",
                                            "data_batch_1.bin",
                                            "data_batch_2.bin",
                                            "data_batch_3.bin",
                                            "data_batch_4.bin",
                                            "data_batch_5.bin",
                                            NULL};
static const char *const cifar100_files[] = {"test.bin", "train.bin", NULL};

// EMNIST's parts, each in files of its own:
// https://www.nist.gov/itl/products-and-services/emnist-dataset
#define EMNIST_FILES(part)                                                                         \
    {                                                                                              \
        "emnist-" part "-test-images-idx3-ubyte", "emnist-" part "-train-images-idx3-ubyte",       \
            "emnist-" part "-test-labels-idx1-ubyte", "emnist-" part "-train-labels-idx1-ubyte",   \
            NULL                                                                                   \
    }
static const char *const emnist_files[][5] = {EMNIST_FILES("byclass"),  EMNIST_FILES("bymerge"),
                                              EMNIST_FILES("balanced"), EMNIST_FILES("letters"),
                                              EMNIST_FILES("digits"),   EMNIST_FILES("mnist")};

// Digits, capitals, small letters; the merged parts have those small letters that look unlike their
// capitals.
#define DIGITS "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"
#define CAPITALS                                                                                   \
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", \
        "T", "U", "V", "W", "X", "Y", "Z"
static const char *const byclass_names[] = {
    DIGITS, CAPITALS, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l",
    "m",    "n",      "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"};
static const char *const merged_names[] = {DIGITS, CAPITALS, "a", "b", "d", "e", "f",
                                           "g",    "h",      "n", "q", "r", "t"};
static const char *const letter_names[] = {CAPITALS};
static const char *const digit_names[] = {DIGITS};

// https://github.com/rois-codh/kmnist
static const char *const kmnist_names[] = {"o",  "ki", "su", "tsu", "na",
                                           "ha", "ma", "ya", "re",  "wo"};

// https://github.com/zalandoresearch/fashion-mnist
static const char *const fashion_names[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                            "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                            "Bag",         "Ankle boot"};

static bool read_idx(image_set *set, const source *s, const char *directory, bool train,
                     size_t limit, error_line *e) {
    // Of each part the images; the labels stand two places behind them.
    const char *const *part = s->files + (train ? FIRST_TRAINING_FILE : FIRST_TEST_FILE);
    return idx_read(set, directory, part[0], part[2], s->first_label, s->classes, limit, e);
}

static bool read_cifar10(image_set *set, const source *s, const char *directory, bool train,
                         size_t limit, error_line *e) {
    const cifar_layout layout = {.label_bytes = 1, .classes = s->classes};
    const char *const *file = s->files + FIRST_TRAINING_FILE;
    if (!train) return cifar_read(set, directory, s->files[FIRST_TEST_FILE], layout, limit, e);
    while (*file && cifar_read(set, directory, *file, layout, limit, e)) file++;
    return *file == NULL;
}

static bool read_cifar100(image_set *set, const source *s, const char *directory, bool train,
                          size_t limit, error_line *e) {
    // The coarse label stands first, the fine one second.
    const cifar_layout layout = {.label_bytes = 2, .classes = s->classes};
    const char *const *part = s->files + (train ? FIRST_TRAINING_FILE : FIRST_TEST_FILE);
    return cifar_read(set, directory, *part, layout, limit, e);
}

// Means and deviations: CIFAR-100's are those of the reference (ZaberKo/GDKD, dataset/cifar100.py).
// CIFAR-10's are the ones in common use; Fashion-MNIST's were computed over all pixels of its
// 60,000 training images, and MNIST's, in common use, can be found in the same way. KMNIST's and
// EMNIST's are found in the training images that are read.
#define EMNIST(part, place, count, names, first)                                                   \
    {                                                                                              \
        .name = "emnist-" part, .classes = (count), .read = read_idx,                              \
        .files = emnist_files[place], .class_names = (names), .first_label = (first),              \
        .advice =                                                                                  \
            "unpack gzip.zip (https://www.nist.gov/itl/products-and-services/emnist-dataset)"      \
    }
static const source sources[] = {
    {.name = "fashion-mnist",
     .directory = FASHION_MNIST_DIRECTORY,
     .classes = 10,
     .mean = {0.2860F},
     .deviation = {0.3530F},
     .read = read_idx,
     .files = mnist_files,
     .advice = "apt install dataset-fashion-mnist, or name the folder of the idx files: "
               "fashion-mnist:DIR",
     .class_names = fashion_names},
    {.name = "mnist",
     .classes = 10,
     .mean = {0.1307F},
     .deviation = {0.3081F},
     .read = read_idx,
     .files = mnist_files,
     .advice = "name the folder of its four idx files",
     .class_names = digit_names},
    {.name = "kmnist",
     .classes = 10,
     .read = read_idx,
     .files = mnist_files,
     .advice = "fetch the four idx files (https://github.com/rois-codh/kmnist)",
     .class_names = kmnist_names},
    EMNIST("byclass", 0, 62, byclass_names, 0),
    EMNIST("bymerge", 1, 47, merged_names, 0),
    EMNIST("balanced", 2, 47, merged_names, 0),
    EMNIST("letters", 3, 26, letter_names, 1),
    EMNIST("digits", 4, 10, digit_names, 0),
    EMNIST("mnist", 5, 10, digit_names, 0),
    {.name = "cifar10",
     .classes = 10,
     .mean = {0.4914F, 0.4822F, 0.4465F},
     .deviation = {0.2470F, 0.2435F, 0.2616F},
     .read = read_cifar10,
     .files = cifar10_files,
     .advice = "unpack cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html)",
     .class_file = "batches.meta.txt",
     .test_images = 10000,
     .training_images = 50000},
    {.name = "cifar100",
     .classes = 100,
     .mean = {0.5071F, 0.4867F, 0.4408F},
     .deviation = {0.2675F, 0.2565F, 0.2761F},
     .read = read_cifar100,
     .files = cifar100_files,
     .advice = "unpack cifar-100-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html)",
     .class_file = "fine_label_names.txt",
     .test_images = 10000,
     .training_images = 50000},
    // Read by images_read: classes, means and deviations are found in the images.
    {.name = "images",
     .advice =
         "it holds train/ and test/, each with a folder of PNG, JPEG, WebP or BMP files per class"},
};
enum { SOURCES = sizeof sources / sizeof *sources };

static const source *find_source(const char *specification) {
    const size_t length = strcspn(specification, ":");
    for (size_t i = 0; i < SOURCES; i++)
        if (strlen(sources[i].name) == length &&
            memcmp(sources[i].name, specification, length) == 0)
            return &sources[i];
    return NULL;
}

// "cifar100:DIR"; NULL where the folder is missing.
static const char *directory_of(const source *s, const char *specification) {
    const size_t length = strlen(s->name);
    const char *directory = specification[length] ? specification + length + 1 : s->directory;
    return directory && *directory ? directory : NULL;
}

static bool read_part(const source *s, image_set *set, const char *directory, bool train,
                      size_t limit, error_line *e) {
    struct stat status;
    errno = ENOTDIR; // for a file in the folder's place
    if (stat(directory, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(e, "no data set %s in %s: %s; %s", s->name, directory,
                         errno == ENOENT ? "there is no such folder" : strerror(errno), s->advice);
    const char *first = s->files[train ? FIRST_TRAINING_FILE : FIRST_TEST_FILE];
    if (byte_file_missing(directory, first))
        return error_set(e, "no data set %s in %s: %s is not there, nor %s.gz; %s", s->name,
                         directory, first, first, s->advice);
    set->whole = train ? s->training_images : s->test_images;
    return s->read(set, s, directory, train, limit, e);
}

// The last part of a path, for people and other programs to read.
static void name_folder(char *name, size_t size, const char *path) {
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    char own[PATH_MAX];
    snprintf(own, sizeof own, "%.*s", (int)(end - begin), path + begin);
    escape_text(name, size, own);
}

// One network has to see them all. Only the headers of idx files can differ.
static bool check_shapes(const image_set *train, const image_set *test, const char *directory,
                         error_line *e) {
    if (train->height == test->height && train->width == test->width) return true;
    return error_set(e, "%s: the training images are %d x %d, the test images %d x %d", directory,
                     train->height, train->width, test->height, test->width);
}

static bool name_classes(dataset *d, const source *s, const char *directory, error_line *e) {
    if (s->class_file)
        return class_names_read(&d->class_names, directory, s->class_file, s->classes, e);
    d->class_names = names_copy(s->class_names, s->classes);
    return d->class_names || error_memory(e, "the names of the classes");
}

static bool read_source(dataset *d, const source *s, const char *directory, unsigned parts,
                        size_t limit, int image_size, error_line *e) {
    if (!s->read) {
        name_folder(d->name, sizeof d->name, directory);
        return images_read(d, directory, parts, limit, image_size ? image_size : IMAGE_SIZE, e);
    }
    if (image_size)
        return error_usage(e, "--image-size is for images:DIR alone; the images of %s have theirs",
                           s->name);
    snprintf(d->name, sizeof d->name, "%s", s->name);
    d->classes = s->classes;
    if (!name_classes(d, s, directory, e)) return false;
    memcpy(d->mean, s->mean, sizeof d->mean);
    memcpy(d->deviation, s->deviation, sizeof d->deviation);
    const bool find = s->deviation[0] == 0; // then the training images are needed in any case
    if ((find || (parts & DATASET_TRAIN)) && !read_part(s, &d->train, directory, true, limit, e))
        return false;
    if (find) image_set_moments(&d->train, d->mean, d->deviation);
    if ((parts & DATASET_TEST) && !read_part(s, &d->test, directory, false, limit, e)) return false;
    if (d->train.count && d->test.count && !check_shapes(&d->train, &d->test, directory, e))
        return false;
    if (!(parts & DATASET_TRAIN)) image_set_free(&d->train);
    return true;
}

static uLong add_checksum(uLong sum, const image_set *set) {
    if (!set->count) return sum; // crc32 of NULL would begin anew
    sum = crc32_z(sum, set->pixels, set->count * image_bytes(set));
    return crc32_z(sum, (const Bytef *)set->labels, set->count * sizeof *set->labels);
}

static void add_detail(dataset *d) {
    const size_t used = strlen(d->detail);
    snprintf(d->detail + used, sizeof d->detail - used, " (checksum %08lx)",
             add_checksum(add_checksum(0, &d->train), &d->test));
}

bool dataset_open(dataset *d, const char *specification, unsigned parts, size_t limit,
                  int image_size, error_line *e) {
    const source *s = find_source(specification);
    *d = (dataset){0};
    if (!s)
        return error_usage(e,
                           "--data %s: unknown data set; there are fashion-mnist[:DIR], mnist:DIR, "
                           "kmnist:DIR, emnist-PART:DIR (byclass, bymerge, balanced, letters, "
                           "digits, mnist), cifar10:DIR, cifar100:DIR and images:DIR",
                           specification);
    const char *directory = directory_of(s, specification);
    if (!directory)
        return error_usage(e, "--data %s: the folder is missing, as in %s:DIR; %s", specification,
                           s->name, s->advice);
    if (read_source(d, s, directory, parts, limit, image_size, e)) {
        add_detail(d);
        return true;
    }
    dataset_close(d);
    return false;
}

static bool is_file(const char *path, const char *directory, const char *name) {
    char plain[PATH_MAX], zipped[PATH_MAX];
    snprintf(plain, sizeof plain, "%s/%s", directory, name);
    snprintf(zipped, sizeof zipped, "%s/%s.gz", directory, name);
    return same_file(plain, path) || same_file(zipped, path);
}

bool dataset_owns(const char *specification, const char *path) {
    const source *s = find_source(specification);
    const char *directory = s ? directory_of(s, specification) : NULL;
    if (!directory) return false; // dataset_open has the words for that
    if (!s->read) return images_own(directory, path);
    bool own = s->class_file && is_file(path, directory, s->class_file);
    for (const char *const *name = s->files; *name; name++)
        own = own || is_file(path, directory, *name);
    return own;
}

void dataset_close(dataset *d) {
    image_set_free(&d->train);
    image_set_free(&d->test);
    free(d->class_names);
    d->class_names = NULL;
}
