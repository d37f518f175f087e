// A teacher that was trained anywhere, as its logits of the training images: row i of the file
// belongs to image i of the set. They hold for the images as they are, not for augmented ones.
#ifndef DISTILL_TEACHER_LOGITS_H
#define DISTILL_TEACHER_LOGITS_H

#include "base/npy.h"
#include "data/dataset.h"

typedef struct {
    npy_matrix matrix;      // [training images][classes], as the file has them
    double top1;            // percent of the training images
    unsigned long checksum; // of the numbers
} teacher_logits;

// Says on stderr what was read unless `quiet`. On failure *t holds nothing.
bool teacher_logits_read(teacher_logits *t, const char *path, const dataset *d, bool quiet,
                         error_line *e);
void teacher_logits_free(teacher_logits *t);

// The rows of a batch's images, in the type of the file.
void teacher_logits_gather(const teacher_logits *t, const size_t *places, int count, void *rows);

#endif
