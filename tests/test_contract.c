// The promises of gdkd.h that are not numbers: every bad argument has its status and writes
// nothing, initial values, strings, workspace sizes, the choice of instruction set.
#include "problem.h"

#include <check.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTER = 3, CLASSES = 5, INNER = 2, ROWS = OUTER * INNER, COUNT = ROWS * CLASSES };

// A call in which every input is used by something.
typedef struct fixture {
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    float student[COUNT + 8];
    float teacher[COUNT + 8];
    float grad[COUNT + 8];
    double row_loss[ROWS];
    int64_t target[ROWS];
    int64_t k_table[ROWS > CLASSES ? ROWS : CLASSES];
    uint8_t groups[COUNT];
    double low_weight[ROWS];
    double row_weight[ROWS];
} fixture;

static void fixture_init(fixture *f) {
    memset(f, 0, sizeof *f);
    gdkd_config_init(&f->config, sizeof f->config);
    gdkd_batch_init(&f->batch, sizeof f->batch);
    gdkd_result_init(&f->result, sizeof f->result);
    for (int i = 0; i < COUNT; ++i) {
        f->student[i] = (float)(i % 7) * 0.3f;
        f->teacher[i] = (float)(i % 5) * 0.4f;
        f->groups[i] = (uint8_t)(i % 3);
    }
    for (int i = 0; i < COUNT + 8; ++i) f->grad[i] = 123.5f;
    for (int i = 0; i < ROWS; ++i) {
        f->target[i] = i % CLASSES;
        f->k_table[i] = 1 + i % 3;
        f->low_weight[i] = 1.0;
        f->row_weight[i] = 1.0;
        f->row_loss[i] = 321.5;
    }
    f->config.partition = GDKD_PARTITION_TOP;
    f->config.k = 2;
    f->config.k_max = 3;
    f->config.ce_weight = 1.0;
    f->config.table_weighted_groups = 1;
    f->config.low_weight_index = GDKD_LOW_WEIGHT_PER_ROW;
    f->batch.outer = OUTER;
    f->batch.classes = CLASSES;
    f->batch.inner = INNER;
    f->batch.student = f->student;
    f->batch.teacher = f->teacher;
    f->batch.target = f->target;
    f->batch.low_weight = f->low_weight;
    f->batch.row_weight = f->row_weight;
    f->result.grad = f->grad;
    f->result.row_loss = f->row_loss;
}

static gdkd_status run(fixture *f) {
    return gdkd_loss(&f->config, &f->batch, &f->result, NULL, 0);
}

// Puts the variant that the fault under test needs to matter.
typedef enum variant {
    PLAIN,
    PER_ROW_K,
    PER_CLASS_K,
    BY_RATIO,
    BY_MASS,
    ONE_MAP,
    MAP_PER_ROW,
    TARGET_32
} variant;

static void choose(fixture *f, variant v) {
    static int32_t narrow[ROWS];
    switch (v) {
    case PLAIN:
        break;
    case PER_ROW_K:
        f->config.k_rule = GDKD_K_PER_ROW;
        break;
    case PER_CLASS_K:
        f->config.k_rule = GDKD_K_PER_CLASS;
        break;
    case BY_RATIO:
        f->config.k_rule = GDKD_K_RATIO;
        break;
    case BY_MASS:
        f->config.k_rule = GDKD_K_MASS;
        break;
    case ONE_MAP:
        f->config.partition = GDKD_PARTITION_MAP;
        break;
    case MAP_PER_ROW:
        f->config.partition = GDKD_PARTITION_MAP;
        f->batch.groups_stride = CLASSES * INNER;
        break;
    case TARGET_32:
        for (int i = 0; i < ROWS; ++i) narrow[i] = i == 4 ? CLASSES : i % CLASSES;
        f->batch.target_dtype = GDKD_INT32;
        f->batch.target = narrow;
        break;
    }
    if (v == PER_ROW_K || v == PER_CLASS_K) f->batch.k_table = f->k_table;
    if (v == ONE_MAP || v == MAP_PER_ROW) f->batch.groups = f->groups;
}

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
    {CONFIG(kl), I32, -1, PLAIN, GDKD_ERROR_ENUM, -1},
    {CONFIG(kl), I32, GDKD_KL_SYMMETRIC + 1, PLAIN, GDKD_ERROR_ENUM, -1},
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
    ck_assert_msg(memcmp(&now, before, sizeof now) == 0, "%s: something was written", what);
}

START_TEST(each_fault_has_its_status) {
    const fault *what = &faults[_i];
    fixture f;
    fixture before;
    memset(&before, 0, sizeof before);
    fixture_init(&f);
    choose(&f, what->variant);
    if (what->variant != TARGET_32)
        ck_assert_int_eq(run(&f), GDKD_OK); // the fault makes the difference
    fixture_init(&f);
    choose(&f, what->variant);
    f.result.error_row = 77;
    inject(&f, what);
    memcpy(&before, &f, sizeof f);
    const gdkd_status status = run(&f);
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
    gdkd_config_kd(&f.config, sizeof f.config, 2.0);
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
    f.config.table_weighted_groups = 0;
    f.config.low_weight_index = GDKD_LOW_WEIGHT_NONE;
    f.batch.low_weight = NULL;
    f.batch.row_weight = NULL;
    f.result.grad = NULL;
    f.result.row_loss = NULL;
    ck_assert_int_eq(run(&f), GDKD_OK);
    f.config.kd_weight = 0.0;
    f.batch.teacher = NULL;
    ck_assert_int_eq(run(&f), GDKD_OK);
    fixture_init(&f);
    f.config.ce_weight = 0.0;
    f.batch.target = NULL;
    ck_assert_int_eq(run(&f), GDKD_OK);
    // No rows: there is nothing to point to.
    fixture_init(&f);
    f.batch.outer = 0;
    ck_assert_int_eq(run(&f), GDKD_OK);
    ck_assert_int_eq(f.result.rows_used, 0);
    ck_assert_double_eq(f.result.total, 0.0);
}
END_TEST

