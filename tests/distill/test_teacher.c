// A teacher's logits from a file: a student learns from them what it learns from the network that
// made them, to the bit.
#include "base/npy.h"
#include "base/rng.h"
#include "test_files.h"
#include "test_suite.h"
#include "train/evaluate.h"
#include "train/teacher_logits.h"
#include "train/train_loop.h"

#include <math.h>
#include <omp.h>

enum { IMAGES = 23, CLASSES = 4, SIDE = 8, BATCH = 5 };

static dataset d;
static error_line e;

static void setup(void) {
    rng r;
    test_folder_make();
    omp_set_num_threads(1); // so little work that threads would only wait for each other
    rng_seed(&r, 9);
    d = (dataset){.name = "noise", .classes = CLASSES, .mean = {0.5F}, .deviation = {0.25F}};
    for (int part = 0; part < 2; part++) {
        image_set *set = part ? &d.test : &d.train;
        set->channels = 1;
        set->height = set->width = SIDE;
        ck_assert(image_set_grow(set, IMAGES, &e));
        set->count = IMAGES;
        for (size_t i = 0; i < IMAGES * image_bytes(set); i++)
            set->pixels[i] = (uint8_t)rng_below(&r, 256);
        for (size_t i = 0; i < IMAGES; i++) set->labels[i] = rng_below(&r, CLASSES);
    }
}

static void teardown(void) {
    dataset_close(&d);
    test_folder_remove();
}

static model *make_teacher(void) {
    model *teacher = model_for("resnet8", &d, &d.train, BATCH, false, &e);
    ck_assert_ptr_nonnull(teacher);
    model_init(teacher, 77);
    return teacher;
}

// Trains two epochs and gives the student's weights back.
static size_t train(model *teacher, const teacher_logits *logits, char *weights, size_t room) {
    char csv[256], checkpoint[256];
    run_log log;
    snprintf(csv, sizeof csv, "%s/log.csv", test_folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", test_folder);
    const training t = {.label = "student",
                        .data = &d,
                        .model = "resnet8",
                        .teacher = teacher,
                        .teacher_logits = logits,
                        .loss = {.kind = LOSS_GDKD,
                                 .temperature = 4,
                                 .k = 2,
                                 .w0 = 1,
                                 .w1 = 1,
                                 .w2 = 4,
                                 .ce_weight = 1,
                                 .kd_weight = 1},
                        .rate = {SCHEDULE_COSINE, 2, 0.05, 0},
                        .momentum = 0.9,
                        .batch = BATCH,
                        .seed = 3,
                        .out = test_path("w.safetensors"),
                        .csv = csv,
                        .checkpoint = checkpoint,
                        .recipe = "",
                        .quiet = true};
    ck_assert(run_log_init(&log, 2, &e));
    ck_assert_msg(training_run(&t, &log, &e), "%s", e.text);
    run_log_free(&log);
    return test_read("w.safetensors", weights, room);
}

static void write_rows(const char *name, const void *numbers, size_t size, const char *type,
                       size_t rows, size_t columns) {
    char bytes[8192] = "\x93NUMPY\x01";
    bytes[8] = 118;
    snprintf(bytes + 10, 119, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu, %zu), }",
             type, rows, columns);
    memset(bytes + 10 + strlen(bytes + 10), ' ', 118 - strlen(bytes + 10));
    bytes[127] = '\n';
    memcpy(bytes + 128, numbers, size);
    test_write(name, bytes, 128 + size);
}

static char weights[2][1 << 20];

START_TEST(a_file_teaches_what_its_network_does) {
    teacher_logits from_file;
    float room[BATCH * CLASSES];
    model *teacher = make_teacher();
    loader *images = loader_create(&d, DATASET_TRAIN, IN_ORDER, BATCH, 0, &e);
    accuracy a;
    ck_assert_msg(evaluate(teacher, images, CLASSES, room, test_path("t.npy"), &a, &e), "%s",
                  e.text);
    loader_free(images);
    ck_assert_msg(teacher_logits_read(&from_file, test_path("t.npy"), &d, true, &e), "%s", e.text);
    ck_assert_double_eq(from_file.top1, a.top1);
    const size_t size = train(teacher, NULL, weights[0], sizeof *weights);
    ck_assert_uint_eq(train(NULL, &from_file, weights[1], sizeof *weights), size);
    ck_assert_mem_eq(weights[0], weights[1], size);
    teacher_logits_free(&from_file);
    model_free(teacher);
}
END_TEST

