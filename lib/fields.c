#include "fields.h"

// Of a pointer to the field: a type that is missing here does not compile.
#define TYPE_OF(address)                                                                           \
    _Generic((address),                                                                            \
        int32_t *: GDKD_FIELD_INT32,                                                               \
        uint32_t *: GDKD_FIELD_UINT32,                                                             \
        int64_t *: GDKD_FIELD_INT64,                                                               \
        double *: GDKD_FIELD_DOUBLE,                                                               \
        double(*)[GDKD_MAX_GROUPS]: GDKD_FIELD_DOUBLE,                                             \
        void **: GDKD_FIELD_POINTER,                                                               \
        double **: GDKD_FIELD_POINTER,                                                             \
        const void **: GDKD_FIELD_POINTER,                                                         \
        const double **: GDKD_FIELD_POINTER,                                                       \
        const int64_t **: GDKD_FIELD_POINTER,                                                      \
        const uint8_t **: GDKD_FIELD_POINTER)
#define FIELD(structure, field)                                                                    \
    {                                                                                              \
#        field, TYPE_OF(&((structure *)NULL)->field), offsetof(structure, field),                  \
            sizeof((structure *)NULL)->field                                                       \
    }

#define CONFIG(field) FIELD(gdkd_config, field)
static const gdkd_field config_fields[] = {
    CONFIG(struct_size),
    CONFIG(partition),
    CONFIG(k_rule),
    CONFIG(divergence),
    CONFIG(standardize),
    CONFIG(reduction),
    CONFIG(k),
    CONFIG(k_max),
    CONFIG(k_ratio),
    CONFIG(k_mass),
    CONFIG(temperature),
    CONFIG(teacher_temperature),
    CONFIG(temperature_squared),
    CONFIG(mass_scaled_groups),
    CONFIG(low_weight_groups),
    CONFIG(low_weight_index),
    CONFIG(w_high),
    CONFIG(w_low),
    CONFIG(kd_weight),
    CONFIG(ce_weight),
    CONFIG(label_smoothing),
    CONFIG(ignore_index),
    CONFIG(target_from_teacher),
    CONFIG(num_threads),
    CONFIG(isa),
    CONFIG(divisor),
};

#define BATCH(field) FIELD(gdkd_batch, field)
static const gdkd_field batch_fields[] = {
    BATCH(struct_size), BATCH(student_dtype),  BATCH(teacher_dtype),  BATCH(target_dtype),
    BATCH(outer),       BATCH(classes),        BATCH(inner),          BATCH(student),
    BATCH(teacher),     BATCH(student_stride), BATCH(teacher_stride), BATCH(target),
    BATCH(k_table),     BATCH(groups),         BATCH(groups_stride),  BATCH(low_weight),
    BATCH(row_weight),
};

#define RESULT(field) FIELD(gdkd_result, field)
static const gdkd_field result_fields[] = {
    RESULT(struct_size),
    RESULT(accumulate),
    RESULT(want_norms),
    RESULT(grad),
    RESULT(grad_stride),
    RESULT(grad_scale),
    RESULT(row_loss),
    RESULT(total),
    RESULT(ce),
    RESULT(kd),
    RESULT(high),
    RESULT(low),
    RESULT(student_mass),
    RESULT(teacher_mass),
    RESULT(dist_inter),
    RESULT(dist_intra),
    RESULT(grad_norm_ce),
    RESULT(grad_norm_high),
    RESULT(grad_norm_low),
    RESULT(divisor),
    RESULT(rows_used),
    RESULT(rows_nonfinite),
    RESULT(first_nonfinite),
    RESULT(error_row),
    RESULT(grad_nonfinite),
};

#define DIST_CONFIG(field) FIELD(gdkd_dist_config, field)
static const gdkd_field dist_config_fields[] = {
    DIST_CONFIG(struct_size), DIST_CONFIG(temperature_squared),
    DIST_CONFIG(temperature), DIST_CONFIG(beta),
    DIST_CONFIG(gamma),       DIST_CONFIG(ignore_index),
    DIST_CONFIG(num_threads),
};

#define LIST(table)                                                                                \
    { table, (int32_t)(sizeof(table) / sizeof *(table)) }
static const gdkd_field_list lists[] = {
    [GDKD_STRUCT_CONFIG] = LIST(config_fields),
    [GDKD_STRUCT_BATCH] = LIST(batch_fields),
    [GDKD_STRUCT_RESULT] = LIST(result_fields),
    [GDKD_STRUCT_DIST_CONFIG] = LIST(dist_config_fields),
};

gdkd_field_list gdkd_fields_of(int32_t structure) {
    const int32_t count = (int32_t)(sizeof lists / sizeof *lists);
    return structure >= 0 && structure < count ? lists[structure] : (gdkd_field_list){NULL, 0};
}

size_t gdkd_element_size(const gdkd_field *field) {
    static const size_t sizes[] = {
        [GDKD_FIELD_INT32] = sizeof(int32_t),  [GDKD_FIELD_UINT32] = sizeof(uint32_t),
        [GDKD_FIELD_INT64] = sizeof(int64_t),  [GDKD_FIELD_DOUBLE] = sizeof(double),
        [GDKD_FIELD_POINTER] = sizeof(void *),
    };
    return sizes[field->type];
}

static const gdkd_field *field_at(int32_t structure, int32_t index) {
    const gdkd_field_list list = gdkd_fields_of(structure);
    return index >= 0 && index < list.count ? &list.fields[index] : NULL;
}

const char *gdkd_field_name(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->name : NULL;
}

int32_t gdkd_field_type(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->type : -1;
}

size_t gdkd_field_offset(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->offset : 0;
}

int32_t gdkd_field_elements(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? (int32_t)(field->size / gdkd_element_size(field)) : 0;
}
