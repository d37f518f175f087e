// The library touches what it was given and nothing else: every buffer stands between pages that
// cannot be touched, once flush with the page before and once with the page after it; inputs cannot
// be written to. Then the same with elements that are aligned as little as their type allows.
#include "number.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Memory between two untouchable pages.
typedef struct guarded {
    unsigned char *map;
    size_t map_bytes;
    unsigned char *data;
    size_t bytes;
} guarded;

typedef enum place { FLUSH_WITH_START, FLUSH_WITH_END } place;

static void guard(guarded *g, size_t bytes, place where) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (bytes + page - 1) / page * page + (bytes == 0 ? page : 0);
    g->map_bytes = inside + 2 * page;
    g->map = mmap(NULL, g->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(g->map, MAP_FAILED);
    ck_assert_int_eq(mprotect(g->map + page, inside, PROT_READ | PROT_WRITE), 0);
    g->bytes = bytes;
    g->data = g->map + page + (where == FLUSH_WITH_END ? inside - bytes : 0);
}

static void make_read_only(const guarded *g) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    ck_assert_int_eq(mprotect(g->map + page, g->map_bytes - 2 * page, PROT_READ), 0);
}

static void unguard(guarded *g) {
    munmap(g->map, g->map_bytes);
}

// All the buffers of a call.
enum {
    STUDENT,
    TEACHER,
    TARGET,
    K_TABLE,
    GROUPS,
    LOW_WEIGHT,
    ROW_WEIGHT,
    GRAD,
    ROW_LOSS,
    WORK,
    BUFFERS
};

typedef struct arena {
    guarded at[BUFFERS];
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
} arena;

typedef struct shape {
    int64_t outer, classes, inner, pad;
} shape;

static void fill_logits(const shape *s, int32_t dtype, unsigned char *data, uint64_t seed) {
    rng r = {seed};
    // The padding, and every element that is not a row's, is NaN: reading it would show.
    const int64_t stride = s->classes * s->inner + s->pad;
    for (int64_t i = 0; i < s->outer * stride - s->pad; ++i) {
        const int inside = i % stride < s->classes * s->inner;
        number_store(dtype, data, i, inside ? 2.0 * rng_normal(&r) : (double)NAN);
    }
}

static void fill_tables(const shape *s, arena *a) {
    const int64_t rows = s->outer * s->inner;
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t target = r % 6 == 5 ? a->config.ignore_index : r % s->classes;
        const int32_t narrow = (int32_t)target;
        const double weight = 1.0 + 0.25 * (double)(r % 3);
        if (a->batch.target_dtype == GDKD_INT64) memcpy(a->at[TARGET].data + 8 * r, &target, 8);
        if (a->batch.target_dtype == GDKD_INT32) memcpy(a->at[TARGET].data + 4 * r, &narrow, 4);
        memcpy(a->at[ROW_WEIGHT].data + 8 * r, &weight, 8);
    }
    for (int64_t c = 0; c < s->classes; ++c) {
        const int64_t k = 1 + c % 4;
        const double weight = 0.5 + 0.5 * (double)(c % 3);
        memcpy(a->at[K_TABLE].data + 8 * c, &k, 8);
        memcpy(a->at[LOW_WEIGHT].data + 8 * c, &weight, 8);
        a->at[GROUPS].data[c] = (uint8_t)(c % 3);
    }
}

static void place_buffers(arena *a, const shape *s, place where, size_t workspace) {
    const size_t rows = (size_t)(s->outer * s->inner);
    const size_t student = number_size(a->batch.student_dtype);
    const size_t teacher = number_size(a->batch.teacher_dtype);
    // The last outer has no padding behind it: it must not be needed.
    const size_t elements =
        (size_t)(s->outer * (s->classes * s->inner + s->pad) - (s->outer > 0 ? s->pad : 0));
    const size_t bytes[BUFFERS] = {
        [STUDENT] = elements * student,
        [TEACHER] = elements * teacher,
        [TARGET] = rows * (a->batch.target_dtype == GDKD_INT64 ? 8 : 4),
        [K_TABLE] = (size_t)s->classes * 8,
        [GROUPS] = (size_t)s->classes,
        [LOW_WEIGHT] = (size_t)s->classes * 8,
        [ROW_WEIGHT] = rows * 8,
        [GRAD] = elements * student,
        [ROW_LOSS] = rows * 8,
        [WORK] = workspace,
    };
    for (int i = 0; i < BUFFERS; ++i) guard(&a->at[i], bytes[i], where);
}

static void describe(arena *a, const shape *s) {
    gdkd_batch *b = &a->batch;
    const int64_t stride = s->classes * s->inner + s->pad;
    b->outer = s->outer;
    b->classes = s->classes;
    b->inner = s->inner;
    b->student_stride = b->teacher_stride = stride;
    a->result.grad_stride = stride;
}

