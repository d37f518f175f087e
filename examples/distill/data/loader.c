#include "data/loader.h"

#include "base/keyed_random.h"
#include "data/augment.h"

#include <pthread.h>
#include <stdlib.h>

// One batch is being trained on, one is ready, one is being made.
enum { SLOTS = 3 };

struct loader {
    const image_set *set;
    loader_mode mode;
    int batch_size;
    uint64_t seed;
    normalisation norm;

    int epoch;
    int first;     // batch that is wanted
    size_t *order; // of the images in this epoch
    int batches;   // of an epoch

    image_batch slots[SLOTS];
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; // of the three below
    pthread_cond_t changed;
    int made;  // batches of this epoch that stand in their slots
    int taken; // batches that loader_next has given out
    bool stop; // the producer is to end early
};

static bool make_buffers(loader *l, error_line *e) {
    const size_t pixels = (size_t)l->batch_size * image_bytes(l->set);
    bool fine = true;
    l->order = malloc(l->set->count * sizeof *l->order);
    for (int i = 0; i < SLOTS; i++) {
        l->slots[i].images = malloc(pixels * sizeof(float));
        l->slots[i].labels = malloc((size_t)l->batch_size * sizeof(int64_t));
        l->slots[i].places = malloc((size_t)l->batch_size * sizeof(size_t));
        fine = fine && l->slots[i].images && l->slots[i].labels && l->slots[i].places;
    }
    return (fine && l->order) || error_memory(e, "the batches");
}

loader *loader_create(const dataset *d, dataset_parts part, loader_mode mode, int batch_size,
                      uint64_t seed, error_line *e) {
    loader *l = calloc(1, sizeof *l);
    if (!l) {
        error_memory(e, "the loader");
        return NULL;
    }
    l->set = part == DATASET_TRAIN ? &d->train : &d->test;
    l->mode = mode;
    l->batch_size = batch_size;
    l->seed = seed;
    l->batches = (int)((l->set->count + (size_t)batch_size - 1) / (size_t)batch_size);
    normalisation_init(&l->norm, d);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (make_buffers(l, e)) return l;
    loader_free(l);
    return NULL;
}

int loader_batches(const loader *l) {
    return l->batches;
}

size_t loader_images(const loader *l) {
    return l->set->count;
}

// --- The producer --------------------------------------------------------------------------------

// Fisher and Yates, from the end.
static void shuffle(loader *l) {
    for (size_t i = 0; i < l->set->count; i++) l->order[i] = i;
    if (l->mode == IN_ORDER) return;
    rng r = random_for(l->seed, RANDOM_SHUFFLE, (uint64_t)l->epoch, 0);
    for (size_t i = l->set->count; i-- > 1;) {
        const size_t j = rng_below(&r, (uint32_t)(i + 1));
        const size_t other = l->order[j];
        l->order[j] = l->order[i];
        l->order[i] = other;
    }
}

static void fill_batch(const loader *l, int number, image_batch *b) {
    const size_t first = (size_t)number * (size_t)l->batch_size;
    const size_t rest = l->set->count - first;
    b->count = rest < (size_t)l->batch_size ? (int)rest : l->batch_size;
    for (int i = 0; i < b->count; i++) {
        const size_t image = l->order[first + (size_t)i];
        const augmentation a =
            l->mode == AUGMENTED ? augment_draw(l->seed, l->epoch, image) : AUGMENT_NONE;
        augment_image(l->set, image, a, &l->norm, b->images + (size_t)i * image_bytes(l->set));
        b->labels[i] = l->set->labels[image];
        b->places[i] = image;
    }
}

static void *produce(void *argument) {
    loader *l = argument;
    for (int number = l->first; number < l->batches; number++) {
        pthread_mutex_lock(&l->lock);
        // The slot to be filled is free once the batch after the one that was in it has been taken:
        // the consumer may look at batch `taken - 1` until it asks for the next.
        while (!l->stop && number - SLOTS >= l->taken - 1) pthread_cond_wait(&l->changed, &l->lock);
        const bool stop = l->stop;
        pthread_mutex_unlock(&l->lock);
        if (stop) break;
        fill_batch(l, number, &l->slots[number % SLOTS]);
        pthread_mutex_lock(&l->lock);
        l->made = number + 1;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static void stop_producer(loader *l) {
    if (!l->running) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->running = false;
}

void loader_begin(loader *l, int epoch, int done) {
    stop_producer(l);
    l->epoch = epoch;
    l->first = l->made = l->taken = done;
    l->stop = false;
    shuffle(l);
    l->running = pthread_create(&l->thread, NULL, produce, l) == 0;
}

const image_batch *loader_next(loader *l) {
    if (l->taken == l->batches) return NULL;
    if (!l->running) { // no thread to be had: the work is done here
        image_batch *b = &l->slots[0];
        fill_batch(l, l->taken++, b);
        return b;
    }
    pthread_mutex_lock(&l->lock);
    l->taken++;
    pthread_cond_broadcast(&l->changed);
    while (l->made < l->taken) pthread_cond_wait(&l->changed, &l->lock);
    const image_batch *b = &l->slots[(l->taken - 1) % SLOTS];
    pthread_mutex_unlock(&l->lock);
    return b;
}

void loader_free(loader *l) {
    if (!l) return;
    stop_producer(l);
    for (int i = 0; i < SLOTS; i++) {
        free(l->slots[i].images);
        free(l->slots[i].labels);
        free(l->slots[i].places);
    }
    free(l->order);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}
