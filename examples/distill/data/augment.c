#include "data/augment.h"

#include "base/keyed_random.h"

augmentation augment_draw(uint64_t seed, int epoch, size_t image) {
    rng r = random_for(seed, RANDOM_AUGMENT, (uint64_t)epoch, image);
    augmentation a;
    a.top = (int)rng_below(&r, 2 * CROP_PADDING + 1);
    a.left = (int)rng_below(&r, 2 * CROP_PADDING + 1);
    a.flip = rng_below(&r, 2) == 1;
    return a;
}

void normalisation_init(normalisation *n, const dataset *d) {
    for (int c = 0; c < MAX_CHANNELS; c++)
        for (int v = 0; v < 256; v++)
            n->value[c][v] = d->deviation[c] > 0
                                 ? ((float)v / 255.0F - d->mean[c]) / d->deviation[c]
                                 : 0.0F; // a channel that the data set does not have
}

// Row y of the crop, where y is already a row of the unpadded image, or outside of it.
static void augment_row(const uint8_t *pixels, int width, augmentation a, const float *value,
                        float *out) {
    const int shift = a.left - CROP_PADDING;
    for (int x = 0; x < width; x++) {
        const int from = (a.flip ? width - 1 - x : x) + shift;
        out[x] = value[pixels && from >= 0 && from < width ? pixels[from] : 0];
    }
}

void augment_image(const image_set *set, size_t image, augmentation a, const normalisation *n,
                   float *out) {
    const uint8_t *pixels = set->pixels + image * image_bytes(set);
    for (int c = 0; c < set->channels; c++) {
        for (int y = 0; y < set->height; y++) {
            const int from = y + a.top - CROP_PADDING;
            const bool inside = from >= 0 && from < set->height;
            augment_row(inside ? pixels + (size_t)from * (size_t)set->width : NULL, set->width, a,
                        n->value[c], out);
            out += set->width;
        }
        pixels += set->height * set->width;
    }
}
