// Batches are made by a thread of their own, ahead of their use, and are the same where there is no thread to be had.
#include "dataset.h"
#include "loader.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_interpose.h"
#include "test_suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { IMAGES = 22, BATCH = 4, BATCHES = 6, PIXELS = 16, EPOCHS = 2 };

static error_line e;
static bool refuse_threads;
static int threads_made; // by the loader: BLAS has some too
static pthread_t consumer;
static atomic_int told; // times that another thread has told of a batch

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    FIND(pthread_create);
    if (refuse_threads) return EAGAIN;
    threads_made++;
    return original(thread, attributes, start, argument);
}

int pthread_cond_broadcast(pthread_cond_t *condition) {
    FIND(pthread_cond_broadcast);
    if (!pthread_equal(pthread_self(), consumer)) atomic_fetch_add(&told, 1);
    return original(condition);
}

static dataset data;

static void setup(void) {
    char specification[128];
    test_folder_make();
    idx_write("train", IMAGES);
    snprintf(specification, sizeof specification, "fashion-mnist:%s", test_folder);
    ck_assert_msg(dataset_open(&data, specification, DATASET_TRAIN, 0, 0, &e), "%s", e.text);
    consumer = pthread_self();
    threads_made = 0;
}

static void teardown(void) {
    dataset_close(&data);
    test_folder_remove();
}

static loader *make_loader(void) {
    loader *l = loader_create(&data, DATASET_TRAIN, AUGMENTED, BATCH, 7, &e);
    ck_assert_msg(l != NULL, "%s", e.text);
    return l;
}

static const struct timespec moment = {.tv_nsec = 1000000};

START_TEST(the_next_batch_is_made_meanwhile) {
    loader *l = make_loader();
    loader_begin(l, 1, 0);
    ck_assert_int_eq(threads_made, 1);
    ck_assert_ptr_nonnull(loader_next(l));
    for (int tries = 0; atomic_load(&told) < 2 && tries < 20000; tries++) nanosleep(&moment, NULL);
    ck_assert_int_ge(atomic_load(&told), 2); // the batch that was taken, and the next
    loader_free(l);
}
END_TEST

START_TEST(a_batch_stays_until_the_next_is_asked_for) {
    loader *l = make_loader();
    float before[BATCH * PIXELS];
    loader_begin(l, 1, 0);
    for (const image_batch *b; (b = loader_next(l));) {
        const size_t bytes = (size_t)b->count * PIXELS * sizeof(float);
        memcpy(before, b->images, bytes);
        for (int i = 0; i < 5; i++) nanosleep(&moment, NULL);
        ck_assert(memcmp(before, b->images, bytes) == 0);
    }
    loader_free(l);
}
END_TEST

static void check_same(const image_batch *a, const image_batch *b) {
    const size_t count = (size_t)a->count;
    ck_assert_int_eq(a->count, b->count);
    ck_assert(memcmp(a->images, b->images, count * PIXELS * sizeof(float)) == 0);
    ck_assert(memcmp(a->labels, b->labels, count * sizeof *a->labels) == 0);
    ck_assert(memcmp(a->places, b->places, count * sizeof *a->places) == 0);
}

START_TEST(without_a_thread_it_is_the_same) {
    loader *with = make_loader(), *without = make_loader();
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        const int done = epoch == 1 ? 0 : 2; // as after --resume
        loader_begin(with, epoch, done);
        refuse_threads = true;
        loader_begin(without, epoch, done);
        refuse_threads = false;
        ck_assert_int_eq(threads_made, epoch);
        for (int i = done; i < BATCHES; i++) check_same(loader_next(with), loader_next(without));
        ck_assert_ptr_null(loader_next(with));
        ck_assert_ptr_null(loader_next(without));
    }
    loader_free(with);
    loader_free(without);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loader");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, the_next_batch_is_made_meanwhile);
    tcase_add_test(all, a_batch_stays_until_the_next_is_asked_for);
    tcase_add_test(all, without_a_thread_it_is_the_same);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
