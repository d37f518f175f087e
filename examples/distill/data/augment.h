// From 8-bit images to the network's input. Training as the reference (ZaberKo/GDKD,
// dataset/cifar100.py) does it with torchvision: zero-pad by 4, random crop of the old size, random
// horizontal flip, normalisation, in this order, so that the padding is black and not the mean.
#ifndef DISTILL_AUGMENT_H
#define DISTILL_AUGMENT_H

#include "data/dataset.h"

enum { CROP_PADDING = 4 };

// What an image goes through: the crop's corner in the padded image, 0 .. 2 * CROP_PADDING, and the
// flip.
typedef struct {
    int top, left;
    bool flip;
} augmentation;

// The crop that gives the image back as it is.
static const augmentation AUGMENT_NONE = {CROP_PADDING, CROP_PADDING, false};

// Depends on its arguments alone: the same for any number of threads and any order of the images.
augmentation augment_draw(uint64_t seed, int epoch, size_t image);

// (pixel / 255 - mean) / deviation of every pixel value and channel.
typedef struct {
    float value[MAX_CHANNELS][256];
} normalisation;

void normalisation_init(normalisation *n, const dataset *d);

// out [channels][height][width]
void augment_image(const image_set *set, size_t image, augmentation a, const normalisation *n,
                   float *out);

#endif
