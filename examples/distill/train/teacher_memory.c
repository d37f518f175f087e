#include "train/teacher_memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct teacher_memory {
    size_t images, classes, batch_size;
    size_t batches; // of an epoch
    size_t epochs;  // that have a place
    uint64_t seed;
    bool *known;   // [epochs][batches]
    float *logits; // [epochs][images][classes], in the order of the batches
};

teacher_memory *teacher_memory_create(size_t images, int classes, int batch_size, int epochs,
                                      double bytes) {
    const size_t row = (size_t)classes * sizeof(float), batch = (size_t)batch_size;
    const size_t batches = (images + batch - 1) / batch, epoch = images * row + batches;
    const size_t fitting = (size_t)fmin(epochs, bytes / (double)epoch);
    teacher_memory *m = fitting ? malloc(sizeof *m) : NULL;
    if (!m) return NULL;
    *m = (teacher_memory){.images = images,
                          .classes = (size_t)classes,
                          .batch_size = batch,
                          .batches = batches,
                          .epochs = fitting,
                          .known = calloc(fitting, batches * sizeof *m->known),
                          .logits = calloc(fitting, images * row)};
    if (m->known && m->logits) return m;
    teacher_memory_free(m);
    return NULL;
}

void teacher_memory_free(teacher_memory *m) {
    if (!m) return;
    free(m->logits);
    free(m->known);
    free(m);
}

void teacher_memory_begin(teacher_memory *m, uint64_t seed) {
    if (!m || m->seed == seed) return;
    m->seed = seed;
    memset(m->known, 0, m->epochs * m->batches * sizeof *m->known);
}

// --- Batches -------------------------------------------------------------------------------------

static bool has_place(const teacher_memory *m, int epoch) {
    return m && (size_t)epoch <= m->epochs;
}

static bool *known(const teacher_memory *m, int epoch, int batch) {
    return m->known + (size_t)(epoch - 1) * m->batches + batch;
}

// Every batch but the last of an epoch is a full one.
static float *place(const teacher_memory *m, int epoch, int batch) {
    const size_t image = (size_t)(epoch - 1) * m->images + (size_t)batch * m->batch_size;
    return m->logits + image * m->classes;
}

const float *teacher_memory_recall(const teacher_memory *m, int epoch, int batch) {
    return has_place(m, epoch) && *known(m, epoch, batch) ? place(m, epoch, batch) : NULL;
}

void teacher_memory_keep(teacher_memory *m, int epoch, int batch, int count, const float *logits) {
    if (!has_place(m, epoch)) return;
    memcpy(place(m, epoch, batch), logits, (size_t)count * m->classes * sizeof *logits);
    *known(m, epoch, batch) = true;
}
