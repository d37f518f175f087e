// The idx format of MNIST and Fashion-MNIST: a big-endian header (magic, sizes), then bytes.
#include "base/byte_file.h"
#include "data/dataset.h"

#include <string.h>

// Third byte 0x08: unsigned bytes; fourth: the number of dimensions.
enum { IDX_IMAGES = 0x0803, IDX_LABELS = 0x0801, IDX_MAX_SIDE = 1024 };
#define IDX_MAX_COUNT 100000000U

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// The sizes behind the magic.
static bool read_header(byte_file *file, uint32_t magic, int dims, uint32_t *sizes, error_line *e) {
    uint8_t header[16];
    if (!byte_file_read(file, header, 4 + 4 * (size_t)dims, "the header", e)) return false;
    if (big_endian(header) != magic)
        return error_set(e, "%s is not an idx file of %s: magic 0x%08x, expected 0x%08x",
                         byte_file_path(file), magic == IDX_IMAGES ? "images" : "labels",
                         big_endian(header), magic);
    for (int i = 0; i < dims; i++) sizes[i] = big_endian(header + 4 + 4 * i);
    if (sizes[0] == 0 || sizes[0] > IDX_MAX_COUNT)
        return error_set(e, "%s says that it holds %u records", byte_file_path(file), sizes[0]);
    return true;
}

// At most `limit` images (0: all); *in_file: how many the file says it holds.
static bool read_images(image_set *set, byte_file *file, size_t limit, uint32_t *in_file,
                        error_line *e) {
    uint32_t sizes[3] = {0};
    if (!read_header(file, IDX_IMAGES, 3, sizes, e)) return false;
    if (sizes[1] < 1 || sizes[1] > IDX_MAX_SIDE || sizes[2] < 1 || sizes[2] > IDX_MAX_SIDE)
        return error_set(e, "%s says that its images are %u x %u", byte_file_path(file), sizes[1],
                         sizes[2]);
    const size_t count = limit && limit < sizes[0] ? limit : sizes[0];
    set->channels = 1;
    set->height = (int)sizes[1];
    set->width = (int)sizes[2];
    *in_file = sizes[0];
    // One by one: memory is only asked for what is there, whatever the header says.
    for (; set->count < count; set->count++)
        if (!image_set_grow(set, 1, e) ||
            !byte_file_read(file, set->pixels + set->count * image_bytes(set), image_bytes(set),
                            "an image", e))
            return false;
    return count < sizes[0] || byte_file_at_end(file, e);
}

static bool read_labels(image_set *set, byte_file *file, uint32_t images, int first, int classes,
                        error_line *e) {
    uint32_t count = 0;
    if (!read_header(file, IDX_LABELS, 1, &count, e)) return false;
    if (count != images)
        return error_set(e, "%s holds %u labels for %u images", byte_file_path(file), count,
                         images);
    for (size_t i = 0; i < set->count; i++) {
        uint8_t label;
        if (!byte_file_read(file, &label, 1, "the labels", e)) return false;
        if (label < first || label >= first + classes)
            return error_set(e, "%s: label %d of image %zu is out of range %d to %d",
                             byte_file_path(file), label, i, first, first + classes - 1);
        set->labels[i] = label - first;
    }
    return set->count < count || byte_file_at_end(file, e);
}

bool idx_read(image_set *set, const char *directory, const char *images, const char *labels,
              int first_label, int classes, size_t limit, error_line *e) {
    uint32_t in_file = 0;
    byte_file *file = byte_file_open(directory, images, e);
    bool fine = file && read_images(set, file, limit, &in_file, e);
    byte_file_close(file);
    if (!fine) return false;
    file = byte_file_open(directory, labels, e);
    fine = file && read_labels(set, file, in_file, first_label, classes, e);
    byte_file_close(file);
    return fine;
}
