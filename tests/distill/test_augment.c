// Crop and flip against a plain computation over a padded image, and the loader's promises.
#include "data/augment.h"
#include "data/loader.h"
#include "test_suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, HEIGHT = 6, WIDTH = 5, COUNT = 11, SIZE = CHANNELS * HEIGHT * WIDTH };

static dataset make_data(void) {
    dataset d = {.classes = 10,
                 .mean = {0.5F, 0.25F, 0.75F},
                 .deviation = {0.2F, 0.5F, 0.25F},
                 .train = {.channels = CHANNELS, .height = HEIGHT, .width = WIDTH, .count = COUNT}};
    d.train.pixels = malloc(COUNT * SIZE);
    d.train.labels = malloc(COUNT * sizeof(int64_t));
    for (int i = 0; i < COUNT * SIZE; i++) d.train.pixels[i] = (uint8_t)(37 * i + i / 11);
    for (int i = 0; i < COUNT; i++) d.train.labels[i] = i % 10;
    d.test = d.train;
    return d;
}

static void free_data(dataset *d) {
    d->test = (image_set){0};
    dataset_close(d);
}

// As torchvision does it: pad the 8-bit image with zeros, cut, mirror, scale to 0..1, normalise.
static float expected_pixel(const dataset *d, int image, augmentation a, int c, int y, int x) {
    uint8_t padded[HEIGHT + 8][WIDTH + 8] = {{0}};
    for (int i = 0; i < HEIGHT; i++)
        for (int j = 0; j < WIDTH; j++)
            padded[i + 4][j + 4] =
                d->train.pixels[((image * CHANNELS + c) * HEIGHT + i) * WIDTH + j];
    uint8_t cut[HEIGHT][WIDTH];
    for (int i = 0; i < HEIGHT; i++)
        for (int j = 0; j < WIDTH; j++) cut[i][j] = padded[a.top + i][a.left + j];
    const int from = a.flip ? WIDTH - 1 - x : x;
    return (float)(((double)cut[y][from] / 255 - (double)d->mean[c]) / (double)d->deviation[c]);
}

START_TEST(every_crop_and_flip_is_right) {
    dataset d = make_data();
    normalisation n;
    float out[SIZE];
    normalisation_init(&n, &d);
    for (int top = 0; top <= 8; top++) {
        for (int left = 0; left <= 8; left++) {
            for (int flip = 0; flip < 2; flip++) {
                const augmentation a = {top, left, flip};
                augment_image(&d.train, 1, a, &n, out);
                for (int i = 0; i < SIZE; i++)
                    ck_assert_float_eq_tol(out[i],
                                           expected_pixel(&d, 1, a, i / (HEIGHT * WIDTH),
                                                          i / WIDTH % HEIGHT, i % WIDTH),
                                           1e-6F);
            }
        }
    }
    free_data(&d);
}
END_TEST

START_TEST(draws_cover_everything_evenly) {
    long tops[9] = {0}, lefts[9] = {0}, flips = 0;
    const int draws = 90000;
    for (int i = 0; i < draws; i++) {
        const augmentation a = augment_draw(7, 1 + i / 1000, (size_t)(i % 1000));
        ck_assert(a.top >= 0 && a.top <= 8 && a.left >= 0 && a.left <= 8);
        tops[a.top]++;
        lefts[a.left]++;
        flips += a.flip;
    }
    // Five standard deviations of a binomial count.
    const double p = 1.0 / 9, bound = 5 * sqrt(draws * p * (1 - p));
    for (int i = 0; i < 9; i++) {
        ck_assert_double_le(fabs((double)tops[i] - draws * p), bound);
        ck_assert_double_le(fabs((double)lefts[i] - draws * p), bound);
    }
    ck_assert_double_le(fabs((double)flips - draws / 2.0), 5 * sqrt(draws / 4.0));
}
END_TEST

static bool same(augmentation a, augmentation b) {
    return a.top == b.top && a.left == b.left && a.flip == b.flip;
}

START_TEST(draws_depend_on_their_key) {
    int seed_differs = 0, epoch_differs = 0;
    for (size_t i = 0; i < 100; i++) {
        ck_assert(same(augment_draw(1, 2, i), augment_draw(1, 2, i)));
        seed_differs += !same(augment_draw(1, 2, i), augment_draw(2, 2, i));
        epoch_differs += !same(augment_draw(1, 2, i), augment_draw(1, 3, i));
    }
    ck_assert_int_gt(seed_differs, 90); // 161 of 162 are different on average
    ck_assert_int_gt(epoch_differs, 90);
}
END_TEST

