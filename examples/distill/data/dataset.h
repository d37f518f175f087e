// Image classification data sets in memory: 8-bit images, planes first, and their labels.
//
//     fashion-mnist[:DIR]   idx files; DIR defaults to where Debian's dataset-fashion-mnist puts
//                           them
//     mnist:DIR, kmnist:DIR the same four files
//     emnist-PART:DIR       emnist-PART-train-images-idx3-ubyte ..; PART: byclass, bymerge,
//                           balanced, letters, digits or mnist. The images lie on their side, as in
//                           the files and as torchvision has them; the letters' classes begin at 0.
//     cifar10:DIR           the "binary version": data_batch_1.bin .. data_batch_5.bin,
//                           test_batch.bin
//     cifar100:DIR          the "binary version": train.bin, test.bin
//     images:DIR            DIR/train and DIR/test with a folder of PNG, JPEG, WebP and BMP files
//                           per class
//
// The files of all but the last may be gzipped and carry .gz behind their names.
#ifndef DISTILL_DATASET_H
#define DISTILL_DATASET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { MAX_CHANNELS = 3 };

typedef struct {
    int channels, height, width;
    size_t count;
    uint8_t *pixels; // [count][channels][height][width]
    int64_t *labels; // [count]
    size_t whole;    // images that the set has where it is whole; 0 where that is not known
    char **names;    // [count] "cat/1.png" for images:DIR; NULL where images have no names
} image_set;

typedef struct {
    char name[64]; // "cifar100"; of images:DIR, the folder's
    // What tells it from others of its name: a checksum of what was read, and the size of
    // images:DIR.
    char detail[64];
    int classes;
    char **class_names;       // [classes], or NULL where they are not known
    float mean[MAX_CHANNELS]; // of the training set's pixels, scaled to 0..1
    float deviation[MAX_CHANNELS];
    image_set train, test; // count 0 where it was not asked for
    size_t passed_over; // files of images:DIR that are none by their names, and the first of them
    char first_passed_over[256];
} dataset;

typedef enum { DATASET_TRAIN = 1, DATASET_TEST = 2 } dataset_parts;

// Reads the parts asked for, at most `limit` images of each (0: all); image_size is the side that
// images:DIR is brought to (0: IMAGE_SIZE), and is refused for others. On failure *d holds nothing.
enum { IMAGE_SIZE = 32 };
bool dataset_open(dataset *d, const char *specification, unsigned parts, size_t limit,
                  int image_size, error_line *e);
void dataset_close(dataset *d);

// Whether writing to a path would change the data set: the files that it may consist of, there or
// not yet, and of images:DIR all that is in DIR/train and DIR/test. Nothing is read.
bool dataset_owns(const char *specification, const char *path);

// --- For the readers of the formats --------------------------------------------------------------

size_t image_bytes(const image_set *set);

// Room for `count` more images at the end of the set, whose sizes are set already.
bool image_set_grow(image_set *set, size_t count, error_line *e);
void image_set_free(image_set *set);

// Mean and standard deviation of each channel's values, scaled to 0..1.
void image_set_moments(const image_set *set, float *means, float *deviations);

// Appends the images of an idx pair (magic 0x0803 and 0x0801) to an empty set; `first_label`
// becomes class 0.
bool idx_read(image_set *set, const char *directory, const char *images, const char *labels,
              int first_label, int classes, size_t limit, error_line *e);

typedef struct {
    size_t label_bytes; // in front of each image; the last one is the label
    int classes;
} cifar_layout;

// Appends the records of one file to a set; `limit` is that of the whole set.
bool cifar_read(image_set *set, const char *directory, const char *name, cifar_layout layout,
                size_t limit, error_line *e);

// All of images:DIR but its name. Classes are sorted by name, and a class's images by theirs: the
// bytes decide. Of `limit` images, every class has its share; a small class's rest goes to the
// others. Of several files that cannot be read, each gets a line on stderr before the failure.
bool images_read(dataset *d, const char *directory, unsigned parts, size_t limit, int size,
                 error_line *e);
bool images_own(const char *directory, const char *path);

#endif
