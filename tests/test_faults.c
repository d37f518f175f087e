// Every bad argument has its status, names the row at fault, and writes nothing.
#include "fixture.h"

#include <check.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One wrong value in one field.
typedef enum field_type { I32, U32, I64, F64, U8, POINTER } field_type;
typedef struct fault {
    const char *what;
    size_t offset; // in the fixture
    field_type type;
    double value;
    variant variant;
    gdkd_status status;
    int64_t row; // error_row; ANY_ROW where the header leaves it open
} fault;

enum { ANY_ROW = -2 };

#define CONFIG(field) #field, offsetof(fixture, config.field)
#define BATCH(field)  #field, offsetof(fixture, batch.field)
#define RESULT(field) #field, offsetof(fixture, result.field)
#define DATA(field)   #field, offsetof(fixture, field)

static const fault faults[] = {
    {BATCH(student), POINTER, 0, PLAIN, GDKD_ERROR_NULL, -1},
    {BATCH(teacher), POINTER, 0, PLAIN, GDKD_ERROR_NULL, -1},
    {BATCH(target), POINTER, 0, PLAIN, GDKD_ERROR_NULL, -1},
    {BATCH(low_weight), POINTER, 0, PLAIN, GDKD_ERROR_NULL, -1},
    {BATCH(k_table), POINTER, 0, PER_ROW_K, GDKD_ERROR_NULL, -1},
    {BATCH(k_table), POINTER, 0, PER_CLASS_K, GDKD_ERROR_NULL, -1},
    {BATCH(groups), POINTER, 0, ONE_MAP, GDKD_ERROR_NULL, -1},

    {CONFIG(struct_size), U32, 0, PLAIN, GDKD_ERROR_STRUCT_SIZE, -1},
    {CONFIG(struct_size), U32, sizeof(gdkd_config) - 1, PLAIN, GDKD_ERROR_STRUCT_SIZE, -1},
    {CONFIG(struct_size), U32, sizeof(gdkd_config) + 8, PLAIN, GDKD_ERROR_STRUCT_SIZE, -1},
    {BATCH(struct_size), U32, 0, PLAIN, GDKD_ERROR_STRUCT_SIZE, -1},
    {BATCH(struct_size), U32, sizeof(gdkd_batch) + 8, PLAIN, GDKD_ERROR_STRUCT_SIZE, -1},
    {RESULT(struct_size), U32, 0, PLAIN, GDKD_ERROR_STRUCT_SIZE, ANY_ROW},
    {RESULT(struct_size), U32, sizeof(gdkd_result) + 8, PLAIN, GDKD_ERROR_STRUCT_SIZE, ANY_ROW},

    {CONFIG(partition), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(partition), I32, GDKD_PARTITION_MAP + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(k_rule), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(k_rule), I32, GDKD_K_MASS + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(divergence), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(divergence), I32, GDKD_DIVERGENCE_TOTAL_VARIATION + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(standardize), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(standardize), I32, GDKD_STANDARDIZE_OTHER + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(reduction), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(reduction), I32, GDKD_REDUCTION_NONE + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(low_weight_index), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(low_weight_index), I32, GDKD_LOW_WEIGHT_PER_CLASS + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(isa), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(isa), I32, GDKD_ISA_AVX512 + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(student_dtype), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(student_dtype), I32, GDKD_F16 + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(teacher_dtype), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(teacher_dtype), I32, GDKD_F16 + 1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(target_dtype), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {BATCH(target_dtype), I32, GDKD_INT32 + 1, PLAIN, GDKD_ERROR_ENUM, -1},

    {BATCH(outer), I64, -1, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(inner), I64, -1, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(classes), I64, 0, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(classes), I64, -1, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(classes), I64, 0x1p30 + 1, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(classes), I64, 0x1p31, PLAIN, GDKD_ERROR_SIZE, -1},
    {BATCH(outer), I64, 0x1p62, PLAIN, GDKD_ERROR_OVERFLOW, -1},
    {BATCH(inner), I64, 0x1p62, PLAIN, GDKD_ERROR_OVERFLOW, -1},
    {BATCH(student_stride), I64, 0x1p62, PLAIN, GDKD_ERROR_OVERFLOW, -1},
    {BATCH(teacher_stride), I64, 0x1p62, PLAIN, GDKD_ERROR_OVERFLOW, -1},
    {RESULT(grad_stride), I64, 0x1p62, PLAIN, GDKD_ERROR_OVERFLOW, -1},
    {BATCH(groups_stride), I64, 0x1p62, MAP_PER_ROW, GDKD_ERROR_OVERFLOW, -1},
    {BATCH(student_stride), I64, CLASSES *INNER - 1, PLAIN, GDKD_ERROR_STRIDE, -1},
    {BATCH(student_stride), I64, -1, PLAIN, GDKD_ERROR_STRIDE, -1},
    {BATCH(teacher_stride), I64, CLASSES *INNER - 1, PLAIN, GDKD_ERROR_STRIDE, -1},
    {BATCH(teacher_stride), I64, -CLASSES *INNER, PLAIN, GDKD_ERROR_STRIDE, -1},
    {RESULT(grad_stride), I64, CLASSES *INNER - 1, PLAIN, GDKD_ERROR_STRIDE, -1},
    {BATCH(groups_stride), I64, CLASSES *INNER - 1, MAP_PER_ROW, GDKD_ERROR_STRIDE, -1},

    {CONFIG(temperature), F64, 0, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(temperature), F64, -1, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(temperature), F64, (double)NAN, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(temperature), F64, (double)INFINITY, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(teacher_temperature), F64, -1, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(teacher_temperature), F64, (double)NAN, PLAIN, GDKD_ERROR_TEMPERATURE, -1},
    {CONFIG(teacher_temperature), F64, (double)INFINITY, PLAIN, GDKD_ERROR_TEMPERATURE, -1},

    {CONFIG(k), I64, 0, PLAIN, GDKD_ERROR_K, -1},
    {CONFIG(k), I64, -3, PLAIN, GDKD_ERROR_K, -1},
    {CONFIG(k_max), I64, 0, BY_RATIO, GDKD_ERROR_K, -1},
    {CONFIG(k_max), I64, 0, BY_MASS, GDKD_ERROR_K, -1},
    {DATA(k_table[3]), I64, 0, PER_ROW_K, GDKD_ERROR_K, 3},
    {DATA(k_table[5]), I64, -1, PER_ROW_K, GDKD_ERROR_K, 5},
    {DATA(k_table[2]), I64, 0, PER_CLASS_K, GDKD_ERROR_K, ANY_ROW},
    {DATA(k_table[CLASSES - 1]), I64, 0, PER_CLASS_K, GDKD_ERROR_K, ANY_ROW},
    {CONFIG(k_ratio), F64, 0, BY_RATIO, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_ratio), F64, -1, BY_RATIO, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_ratio), F64, (double)NAN, BY_RATIO, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_ratio), F64, (double)INFINITY, BY_RATIO, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_mass), F64, 0, BY_MASS, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_mass), F64, 1.0000001, BY_MASS, GDKD_ERROR_ADAPTIVE, -1},
    {CONFIG(k_mass), F64, (double)NAN, BY_MASS, GDKD_ERROR_ADAPTIVE, -1},

    {CONFIG(w_high), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(w_high), F64, (double)INFINITY, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(w_low[0]), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(w_low[7]), F64, (double)-INFINITY, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(kd_weight), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(ce_weight), F64, (double)INFINITY, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(divisor), F64, -1, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(divisor), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {CONFIG(divisor), F64, (double)INFINITY, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {RESULT(grad_scale), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {RESULT(grad_scale), F64, (double)INFINITY, PLAIN, GDKD_ERROR_WEIGHT, -1},
    {DATA(row_weight[4]), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, 4},
    {DATA(row_weight[0]), F64, (double)INFINITY, PLAIN, GDKD_ERROR_WEIGHT, 0},
    {DATA(low_weight[2]), F64, (double)NAN, PLAIN, GDKD_ERROR_WEIGHT, 2},
    {CONFIG(label_smoothing), F64, -0.001, PLAIN, GDKD_ERROR_LABEL_SMOOTHING, -1},
    {CONFIG(label_smoothing), F64, 1.001, PLAIN, GDKD_ERROR_LABEL_SMOOTHING, -1},
    {CONFIG(label_smoothing), F64, (double)NAN, PLAIN, GDKD_ERROR_LABEL_SMOOTHING, -1},

    {DATA(target[1]), I64, -1, PLAIN, GDKD_ERROR_TARGET, 1},
    {DATA(target[5]), I64, CLASSES, PLAIN, GDKD_ERROR_TARGET, 5},
    {DATA(target[0]), I64, 0x1p40, PLAIN, GDKD_ERROR_TARGET, 0},
    {BATCH(outer), I64, OUTER, TARGET_32, GDKD_ERROR_TARGET, 4}, // its row 4 is out of range
    {DATA(groups[2]), U8, GDKD_MAX_GROUPS, ONE_MAP, GDKD_ERROR_GROUP, -1},
    {DATA(groups[4]), U8, 255, ONE_MAP, GDKD_ERROR_GROUP, -1},
    // Element 13 of [3][5][2]: outer 1, class 1, inner 1: row 3.
    {DATA(groups[13]), U8, GDKD_MAX_GROUPS, MAP_PER_ROW, GDKD_ERROR_GROUP, 3},
    {CONFIG(num_threads), I32, -1, PLAIN, GDKD_ERROR_THREADS, -1},
};

static void inject(fixture *f, const fault *what) {
    unsigned char *at = (unsigned char *)f + what->offset;
    const int32_t i32 = what->type == I32 ? (int32_t)what->value : 0;
    const uint32_t u32 = what->type == U32 ? (uint32_t)what->value : 0;
    const int64_t i64 = what->type == I64 ? (int64_t)what->value : 0;
    void *const null = NULL;
    switch (what->type) {
    case I32:
        memcpy(at, &i32, sizeof i32);
        break;
    case U32:
        memcpy(at, &u32, sizeof u32);
        break;
    case I64:
        memcpy(at, &i64, sizeof i64);
        break;
    case F64:
        memcpy(at, &what->value, sizeof what->value);
        break;
    case U8:
        *at = (unsigned char)what->value;
        break;
    case POINTER:
        memcpy(at, &null, sizeof null);
        break;
    }
}

// Nothing but error_row may differ from `before`.
static void check_untouched(const fixture *f, const fixture *before, const char *what) {
    fixture now;
    memcpy(&now, f, sizeof now);
    now.result.error_row = before->result.error_row;
    ck_assert_msg(same_bytes(&now, before, sizeof now), "%s: something was written", what);
}

START_TEST(each_fault_has_its_status) {
    const fault *what = &faults[_i];
    fixture f;
    fixture before;
    memset(&before, 0, sizeof before);
    fixture_init(&f);
    fixture_choose(&f, what->variant);
    if (what->variant != TARGET_32)
        ck_assert_int_eq(fixture_run(&f), GDKD_OK); // the fault makes the difference
    fixture_init(&f);
    fixture_choose(&f, what->variant);
    f.result.error_row = 77;
    inject(&f, what);
    memcpy(&before, &f, sizeof f);
    const gdkd_status status = fixture_run(&f);
    ck_assert_msg(status == what->status, "%s = %g: status %d (%s), should be %d", what->what,
                  what->value, status, gdkd_status_string(status), what->status);
    check_untouched(&f, &before, what->what);
    if (what->row == ANY_ROW) return;
    ck_assert_msg(f.result.error_row == what->row, "%s = %g: error_row %lld, should be %lld",
                  what->what, what->value, (long long)f.result.error_row, (long long)what->row);
}
END_TEST

START_TEST(null_structures) {
    fixture f;
    double loss = 5.0;
    fixture_init(&f);
    ck_assert_int_eq(gdkd_loss(NULL, &f.batch, &f.result, NULL, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_loss(&f.config, NULL, &f.result, NULL, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, NULL, NULL, 0), GDKD_ERROR_NULL);
    ck_assert_uint_eq(gdkd_workspace_size(NULL, &f.batch), 0);
    ck_assert_uint_eq(gdkd_workspace_size(&f.config, NULL), 0);
    gdkd_config_kd(&f.config, 2.0);
    ck_assert_int_eq(gdkd_loss_f32(NULL, f.student, f.teacher, NULL, ROWS, CLASSES, NULL, &loss),
                     GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_loss_f32(&f.config, NULL, f.teacher, NULL, ROWS, CLASSES, NULL, &loss),
                     GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_loss_f32(&f.config, f.student, NULL, NULL, ROWS, CLASSES, NULL, &loss),
                     GDKD_ERROR_NULL);
    ck_assert_int_eq(
        gdkd_loss_f32(&f.config, f.student, f.teacher, NULL, ROWS, CLASSES, NULL, NULL),
        GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_loss_f32(&f.config, f.student, f.teacher, NULL, -1, CLASSES, NULL, &loss),
                     GDKD_ERROR_SIZE);
    ck_assert_double_eq(loss, 5.0);
    ck_assert_int_eq(
        gdkd_loss_f32(&f.config, f.student, f.teacher, NULL, ROWS, CLASSES, NULL, &loss), GDKD_OK);
    ck_assert_double_ne(loss, 5.0);
}
END_TEST

// What is not needed may be missing.
START_TEST(null_where_allowed) {
    fixture f;
    fixture_init(&f);
    f.config.low_weight_groups = 0;
    f.config.low_weight_index = GDKD_LOW_WEIGHT_NONE;
    f.batch.low_weight = NULL;
    f.batch.row_weight = NULL;
    f.result.grad = NULL;
    f.result.row_loss = NULL;
    ck_assert_int_eq(fixture_run(&f), GDKD_OK);
    f.config.kd_weight = 0.0;
    f.batch.teacher = NULL;
    ck_assert_int_eq(fixture_run(&f), GDKD_OK);
    fixture_init(&f);
    f.config.ce_weight = 0.0;
    f.batch.target = NULL;
    ck_assert_int_eq(fixture_run(&f), GDKD_OK);
    // No rows: there is nothing to point to.
    fixture_init(&f);
    f.batch.outer = 0;
    ck_assert_int_eq(fixture_run(&f), GDKD_OK);
    ck_assert_int_eq(f.result.rows_used, 0);
    ck_assert_double_eq(f.result.total, 0.0);
}
END_TEST

START_TEST(target_is_needed) {
    fixture f;
    for (int way = 0; way < 4; way++) {
        fixture_init(&f);
        f.config.ce_weight = way == 0 ? 1.0 : 0.0;
        if (way == 1) f.config.partition = GDKD_PARTITION_TARGET;
        if (way == 2) fixture_choose(&f, PER_CLASS_K);
        if (way == 3) f.config.low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
        f.batch.target = NULL;
        ck_assert_msg(fixture_run(&f) == GDKD_ERROR_NULL, "way %d", way);
        ck_assert_float_eq(f.grad[0], 123.5f);
        f.config.target_from_teacher = 1;
        ck_assert_msg(fixture_run(&f) == GDKD_OK, "way %d, from the teacher", way);
    }
}
END_TEST

START_TEST(aliases) {
    const struct {
        const char *what;
        int offset; // of the gradient from the student, in elements; 1000: from the teacher
        int32_t accumulate;
        int64_t grad_stride;
        gdkd_status status;
    } table[] = {
        {"in place", 0, 0, 0, GDKD_OK},
        {"in place, the stride spelt out", 0, 0, CLASSES * INNER, GDKD_OK},
        {"one element after", 1, 0, 0, GDKD_ERROR_ALIAS},
        {"last element", COUNT - 1, 0, 0, GDKD_ERROR_ALIAS},
        {"in place, accumulating", 0, 1, 0, GDKD_ERROR_ALIAS},
        {"in place, another stride", 0, 0, CLASSES * INNER + 1, GDKD_ERROR_ALIAS},
        {"the teacher", 1000, 0, 0, GDKD_ERROR_ALIAS},
        {"the teacher's second element", 1001, 0, 0, GDKD_ERROR_ALIAS},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        float student[3 * COUNT];
        float teacher[3 * COUNT];
        float copy[3 * COUNT];
        fixture f;
        fixture_init(&f);
        for (int j = 0; j < 3 * COUNT; j++) student[j] = teacher[j] = copy[j] = (float)(j % 7);
        f.batch.student = student;
        f.batch.teacher = teacher;
        f.result.grad = table[i].offset >= 1000 ? teacher + (table[i].offset - 1000)
                                                : student + table[i].offset;
        f.result.accumulate = table[i].accumulate;
        f.result.grad_stride = table[i].grad_stride;
        const gdkd_status status = fixture_run(&f);
        ck_assert_msg(status == table[i].status, "%s: %s", table[i].what,
                      gdkd_status_string(status));
        ck_assert(same_bytes(teacher, copy, sizeof copy));
        if (status != GDKD_OK) ck_assert(same_bytes(student, copy, sizeof copy));
    }
}
END_TEST

START_TEST(workspace_too_small) {
    fixture f;
    fixture before;
    fixture_init(&f);
    const size_t bytes = gdkd_workspace_size(&f.config, &f.batch);
    ck_assert_uint_gt(bytes, 0);
    void *workspace = checked_calloc(bytes, 1);
    memcpy(&before, &f, sizeof f);
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, workspace, bytes - 1),
                     GDKD_ERROR_WORKSPACE);
    check_untouched(&f, &before, "workspace");
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, workspace, 0), GDKD_ERROR_WORKSPACE);
    check_untouched(&f, &before, "workspace of 0");
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, workspace, bytes), GDKD_OK);
    f.config.temperature = -1.0;
    ck_assert_uint_eq(gdkd_workspace_size(&f.config, &f.batch), 0);
    free(workspace);
}
END_TEST

