// The promises of gdkd.h that are neither numbers nor refusals: initial values, strings, workspace
// sizes, the choice of instruction set.
#include "fixture.h"
#include "number.h"
#include "presets.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t size_for(int32_t threads, int64_t outer, int64_t classes, int64_t inner) {
    fixture f;
    fixture_init(&f);
    f.config.num_threads = threads;
    f.batch.outer = outer;
    f.batch.classes = classes;
    f.batch.inner = inner;
    return gdkd_workspace_size(&f.config, &f.batch);
}

START_TEST(workspace_growth) {
    const size_t one = size_for(4, 1000, 1000, 1);
    ck_assert_uint_gt(one, 0);
    ck_assert_uint_eq(size_for(4, 1000000, 1000, 1), one); // not with the rows
    ck_assert_uint_le(size_for(4, 1000, 10000, 1), 10 * one + 65536);
    ck_assert_uint_le(size_for(40, 1000, 1000, 1), 10 * one + 65536);
    ck_assert_uint_le(size_for(4, 1000, 1000, 1000000), size_for(4, 1000, 1000, 1000) + 65536);
    // Far below the logits themselves: 1000 x 151,936 floats are 600 MB.
    ck_assert_uint_le(size_for(2, 1000, 151936, 1), (size_t)2 * 151936 * 128);
    ck_assert_uint_le(size_for(2, 16, 21, 512 * 512), (size_t)2 * 21 * 4096 + (1u << 20));
}
END_TEST

static size_t size_of_weights(gdkd_config config, const gdkd_batch *batch, int on) {
    config.kd_weight = on & 1;
    config.ce_weight = on & 2;
    return gdkd_workspace_size(&config, batch);
}

// A loop asks once, for its largest batch: a warm-up starts at weight 0, and the last batch is
// smaller.
START_TEST(workspace_asked_for_once) {
    static const int64_t classes[] = {10, 300, 1000, 1030, 9000}, inners[] = {1, 3, 16};
    for (int i = 0; i < LOSS_PRESETS * 16 * 15; i++) {
        const gdkd_config *config = &loss_presets()[i / 240].config;
        gdkd_batch batch;
        gdkd_batch_init(&batch);
        batch.outer = 40;
        batch.student_dtype = i % 4;
        batch.teacher_dtype = i / 4 % 4;
        batch.classes = classes[i / 16 % 5];
        batch.inner = inners[i / 80 % 3];
        const size_t most = size_of_weights(*config, &batch, 3);
        ck_assert_uint_gt(most, 0);
        for (int on = 0; on < 3; on++)
            ck_assert_uint_eq(size_of_weights(*config, &batch, on), most);
        for (batch.outer = 0; batch.outer < 40; ++batch.outer)
            ck_assert_uint_le(size_of_weights(*config, &batch, 3), most);
    }
}
END_TEST

// What dist says of its workspace holds for a result that asks for norms, which have no meaning
// there.
START_TEST(workspace_of_dist) {
    enum { MANY = 8192, LANES = 16 };
    gdkd_dist_config config;
    gdkd_batch batch;
    gdkd_result result;
    float *logits = checked_calloc((size_t)MANY * LANES, sizeof *logits);
    gdkd_dist_config_init(&config);
    gdkd_batch_init(&batch);
    gdkd_result_init(&result);
    config.num_threads = 2;
    batch.student = batch.teacher = logits;
    batch.outer = 1;
    batch.classes = MANY;
    batch.inner = LANES;
    result.want_norms = 1;
    const size_t bytes = gdkd_dist_workspace_size(&config, &batch);
    void *workspace = checked_calloc(bytes, 1);
    ck_assert_int_eq(gdkd_dist(&config, &batch, &result, workspace, bytes), GDKD_OK);
    free(workspace);
    free(logits);
    batch.classes = 1;
    batch.inner = 1;
    batch.outer = INT64_MAX / 20;
    ck_assert_uint_eq(gdkd_dist_workspace_size(&config, &batch), 0); // no such memory
}
END_TEST

// Bits of groups that are not there ask for no table.
START_TEST(tables_of_absent_groups) {
    fixture f;
    fixture_init(&f);
    ck_assert_int_eq(gdkd_config_kd(&f.config, 4), GDKD_OK);
    f.config.low_weight_index = GDKD_LOW_WEIGHT_PER_ROW;
    f.config.low_weight_groups = 2;
    f.batch.low_weight = NULL;
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, NULL, 0), GDKD_OK);
    f.config.low_weight_groups = 1;
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, NULL, 0), GDKD_ERROR_NULL);
}
END_TEST