// A multiple of 1/4 below 64 as binary16: sign, exponent + 15, ten bits behind the leading one.
static uint16_t half_of(float value) {
    int exponent;
    if (value == 0) return 0;
    const float fraction = frexpf(fabsf(value), &exponent); // in [0.5, 1)
    return (uint16_t)((value < 0) << 15 | (exponent - 1 + 15) << 10 |
                      ((int)(fraction * 2048) & 1023));
}

START_TEST(float16_teaches_what_the_same_numbers_do) {
    teacher_logits full, half;
    float numbers[IMAGES * CLASSES];
    uint16_t halves[IMAGES * CLASSES];
    rng r;
    rng_seed(&r, 4);
    for (int i = 0; i < IMAGES * CLASSES; i++) {
        numbers[i] = (float)rng_below(&r, 80) / 4 - 10;
        halves[i] = half_of(numbers[i]);
    }
    write_rows("full.npy", numbers, sizeof numbers, "<f4", IMAGES, CLASSES);
    write_rows("half.npy", halves, sizeof halves, "<f2", IMAGES, CLASSES);
    ck_assert_msg(teacher_logits_read(&full, test_path("full.npy"), &d, true, &e), "%s", e.text);
    ck_assert_msg(teacher_logits_read(&half, test_path("half.npy"), &d, true, &e), "%s", e.text);
    ck_assert(half.matrix.half);
    ck_assert_double_eq(full.top1, half.top1);
    ck_assert_uint_ne(full.checksum, half.checksum);
    const size_t size = train(NULL, &full, weights[0], sizeof *weights);
    ck_assert_uint_eq(train(NULL, &half, weights[1], sizeof *weights), size);
    ck_assert_mem_eq(weights[0], weights[1], size);
    teacher_logits_free(&full);
    teacher_logits_free(&half);
}
END_TEST

START_TEST(rows_follow_their_images) {
    float numbers[IMAGES * CLASSES], rows[3 * CLASSES];
    const size_t places[3] = {22, 0, 7};
    teacher_logits t;
    for (int i = 0; i < IMAGES * CLASSES; i++) numbers[i] = (float)i;
    write_rows("t.npy", numbers, sizeof numbers, "<f4", IMAGES, CLASSES);
    ck_assert(teacher_logits_read(&t, test_path("t.npy"), &d, true, &e));
    teacher_logits_gather(&t, places, 3, rows);
    for (size_t i = 0; i < 3 * CLASSES; i++) {
        const size_t expected = places[i / CLASSES] * CLASSES + i % CLASSES;
        ck_assert_float_eq(rows[i], (float)expected);
    }
    teacher_logits_free(&t);
}
END_TEST

START_TEST(shuffled_batches_know_their_images) {
    loader *l = loader_create(&d, DATASET_TRAIN, SHUFFLED, BATCH, 1, &e);
    const image_batch *b;
    int seen[IMAGES] = {0}, moved = 0, next = 0;
    loader_begin(l, 1, 0);
    while ((b = loader_next(l)))
        for (int i = 0; i < b->count; i++) {
            const size_t place = b->places[i];
            seen[place]++;
            moved += place != (size_t)next++;
            ck_assert_int_eq(b->labels[i], d.train.labels[place]);
            for (int j = 0; j < SIDE * SIDE; j++) // as it is: neither moved nor mirrored
                ck_assert_float_eq_tol(
                    b->images[i * SIDE * SIDE + j],
                    ((float)d.train.pixels[place * SIDE * SIDE + (size_t)j] / 255 - 0.5F) / 0.25F,
                    1e-5F);
        }
    for (int i = 0; i < IMAGES; i++) ck_assert_int_eq(seen[i], 1);
    ck_assert_int_gt(moved, IMAGES / 2);
    loader_free(l);
}
END_TEST

static void refuses(const char *words) {
    teacher_logits t;
    ck_assert(!teacher_logits_read(&t, test_path("t.npy"), &d, true, &e));
    ASSERT_SAYS(e, "t.npy");
    ASSERT_SAYS(e, words);
    ck_assert_int_eq(e.status, EXIT_RUNTIME);
    ck_assert_ptr_null(t.matrix.values);
}

