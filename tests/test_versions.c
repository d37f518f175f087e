// Callers that were compiled for an earlier version: their structures, copied from its header, are
// taken, filled no further than they reach, and give the same numbers. Every other size is refused.
#include "fixture.h"
#include "layouts.h"

#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// --- The layouts of 0.1, member by member --------------------------------------------------------

typedef struct config_0_1 {
    uint32_t struct_size;
    int32_t partition, k_rule, kl, standardize, reduction;
    int64_t k, k_max;
    double k_ratio, k_mass, temperature, teacher_temperature;
    int32_t temperature_squared;
    uint32_t mass_scaled_groups, table_weighted_groups;
    int32_t low_weight_index;
    double w_high, w_low[8], kd_weight, ce_weight, label_smoothing;
    int64_t ignore_index;
    int32_t target_from_teacher, num_threads, isa;
    double divisor;
} config_0_1;

typedef struct batch_0_1 {
    uint32_t struct_size;
    int32_t student_dtype, teacher_dtype, target_dtype;
    int64_t outer, classes, inner;
    const void *student, *teacher;
    int64_t student_stride, teacher_stride;
    const void *target;
    const int64_t *k_table;
    const uint8_t *groups;
    int64_t groups_stride;
    const double *low_weight, *row_weight;
} batch_0_1;

typedef struct result_0_1 {
    uint32_t struct_size;
    int32_t accumulate, want_norms;
    void *grad;
    int64_t grad_stride;
    double grad_scale;
    double *row_loss;
    double total, ce, kd, high, low[8], student_mass[8], teacher_mass[8], inter, intra;
    double grad_norm_ce, grad_norm_high, grad_norm_low[8], divisor;
    int64_t rows_used, rows_nonfinite, first_nonfinite, error_row;
} result_0_1;

typedef struct dist_config_0_1 {
    uint32_t struct_size;
    int32_t temperature_squared;
    double temperature, beta, gamma;
    int64_t ignore_index;
    int32_t num_threads;
} dist_config_0_1;

// The last member of each is where it was, and so are all before it.
_Static_assert(offsetof(config_0_1, divisor) == offsetof(gdkd_config, divisor), "config");
_Static_assert(offsetof(config_0_1, table_weighted_groups) ==
                   offsetof(gdkd_config, low_weight_groups),
               "config");
_Static_assert(offsetof(batch_0_1, row_weight) == offsetof(gdkd_batch, row_weight), "batch");
_Static_assert(offsetof(result_0_1, inter) == offsetof(gdkd_result, dist_inter), "result");
_Static_assert(offsetof(result_0_1, error_row) == offsetof(gdkd_result, error_row), "result");
_Static_assert(offsetof(dist_config_0_1, num_threads) == offsetof(gdkd_dist_config, num_threads),
               "dist_config");

enum { STRUCTURES = 4, ROOM = 1024, GUARD = 0x5c };

static const size_t old_sizes[STRUCTURES] = {
    [GDKD_STRUCT_CONFIG] = sizeof(config_0_1),
    [GDKD_STRUCT_BATCH] = sizeof(batch_0_1),
    [GDKD_STRUCT_RESULT] = sizeof(result_0_1),
    [GDKD_STRUCT_DIST_CONFIG] = sizeof(dist_config_0_1),
};
static const size_t new_sizes[STRUCTURES] = {
    [GDKD_STRUCT_CONFIG] = sizeof(gdkd_config),
    [GDKD_STRUCT_BATCH] = sizeof(gdkd_batch),
    [GDKD_STRUCT_RESULT] = sizeof(gdkd_result),
    [GDKD_STRUCT_DIST_CONFIG] = sizeof(gdkd_dist_config),
};

// A structure of either version, and behind it bytes that nobody may touch.
typedef union guarded {
    unsigned char bytes[ROOM];
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    gdkd_dist_config dist;
    result_0_1 old_result;
} guarded;

static void guard(guarded *g) {
    memset(g, GUARD, sizeof *g);
}

static void check_guard(const guarded *g, size_t from) {
    for (size_t i = from; i < sizeof g->bytes; i++)
        ck_assert_msg(g->bytes[i] == GUARD, "byte %zu of a structure of %zu was written", i, from);
}

static gdkd_status init(int32_t structure, guarded *g, size_t size) {
    switch (structure) {
    case GDKD_STRUCT_CONFIG:
        return gdkd_config_init_sized(&g->config, size);
    case GDKD_STRUCT_BATCH:
        return gdkd_batch_init_sized(&g->batch, size);
    case GDKD_STRUCT_RESULT:
        return gdkd_result_init_sized(&g->result, size);
    default:
        return gdkd_dist_config_init_sized(&g->dist, size);
    }
}

// --- Initialisation ------------------------------------------------------------------------------

START_TEST(initialised_as_far_as_it_reaches) {
    guarded then, now;
    guard(&then);
    guard(&now);
    const size_t size = old_sizes[_i], head = sizeof then.config.struct_size;
    ck_assert_int_eq(init(_i, &then, size), GDKD_OK);
    ck_assert_int_eq(init(_i, &now, new_sizes[_i]), GDKD_OK);
    ck_assert_uint_eq(then.config.struct_size, size);
    ck_assert_uint_eq(now.config.struct_size, new_sizes[_i]);
    ck_assert(same_bytes(then.bytes + head, now.bytes + head, size - head));
    check_guard(&then, size);
}
END_TEST