// What overflows in the gradient's type is counted: by any number of threads, added to what is
// there, in used rows.
START_TEST(elements_of_dist_that_overflow) {
    static const int32_t dtypes[] = {GDKD_F16, GDKD_BF16, GDKD_F32, GDKD_F64};
    enum { N = 40, C = 700 };
    double *logits = checked_calloc((size_t)2 * N * C, sizeof *logits);
    double *gradient = checked_calloc((size_t)N * C, sizeof *gradient);
    int64_t target[N] = {[7] = -100};
    for (int i = 0; i < 12; i++) {
        const int32_t dtype = dtypes[i % 4];
        gdkd_dist_config config;
        gdkd_batch batch;
        gdkd_result result;
        gdkd_dist_config_init(&config);
        gdkd_batch_init(&batch);
        gdkd_result_init(&result);
        config.num_threads = 1 + 2 * (i / 4);
        batch.student_dtype = batch.teacher_dtype = dtype;
        batch.outer = N;
        batch.classes = C;
        batch.inner = 1;
        batch.student = logits;
        batch.teacher = logits + N * C;
        batch.target = target;
        result.grad = gradient;
        result.grad_scale = dtype == GDKD_F16 ? 1e9 : dtype == GDKD_F64 ? 1e307 : 1e43;
        result.accumulate = i % 3 == 0;
        result.grad_nonfinite = 12345; // of a call before
        for (int j = 0; j < N * C; j++) {
            number_store(dtype, logits, j, 3 * sin(j));
            number_store(dtype, logits + N * C, j, 3 * cos(0.7 * j));
            number_store(dtype, gradient, j, j / C == 7 ? (double)INFINITY : j % 5);
        }
        ck_assert_int_eq(gdkd_dist(&config, &batch, &result, NULL, 0), GDKD_OK);
        int64_t infinite = 0;
        for (int j = 0; j < N * C; j++)
            infinite += j / C != 7 && !isfinite(number_load(dtype, gradient, j));
        ck_assert_int_eq(result.grad_nonfinite, infinite);
        ck_assert_msg(dtype == GDKD_F64 || infinite > 0, "type %d: nothing overflows", dtype);
        ck_assert_int_lt(infinite, N * C / 2);
    }
    free(logits);
    free(gradient);
}
END_TEST

// Beside a tie of the 16-bit type, by less than a float tells: by way of the nearest float they
// would be ties, and go to the even one.
START_TEST(rounded_once) {
    static const struct {
        int32_t dtype;
        uint16_t one, before,
            after; // the gradient buffer's second element: before, and with `added`
        double added;
    } cases[] = {{GDKD_BF16, 0x3F80, 0x3F80, 0x3F81, 0x1p-8 + 0x1p-31},
                 {GDKD_BF16, 0x3F80, 0x3F81, 0x3F81, 0x1p-8 - 0x1p-31},
                 {GDKD_F16, 0x3C00, 0x3C00, 0x3C01, 0x1p-11 + 0x1p-34},
                 {GDKD_F16, 0x3C00, 0x3C01, 0x3C01, 0x1p-11 - 0x1p-34}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint16_t logits[2] = {cases[i].one, cases[i].one};
        uint16_t gradient[2] = {0, cases[i].before};
        const int64_t target = 0;
        gdkd_config config;
        gdkd_batch batch;
        gdkd_result result;
        gdkd_config_ce(&config, 0);
        gdkd_batch_init(&batch);
        gdkd_result_init(&result);
        batch.outer = batch.inner = 1;
        batch.classes = 2;
        batch.student_dtype = cases[i].dtype;
        batch.student = logits;
        batch.target = &target;
        result.grad = gradient;
        result.accumulate = 1;
        result.grad_scale = 2 * cases[i].added; // softmax is 1/2
        ck_assert_int_eq(gdkd_loss(&config, &batch, &result, NULL, 0), GDKD_OK);
        ck_assert_int_eq(gradient[1], cases[i].after);
    }
}
END_TEST

START_TEST(strings) {
    for (gdkd_status a = GDKD_OK; a <= GDKD_ERROR_FIELD_VALUE; a++) {
        ck_assert_ptr_nonnull(gdkd_status_string(a));
        ck_assert_uint_gt(strlen(gdkd_status_string(a)), 3);
        ck_assert_str_ne(gdkd_status_string(a), "unknown status");
        for (gdkd_status b = GDKD_OK; b < a; b++) {
            ck_assert_str_ne(gdkd_status_string(a), gdkd_status_string(b));
        }
    }
    ck_assert_str_eq(gdkd_status_string(-1), "unknown status");
    ck_assert_str_eq(gdkd_status_string(GDKD_ERROR_FIELD_VALUE + 1), "unknown status");
    ck_assert_str_eq(gdkd_status_string(INT32_MAX), "unknown status");
    ck_assert_str_eq(gdkd_status_string(INT32_MIN), "unknown status");
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", GDKD_VERSION_MAJOR, GDKD_VERSION_MINOR,
             GDKD_VERSION_PATCH);
    ck_assert_str_eq(gdkd_version_string(), version);
    ck_assert_str_eq(gdkd_isa_name(GDKD_ISA_BEST), "best");
    ck_assert_str_eq(gdkd_isa_name(GDKD_ISA_SCALAR), "scalar");
    ck_assert_str_eq(gdkd_isa_name(GDKD_ISA_AVX2), "avx2");
    ck_assert_str_eq(gdkd_isa_name(GDKD_ISA_AVX512), "avx512");
    ck_assert_ptr_null(gdkd_isa_name(-1));
    ck_assert_ptr_null(gdkd_isa_name(GDKD_ISA_AVX512 + 1));
}
END_TEST