static void point(arena *a) {
    gdkd_batch *b = &a->batch;
    b->student = a->at[STUDENT].data;
    b->teacher = a->at[TEACHER].data;
    b->target = a->at[TARGET].data;
    b->k_table = (const int64_t *)(const void *)a->at[K_TABLE].data;
    b->groups = a->at[GROUPS].data;
    b->low_weight = (const double *)(const void *)a->at[LOW_WEIGHT].data;
    b->row_weight = (const double *)(const void *)a->at[ROW_WEIGHT].data;
    a->result.grad = a->at[GRAD].data;
    a->result.row_loss = (double *)(void *)a->at[ROW_LOSS].data;
}

// The gradient and the losses between guard pages, to be compared over places.
static void guarded_call(const gdkd_config *config, const shape *s, int32_t dtype, int32_t other,
                         place where, double *total) {
    arena a;
    memset(&a, 0, sizeof a);
    a.config = *config;
    a.config.num_threads = 2;
    gdkd_batch_init(&a.batch);
    gdkd_result_init(&a.result);
    a.batch.student_dtype = dtype;
    a.batch.teacher_dtype = other;
    a.batch.target_dtype = dtype == GDKD_F32 ? GDKD_INT32 : GDKD_INT64;
    describe(&a, s);
    const size_t workspace = gdkd_workspace_size(&a.config, &a.batch);
    ck_assert_uint_gt(workspace, 0);
    place_buffers(&a, s, where, workspace);
    point(&a);
    fill_logits(s, dtype, a.at[STUDENT].data, 1);
    fill_logits(s, other, a.at[TEACHER].data, 2);
    fill_tables(s, &a);
    memset(a.at[GRAD].data, 0x5a, a.at[GRAD].bytes);
    for (int i = STUDENT; i <= ROW_WEIGHT; ++i) make_read_only(&a.at[i]);
    const gdkd_status status =
        gdkd_loss(&a.config, &a.batch, &a.result, a.at[WORK].data, workspace);
    ck_assert_msg(status == GDKD_OK, "%s", gdkd_status_string(status));
    ck_assert_msg(isfinite(a.result.total), "an element outside the rows was read");
    const int64_t stride = s->classes * s->inner + s->pad;
    for (int64_t i = 0; i < s->outer * stride - s->pad; ++i) {
        const size_t size = number_size(dtype);
        if (i % stride < s->classes * s->inner) {
            ck_assert(isfinite(number_load(dtype, a.at[GRAD].data, i)));
            continue;
        }
        for (size_t b = 0; b < size; ++b) {
            ck_assert_uint_eq(a.at[GRAD].data[(size_t)i * size + b], 0x5a);
        }
    }
    *total = a.result.total;
    for (int i = 0; i < BUFFERS; ++i) unguard(&a.at[i]);
}

static const shape shapes[] = {
    {1, 1, 1, 0},    {5, 3, 1, 0}, {7, 16, 1, 0}, {3, 17, 1, 5},  {2, 100, 1, 1},
    {2, 1003, 1, 3}, {2, 5, 3, 0}, {2, 7, 16, 2}, {1, 33, 50, 0}, {3, 4, 17, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

START_TEST(guard_pages) {
    for (int i = 0; i < LOSS_PRESETS; ++i) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; ++dtype) {
            gdkd_config config = loss_presets()[i].config;
            double first = 0.0;
            for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); ++isa) {
                double at_start;
                double at_end;
                config.isa = isa;
                guarded_call(&config, &shapes[_i], dtype, (dtype + i) % 4, FLUSH_WITH_START,
                             &at_start);
                guarded_call(&config, &shapes[_i], dtype, (dtype + i) % 4, FLUSH_WITH_END, &at_end);
                if (isa == GDKD_ISA_SCALAR) first = at_start;
                ck_assert_double_eq(at_start, at_end); // the place changes nothing
                ck_assert_double_eq(at_start, first);
            }
        }
    }
}
END_TEST

// A weight that is 0 takes away work; it must not take a route that needs more room than is said for all weights. The
// last shape is one where float logits go another way than 16-bit or grouped ones.
static const shape without_a_term[] = {{5, 17, 1, 0}, {2, 7, 16, 2}, {1, 1030, 17, 0}};
static const int32_t dtype_pairs[][2] = {
    {GDKD_F32, GDKD_F32}, {GDKD_F32, GDKD_F64}, {GDKD_F32, GDKD_BF16}, {GDKD_BF16, GDKD_F32}};
enum {
    WITHOUT_A_TERM = sizeof without_a_term / sizeof without_a_term[0],
    DTYPE_PAIRS = sizeof dtype_pairs / sizeof dtype_pairs[0]
};

START_TEST(guard_pages_without_a_term) {
    for (int i = 0; i < LOSS_PRESETS * DTYPE_PAIRS * 2; ++i) {
        const int32_t *pair = dtype_pairs[i / 2 % DTYPE_PAIRS];
        gdkd_config config = loss_presets()[i / (2 * DTYPE_PAIRS)].config;
        double total;
        config.kd_weight = i % 2;
        config.ce_weight = 1 - i % 2;
        guarded_call(&config, &without_a_term[_i], pair[0], pair[1], FLUSH_WITH_END, &total);
    }
}
END_TEST