START_TEST(target_is_needed) {
    fixture f;
    for (int way = 0; way < 4; ++way) {
        fixture_init(&f);
        f.config.ce_weight = way == 0 ? 1.0 : 0.0;
        if (way == 1) f.config.partition = GDKD_PARTITION_TARGET;
        if (way == 2) choose(&f, PER_CLASS_K);
        if (way == 3) f.config.low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
        f.batch.target = NULL;
        ck_assert_msg(run(&f) == GDKD_ERROR_NULL, "way %d", way);
        ck_assert_float_eq(f.grad[0], 123.5f);
        f.config.target_from_teacher = 1;
        ck_assert_msg(run(&f) == GDKD_OK, "way %d, from the teacher", way);
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
    for (size_t i = 0; i < sizeof table / sizeof table[0]; ++i) {
        float student[3 * COUNT];
        float teacher[3 * COUNT];
        float copy[3 * COUNT];
        fixture f;
        fixture_init(&f);
        for (int j = 0; j < 3 * COUNT; ++j) student[j] = teacher[j] = copy[j] = (float)(j % 7);
        f.batch.student = student;
        f.batch.teacher = teacher;
        f.result.grad = table[i].offset >= 1000 ? teacher + (table[i].offset - 1000)
                                                : student + table[i].offset;
        f.result.accumulate = table[i].accumulate;
        f.result.grad_stride = table[i].grad_stride;
        const gdkd_status status = run(&f);
        ck_assert_msg(status == table[i].status, "%s: %s", table[i].what,
                      gdkd_status_string(status));
        ck_assert_int_eq(memcmp(teacher, copy, sizeof copy), 0);
        if (status != GDKD_OK) ck_assert_int_eq(memcmp(student, copy, sizeof copy), 0);
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

START_TEST(strings) {
    for (gdkd_status a = GDKD_OK; a <= GDKD_ERROR_THREADS; ++a) {
        ck_assert_ptr_nonnull(gdkd_status_string(a));
        ck_assert_uint_gt(strlen(gdkd_status_string(a)), 3);
        ck_assert_str_ne(gdkd_status_string(a), "unknown status");
        for (gdkd_status b = GDKD_OK; b < a; ++b) {
            ck_assert_str_ne(gdkd_status_string(a), gdkd_status_string(b));
        }
    }
    ck_assert_str_eq(gdkd_status_string(-1), "unknown status");
    ck_assert_str_eq(gdkd_status_string(GDKD_ERROR_THREADS + 1), "unknown status");
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
    ck_assert_int_eq(gdkd_config_init(&c, sizeof c), GDKD_OK);
    ck_assert_int_eq(gdkd_batch_init(&b, sizeof b), GDKD_OK);
    ck_assert_int_eq(gdkd_result_init(&r, sizeof r), GDKD_OK);
    ck_assert_int_eq(gdkd_dist_config_init(&d, sizeof d), GDKD_OK);
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
    gdkd_config_init(&f.config, sizeof f.config);
    ck_assert_int_eq(gdkd_config_kd(&kd, sizeof kd, 1.0), GDKD_OK);
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
    ck_assert_int_eq(gdkd_config_init(NULL, n), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_batch_init(NULL, sizeof b), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_result_init(NULL, sizeof r), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_dist_config_init(NULL, sizeof d), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_config_init(&c, n + 8), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_batch_init(&b, 3), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_result_init(&r, 0), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_dist_config_init(&d, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_kd(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_dkd(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_dkd_top1(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_bottom(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd3(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autok(&c, 7, 1, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autow(&c, 7, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_lskd(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_ls_gdkd(&c, 7, 1, 1, 1, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_skd(&c, 7, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_sgdkd(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_adkd(&c, 7, 1, 1, 1), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_ce(&c, 7, 0), GDKD_ERROR_STRUCT_SIZE);
    ck_assert_int_eq(gdkd_config_gdkd_autow(&c, n, 1, 1, 0, 1, 1), GDKD_ERROR_ENUM);
    ck_assert_int_eq(gdkd_config_gdkd_autow(&c, n, 1, 1, 4, 1, 1), GDKD_ERROR_ENUM);
    ck_assert_int_eq(gdkd_config_ce(NULL, n, 0), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_config_gdkd(NULL, n, 1, 1, 1, 1, 1), GDKD_ERROR_NULL);
    ck_assert_msg(memcmp(&c, &untouched, n) == 0, "a refused preset wrote to the config");
}
END_TEST

START_TEST(dist_faults) {
    fixture f;
    gdkd_dist_config d;
    fixture_init(&f);
    f.batch.row_weight = NULL;
    f.result.row_loss = NULL;
    gdkd_dist_config_init(&d, sizeof d);
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
    tcase_add_loop_test(tcase, each_fault_has_its_status, 0,
                        (int)(sizeof faults / sizeof faults[0]));
    tcase_add_test(tcase, null_structures);
    tcase_add_test(tcase, null_where_allowed);
    tcase_add_test(tcase, target_is_needed);
    tcase_add_test(tcase, aliases);
    tcase_add_test(tcase, workspace_too_small);
    tcase_add_test(tcase, workspace_growth);
    tcase_add_test(tcase, strings);
    tcase_add_test(tcase, pinned_values);
    tcase_add_test(tcase, initial_values);
    tcase_add_test(tcase, initial_config_is_kd);
    tcase_add_test(tcase, refused_initialisation);
    tcase_add_test(tcase, dist_faults);
    tcase_add_test(tcase, environment_can_only_lower);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