// The pinned numbers of the header: another language has copied them.
START_TEST(pinned_values) {
    ck_assert_int_eq(GDKD_ERROR_NULL, 1);
    ck_assert_int_eq(GDKD_ERROR_TARGET, 12);
    ck_assert_int_eq(GDKD_ERROR_THREADS, 17);
    ck_assert_int_eq(GDKD_ERROR_FIELD, 18);
    ck_assert_int_eq(GDKD_ERROR_FIELD_TYPE, 19);
    ck_assert_int_eq(GDKD_ERROR_FIELD_VALUE, 20);
    ck_assert_int_eq(GDKD_F16, 3);
    ck_assert_int_eq(GDKD_PARTITION_MAP, 5);
    ck_assert_int_eq(GDKD_MAX_GROUPS, 8);
}
END_TEST

START_TEST(initial_values) {
    gdkd_config c;
    gdkd_batch b;
    gdkd_result r;
    gdkd_dist_config d;
    const gdkd_batch no_batch = {.struct_size = sizeof b};
    memset(&c, 0xaa, sizeof c);
    memset(&b, 0xaa, sizeof b);
    memset(&r, 0xaa, sizeof r);
    memset(&d, 0xaa, sizeof d);
    ck_assert_int_eq(gdkd_config_init(&c), GDKD_OK);
    ck_assert_int_eq(gdkd_batch_init(&b), GDKD_OK);
    ck_assert_int_eq(gdkd_result_init(&r), GDKD_OK);
    ck_assert_int_eq(gdkd_dist_config_init(&d), GDKD_OK);
    ck_assert_uint_eq(c.struct_size, sizeof c);
    ck_assert_int_eq(c.partition, GDKD_PARTITION_ALL);
    ck_assert_int_eq(c.reduction, GDKD_REDUCTION_MEAN);
    ck_assert_double_eq(c.temperature, 1.0);
    ck_assert_double_eq(c.teacher_temperature, 0.0);
    ck_assert_double_eq(c.w_low[0], 1.0);
    ck_assert_double_eq(c.kd_weight, 1.0);
    ck_assert_double_eq(c.ce_weight, 0.0);
    ck_assert_double_eq(c.divisor, 0.0);
    ck_assert_int_eq(c.ignore_index, -100);
    ck_assert_int_eq(c.temperature_squared, 1);
    ck_assert_int_eq(c.num_threads, 0);
    ck_assert_int_eq(c.isa, GDKD_ISA_BEST);
    ck_assert_int_eq(c.target_from_teacher, 0);
    ck_assert_int_eq(c.standardize, GDKD_STANDARDIZE_NONE);
    ck_assert_uint_eq(b.struct_size, sizeof b);
    ck_assert_int_eq(b.student_dtype, no_batch.student_dtype);
    ck_assert_int_eq(b.target_dtype, GDKD_INT64);
    ck_assert_int_eq(b.outer, 0);
    ck_assert_int_eq(b.groups_stride, 0);
    ck_assert_ptr_null(b.student);
    ck_assert_ptr_null(b.target);
    ck_assert_ptr_null(b.row_weight);
    ck_assert_uint_eq(r.struct_size, sizeof r);
    ck_assert_double_eq(r.grad_scale, 1.0);
    ck_assert_int_eq(r.first_nonfinite, -1);
    ck_assert_int_eq(r.error_row, -1);
    ck_assert_ptr_null(r.grad);
    ck_assert_ptr_null(r.row_loss);
    ck_assert_double_eq(r.total, 0.0);
    ck_assert_uint_eq(d.struct_size, sizeof d);
    ck_assert_double_eq(d.temperature, 1.0);
    ck_assert_double_eq(d.beta, 1.0);
    ck_assert_double_eq(d.gamma, 1.0);
    ck_assert_int_eq(d.temperature_squared, 1);
    ck_assert_int_eq(d.ignore_index, -100);
}
END_TEST

