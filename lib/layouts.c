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

static const size_t none[] = {0};
static const size_t earlier_results[] = {offsetof(gdkd_result, grad_nonfinite), 0}; // 0.1

static const gdkd_layout layouts[] = {
    [GDKD_STRUCT_CONFIG] = {&gdkd_initial_config, sizeof(gdkd_config), none},
    [GDKD_STRUCT_BATCH] = {&initial_batch, sizeof(gdkd_batch), none},
    [GDKD_STRUCT_RESULT] = {&initial_result, sizeof(gdkd_result), earlier_results},
    [GDKD_STRUCT_DIST_CONFIG] = {&initial_dist_config, sizeof(gdkd_dist_config), none},
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
