// What a teacher said is remembered batch by batch, for one seed, as far as there is room.
#include "test_suite.h"
#include "train/teacher_memory.h"

// Three batches an epoch, the last one of 2 images.
enum { IMAGES = 10, CLASSES = 3, BATCH = 4, BATCHES = 3, EPOCHS = 4 };
#define EPOCH_BYTES (IMAGES * CLASSES * sizeof(float) + BATCHES)

// Under AddressSanitizer, too, memory that cannot be had is NULL.
const char *__asan_default_options(void);  // NOLINT(bugprone-reserved-identifier)
const char *__asan_default_options(void) { // NOLINT(bugprone-reserved-identifier)
    return "allocator_may_return_null=1";
}

static teacher_memory *memory_of(double epochs) {
    return teacher_memory_create(IMAGES, CLASSES, BATCH, EPOCHS, epochs * (double)EPOCH_BYTES);
}

static int images_of(int batch) {
    return batch < BATCHES - 1 ? BATCH : IMAGES - (BATCHES - 1) * BATCH;
}

// A number of its own for every logit of every seed.
static float logit(uint64_t seed, int epoch, int batch, int i) {
    return (float)(((int)seed * 100 + epoch) * 100 + batch * 20 + i);
}

static void keep(teacher_memory *m, uint64_t seed, int epoch, int batch) {
    float logits[BATCH * CLASSES];
    const int count = images_of(batch);
    for (int i = 0; i < count * CLASSES; i++) logits[i] = logit(seed, epoch, batch, i);
    teacher_memory_keep(m, epoch, batch, count, logits);
}

static void check_known(const teacher_memory *m, uint64_t seed, int epoch, int batch) {
    const float *logits = teacher_memory_recall(m, epoch, batch);
    ck_assert_ptr_nonnull(logits);
    for (int i = 0; i < images_of(batch) * CLASSES; i++)
        ck_assert_float_eq(logits[i], logit(seed, epoch, batch, i));
}

// One run as the training does it. Returns how often the teacher was asked.
static int run(teacher_memory *m, uint64_t seed) {
    int asked = 0;
    teacher_memory_begin(m, seed);
    for (int epoch = 1; epoch <= EPOCHS; epoch++)
        for (int batch = 0; batch < BATCHES; batch++) {
            if (!teacher_memory_recall(m, epoch, batch)) {
                asked++;
                keep(m, seed, epoch, batch);
            } else {
                check_known(m, seed, epoch, batch);
            }
        }
    return asked;
}

START_TEST(a_teacher_is_asked_once_per_seed) {
    teacher_memory *m = memory_of(EPOCHS);
    ck_assert_ptr_nonnull(m);
    for (uint64_t seed = 0; seed < 3; seed++) {
        ck_assert_int_eq(run(m, seed), EPOCHS * BATCHES);
        ck_assert_int_eq(run(m, seed), 0);
        ck_assert_int_eq(run(m, seed), 0);
    }
    ck_assert_int_eq(run(m, 1), EPOCHS * BATCHES); // one seed at a time
    teacher_memory_free(m);
}
END_TEST

// The bytes that are given are the bytes that are used, marks included.
START_TEST(the_first_epochs_are_kept) {
    for (int epochs = 1; epochs <= EPOCHS; epochs++) {
        teacher_memory *m = memory_of(epochs), *larger = memory_of(epochs + 0.99);
        run(m, 5);
        run(larger, 5);
        ck_assert_int_eq(run(m, 5), (EPOCHS - epochs) * BATCHES);
        ck_assert_int_eq(run(larger, 5), (EPOCHS - epochs) * BATCHES);
        for (int epoch = 1; epoch <= EPOCHS; epoch++)
            ck_assert_int_eq(teacher_memory_recall(m, epoch, 0) != NULL, epoch <= epochs);
        teacher_memory_free(m);
        teacher_memory_free(larger);
    }
}
END_TEST

// As after --resume: the memory begins in the midst of an epoch.
START_TEST(batches_are_known_one_by_one) {
    teacher_memory *m = memory_of(2);
    teacher_memory_begin(m, 7);
    keep(m, 7, 2, 1);
    for (int epoch = 1; epoch <= 2; epoch++)
        for (int batch = 0; batch < BATCHES; batch++)
            ck_assert_int_eq(teacher_memory_recall(m, epoch, batch) != NULL,
                             epoch == 2 && batch == 1);
    keep(m, 7, 1, 2); // the short one, just before epoch 2
    keep(m, 7, 2, 0);
    check_known(m, 7, 1, 2);
    check_known(m, 7, 2, 0);
    check_known(m, 7, 2, 1);
    teacher_memory_begin(m, 7); // the next loss
    check_known(m, 7, 2, 1);
    teacher_memory_begin(m, 8);
    ck_assert_ptr_null(teacher_memory_recall(m, 2, 1));
    teacher_memory_free(m);
}
END_TEST

START_TEST(without_room_nothing_is_known) {
    ck_assert_ptr_null(memory_of(0));
    ck_assert_ptr_null(memory_of(0.99));
    ck_assert_ptr_null(teacher_memory_create(1 << 24, 1 << 20, 64, 1 << 16, 1e30));
    ck_assert_int_eq(run(NULL, 1), EPOCHS * BATCHES);
    ck_assert_int_eq(run(NULL, 1), EPOCHS * BATCHES);
    teacher_memory_free(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("teacher memory");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_teacher_is_asked_once_per_seed);
    tcase_add_test(all, the_first_epochs_are_kept);
    tcase_add_test(all, batches_are_known_one_by_one);
    tcase_add_test(all, without_room_nothing_is_known);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