START_TEST(dist_faults) {
    fixture f;
    gdkd_dist_config d;
    fixture_init(&f);
    f.batch.row_weight = NULL;
    f.result.row_loss = NULL;
    gdkd_dist_config_init(&d);
    const gdkd_dist_config good = d;
    ck_assert_int_eq(gdkd_dist(NULL, &f.batch, &f.result, NULL, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_dist(&d, NULL, &f.result, NULL, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, NULL, NULL, 0), GDKD_ERROR_NULL);
    d.struct_size += 8;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_STRUCT_SIZE);
    d = good;
    d.temperature = 0.0;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_TEMPERATURE);
    d = good;
    d.beta = NAN;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_WEIGHT);
    d = good;
    d.gamma = INFINITY;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_WEIGHT);
    d = good;
    d.num_threads = -1;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_THREADS);
    d = good;
    f.batch.row_weight = f.row_weight;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_WEIGHT);
    f.batch.row_weight = NULL;
    f.target[3] = CLASSES;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_TARGET);
    ck_assert_int_eq(f.result.error_row, 3);
    f.target[3] = 0;
    f.batch.teacher = NULL;
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, NULL, 0), GDKD_ERROR_NULL);
    f.batch.teacher = f.teacher;
    const size_t bytes = gdkd_dist_workspace_size(&d, &f.batch);
    ck_assert_uint_gt(bytes, 0);
    void *workspace = checked_calloc(bytes, 1);
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, workspace, bytes - 1),
                     GDKD_ERROR_WORKSPACE);
    ck_assert_float_eq(f.grad[0], 123.5f);
    ck_assert_int_eq(gdkd_dist(&d, &f.batch, &f.result, workspace, bytes), GDKD_OK);
    free(workspace);
}
END_TEST