// The initial values together are KD, by all that can be seen.
START_TEST(initial_config_is_kd) {
    fixture f;
    double by_init = 0.0;
    double by_preset = 1.0;
    gdkd_config kd;
    fixture_init(&f);
    gdkd_config_init(&f.config);
    ck_assert_int_eq(gdkd_config_kd(&kd, 1.0), GDKD_OK);
    gdkd_loss_f32(&f.config, f.student, f.teacher, NULL, ROWS, CLASSES, NULL, &by_init);
    gdkd_loss_f32(&kd, f.student, f.teacher, NULL, ROWS, CLASSES, NULL, &by_preset);
    ck_assert_double_gt(by_init, 0.0);
    ck_assert_double_eq(by_init, by_preset);
}
END_TEST

START_TEST(refused_initialisation) {
    gdkd_config c;
    gdkd_config untouched;
    gdkd_batch b;
    gdkd_result r;
    gdkd_dist_config d;
    const size_t n = sizeof c;
    memset(&c, 0x5c, n);
    memset(&untouched, 0x5c, n);
    ck_assert_int_eq(gdkd_config_init_sized(NULL, n), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_batch_init_sized(NULL, sizeof b), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_result_init_sized(NULL, sizeof r), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_dist_config_init_sized(NULL, sizeof d), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_config_init_sized(&c, n + 8), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_batch_init_sized(&b, 3), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_result_init_sized(&r, 0), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_dist_config_init_sized(&d, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_kd_sized(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_dkd_sized(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_dkd_top1_sized(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_sized(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_bottom_sized(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd3_sized(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autok_sized(&c, 7, 1, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autow_sized(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_lskd_sized(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_ls_gdkd_sized(&c, 7, 1, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_skd_sized(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_sgdkd_sized(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_adkd_sized(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_ce_sized(&c, 7, 0), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autow(&c, 1, 1, 0, 1, 1), GDKD_ERROR_ENUM);
    ck_assert_int_eq(gdkd_config_gdkd_autow(&c, 1, 1, 4, 1, 1), GDKD_ERROR_ENUM);
    ck_assert_int_eq(gdkd_config_ce_sized(NULL, n, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_config_gdkd_sized(NULL, n, 1, 1, 1, 1, 1), GDKD_ERROR_NULL);
    ck_assert_msg(same_bytes(&c, &untouched, n), "a refused preset wrote to the config");
}
END_TEST

// --- The choice of instruction set, in a process of its own -------------------------------------

static const char *self;

static int isa_with(const char *value) {
    char command[4200];
    char answer[32] = "";
    snprintf(command, sizeof command, "%s%s '%s' --isa", value ? "GDKD_ISA=" : "env -u GDKD_ISA",
             value ? value : "", self);
    FILE *pipe = popen(command, "r"); // NOLINT(cert-env33-c): the command is this very program
    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(answer, sizeof answer, pipe));
    ck_assert_int_eq(pclose(pipe), 0);
    return (int)strtol(answer, NULL, 10);
}

START_TEST(environment_can_only_lower) {
    const int best = isa_with(NULL);
    ck_assert_int_ge(best, GDKD_ISA_SCALAR);
    ck_assert_int_le(best, GDKD_ISA_AVX512);
    ck_assert_int_eq(isa_with("scalar"), GDKD_ISA_SCALAR);
    ck_assert_int_eq(isa_with("avx2"), best < GDKD_ISA_AVX2 ? best : GDKD_ISA_AVX2);
    ck_assert_int_eq(isa_with("avx512"), best);
    ck_assert_int_eq(isa_with("avx9000"), best);
    ck_assert_int_eq(isa_with("''"), best);
    ck_assert_int_eq(isa_with("SCALAR"), best);
    ck_assert_int_eq(isa_with("best"), best);
}
END_TEST

int main(int argc, char **argv) {
    static char path[4000];
    if (argc > 1 && strcmp(argv[1], "--isa") == 0) {
        printf("%d\n", gdkd_isa());
        return EXIT_SUCCESS;
    }
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    self = length > 0 ? path : argv[0];
    Suite *suite = suite_create("contract");
    TCase *tcase = tcase_create("contract");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, workspace_growth);
    tcase_add_test(tcase, workspace_asked_for_once);
    tcase_add_test(tcase, workspace_of_dist);
    tcase_add_test(tcase, tables_of_absent_groups);
    tcase_add_test(tcase, elements_of_dist_that_overflow);
    tcase_add_test(tcase, rounded_once);
    tcase_add_test(tcase, strings);
    tcase_add_test(tcase, pinned_values);
    tcase_add_test(tcase, initial_values);
    tcase_add_test(tcase, initial_config_is_kd);
    tcase_add_test(tcase, refused_initialisation);
    tcase_add_test(tcase, environment_can_only_lower);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
