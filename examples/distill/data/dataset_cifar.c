// The binary version of CIFAR-10 and CIFAR-100: records of label bytes and a 32 x 32 image as red,
// green and blue plane.
#include "base/byte_file.h"
#include "data/dataset.h"

#include <string.h>

enum {
    CIFAR_SIDE = 32,
    CIFAR_BYTES = 3 * CIFAR_SIDE * CIFAR_SIDE,
    MAX_LABEL_BYTES = 2,
    COARSE_CLASSES = 20 // of CIFAR-100's first label, which is not used
};

static bool append_record(image_set *set, const uint8_t *record, cifar_layout layout,
                          const char *path, size_t place, error_line *e) {
    const int label = record[layout.label_bytes - 1];
    if (label >= layout.classes)
        return error_set(
            e, "%s: label %d of record %zu is out of range 0 to %d; is it the %s file?", path,
            label, place, layout.classes - 1, layout.classes == 10 ? "cifar10" : "cifar100");
    if (layout.label_bytes == 2 && record[0] >= COARSE_CLASSES)
        return error_set(e, "%s: the coarse label %d of record %zu is out of range 0 to %d", path,
                         record[0], place, COARSE_CLASSES - 1);
    if (!image_set_grow(set, 1, e)) return false;
    memcpy(set->pixels + set->count * CIFAR_BYTES, record + layout.label_bytes, CIFAR_BYTES);
    set->labels[set->count++] = label;
    return true;
}

bool cifar_read(image_set *set, const char *directory, const char *name, cifar_layout layout,
                size_t limit, error_line *e) {
    uint8_t record[MAX_LABEL_BYTES + CIFAR_BYTES];
    byte_file *file = byte_file_open(directory, name, e);
    if (!file) return false;
    set->channels = 3;
    set->height = set->width = CIFAR_SIDE;
    bool fine = true, ended = false;
    size_t place = 0;
    for (; fine && !(limit && set->count >= limit); place++) {
        fine = byte_file_read_or_end(file, record, layout.label_bytes + CIFAR_BYTES, "a record",
                                     &ended, e);
        if (!fine || ended) break;
        fine = append_record(set, record, layout, byte_file_path(file), place, e);
    }
    if (fine && ended && place == 0) fine = error_set(e, "%s is empty", byte_file_path(file));
    byte_file_close(file);
    return fine;
}
