#include "train/teacher_logits.h"

#include "train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static bool check_shape(const npy_matrix *m, const char *path, const dataset *d, error_line *e) {
    if (m->rows == d->train.count && m->columns == (size_t)d->classes) return true;
    return error_set(e,
                     "%s holds %zu x %zu logits, but %s has %zu training images (--limit counts) "
                     "and %d classes",
                     path, m->rows, m->columns, d->name, d->train.count, d->classes);
}

// -inf is a class that the teacher rules out: it has no share of the distribution. A row needs one
// class.
static bool check_row(const float *row, size_t count, const char *path, size_t image,
                      error_line *e) {
    bool any = false;
    for (size_t j = 0; j < count; j++) {
        if (isnan(row[j]) || row[j] == INFINITY)
            return error_set(
                e, "%s: the logit of image %zu, class %zu is %g; expected a number or -inf", path,
                image, j, (double)row[j]);
        any |= row[j] != -INFINITY;
    }
    return any || error_set(e, "%s: all logits of image %zu are -inf", path, image);
}

// And how often the teacher is right: rows in another order show there.
static bool check_rows(teacher_logits *t, const char *path, const dataset *d, error_line *e) {
    const npy_matrix *m = &t->matrix;
    size_t right = 0;
    float *row = malloc(m->columns * sizeof *row);
    bool fine = true;
    if (!row) return error_memory(e, path);
    for (size_t i = 0; fine && i < m->rows; i++) {
        for (size_t j = 0; j < m->columns; j++) row[j] = npy_value(m, i, j);
        fine = check_row(row, m->columns, path, i, e);
        right += fine && target_rank(row, d->classes, d->train.labels[i]) == 0;
    }
    t->top1 = 100.0 * (double)right / (double)m->rows;
    free(row);
    return fine;
}

bool teacher_logits_read(teacher_logits *t, const char *path, const dataset *d, bool quiet,
                         error_line *e) {
    *t = (teacher_logits){0};
    if (!npy_read(&t->matrix, path, e)) return false;
    if (!check_shape(&t->matrix, path, d, e) || !check_rows(t, path, d, e)) {
        teacher_logits_free(t);
        return false;
    }
    t->checksum = crc32_z(0, t->matrix.values, t->matrix.rows * npy_row_bytes(&t->matrix));
    if (!quiet)
        note_line(
            "teacher: %s (%s), top-1 %.2f %% on the training images; these are not augmented, "
            "which would change the logits",
            path, npy_type_name(&t->matrix), t->top1);
    return true;
}

void teacher_logits_free(teacher_logits *t) {
    free(t->matrix.values);
    *t = (teacher_logits){0};
}

void teacher_logits_gather(const teacher_logits *t, const size_t *places, int count, void *rows) {
    const size_t bytes = npy_row_bytes(&t->matrix);
    for (size_t i = 0; i < (size_t)count; i++)
        memcpy((char *)rows + i * bytes, (const char *)t->matrix.values + places[i] * bytes, bytes);
}
