// What the teacher said of the batches of one seed, for the next loss: all losses of a seed see the
// same batches. It saves forward passes and changes no result.
#ifndef DISTILL_TEACHER_MEMORY_H
#define DISTILL_TEACHER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

typedef struct teacher_memory teacher_memory;

// For runs of one teacher, data set, batch size and number of epochs. The first epochs that fit
// into `bytes` have a place. NULL when not even one fits, or when there is no such memory: the
// functions below take NULL for a memory that knows nothing.
teacher_memory *teacher_memory_create(size_t images, int classes, int batch_size, int epochs,
                                      double bytes);
void teacher_memory_free(teacher_memory *m);

// What follows is about the batches of this seed; those of another are forgotten.
void teacher_memory_begin(teacher_memory *m, uint64_t seed);

// The logits of a batch, or NULL. Epochs count from 1 and batches from 0, as in loader.h.
const float *teacher_memory_recall(const teacher_memory *m, int epoch, int batch);

// Copies those of `count` images where they have a place.
void teacher_memory_keep(teacher_memory *m, int epoch, int batch, int count, const float *logits);

#endif