// Presets of earlier sizes: as today's, up to there.
static void check_preset(gdkd_status status, const guarded *then, const gdkd_config *now) {
    const size_t head = sizeof now->struct_size, size = sizeof(config_0_1);
    ck_assert_int_eq(status, GDKD_OK);
    ck_assert_uint_eq(then->config.struct_size, size);
    ck_assert(same_bytes(then->bytes + head, (const char *)now + head, size - head));
    check_guard(then, size);
}

#define CHECK_PRESET(...)                                                                          \
    do {                                                                                           \
        guard(&then);                                                                              \
        CHECK_PRESET_OF(__VA_ARGS__)                                                               \
    } while (0)
#define CHECK_PRESET_OF(preset, ...)                                                               \
    ck_assert_int_eq(preset(&now, sizeof now, __VA_ARGS__), GDKD_OK);                              \
    check_preset(preset(&then.config, sizeof(config_0_1), __VA_ARGS__), &then, &now);

START_TEST(presets_as_far_as_they_reach) {
    guarded then;
    gdkd_config now;
    CHECK_PRESET(gdkd_config_kd_sized, 2);
    CHECK_PRESET(gdkd_config_dkd_sized, 2, 1, 8);
    CHECK_PRESET(gdkd_config_dkd_top1_sized, 2, 1, 8);
    CHECK_PRESET(gdkd_config_gdkd_sized, 2, 3, 1, 1, 4);
    CHECK_PRESET(gdkd_config_gdkd_bottom_sized, 2, 3, 1, 1, 4);
    CHECK_PRESET(gdkd_config_gdkd3_sized, 2, 3, 1, 1, 4);
    CHECK_PRESET(gdkd_config_gdkd_autok_sized, 2, 1.5, 5, 1, 1, 4);
    CHECK_PRESET(gdkd_config_gdkd_autow_sized, 2, 3, 2, 1, 4);
    CHECK_PRESET(gdkd_config_lskd_sized, 2);
    CHECK_PRESET(gdkd_config_ls_gdkd_sized, 2, 3, GDKD_STANDARDIZE_OTHER, 1, 1, 4);
    CHECK_PRESET(gdkd_config_skd_sized, 2);
    CHECK_PRESET(gdkd_config_sgdkd_sized, 2, 1, 4);
    CHECK_PRESET(gdkd_config_adkd_sized, 2, 1, 0.7);
    CHECK_PRESET(gdkd_config_ce_sized, 0.1);
}
END_TEST

// Whatever an earlier structure holds is taken over; what it lacks is as the _init function leaves
// it.
START_TEST(missing_fields_are_defaults) {
    guarded old, today, initial;
    const uint32_t size = (uint32_t)old_sizes[_i];
    const size_t head = sizeof size;
    for (size_t i = 0; i < ROOM; i++) old.bytes[i] = (unsigned char)(i * 37 + 11);
    memcpy(old.bytes, &size, head);
    guard(&today);
    ck_assert_int_eq(init(_i, &initial, new_sizes[_i]), GDKD_OK);
    ck_assert_int_eq(gdkd_adopt(_i, &old, &today), GDKD_OK);
    ck_assert_uint_eq(today.config.struct_size, new_sizes[_i]);
    ck_assert(same_bytes(today.bytes + head, old.bytes + head, size - head));
    ck_assert(same_bytes(today.bytes + size, initial.bytes + size, new_sizes[_i] - size));
    check_guard(&today, new_sizes[_i]);
}
END_TEST

// --- Calls ---------------------------------------------------------------------------------------

// The fixture as a caller of 0.1 has it.
typedef struct old_call {
    fixture f;
    guarded result;
    config_0_1 config;
    batch_0_1 batch;
} old_call;

static void take_old(old_call *c) {
    fixture_init(&c->f);
    c->f.result.want_norms = 1;
    memcpy(&c->config, &c->f.config, sizeof c->config);
    memcpy(&c->batch, &c->f.batch, sizeof c->batch);
    guard(&c->result);
    memcpy(&c->result, &c->f.result, sizeof(result_0_1));
    c->config.struct_size = sizeof c->config;
    c->batch.struct_size = sizeof c->batch;
    c->result.old_result.struct_size = sizeof(result_0_1);
}

static gdkd_status run_old(old_call *c, int dist) {
    dist_config_0_1 d;
    const gdkd_batch *batch = (const gdkd_batch *)(const void *)&c->batch;
    if (!dist)
        return gdkd_loss((const gdkd_config *)(const void *)&c->config, batch, &c->result.result,
                         NULL, 0);
    gdkd_dist_config_init_sized((gdkd_dist_config *)(void *)&d, sizeof d);
    return gdkd_dist((const gdkd_dist_config *)(const void *)&d, batch, &c->result.result, NULL, 0);
}

