// A child of fork: OpenMP's team is there without its threads. num_threads 0 makes none in it.
#include "gdkd.h"
#include "problem.h"
#include "threads.h"

#include <check.h>
#include <omp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 64, CLASSES = 1000, COUNT = ROWS * CLASSES, PATIENCE = 20 };

typedef struct data {
    gdkd_config config;
    gdkd_dist_config dist;
    gdkd_batch batch;
    void *workspace;
    size_t bytes;
    float student[COUNT], teacher[COUNT];
} data;

// What a call gives: the loss's, and DIST's.
typedef struct answer {
    float grad[COUNT];
    double total;
} answer;

static data d;

static void data_init(int32_t threads) {
    gdkd_config_gdkd(&d.config, 4.0, 5, 1.0, 1.0, 2.0);
    gdkd_dist_config_init(&d.dist);
    gdkd_batch_init(&d.batch);
    d.config.num_threads = d.dist.num_threads = threads;
    for (int i = 0; i < COUNT; i++) {
        d.student[i] = (float)(i * 7 % 1013) * 0.01F;
        d.teacher[i] = (float)(i * 11 % 1019) * 0.01F;
    }
    d.batch.outer = ROWS;
    d.batch.classes = CLASSES;
    d.batch.inner = 1;
    d.batch.student = d.student;
    d.batch.teacher = d.teacher;
    const size_t loss = gdkd_workspace_size(&d.config, &d.batch);
    const size_t dist = gdkd_dist_workspace_size(&d.dist, &d.batch);
    d.bytes = loss > dist ? loss : dist;
    d.workspace = checked_calloc(d.bytes, 1);
}

// 1 when both calls are done.
static int run(answer both[2]) {
    gdkd_status status[2];
    for (int dist = 0; dist < 2; dist++) {
        gdkd_result result;
        gdkd_result_init(&result);
        result.grad = both[dist].grad;
        status[dist] = dist ? gdkd_dist(&d.dist, &d.batch, &result, d.workspace, d.bytes)
                            : gdkd_loss(&d.config, &d.batch, &result, d.workspace, d.bytes);
        both[dist].total = result.total;
    }
    return status[0] == GDKD_OK && status[1] == GDKD_OK;
}

static answer parents[2], childs[2];

// Both calls with num_threads 0 give the parent's bits, on one thread.
static int agrees(void) {
    d.config.num_threads = d.dist.num_threads = 0;
    return run(childs) && same_bytes(parents, childs, sizeof parents) &&
           gdkd_default_threads() == 1;
}

// Its status as waitpid has it. A child does not inherit its parent's alarm, but Check's handler,
// which would kill the parent too.
static int status_of_child(int (*holds)(void)) {
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(PATIENCE);
        _exit(holds() ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static int a_child_agrees(void) {
    return status_of_child(agrees) == 0;
}

static void expect_of_child(int (*holds)(void)) {
    const int status = status_of_child(holds);
    ck_assert_msg(!WIFSIGNALED(status), "signal %d ended the child (%d: it hung)", WTERMSIG(status),
                  SIGALRM);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_child_gets_the_same_bits) {
    data_init(2);
    ck_assert(run(parents));
    expect_of_child(agrees);
    expect_of_child(a_child_agrees); // its own child does
    free(d.workspace);
}
END_TEST

// A workspace is sized once, in the parent, for as many threads as that would make.
START_TEST(a_child_may_use_its_parents_workspace) {
    omp_set_num_threads(3);
    data_init(0);
    ck_assert(run(parents));
    expect_of_child(agrees);
    free(d.workspace);
}
END_TEST

static int nothing(void) {
    return 1;
}

// Whatever children there were: fork's, and those that share the parent's memory until they exec.
START_TEST(the_parent_keeps_its_threads) {
    omp_set_num_threads(3);
    ck_assert_int_eq(gdkd_default_threads(), 3);
    expect_of_child(nothing);
    char *const arguments[] = {"true", NULL};
    pid_t child;
    int status;
    ck_assert_int_eq(posix_spawnp(&child, "true", NULL, NULL, arguments, environ), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(gdkd_default_threads(), 3);
    data_init(0);
    ck_assert(run(parents));
    free(d.workspace);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fork");
    TCase *tcase = tcase_create("fork");
    tcase_add_test(tcase, a_child_gets_the_same_bits);
    tcase_add_test(tcase, a_child_may_use_its_parents_workspace);
    tcase_add_test(tcase, the_parent_keeps_its_threads);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); // Check's own child would be a child already
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
