// How much stack a call takes: no more for a million classes than for few, on every instruction
// set, in every shape. The call runs in a thread whose stack was painted before; what is no longer
// paint was used.
#include "problem.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Sanitizers put guards around every variable.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#    define SANITIZED 1
#elif defined __has_feature
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
        __has_feature(memory_sanitizer)
#        define SANITIZED 1
#    endif
#endif
#ifndef SANITIZED
#    define SANITIZED 0
#endif

enum {
    KIB = 1024,
    STACK = (SANITIZED ? 4096 : 256) * KIB,
    PAINT = 0xA5,
    MOST = 64 * KIB // of a call; gcc's code takes 22 KiB (portable) or 13 (AVX2, AVX-512)
};

typedef struct task {
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    void *workspace; // NULL: does nothing
    size_t bytes;
    gdkd_status status;
} task;

static void *run_task(void *data) {
    task *t = data;
    if (t->workspace)
        t->status = gdkd_loss(&t->config, &t->batch, &t->result, t->workspace, t->bytes);
    return NULL;
}

// Bytes of stack that a thread used.
static size_t stack_of(task *t) {
    pthread_t thread;
    pthread_attr_t attributes;
    unsigned char *stack =
        mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stack, MAP_FAILED);
    memset(stack, PAINT, STACK);
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, run_task, t), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    size_t left = 0;
    while (left < STACK && stack[left] == PAINT) left++;
    munmap(stack, STACK);
    return STACK - left;
}

typedef struct shape {
    const char *name;
    int64_t outer, classes, inner;
    int32_t dtype, map, standardize;
} shape;

// Where the portable kernels of the first release ran out of 8 MB, and the largest that each way of
// the rows is for.
static const shape shapes[] = {
    {"along", 1, 1000000, 1, GDKD_F32, 0, 0},
    {"along", 1, 700000, 1, GDKD_F32, 0, 0},
    {"along, copied", 1, 1000000, 1, GDKD_BF16, 0, 0},
    {"along, sorted", 1, 1000000, 1, GDKD_F32, 1, 0},
    {"along, standardised groups", 1, 1000000, 1, GDKD_F32, 1, GDKD_STANDARDIZE_GROUPS},
    {"across", 1, 1000000, 16, GDKD_F32, 0, 0},
    {"across", 1, 45000, 16, GDKD_F32, 0, 0},
    {"across, a map", 1, 45000, 16, GDKD_F32, 1, 0},
    {"across, part of a block", 1, 1000, 17, GDKD_F32, 0, 0},
    {"across, copied", 1, 1000, 16, GDKD_F16, 0, 0},
    {"gathered", 16, 128, 1, GDKD_F32, 0, 0},
    {"gathered, a map", 16, 1536, 1, GDKD_F32, 1, 0},
    {"double", 1, 1000000, 1, GDKD_F64, 0, 0},
    {"double, a map", 1, 1000000, 1, GDKD_F64, 1, 0},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void store(int32_t dtype, void *to, int64_t i, double value) {
    const float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    if (dtype == GDKD_F64) ((double *)to)[i] = value;
    if (dtype == GDKD_F32) ((float *)to)[i] = narrow;
    if (dtype == GDKD_BF16) ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
    if (dtype == GDKD_F16)
        ((uint16_t *)to)[i] = (uint16_t)(0x3c00 + (int)(64 * (value + 4))); // from 1 to 2
}

// KD at T = 4 of models that are nearly alike, so that their rows take the second pass.
static void fill(const shape *s, task *t, void *const memory[3], uint8_t *groups) {
    gdkd_config_kd(&t->config, 4);
    gdkd_batch_init(&t->batch);
    gdkd_result_init(&t->result);
    for (int64_t i = 0; i < s->outer * s->classes * s->inner; i++) {
        const double x = 3 * sin(0.37 * (double)i);
        store(s->dtype, memory[0], i, x);
        store(s->dtype, memory[1], i, x + 0.01 * cos((double)i));
    }
    for (int64_t i = 0; i < s->classes; i++) groups[i] = (uint8_t)(i % 3);
    if (s->map) t->config.partition = GDKD_PARTITION_MAP, t->batch.groups = groups;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) t->config.w_low[g] = 1;
    t->config.standardize = s->standardize;
    t->config.num_threads = 1;
    t->batch.student_dtype = t->batch.teacher_dtype = s->dtype;
    t->batch.outer = s->outer, t->batch.classes = s->classes, t->batch.inner = s->inner;
    t->batch.student = memory[0], t->batch.teacher = memory[1], t->result.grad = memory[2];
}

START_TEST(a_call) {
    const shape *s = &shapes[_i];
    const int64_t count = s->outer * s->classes * s->inner;
    void *memory[3];
    uint8_t *groups = checked_calloc((size_t)s->classes, 1);
    task t = {0}, idle = {0};
    for (int i = 0; i < 3; i++) memory[i] = checked_calloc((size_t)count, s->dtype ? 8 : 4);
    fill(s, &t, memory, groups);
    const size_t nothing = stack_of(&idle);
    t.bytes = gdkd_workspace_size(&t.config, &t.batch);
    t.workspace = checked_calloc(t.bytes, 1);
    for (t.config.isa = GDKD_ISA_SCALAR; t.config.isa <= gdkd_isa(); t.config.isa++) {
        const size_t taken = stack_of(&t) - nothing;
        ck_assert_int_eq(t.status, GDKD_OK);
        ck_assert(isfinite(t.result.total) && t.result.total > 0);
        if (getenv("GDKD_TEST_SHOW"))
            printf("%-28s %8d classes, isa %d: %zu bytes of stack\n", s->name, (int)s->classes,
                   t.config.isa, taken);
        ck_assert_msg(SANITIZED || taken <= MOST, "%s, isa %d: %zu bytes of stack", s->name,
                      t.config.isa, taken);
    }
    free(t.workspace);
    free(groups);
    for (int i = 0; i < 3; i++) free(memory[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stack");
    TCase *tcase = tcase_create("stack");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, a_call, 0, SHAPES);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
