// With a workspace the library allocates nothing; without one it allocates a little, frees it, and
// says so when it cannot. malloc and its relatives are replaced by ones that count.
#include "malloc_counter.h"
#include "presets.h"

#include <check.h>
#include <string.h>

enum { ROWS = 64, CLASSES = 50 };

typedef struct data {
    problem p;
    float student[ROWS * CLASSES];
    float teacher[ROWS * CLASSES];
    float grad[ROWS * CLASSES];
    gdkd_batch batch;
    gdkd_result result;
} data;

static void data_init(data *d, const gdkd_config *config, int32_t threads) {
    problem_init(&d->p, ROWS, CLASSES);
    d->p.config = *config;
    d->p.config.num_threads = threads;
    preset_inputs(&d->p);
    for (int i = 0; i < ROWS * CLASSES; i++) {
        d->student[i] = (float)(i % 13) * 0.3f;
        d->teacher[i] = (float)(i % 11) * 0.4f;
        d->grad[i] = 9.0f;
    }
    gdkd_batch_init(&d->batch);
    gdkd_result_init(&d->result);
    d->batch.outer = ROWS;
    d->batch.classes = CLASSES;
    d->batch.inner = 1;
    d->batch.student = d->student;
    d->batch.teacher = d->teacher;
    d->batch.target = d->p.target;
    d->batch.groups = d->p.groups;
    d->batch.low_weight = d->p.low_weight;
    d->result.grad = d->grad;
}

START_TEST(the_counter_counts) {
    if (!OWN_MALLOC) return;
    const long before = atomic_load(&allocated);
    void *volatile memory = malloc(10);
    free(memory);
    ck_assert_int_eq(atomic_load(&allocated), before + 1);
}
END_TEST

START_TEST(nothing_with_a_workspace) {
    if (!OWN_MALLOC) return;
    for (int i = 0; i < LOSS_PRESETS; i++) {
        for (int32_t threads = 1; threads <= 2; threads++) {
            static data d;
            data_init(&d, &loss_presets()[i].config, threads);
            const size_t bytes = gdkd_workspace_size(&d.p.config, &d.batch);
            void *workspace = checked_calloc(bytes, 1);
            // The first call: OpenMP may set up its threads.
            ck_assert_int_eq(gdkd_loss(&d.p.config, &d.batch, &d.result, workspace, bytes),
                             GDKD_OK);
            const long before = atomic_load(&allocated);
            const long freed_before = atomic_load(&freed);
            const gdkd_status status =
                gdkd_loss(&d.p.config, &d.batch, &d.result, workspace, bytes);
            const long calls = atomic_load(&allocated) - before;
            const long frees = atomic_load(&freed) - freed_before;
            ck_assert_int_eq(status, GDKD_OK);
            ck_assert_msg(calls == 0 && frees == 0, "%s, %d threads: %ld allocations",
                          loss_presets()[i].name, threads, calls);
            free(workspace);
            problem_free(&d.p);
        }
    }
}
END_TEST

START_TEST(nothing_lost_without_one) {
    if (!OWN_MALLOC) return;
    for (int i = 0; i < LOSS_PRESETS; i++) {
        static data d;
        data_init(&d, &loss_presets()[i].config, 2);
        ck_assert_int_eq(gdkd_loss(&d.p.config, &d.batch, &d.result, NULL, 0), GDKD_OK);
        const long before = atomic_load(&allocated) - atomic_load(&freed);
        const long asked = atomic_load(&bytes_asked);
        const gdkd_status status = gdkd_loss(&d.p.config, &d.batch, &d.result, NULL, 0);
        const long kept = atomic_load(&allocated) - atomic_load(&freed) - before;
        const long taken = atomic_load(&bytes_asked) - asked;
        ck_assert_int_eq(status, GDKD_OK);
        ck_assert_int_eq(kept, 0);
        // A workspace, not copies of the logits.
        ck_assert_int_le(taken, (long)gdkd_workspace_size(&d.p.config, &d.batch) + 4096);
        problem_free(&d.p);
    }
}
END_TEST

START_TEST(refused_memory) {
    if (!OWN_MALLOC) return;
    static data d;
    const loss_preset *gdkd = &loss_presets()[3];
    data_init(&d, &gdkd->config, 1);
    ck_assert_int_eq(gdkd_loss(&d.p.config, &d.batch, &d.result, NULL, 0), GDKD_OK);
    for (int i = 0; i < ROWS * CLASSES; i++) d.grad[i] = 9.0f;
    atomic_store(&refusing, 1);
    const gdkd_status status = gdkd_loss(&d.p.config, &d.batch, &d.result, NULL, 0);
    atomic_store(&refusing, 0);
    ck_assert_int_eq(status, GDKD_ERROR_MEMORY);
    for (int i = 0; i < ROWS * CLASSES; i++) ck_assert_float_eq(d.grad[i], 9.0f);
    problem_free(&d.p);
}
END_TEST

START_TEST(dist_with_a_workspace) {
    if (!OWN_MALLOC) return;
    static data d;
    gdkd_dist_config c;
    data_init(&d, &loss_presets()[0].config, 2);
    gdkd_dist_config_init(&c);
    c.num_threads = 2;
    const size_t bytes = gdkd_dist_workspace_size(&c, &d.batch);
    void *workspace = checked_calloc(bytes, 1);
    ck_assert_int_eq(gdkd_dist(&c, &d.batch, &d.result, workspace, bytes), GDKD_OK);
    const long before = atomic_load(&allocated);
    const gdkd_status status = gdkd_dist(&c, &d.batch, &d.result, workspace, bytes);
    const long calls = atomic_load(&allocated) - before;
    ck_assert_int_eq(status, GDKD_OK);
    ck_assert_int_eq(calls, 0);
    atomic_store(&refusing, 1);
    const gdkd_status refused_status = gdkd_dist(&c, &d.batch, &d.result, NULL, 0);
    atomic_store(&refusing, 0);
    ck_assert_int_eq(refused_status, GDKD_ERROR_MEMORY);
    free(workspace);
    problem_free(&d.p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("allocation");
    TCase *tcase = tcase_create("allocation");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_counter_counts);
    tcase_add_test(tcase, nothing_with_a_workspace);
    tcase_add_test(tcase, nothing_lost_without_one);
    tcase_add_test(tcase, refused_memory);
    tcase_add_test(tcase, dist_with_a_workspace);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
