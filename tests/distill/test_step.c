// Memory is planned once: a training step allocates nothing, nor does the loader within an epoch.
// malloc and its relatives are replaced by ones that count.
#include "../support/malloc_counter.h"
#include "base/threads.h"
#include "data/loader.h"
#include "net/model.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_suite.h"
#include "train/criterion.h"

#include <omp.h>

enum { IMAGES = 40, BATCH = 4, CLASSES = 10, SIDE = 4, WARM = 2, STEPS = 4 };

static error_line e;

typedef struct {
    dataset data;
    loader *images;
    model *student, *teacher;
    criterion *loss;
    float logits[BATCH * CLASSES], teacher_logits[BATCH * CLASSES], grad[BATCH * CLASSES];
} trainer;

static void prepare(trainer *t, const char *name) {
    const model_shape learns = {1, SIDE, SIDE, CLASSES, BATCH, true},
                      knows = {1, SIDE, SIDE, CLASSES, BATCH, false};
    loss_settings gdkd = {.kind = LOSS_GDKD,
                          .temperature = 4,
                          .k = 3,
                          .w0 = 1,
                          .w1 = 1,
                          .w2 = 2,
                          .ce_weight = 1,
                          .kd_weight = 1};
    const char *fault;
    char specification[128];
    snprintf(specification, sizeof specification, "fashion-mnist:%s", test_folder);
    ck_assert_msg(dataset_open(&t->data, specification, DATASET_TRAIN, 0, 0, &e), "%s", e.text);
    t->images = loader_create(&t->data, DATASET_TRAIN, AUGMENTED, BATCH, 1, &e);
    t->student = model_create(name, &learns, &fault);
    t->teacher = model_create("resnet8", &knows, &fault);
    t->loss = criterion_create(&gdkd, BATCH, CLASSES, TEACHER_F32, &e);
    ck_assert(t->images && t->student && t->teacher && t->loss);
    model_init(t->student, 1);
    model_init(t->teacher, 2);
}

static void step(trainer *t) {
    double terms[TERMS];
    const image_batch *b = loader_next(t->images);
    model_forward(t->student, b->images, b->count, true, t->logits);
    model_forward(t->teacher, b->images, b->count, false, t->teacher_logits);
    if (!criterion_apply(t->loss, t->logits, t->teacher_logits, b->labels, b->count, 1, t->grad,
                         terms, &e))
        abort();
    model_backward(t->student, t->grad);
    model_step(t->student, 0.05F, 0.9F, 5e-4F);
}

static void clear(trainer *t) {
    criterion_free(t->loss);
    model_free(t->teacher);
    model_free(t->student);
    loader_free(t->images);
    dataset_close(&t->data);
}

static const char *const few[] = {"resnet8", "resnet8x4", "wrn_16_1"};
enum { NETWORKS = sizeof few / sizeof *few };

// The first steps make the OpenMP run-time's team and BLAS's buffers. With one thread, libgomp
// makes a team of one anew for every loop.
START_TEST(a_step_allocates_nothing) {
    trainer t;
    if (!OWN_MALLOC) return;
    omp_set_num_threads(2 + _i / NETWORKS);
    prepare(&t, few[_i % NETWORKS]);
    loader_begin(t.images, 1, 0);
    for (int i = 0; i < WARM; i++) step(&t);
    const long before = atomic_load(&allocated);
    for (int i = 0; i < STEPS; i++) step(&t);
    ck_assert_int_eq(atomic_load(&allocated) - before, 0);
    clear(&t);
}
END_TEST

START_TEST(the_counter_counts) {
    if (!OWN_MALLOC) return;
    const long before = atomic_load(&allocated);
    void *volatile memory = malloc(10);
    free(memory);
    ck_assert_int_eq(atomic_load(&allocated) - before, 1);
}
END_TEST

static void setup(void) {
    test_folder_make();
    idx_write("train", IMAGES);
}

int main(int argc, char **argv) {
    (void)argc;
    threads_wait_passively(argv);
    Suite *suite = suite_create("step");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_add_loop_test(all, a_step_allocates_nothing, 0, 2 * NETWORKS);
    tcase_add_test(all, the_counter_counts);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
