// Random bits as configuration, batch and tables. Whatever they are, the call returns a status that
// the header knows, a refused call has written nothing, and (under the sanitizers) nothing outside
// the buffers was touched. The seed is fixed; GDKD_TEST_LONG=1 runs twenty times as many.
#include "problem.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 6000, MOST_CLASSES = 3000, TABLE = 6000 };

typedef struct state {
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    gdkd_dist_config dist;
    unsigned char student[8 * ELEMENTS], teacher[8 * ELEMENTS], grad[8 * ELEMENTS];
    unsigned char target[8 * TABLE];
    int64_t k_table[TABLE];
    uint8_t groups[ELEMENTS];
    double low_weight[TABLE], row_weight[TABLE], row_loss[TABLE];
} state;

typedef enum kind { INT32, UINT32, INT64, REAL } kind;
typedef struct field {
    size_t offset; // in the state
    kind kind;
    double low, high; // of valid values
} field;

#define AT(member) offsetof(state, member)
static const field fields[] = {
    {AT(config.partition), INT32, 0, 5},
    {AT(config.k_rule), INT32, 0, 4},
    {AT(config.divergence), INT32, 0, 3},
    {AT(config.standardize), INT32, 0, 3},
    {AT(config.reduction), INT32, 0, 2},
    {AT(config.k), INT64, 1, 40},
    {AT(config.k_max), INT64, 1, 40},
    {AT(config.k_ratio), REAL, 0.5, 5},
    {AT(config.k_mass), REAL, 0.01, 1},
    {AT(config.temperature), REAL, 0.01, 20},
    {AT(config.teacher_temperature), REAL, 0, 20},
    {AT(config.temperature_squared), INT32, 0, 1},
    {AT(config.mass_scaled_groups), UINT32, 0, 255},
    {AT(config.low_weight_groups), UINT32, 0, 255},
    {AT(config.low_weight_index), INT32, 0, 2},
    {AT(config.w_high), REAL, -1, 4},
    {AT(config.w_low[0]), REAL, -1, 4},
    {AT(config.w_low[1]), REAL, -1, 4},
    {AT(config.w_low[7]), REAL, -1, 4},
    {AT(config.kd_weight), REAL, -1, 4},
    {AT(config.ce_weight), REAL, -1, 4},
    {AT(config.label_smoothing), REAL, 0, 1},
    {AT(config.ignore_index), INT64, -100, 3},
    {AT(config.target_from_teacher), INT32, 0, 1},
    {AT(config.num_threads), INT32, 0, 5},
    {AT(config.isa), INT32, 0, 3},
    {AT(config.divisor), REAL, 0, 9},
    {AT(batch.student_dtype), INT32, 0, 3},
    {AT(batch.teacher_dtype), INT32, 0, 3},
    {AT(batch.target_dtype), INT32, 0, 1},
    {AT(batch.outer), INT64, 0, 9},
    {AT(batch.classes), INT64, 1, 60},
    {AT(batch.inner), INT64, 0, 9},
    {AT(batch.student_stride), INT64, 0, 0},
    {AT(batch.teacher_stride), INT64, 0, 0},
    {AT(batch.groups_stride), INT64, 0, 0},
    {AT(result.accumulate), INT32, 0, 1},
    {AT(result.want_norms), INT32, 0, 1},
    {AT(result.grad_stride), INT64, 0, 0},
    {AT(result.grad_scale), REAL, -2, 2},
    {AT(dist.temperature_squared), INT32, 0, 1},
    {AT(dist.temperature), REAL, 0.01, 20},
    {AT(dist.beta), REAL, -1, 4},
    {AT(dist.gamma), REAL, -1, 4},
    {AT(dist.ignore_index), INT64, -100, 3},
    {AT(dist.num_threads), INT32, 0, 5},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double odd_real(rng *r) {
    static const double odd[] = {0.0,  -0.0,    1.0,      -1.0,     1e-320, 1e-40,
                                 1e40, 1.7e308, -1.7e308, INFINITY, NAN,    -INFINITY};
    if (rng_below(r, 2)) return odd[rng_below(r, 12)];
    const uint64_t bits = rng_bits(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t odd_int(rng *r) {
    static const int64_t odd[] = {0,         1,         -1,        2,         INT64_MAX,
                                  INT64_MIN, INT32_MAX, INT32_MIN, 1LL << 32, 1LL << 31};
    if (rng_below(r, 2)) return odd[rng_below(r, 10)];
    return (int64_t)(rng_bits(r) >> rng_below(r, 64));
}

static void set_field(state *s, const field *f, rng *r, int64_t oddity) {
    unsigned char *at = (unsigned char *)s + f->offset;
    const int odd = rng_below(r, oddity) == 0;
    const double inside = rng_between(r, f->low, f->high);
    const int64_t whole =
        odd ? odd_int(r) : (int64_t)f->low + rng_below(r, (int64_t)(f->high - f->low) + 1);
    const double real = odd ? odd_real(r) : inside;
    const int32_t narrow = (int32_t)(uint32_t)(uint64_t)whole;
    if (f->kind == REAL) memcpy(at, &real, sizeof real);
    if (f->kind == INT64) memcpy(at, &whole, sizeof whole);
    if (f->kind == INT32 || f->kind == UINT32) memcpy(at, &narrow, sizeof narrow);
}

static void fill_tables(state *s, rng *r, int64_t oddity) {
    const int64_t classes = s->batch.classes > 0 ? s->batch.classes : 1;
    const int32_t wide = s->batch.target_dtype == GDKD_INT64;
    for (int i = 0; i < TABLE; i++) {
        const int64_t target = rng_below(r, oddity) ? rng_below(r, classes) : odd_int(r);
        const int32_t narrow = (int32_t)(uint32_t)(uint64_t)target;
        if (wide) memcpy(s->target + 8 * i, &target, 8);
        if (!wide) memcpy(s->target + 4 * i, &narrow, 4);
        s->k_table[i] = rng_below(r, oddity) ? 1 + rng_below(r, 20) : odd_int(r);
        s->low_weight[i] = rng_below(r, oddity) ? rng_uniform(r) : odd_real(r);
        s->row_weight[i] = rng_below(r, oddity) ? rng_uniform(r) : odd_real(r);
        s->row_loss[i] = 4.5;
    }
    for (int i = 0; i < ELEMENTS; i++) {
        s->groups[i] = (uint8_t)(rng_below(r, oddity) ? rng_below(r, 8) : rng_below(r, 256));
    }
}

static void fill_logits(state *s, rng *r) {
    const int wild = rng_below(r, 3) == 0; // any bits: NaN, infinities, subnormal numbers
    for (size_t i = 0; i + 8 <= sizeof s->student; i += 8) {
        // A byte pattern that is a number of moderate size in each of the types.
        const uint64_t tame = 0x3c003c003c003c00u ^ (rng_bits(r) & 0x83ff83ff83ff83ffu);
        const uint64_t other = 0x3c003c003c003c00u ^ (rng_bits(r) & 0x83ff83ff83ff83ffu);
        const uint64_t a = wild ? rng_bits(r) : tame;
        const uint64_t b = wild ? rng_bits(r) : other;
        memcpy(s->student + i, &a, 8);
        memcpy(s->teacher + i, &b, 8);
    }
    memset(s->grad, 0x3c, sizeof s->grad);
}

// Elements that an array with this stride spans, as far as the header's rules allow the call.
static double span(const state *s, int64_t stride) {
    const double row = (double)s->batch.classes * (double)s->batch.inner;
    const double step = stride == 0 ? row : (double)stride;
    return fmax((double)s->batch.outer - 1.0, 0.0) * step + row;
}

// Sizes that the library may accept must not go beyond the memory that is there.
static void keep_inside(state *s) {
    gdkd_batch *b = &s->batch;
    const int64_t strides[] = {b->student_stride, b->teacher_stride, b->groups_stride,
                               s->result.grad_stride};
    double most = 0.0;
    if (b->classes > MOST_CLASSES) b->classes = MOST_CLASSES;
    for (int i = 0; i < 4; i++) most = fmax(most, span(s, strides[i]));
    if (most <= ELEMENTS && (double)b->outer * (double)b->inner <= TABLE) return;
    if (most >= 0x1p64) return; // must be refused: no memory is that large
    b->outer = b->outer < 0 ? b->outer : 1;
    b->inner = b->inner < 0 ? b->inner : 1;
    b->student_stride = b->teacher_stride = b->groups_stride = s->result.grad_stride = 0;
}

static void maybe_null(const void **pointer, rng *r) {
    if (rng_below(r, 40) == 0) *pointer = NULL;
}

static void point(state *s, rng *r) {
    gdkd_batch *b = &s->batch;
    const void *pointers[] = {s->student, s->teacher,    s->target,    s->k_table,
                              s->groups,  s->low_weight, s->row_weight};
    for (int i = 0; i < 7; i++) maybe_null(&pointers[i], r);
    b->student = pointers[0];
    b->teacher = pointers[1];
    b->target = pointers[2];
    b->k_table = pointers[3];
    b->groups = pointers[4];
    b->low_weight = pointers[5];
    b->row_weight = rng_below(r, 2) ? NULL : pointers[6];
    s->result.grad = rng_below(r, 5) ? (void *)s->grad : NULL;
    s->result.row_loss = rng_below(r, 2) ? s->row_loss : NULL;
}

static void randomise(state *s, rng *r) {
    // Sometimes everything is odd, mostly a field or none.
    const int64_t oddity = rng_below(r, 8) == 0 ? 2 : rng_below(r, 2) ? 100 : 1000000;
    gdkd_config_init(&s->config);
    gdkd_batch_init(&s->batch);
    gdkd_result_init(&s->result);
    gdkd_dist_config_init(&s->dist);
    for (int i = 0; i < FIELDS; i++) set_field(s, &fields[i], r, oddity);
    keep_inside(s);
    fill_tables(s, r, oddity < 1000 ? 2000 : 1000000);
    fill_logits(s, r);
    point(s, r);
}

static void check_call(state *s, const state *before, int dist, uint64_t seed) {
    const size_t bytes = dist ? gdkd_dist_workspace_size(&s->dist, &s->batch)
                              : gdkd_workspace_size(&s->config, &s->batch);
    const int own = seed % 2 == 0 && bytes > 0 && bytes < (size_t)1 << 24;
    void *workspace = own ? malloc(bytes) : NULL;
    const size_t given = workspace ? bytes : 0;
    const gdkd_status status = dist
                                   ? gdkd_dist(&s->dist, &s->batch, &s->result, workspace, given)
                                   : gdkd_loss(&s->config, &s->batch, &s->result, workspace, given);
    free(workspace);
    ck_assert_msg(status >= GDKD_OK && status <= GDKD_ERROR_THREADS, "seed %llu: status %d",
                  (unsigned long long)seed, status);
    ck_assert_msg(bytes > 0 || status != GDKD_OK, "seed %llu: accepted, but its workspace is 0",
                  (unsigned long long)seed);
    ck_assert_msg(memcmp(s->student, before->student, sizeof s->student) == 0 &&
                      memcmp(s->teacher, before->teacher, sizeof s->teacher) == 0 &&
                      memcmp(s->target, before->target, sizeof s->target) == 0,
                  "seed %llu: an input was written to", (unsigned long long)seed);
    if (status == GDKD_OK) return;
    ck_assert_msg(
        memcmp(s->grad, before->grad, sizeof s->grad) == 0 &&
            same_bytes(s->row_loss, before->row_loss, sizeof s->row_loss) && s->result.total == 0.0,
        "seed %llu: status %d, and something was written", (unsigned long long)seed, status);
}

static void run_many(int dist, uint64_t first, int64_t count) {
    static state now;
    static state before;
    int64_t accepted = 0;
    for (int64_t i = 0; i < count; i++) {
        const uint64_t seed = first + (uint64_t)i;
        rng r = {seed};
        randomise(&now, &r);
        memcpy(&before, &now, sizeof now);
        check_call(&now, &before, dist, seed);
        accepted += now.result.error_row == -1 && now.result.divisor != 0.0;
    }
    // A fuzzer whose every call is refused finds nothing.
    ck_assert_msg(accepted > count / 20, "only %lld of %lld calls were accepted",
                  (long long)accepted, (long long)count);
}

static int64_t effort(int64_t count) {
    return getenv("GDKD_TEST_LONG") ? 20 * count : count;
}

START_TEST(losses) {
    run_many(0, 1000000u * (uint64_t)_i, effort(2500));
}
END_TEST

START_TEST(dist) {
    run_many(1, 77000000u, effort(1500));
}
END_TEST

// Structures of nothing but random bits, the size and the pointers aside.
START_TEST(all_bits) {
    static state now;
    static state before;
    for (uint64_t seed = 1; seed < 4000; seed++) {
        rng r = {seed};
        randomise(&now, &r);
        unsigned char *config = (unsigned char *)&now.config;
        for (size_t i = sizeof now.config.struct_size; i < sizeof now.config; i++) {
            config[i] = (unsigned char)rng_bits(&r);
        }
        memcpy(&before, &now, sizeof now);
        check_call(&now, &before, 0, seed);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random configurations");
    TCase *tcase = tcase_create("fuzz");
    tcase_set_timeout(tcase, 900);
    tcase_add_loop_test(tcase, losses, 0, 4);
    tcase_add_test(tcase, dist);
    tcase_add_test(tcase, all_bits);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
