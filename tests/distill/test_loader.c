// The loader's thread: it reads ahead, and where none is to be had the batches are the same.
// pthread_create is replaced by one that counts, refuses, and notes when the thread has ended.
#include "base/clock.h"
#include "data/loader.h"
#include "test_interpose.h"
#include "test_suite.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// --- The replaced function -----------------------------------------------------------------------

typedef struct {
    void *(*run)(void *);
    void *argument;
} task;

// Other libraries make threads too, the BLAS even before main().
static bool watching;
static int asked;         // how often for a thread
static unsigned refusing; // bit i: the request number i fails
static task given;        // to the last thread; the loader has one at a time
static atomic_int ended;  // threads

static void *run_task(void *unused) {
    const task t = given;
    (void)unused;
    void *result = t.run(t.argument);
    atomic_fetch_add(&ended, 1);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
    FIND(pthread_create);
    if (!watching) return original(thread, attributes, run, argument);
    if (refusing >> asked++ & 1) return EAGAIN;
    given = (task){run, argument};
    return original(thread, attributes, run_task, NULL);
}

static void watch(unsigned refusals) {
    watching = true;
    asked = 0;
    refusing = refusals;
    atomic_store(&ended, 0);
}

static int threads_ended(void) {
    return atomic_load(&ended);
}

// --- Data and batches ----------------------------------------------------------------------------

enum { CHANNELS = 3, SIDE = 5, COUNT = 11, SIZE = CHANNELS * SIDE * SIDE, BATCH = 2, BATCHES = 6 };

static uint8_t pixels[COUNT * SIZE];
static int64_t labels[COUNT];

// The first `count` images.
static dataset make_data(size_t count) {
    for (int i = 0; i < COUNT * SIZE; i++) pixels[i] = (uint8_t)(37 * i + i / 11);
    for (int i = 0; i < COUNT; i++) labels[i] = i % 10;
    return (dataset){.classes = 10,
                     .mean = {0.5F, 0.25F, 0.75F},
                     .deviation = {0.2F, 0.5F, 0.25F},
                     .train = {.channels = CHANNELS,
                               .height = SIDE,
                               .width = SIDE,
                               .count = count,
                               .pixels = pixels,
                               .labels = labels}};
}

static loader *make_loader(const dataset *d, loader_mode mode, int batch) {
    error_line e;
    loader *l = loader_create(d, DATASET_TRAIN, mode, batch, 3, &e);
    ck_assert_msg(l != NULL, "%s", e.text);
    return l;
}

// What a loader gave out, one batch behind the other.
typedef struct {
    int batches, images;
    int counts[BATCHES];
    float values[COUNT * SIZE];
    int64_t labels[COUNT];
    size_t places[COUNT];
} reading;

static void note_batch(reading *r, const image_batch *b) {
    const size_t at = (size_t)r->images, count = (size_t)b->count;
    ck_assert_int_lt(r->batches, BATCHES);
    ck_assert_int_le(r->images + b->count, COUNT);
    r->counts[r->batches++] = b->count;
    r->images += b->count;
    memcpy(r->values + at * SIZE, b->images, count * SIZE * sizeof *r->values);
    memcpy(r->labels + at, b->labels, count * sizeof *r->labels);
    memcpy(r->places + at, b->places, count * sizeof *r->places);
}

static void check_same(const reading *a, const reading *b) {
    ck_assert_int_eq(a->batches, b->batches);
    ck_assert_int_eq(a->images, b->images);
    ck_assert_mem_eq(a->counts, b->counts, sizeof a->counts);
    ck_assert_mem_eq(a->values, b->values, sizeof a->values);
    ck_assert_mem_eq(a->labels, b->labels, sizeof a->labels);
    ck_assert_mem_eq(a->places, b->places, sizeof a->places);
}

// --- Without a thread ----------------------------------------------------------------------------

enum { EPOCHS = 2 };

// The first epoch is read whole, the second as after --resume in its midst.
static void read_epochs(const dataset *d, loader_mode mode, reading epochs[EPOCHS]) {
    loader *l = make_loader(d, mode, BATCH);
    ck_assert_int_eq(loader_batches(l), BATCHES);
    memset(epochs, 0, EPOCHS * sizeof *epochs);
    for (int i = 0; i < EPOCHS; i++) {
        loader_begin(l, 1 + i, i);
        for (const image_batch *b; (b = loader_next(l));) note_batch(&epochs[i], b);
        ck_assert_int_eq(epochs[i].batches, BATCHES - i);
    }
    loader_free(l);
}

static void check_refused(loader_mode mode, unsigned refusals, int threads) {
    static reading with[EPOCHS], without[EPOCHS];
    const dataset d = make_data(COUNT);
    watch(0);
    read_epochs(&d, mode, with);
    ck_assert_int_eq(threads_ended(), EPOCHS);
    watch(refusals);
    read_epochs(&d, mode, without);
    ck_assert_int_eq(asked, EPOCHS);
    ck_assert_int_eq(threads_ended(), threads);
    for (int i = 0; i < EPOCHS; i++) check_same(&with[i], &without[i]);
}

START_TEST(the_same_batches_without_a_thread) {
    check_refused((loader_mode)_i, 3, 0);
}
END_TEST

// The loader asks again in each epoch; what it fell back to must not stay in its way.
START_TEST(the_same_batches_with_a_thread_refused_once) {
    check_refused((loader_mode)_i, 1, 1);
    check_refused((loader_mode)_i, 2, 1);
}
END_TEST

// --- Ahead ---------------------------------------------------------------------------------------

// Long after every thread of a busy machine has had its turn.
static bool thread_ends(void) {
    const double begun = clock_seconds();
    const struct timespec pause = {.tv_nsec = 1000000};
    while (threads_ended() == 0 && clock_seconds() - begun < 20) nanosleep(&pause, NULL);
    return threads_ended() == 1;
}

// The thread ends when it has made the epoch's second and last batch. Whoever reads the data set
// only then finds other images.
START_TEST(the_second_batch_is_made_while_the_first_is_used) {
    static reading expected, seen;
    const dataset d = make_data(COUNT);
    loader *l = make_loader(&d, AUGMENTED, COUNT / 2 + 1);
    ck_assert_int_eq(loader_batches(l), 2);
    loader_begin(l, 1, 0);
    for (const image_batch *b; (b = loader_next(l));) note_batch(&expected, b);

    watch(0);
    loader_begin(l, 1, 0);
    const image_batch *first = loader_next(l);
    ck_assert_int_eq(asked, 1);
    ck_assert_msg(thread_ends(), "the thread waits to be asked for the second batch");
    memset(pixels, 0, sizeof pixels);
    memset(labels, 0, sizeof labels);
    note_batch(&seen, first); // it, too, is as it was
    note_batch(&seen, loader_next(l));
    ck_assert_ptr_null(loader_next(l));
    check_same(&expected, &seen);
    loader_free(l);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loader");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, the_same_batches_without_a_thread, IN_ORDER, AUGMENTED + 1);
    tcase_add_loop_test(all, the_same_batches_with_a_thread_refused_once, IN_ORDER, AUGMENTED + 1);
    tcase_add_test(all, the_second_batch_is_made_while_the_first_is_used);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