// --- The loader ----------------------------------------------------------------------------------

static bool same_image(const float *a, const float *b) {
    for (int i = 0; i < SIZE; i++)
        if (a[i] != b[i]) return false;
    return true;
}

// The images of an epoch in the loader's order, and how often each image came.
static void read_epoch(loader *l, int epoch, int batch_size, float *all, int seen[COUNT],
                       const dataset *d) {
    int total = 0;
    normalisation n;
    float plain[SIZE];
    normalisation_init(&n, d);
    memset(seen, 0, COUNT * sizeof *seen);
    loader_begin(l, epoch, 0);
    for (const image_batch *b; (b = loader_next(l)); total += b->count) {
        ck_assert_int_eq(b->count, COUNT - total < batch_size ? COUNT - total : batch_size);
        memcpy(all + total * SIZE, b->images, (size_t)b->count * SIZE * sizeof(float));
        for (int i = 0; i < b->count; i++) {
            for (size_t image = 0; image < COUNT; image++) {
                augment_image(&d->train, image, augment_draw(3, epoch, image), &n, plain);
                if (!same_image(plain, b->images + i * SIZE)) continue;
                seen[image]++;
                ck_assert_int_eq(b->labels[i], d->train.labels[image]);
            }
        }
    }
    ck_assert_int_eq(total, COUNT);
}

START_TEST(an_epoch_has_every_image_once) {
    dataset d = make_data();
    error_line e;
    float first[COUNT * SIZE], again[COUNT * SIZE];
    int seen[COUNT];
    loader *l = loader_create(&d, DATASET_TRAIN, AUGMENTED, 2, 3, &e);
    ck_assert_int_eq(loader_batches(l), 6);
    for (int epoch = 1; epoch <= 3; epoch++) {
        read_epoch(l, epoch, 2, first, seen, &d);
        for (int i = 0; i < COUNT; i++) ck_assert_int_eq(seen[i], 1);
    }
    // The same epoch again: the same bits, also with an epoch broken off in between.
    loader_begin(l, 7, 0);
    loader_next(l);
    read_epoch(l, 3, 2, again, seen, &d);
    for (int i = 0; i < COUNT; i++) ck_assert(same_image(first + i * SIZE, again + i * SIZE));
    loader_free(l);
    free_data(&d);
}
END_TEST

START_TEST(the_order_changes_with_the_epoch) {
    dataset d = make_data();
    error_line e;
    int moved = 0;
    int64_t order[2][COUNT];
    loader *l = loader_create(&d, DATASET_TRAIN, AUGMENTED, 64, 3, &e);
    for (int epoch = 1; epoch <= 2; epoch++) {
        loader_begin(l, epoch, 0);
        memcpy(order[epoch - 1], loader_next(l)->labels, sizeof order[0]);
        ck_assert_ptr_null(loader_next(l));
    }
    for (int i = 0; i < COUNT; i++) moved += order[0][i] != order[1][i];
    ck_assert_int_gt(moved, 0);
    loader_free(l);
    free_data(&d);
}
END_TEST

START_TEST(tests_see_the_images_as_they_are) {
    dataset d = make_data();
    error_line e;
    const augmentation none = {4, 4, false};
    int at = 0;
    loader *l = loader_create(&d, DATASET_TEST, IN_ORDER, 4, 3, &e);
    loader_begin(l, 0, 0);
    for (const image_batch *b; (b = loader_next(l)); at += b->count)
        for (int i = 0; i < b->count * SIZE; i++)
            ck_assert_float_eq_tol(b->images[i],
                                   expected_pixel(&d, at + i / SIZE, none,
                                                  i / (HEIGHT * WIDTH) % CHANNELS,
                                                  i / WIDTH % HEIGHT, i % WIDTH),
                                   1e-6F);
    ck_assert_int_eq(at, COUNT);
    loader_free(l);
    free_data(&d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("augment");
    TCase *images = tcase_create("images"), *batches = tcase_create("batches");
    tcase_add_test(images, every_crop_and_flip_is_right);
    tcase_add_test(images, draws_cover_everything_evenly);
    tcase_add_test(images, draws_depend_on_their_key);
    tcase_add_test(batches, an_epoch_has_every_image_once);
    tcase_add_test(batches, the_order_changes_with_the_epoch);
    tcase_add_test(batches, tests_see_the_images_as_they_are);
    suite_add_tcase(suite, images);
    suite_add_tcase(suite, batches);
    return test_run(suite);
}