// Each weight is finite; their sum, by which a mean divides, is not.
START_TEST(weights_without_a_sum) {
    fixture f;
    fixture_init(&f);
    for (int64_t row = 0; row < ROWS; row++) f.row_weight[row] = 1.7e308;
    f.batch.row_weight = f.row_weight;
    ck_assert_int_eq(gdkd_loss(&f.config, &f.batch, &f.result, NULL, 0), GDKD_ERROR_WEIGHT);
}
END_TEST

// No rows, however long they would be: nothing is counted out of its range, and the gradient is not
// touched.
START_TEST(no_rows_of_any_size) {
    static const int64_t inners[] = {
        0, 1, 15, 16, INT64_MAX / 2, INT64_MAX - 15, INT64_MAX - 1, INT64_MAX};
    static const int32_t dtypes[] = {GDKD_F32, GDKD_F64, GDKD_BF16};
    for (int i = 0; i < 8 * 3 * 4; i++) {
        gdkd_config c;
        gdkd_batch b;
        gdkd_result r;
        float grad[4] = {1, 2, 3, 4};
        const int64_t classes = i / 24 == 0 ? 1 : i / 24 == 1 ? 2 : i / 24 == 2 ? 200 : 1 << 30;
        int64_t product;
        const int fits = !__builtin_mul_overflow(inners[i % 8], classes, &product);
        gdkd_config_kd(&c, 4);
        c.num_threads = 2;
        gdkd_batch_init(&b);
        gdkd_result_init(&r);
        b.outer = 0, b.classes = classes, b.inner = inners[i % 8];
        b.student_dtype = b.teacher_dtype = dtypes[i / 8 % 3];
        r.grad = grad;
        ck_assert_int_eq(gdkd_workspace_size(&c, &b) > 0, fits);
        if (classes > 200) continue; // a workspace of gigabytes
        const gdkd_status status = gdkd_loss(&c, &b, &r, NULL, 0);
        ck_assert_int_eq(status, fits ? GDKD_OK : GDKD_ERROR_OVERFLOW);
        ck_assert(grad[0] == 1 && grad[1] == 2 && grad[2] == 3 && grad[3] == 4);
        if (status == GDKD_OK) ck_assert(r.total == 0 && r.rows_used == 0 && r.grad_nonfinite == 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bad arguments");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_fault_has_its_status, 0,
                        (int)(sizeof faults / sizeof faults[0]));
    tcase_add_test(tcase, null_structures);
    tcase_add_test(tcase, null_where_allowed);
    tcase_add_test(tcase, target_is_needed);
    tcase_add_test(tcase, aliases);
    tcase_add_test(tcase, workspace_too_small);
    tcase_add_test(tcase, dist_faults);
    tcase_add_test(tcase, weights_without_a_sum);
    tcase_add_test(tcase, no_rows_of_any_size);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
