// Batches of images, read and augmented by a thread of their own while the one before is trained
// on.
#ifndef DISTILL_LOADER_H
#define DISTILL_LOADER_H

#include "data/dataset.h"

// How the images of a set come.
typedef enum {
    IN_ORDER,  // as they are
    SHUFFLED,  // anew in each epoch
    AUGMENTED, // shuffled and augmented
} loader_mode;

typedef struct {
    int count;       // images; the last batch of an epoch is as short as it comes, as PyTorch's
                     // DataLoader has it
    float *images;   // [count][channels][height][width], normalised
    int64_t *labels; // [count]
    size_t *places;  // [count] of the images in their set
} image_batch;

typedef struct loader loader;

// Of the images of d->train or of d->test. The data set must stay while the loader is used. Every
// buffer is made here. NULL on failure.
loader *loader_create(const dataset *d, dataset_parts part, loader_mode mode, int batch_size,
                      uint64_t seed, error_line *e);
void loader_free(loader *l);

int loader_batches(const loader *l); // of an epoch
size_t loader_images(const loader *l);

// The batches of an epoch (from 1) depend on seed and epoch alone; the first `done` of them are
// left out. An epoch that was not read to its end is dropped.
void loader_begin(loader *l, int epoch, int done);

// The next batch, which stays as it is until the next call; NULL after the last.
const image_batch *loader_next(loader *l);

#endif
