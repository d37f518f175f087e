#include "evaluate.h"

#include "stop.h"

int target_rank(const float *logits, int classes, int64_t target) {
    const float own = logits[target];
    int better = 0;
    for (int i = 0; i < classes; i++) {
        const bool behind = logits[i] < own || (logits[i] == own && i >= target);
        better += !behind;
    }
    return better;
}

accuracy evaluate(model *m, loader *images, int classes, float *logits, FILE *copy) {
    long top1 = 0, top5 = 0, count = 0;
    const image_batch *b;
    loader_begin(images, 0, 0);
    while (!stop_requested() && (b = loader_next(images))) {
        model_forward(m, b->images, b->count, false, logits);
        for (int i = 0; i < b->count; i++) {
            const int rank = target_rank(logits + (ptrdiff_t)i * classes, classes, b->labels[i]);
            top1 += rank < 1;
            top5 += rank < 5;
        }
        if (copy) fwrite(logits, sizeof *logits, (size_t)b->count * (size_t)classes, copy);
        count += b->count;
    }
    if (count == 0) return (accuracy){0, 0};
    return (accuracy){100.0 * (double)top1 / (double)count, 100.0 * (double)top5 / (double)count};
}
