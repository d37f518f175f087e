// Layouts of the public structures: what a new one holds, which sizes are known, and the way
// between the caller's version and today's. New fields come last and never into the padding at the
// end, so that a size tells a layout.
#include "layouts.h"

#include <string.h>

const gdkd_config gdkd_initial_config = {
    .struct_size = sizeof(gdkd_config),
    .k = 1,
    .k_max = INT64_MAX,
    .k_ratio = 1,
    .k_mass = 1,
    .temperature = 1,
    .temperature_squared = 1,
    .w_high = 1,
    .w_low = {1, 1, 1, 1, 1, 1, 1, 1},
    .kd_weight = 1,
    .ignore_index = -100, // PyTorch's
};

static const gdkd_batch initial_batch = {.struct_size = sizeof(gdkd_batch)};

static const gdkd_result initial_result = {
    .struct_size = sizeof(gdkd_result),
    .grad_scale = 1,
    .first_nonfinite = -1,
    .error_row = -1,
};

static const gdkd_dist_config initial_dist_config = {
    .struct_size = sizeof(gdkd_dist_config),
    .temperature_squared = 1,
    .temperature = 1,
    .beta = 1,
    .gamma = 1,
    .ignore_index = -100,
};

// --- Fields --------------------------------------------------------------------------------------

// Name, type, place and number of elements come from gdkd.h by the compiler, so that they cannot
// differ from it.
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
        .name = #field, .type = TYPE_OF(&((structure *)NULL)->field),                              \
        .offset = offsetof(structure, field), .size = sizeof((structure *)NULL)->field             \
    }

// One line for each, were they formatted.
// clang-format off
#define OF(field) FIELD(gdkd_config, field)
static const gdkd_field config_fields[] = {
    OF(struct_size), OF(partition), OF(k_rule), OF(divergence), OF(standardize), OF(reduction),
    OF(k), OF(k_max), OF(k_ratio), OF(k_mass), OF(temperature), OF(teacher_temperature),
    OF(temperature_squared), OF(mass_scaled_groups), OF(low_weight_groups), OF(low_weight_index),
    OF(w_high), OF(w_low), OF(kd_weight), OF(ce_weight), OF(label_smoothing), OF(ignore_index),
    OF(target_from_teacher), OF(num_threads), OF(isa), OF(divisor),
};
#undef OF

#define OF(field) FIELD(gdkd_batch, field)
static const gdkd_field batch_fields[] = {
    OF(struct_size), OF(student_dtype), OF(teacher_dtype), OF(target_dtype), OF(outer), OF(classes),
    OF(inner), OF(student), OF(teacher), OF(student_stride), OF(teacher_stride), OF(target),
    OF(k_table), OF(groups), OF(groups_stride), OF(low_weight), OF(row_weight),
};
#undef OF

#define OF(field) FIELD(gdkd_result, field)
static const gdkd_field result_fields[] = {
    OF(struct_size), OF(accumulate), OF(want_norms), OF(grad), OF(grad_stride), OF(grad_scale),
    OF(row_loss), OF(total), OF(ce), OF(kd), OF(high), OF(low), OF(student_mass), OF(teacher_mass),
    OF(dist_inter), OF(dist_intra), OF(grad_norm_ce), OF(grad_norm_high), OF(grad_norm_low),
    OF(divisor), OF(rows_used), OF(rows_nonfinite), OF(first_nonfinite), OF(error_row),
    OF(grad_nonfinite),
};
#undef OF

#define OF(field) FIELD(gdkd_dist_config, field)
static const gdkd_field dist_config_fields[] = {
    OF(struct_size), OF(temperature_squared), OF(temperature), OF(beta), OF(gamma),
    OF(ignore_index), OF(num_threads),
};
#undef OF
// clang-format on

// --- Layouts -------------------------------------------------------------------------------------

static const size_t none[] = {0};
static const size_t earlier_results[] = {offsetof(gdkd_result, grad_nonfinite), 0}; // 0.1

#define LAYOUT(initial, earlier, fields)                                                           \
    { &(initial), sizeof(initial), earlier, fields, (int32_t)(sizeof(fields) / sizeof *(fields)) }
static const gdkd_layout layouts[] = {
    [GDKD_STRUCT_CONFIG] = LAYOUT(gdkd_initial_config, none, config_fields),
    [GDKD_STRUCT_BATCH] = LAYOUT(initial_batch, none, batch_fields),
    [GDKD_STRUCT_RESULT] = LAYOUT(initial_result, earlier_results, result_fields),
    [GDKD_STRUCT_DIST_CONFIG] = LAYOUT(initial_dist_config, none, dist_config_fields),
};

const gdkd_layout *gdkd_layout_of(int32_t structure) {
    const int32_t count = (int32_t)(sizeof layouts / sizeof *layouts);
    return structure >= 0 && structure < count ? &layouts[structure] : NULL;
}

bool gdkd_layout_known(const gdkd_layout *layout, size_t size) {
    bool known = size == layout->size;
    for (const size_t *earlier = layout->earlier; *earlier; earlier++)
        known = known || size == *earlier;
    return known;
}

gdkd_status gdkd_adopt(int32_t structure, const void *from, void *today) {
    const gdkd_layout *layout = &layouts[structure];
    uint32_t size, now = (uint32_t)layout->size;
    if (!from) return GDKD_ERROR_NULL;
    memcpy(&size, from, sizeof size);
    if (!gdkd_layout_known(layout, size)) return GDKD_ERROR_STRUCT_SIZE;
    memcpy(today, layout->initial, layout->size);
    memcpy(today, from, size);
    memcpy(today, &now, sizeof now);
    return GDKD_OK;
}

gdkd_status gdkd_hand_out(int32_t structure, const void *today, size_t struct_size, void *to) {
    const uint32_t size = (uint32_t)struct_size;
    if (!to) return GDKD_ERROR_NULL;
    if (!gdkd_layout_known(&layouts[structure], struct_size)) return GDKD_ERROR_STRUCT_SIZE;
    memcpy(to, today, struct_size);
    memcpy(to, &size, sizeof size);
    return GDKD_OK;
}

void gdkd_hand_back(gdkd_status status, const gdkd_result *today, gdkd_result *to) {
    const size_t reports = offsetof(gdkd_result, total);
    if (status == GDKD_OK)
        memcpy((char *)to + reports, (const char *)today + reports, to->struct_size - reports);
    else
        to->error_row = today->error_row;
}

gdkd_status gdkd_batch_init_sized(gdkd_batch *batch, size_t struct_size) {
    return gdkd_hand_out(GDKD_STRUCT_BATCH, &initial_batch, struct_size, batch);
}

gdkd_status gdkd_result_init_sized(gdkd_result *result, size_t struct_size) {
    return gdkd_hand_out(GDKD_STRUCT_RESULT, &initial_result, struct_size, result);
}

gdkd_status gdkd_dist_config_init_sized(gdkd_dist_config *config, size_t struct_size) {
    return gdkd_hand_out(GDKD_STRUCT_DIST_CONFIG, &initial_dist_config, struct_size, config);
}
