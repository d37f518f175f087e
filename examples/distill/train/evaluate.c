#include "train/evaluate.h"

#include "base/npy.h"
#include "base/safe_file.h"
#include "base/stop.h"

#include <stdlib.h>

int target_rank(const float *logits, int classes, int64_t target) {
    const float own = logits[target];
    int better = 0;
    for (int i = 0; i < classes; i++) {
        const bool behind = logits[i] < own || (logits[i] == own && i >= target);
        better += !behind;
    }
    return better;
}

typedef struct {
    long top1, top5, images;
} tally;

// False when a stop was requested.
static bool count_images(model *m, loader *images, int classes, float *logits, FILE *copy,
                         tally *sum) {
    const image_batch *b;
    loader_begin(images, 0, 0);
    while (!stop_requested() && (b = loader_next(images))) {
        model_forward(m, b->images, b->count, false, logits);
        for (int i = 0; i < b->count; i++) {
            const int rank = target_rank(logits + (ptrdiff_t)i * classes, classes, b->labels[i]);
            sum->top1 += rank < 1;
            sum->top5 += rank < 5;
        }
        if (copy) fwrite(logits, sizeof *logits, (size_t)b->count * (size_t)classes, copy);
        sum->images += b->count;
    }
    return !stop_requested();
}

bool evaluate(model *m, loader *images, int classes, float *logits, const char *npy,
              accuracy *result, error_line *e) {
    safe_file file = {0};
    tally sum = {0};
    if (npy && !safe_file_begin(&file, npy, e)) return false;
    if (npy) npy_write_header(file.stream, loader_images(images), (size_t)classes);
    if (!count_images(m, images, classes, logits, file.stream, &sum)) {
        if (npy) safe_file_abandon(&file);
        return error_interrupted(e, "interrupted");
    }
    result->top1 = 100.0 * (double)sum.top1 / (double)sum.images;
    result->top5 = 100.0 * (double)sum.top5 / (double)sum.images;
    return !npy || safe_file_commit(&file, e);
}

bool evaluate_alone(model *m, const dataset *d, dataset_parts part, int batch, const char *npy,
                    accuracy *result, error_line *e) {
    loader *images = loader_create(d, part, IN_ORDER, batch, 0, e);
    float *logits = malloc((size_t)batch * (size_t)d->classes * sizeof *logits);
    bool fine = images && logits;
    if (images && !logits) error_memory(e, "the logits");
    fine = fine && evaluate(m, images, d->classes, logits, npy, result, e);
    free(logits);
    loader_free(images);
    return fine;
}