// Rules that read a table: k by row and by class.
START_TEST(guard_pages_around_tables) {
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); ++isa) {
        for (int32_t rule = GDKD_K_FIXED; rule <= GDKD_K_MASS; ++rule) {
            const shape s = {9, 9, 1, 0}; // as many rows as classes: one table serves both rules
            gdkd_config config;
            double total;
            ck_assert_int_eq(gdkd_config_gdkd(&config, 2, 3, 1, 1, 1), GDKD_OK);
            config.k_rule = rule;
            config.k_max = 5;
            config.k_mass = 0.6;
            config.isa = isa;
            guarded_call(&config, &s, GDKD_F32, GDKD_F32, FLUSH_WITH_START, &total);
            guarded_call(&config, &s, GDKD_F32, GDKD_F32, FLUSH_WITH_END, &total);
        }
    }
}
END_TEST

// Every array one element off, the workspace one byte off, and the answer is the same.
START_TEST(unaligned) {
    enum { ROWS = 5, CLASSES = 37, COUNT = ROWS * CLASSES };
    for (int i = 0; i < LOSS_PRESETS; ++i) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; ++dtype) {
            const size_t size = number_size(dtype);
            double totals[2];
            double grads[2][COUNT];
            problem p;
            problem_init(&p, ROWS, CLASSES);
            p.config = loss_presets()[i].config;
            preset_inputs(&p);
            for (int off = 0; off < 2; ++off) {
                const size_t shift = off ? size : 0;
                unsigned char *memory = aligned_alloc(64, 3 * 4096);
                gdkd_batch b;
                gdkd_result r;
                ck_assert_ptr_nonnull(memory);
                gdkd_batch_init(&b);
                gdkd_result_init(&r);
                unsigned char *student = memory + shift;
                unsigned char *teacher = memory + 4096 + shift;
                unsigned char *grad = memory + 8192 + shift;
                const shape s = {ROWS, CLASSES, 1, 0};
                fill_logits(&s, dtype, student, 3);
                fill_logits(&s, dtype, teacher, 4);
                b.student_dtype = b.teacher_dtype = dtype;
                b.outer = ROWS;
                b.classes = CLASSES;
                b.inner = 1;
                b.student = student;
                b.teacher = teacher;
                b.target = p.target;
                b.groups = p.groups;
                b.low_weight = p.low_weight;
                r.grad = grad;
                const size_t bytes = gdkd_workspace_size(&p.config, &b);
                unsigned char *workspace = checked_calloc(bytes + 1, 1);
                ck_assert_int_eq(gdkd_loss(&p.config, &b, &r, workspace + off, bytes), GDKD_OK);
                totals[off] = r.total;
                for (int j = 0; j < COUNT; ++j) grads[off][j] = number_load(dtype, grad, j);
                free(workspace);
                free(memory);
            }
            ck_assert_double_eq(totals[0], totals[1]);
            ck_assert(same_bytes(grads[0], grads[1], sizeof grads[0]));
            problem_free(&p);
        }
    }
}
END_TEST

static void dist_guarded(const shape *s, int32_t dtype, place where) {
    gdkd_dist_config d;
    arena a;
    memset(&a, 0, sizeof a);
    gdkd_dist_config_init(&d);
    gdkd_config_init(&a.config);
    gdkd_batch_init(&a.batch);
    gdkd_result_init(&a.result);
    d.num_threads = 2;
    a.batch.student_dtype = a.batch.teacher_dtype = dtype;
    describe(&a, s);
    const size_t workspace = gdkd_dist_workspace_size(&d, &a.batch);
    ck_assert_uint_gt(workspace, 0);
    place_buffers(&a, s, where, workspace);
    fill_logits(s, dtype, a.at[STUDENT].data, 1);
    fill_logits(s, dtype, a.at[TEACHER].data, 2);
    fill_tables(s, &a);
    a.batch.student = a.at[STUDENT].data;
    a.batch.teacher = a.at[TEACHER].data;
    a.batch.target = a.at[TARGET].data;
    a.result.grad = a.at[GRAD].data;
    for (int i = STUDENT; i <= ROW_WEIGHT; ++i) make_read_only(&a.at[i]);
    ck_assert_int_eq(gdkd_dist(&d, &a.batch, &a.result, a.at[WORK].data, workspace), GDKD_OK);
    ck_assert(isfinite(a.result.total));
    for (int i = 0; i < BUFFERS; ++i) unguard(&a.at[i]);
}

START_TEST(dist_guard_pages) {
    for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; ++dtype) {
        dist_guarded(&shapes[_i], dtype, FLUSH_WITH_START);
        dist_guarded(&shapes[_i], dtype, FLUSH_WITH_END);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, guard_pages, 0, SHAPES);
    tcase_add_loop_test(tcase, guard_pages_without_a_term, 0, WITHOUT_A_TERM);
    tcase_add_test(tcase, guard_pages_around_tables);
    tcase_add_test(tcase, unaligned);
    tcase_add_loop_test(tcase, dist_guard_pages, 0, SHAPES);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