static gdkd_status run_new(fixture *f, int dist) {
    gdkd_dist_config d;
    gdkd_dist_config_init(&d);
    return dist ? gdkd_dist(&d, &f->batch, &f->result, NULL, 0) : fixture_run(f);
}

START_TEST(calls_give_the_same) {
    static old_call then;
    static fixture now;
    take_old(&then);
    fixture_init(&now);
    now.result.want_norms = 1;
    if (_i) now.batch.row_weight = then.batch.row_weight = NULL; // which DIST refuses
    ck_assert_int_eq(run_old(&then, _i), GDKD_OK);
    ck_assert_int_eq(run_new(&now, _i), GDKD_OK);
    const size_t from = offsetof(result_0_1, total);
    ck_assert(then.result.old_result.total > 0.0);
    ck_assert(same_bytes(then.result.bytes + from, (const char *)&now.result + from,
                         sizeof(result_0_1) - from));
    ck_assert(same_bytes(then.f.grad, now.grad, sizeof now.grad));
    ck_assert(same_bytes(then.result.bytes + sizeof(uint32_t),
                         (const char *)&then.f.result + sizeof(uint32_t), from - sizeof(uint32_t)));
    ck_assert_uint_eq(then.result.old_result.struct_size, sizeof(result_0_1));
    check_guard(&then.result, sizeof(result_0_1));
}
END_TEST

START_TEST(refusals_write_the_row_alone) {
    static old_call then;
    guarded before;
    take_old(&then);
    if (_i) then.batch.row_weight = NULL;
    then.f.target[3] = CLASSES + 7;
    then.result.old_result.error_row = 99;
    before = then.result;
    ck_assert_int_eq(run_old(&then, _i), GDKD_ERROR_TARGET);
    ck_assert_int_eq(then.result.old_result.error_row, 3);
    before.old_result.error_row = 3;
    ck_assert(same_bytes(&then.result, &before, sizeof before));
}
END_TEST

START_TEST(workspaces_are_the_same) {
    static old_call then;
    dist_config_0_1 old;
    gdkd_dist_config d;
    take_old(&then);
    const gdkd_batch *batch = (const gdkd_batch *)(const void *)&then.batch;
    gdkd_dist_config_init_sized((gdkd_dist_config *)(void *)&old, sizeof old);
    gdkd_dist_config_init(&d);
    ck_assert_uint_eq(gdkd_workspace_size((const gdkd_config *)(const void *)&then.config, batch),
                      gdkd_workspace_size(&then.f.config, &then.f.batch));
    then.batch.row_weight = then.f.batch.row_weight = NULL;
    ck_assert_uint_eq(gdkd_dist_workspace_size((const gdkd_dist_config *)(const void *)&old, batch),
                      gdkd_dist_workspace_size(&d, &then.f.batch));
    ck_assert_uint_gt(gdkd_dist_workspace_size(&d, &then.f.batch), 0);
}
END_TEST

// --- Other sizes ---------------------------------------------------------------------------------

static gdkd_status call_with_size(int32_t structure, uint32_t size) {
    fixture f;
    gdkd_dist_config d;
    fixture_init(&f);
    gdkd_dist_config_init(&d);
    if (structure == GDKD_STRUCT_CONFIG) f.config.struct_size = size;
    if (structure == GDKD_STRUCT_BATCH) f.batch.struct_size = size;
    if (structure == GDKD_STRUCT_RESULT) f.result.struct_size = size;
    if (structure != GDKD_STRUCT_DIST_CONFIG) return fixture_run(&f);
    d.struct_size = size;
    f.batch.row_weight = NULL;
    return gdkd_dist(&d, &f.batch, &f.result, NULL, 0);
}

START_TEST(other_sizes_are_refused) {
    guarded g;
    for (size_t size = 0; size < ROOM; size++) {
        const bool known = size == old_sizes[_i] || size == new_sizes[_i];
        const gdkd_status expected = known ? GDKD_OK : GDKD_ERROR_STRUCT_SIZE;
        guard(&g);
        ck_assert_msg(init(_i, &g, size) == expected, "structure %d of %zu bytes", _i, size);
        if (!known) check_guard(&g, 0);
        ck_assert_msg(call_with_size(_i, (uint32_t)size) == expected, "a call with %zu", size);
    }
    ck_assert_int_eq(init(_i, &g, new_sizes[_i] + ((size_t)1 << 32)), GDKD_ERROR_STRUCT_SIZE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("versions");
    TCase *tcase = tcase_create("versions");
    tcase_add_loop_test(tcase, initialised_as_far_as_it_reaches, 0, STRUCTURES);
    tcase_add_test(tcase, presets_as_far_as_they_reach);
    tcase_add_loop_test(tcase, missing_fields_are_defaults, 0, STRUCTURES);
    tcase_add_loop_test(tcase, calls_give_the_same, 0, 2);
    tcase_add_loop_test(tcase, refusals_write_the_row_alone, 0, 2);
    tcase_add_test(tcase, workspaces_are_the_same);
    tcase_add_loop_test(tcase, other_sizes_are_refused, 0, STRUCTURES);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