// -inf rules a class out: every loss is finite where another class is left, and pulls on the
// student.
START_TEST(a_class_may_be_ruled_out) {
    float numbers[IMAGES * CLASSES], student[CLASSES] = {1, 2, 0, 1}, grad[CLASSES];
    const int64_t label = 0;
    double terms[TERMS];
    char groups[PATH_MAX];
    teacher_logits t;
    test_write("groups", "0 0 0 1", 7);
    snprintf(groups, sizeof groups, "%s", test_path("groups"));
    for (int i = 0; i < IMAGES * CLASSES; i++)
        numbers[i] = i % CLASSES == 2 ? -INFINITY : (float)(i % 3);
    write_rows("t.npy", numbers, sizeof numbers, "<f4", IMAGES, CLASSES);
    ck_assert_msg(teacher_logits_read(&t, test_path("t.npy"), &d, true, &e), "%s", e.text);
    for (int kind = LOSS_KD; kind < LOSS_KINDS; kind++) {
        const loss_settings s = {.kind = kind,
                                 .temperature = 2,
                                 .k = 2,
                                 .k_ratio = 2,
                                 .k_max = CLASSES,
                                 .w0 = 1,
                                 .w1 = 1,
                                 .w2 = 1,
                                 .alpha = 1,
                                 .beta = 1,
                                 .gamma = 1,
                                 .inter = 1,
                                 .intra = 1,
                                 .groups = groups,
                                 .kd_weight = 1};
        criterion *c = criterion_create(&s, 1, CLASSES, TEACHER_F32, &e);
        ck_assert_msg(c != NULL, "%s", e.text);
        ck_assert_msg(criterion_apply(c, student, t.matrix.values, &label, 1, 1, grad, terms, &e),
                      "%s", e.text);
        ck_assert_msg(isfinite(terms[TERM_TOTAL]), "%s", loss_names[kind]);
        for (int i = 0; i < CLASSES; i++) ck_assert(isfinite(grad[i]));
        ck_assert_msg(grad[2] > 0, "%s: %g", loss_names[kind],
                      (double)grad[2]); // away from what the teacher rules out
        criterion_free(c);
    }
    teacher_logits_free(&t);
}
END_TEST

START_TEST(bad_files_are_refused) {
    float numbers[IMAGES * CLASSES + CLASSES] = {0};
    uint16_t halves[IMAGES * CLASSES] = {0};
    const size_t size = IMAGES * CLASSES * sizeof *numbers;
    write_rows("t.npy", numbers, size + CLASSES * sizeof *numbers, "<f4", IMAGES + 1, CLASSES);
    refuses("holds 24 x 4 logits, but noise has 23 training images (--limit counts) and 4 classes");
    write_rows("t.npy", numbers, size, "<f4", CLASSES, IMAGES);
    refuses("holds 4 x 23 logits");
    write_rows("t.npy", numbers, size - 1, "<f4", IMAGES, CLASSES);
    refuses("do not hold 23 x 4 numbers");
    write_rows("t.npy", numbers, size, "<i4", IMAGES, CLASSES);
    refuses("are not float32, float16, bfloat16 or float64");
    numbers[CLASSES + 2] = INFINITY;
    write_rows("t.npy", numbers, size, "<f4", IMAGES, CLASSES);
    refuses("the logit of image 1, class 2 is inf; expected a number or -inf");
    for (int i = 0; i < CLASSES; i++) numbers[CLASSES + i] = -INFINITY;
    write_rows("t.npy", numbers, size, "<f4", IMAGES, CLASSES);
    refuses("all logits of image 1 are -inf");
    halves[3 * CLASSES] = 0x7e00; // NaN
    write_rows("t.npy", halves, sizeof halves, "<f2", IMAGES, CLASSES);
    refuses("the logit of image 3, class 0 is nan");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("teacher");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, a_file_teaches_what_its_network_does);
    tcase_add_test(all, float16_teaches_what_the_same_numbers_do);
    tcase_add_test(all, rows_follow_their_images);
    tcase_add_test(all, shuffled_batches_know_their_images);
    tcase_add_test(all, bad_files_are_refused);
    tcase_add_test(all, a_class_may_be_ruled_out);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
