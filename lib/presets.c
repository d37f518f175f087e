// The presets: each is gdkd_config_init and the few fields that make the method.
#include "gdkd.h"

#include <string.h>

gdkd_status gdkd_config_init_sized(gdkd_config *config, size_t struct_size) {
    if (!config) return GDKD_ERROR_NULL;
    if (struct_size != sizeof *config) return GDKD_ERROR_STRUCT_SIZE;
    memset(config, 0, sizeof *config);
    config->struct_size = (uint32_t)sizeof *config;
    config->k = 1;
    config->k_max = INT64_MAX;
    config->k_ratio = 1;
    config->k_mass = 1;
    config->temperature = 1;
    config->temperature_squared = 1;
    config->w_high = 1;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) config->w_low[g] = 1;
    config->kd_weight = 1;
    config->ignore_index = -100; // PyTorch's
    return GDKD_OK;
}

gdkd_status gdkd_config_kd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    gdkd_status status = gdkd_config_init_sized(config, struct_size);
    if (status == GDKD_OK) config->temperature = temperature;
    return status;
}

// {first}, {second} with their weights.
static gdkd_status two_groups(gdkd_config *config, size_t struct_size, double temperature,
                              int32_t partition, double high, double first, double second) {
    gdkd_status status = gdkd_config_kd_sized(config, struct_size, temperature);
    if (status != GDKD_OK) return status;
    config->partition = partition;
    config->w_high = high;
    config->w_low[0] = first;
    config->w_low[1] = second;
    return GDKD_OK;
}

gdkd_status gdkd_config_dkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                  double alpha, double beta) {
    // The target's group has one class, so its low term is 0 whatever its weight.
    return two_groups(config, struct_size, temperature, GDKD_PARTITION_TARGET, alpha, 0, beta);
}

gdkd_status gdkd_config_dkd_top1_sized(gdkd_config *config, size_t struct_size, double temperature,
                                       double alpha, double beta) {
    return two_groups(config, struct_size, temperature, GDKD_PARTITION_TOP, alpha, 0, beta);
}

gdkd_status gdkd_config_gdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                   int64_t k, double w0, double w1, double w2) {
    gdkd_status status =
        two_groups(config, struct_size, temperature, GDKD_PARTITION_TOP, w0, w1, w2);
    if (status == GDKD_OK) config->k = k;
    return status;
}

gdkd_status gdkd_config_gdkd_bottom_sized(gdkd_config *config, size_t struct_size,
                                          double temperature, int64_t k, double w0, double w1,
                                          double w2) {
    gdkd_status status = gdkd_config_gdkd_sized(config, struct_size, temperature, k, w0, w1, w2);
    if (status == GDKD_OK) config->partition = GDKD_PARTITION_BOTTOM;
    return status;
}

gdkd_status gdkd_config_gdkd3_sized(gdkd_config *config, size_t struct_size, double temperature,
                                    int64_t k, double w0, double w1, double w2) {
    gdkd_status status = gdkd_config_gdkd_sized(config, struct_size, temperature, k, w0, 0, w1);
    if (status != GDKD_OK) return status;
    config->partition = GDKD_PARTITION_TOP1_TOPK;
    config->w_low[2] = w2;
    return GDKD_OK;
}

gdkd_status gdkd_config_gdkd_autok_sized(gdkd_config *config, size_t struct_size,
                                         double temperature, double ratio, int64_t k_max, double w0,
                                         double w1, double w2) {
    gdkd_status status = gdkd_config_gdkd_sized(config, struct_size, temperature, 1, w0, w1, w2);
    if (status != GDKD_OK) return status;
    config->k_rule = GDKD_K_RATIO;
    config->k_ratio = ratio;
    config->k_max = k_max;
    return GDKD_OK;
}

gdkd_status gdkd_config_gdkd_autow_sized(gdkd_config *config, size_t struct_size,
                                         double temperature, int64_t k, int32_t version, double w1,
                                         double w2) {
    static const uint32_t scaled[] = {0, 0x3, 0x2, 0x1};
    if (version < 1 || version > 3) return GDKD_ERROR_ENUM;
    gdkd_status status = gdkd_config_gdkd_sized(config, struct_size, temperature, k, 1, w1, w2);
    if (status != GDKD_OK) return status;
    config->mass_scaled_groups = scaled[version];
    return GDKD_OK;
}

gdkd_status gdkd_config_lskd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    gdkd_status status = gdkd_config_kd_sized(config, struct_size, temperature);
    if (status == GDKD_OK) config->standardize = GDKD_STANDARDIZE_GLOBAL;
    return status;
}

gdkd_status gdkd_config_ls_gdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                      int64_t k, int32_t standardize, double w0, double w1,
                                      double w2) {
    gdkd_status status = gdkd_config_gdkd_sized(config, struct_size, temperature, k, w0, w1, w2);
    if (status == GDKD_OK) config->standardize = standardize;
    return status;
}

gdkd_status gdkd_config_skd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    return two_groups(config, struct_size, temperature, GDKD_PARTITION_MAP, 0, 1, 0);
}

gdkd_status gdkd_config_sgdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                    double w0, double w1) {
    gdkd_status status =
        two_groups(config, struct_size, temperature, GDKD_PARTITION_MAP, w0, 0, w1);
    if (status == GDKD_OK) config->w_low[2] = 0;
    return status;
}

gdkd_status gdkd_config_adkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                   double alpha, double gamma) {
    gdkd_status status = gdkd_config_dkd_sized(config, struct_size, temperature, alpha, gamma);
    if (status != GDKD_OK) return status;
    config->low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
    config->low_weight_groups = 0x2;
    return GDKD_OK;
}

gdkd_status gdkd_config_ce_sized(gdkd_config *config, size_t struct_size, double label_smoothing) {
    gdkd_status status = gdkd_config_init_sized(config, struct_size);
    if (status != GDKD_OK) return status;
    config->kd_weight = 0;
    config->ce_weight = 1;
    config->label_smoothing = label_smoothing;
    return GDKD_OK;
}

gdkd_status gdkd_batch_init_sized(gdkd_batch *batch, size_t struct_size) {
    if (!batch) return GDKD_ERROR_NULL;
    if (struct_size != sizeof *batch) return GDKD_ERROR_STRUCT_SIZE;
    memset(batch, 0, sizeof *batch);
    batch->struct_size = (uint32_t)sizeof *batch;
    return GDKD_OK;
}

gdkd_status gdkd_result_init_sized(gdkd_result *result, size_t struct_size) {
    if (!result) return GDKD_ERROR_NULL;
    if (struct_size != sizeof *result) return GDKD_ERROR_STRUCT_SIZE;
    memset(result, 0, sizeof *result);
    result->struct_size = (uint32_t)sizeof *result;
    result->grad_scale = 1;
    result->first_nonfinite = -1;
    result->error_row = -1;
    return GDKD_OK;
}

gdkd_status gdkd_dist_config_init_sized(gdkd_dist_config *config, size_t struct_size) {
    if (!config) return GDKD_ERROR_NULL;
    if (struct_size != sizeof *config) return GDKD_ERROR_STRUCT_SIZE;
    memset(config, 0, sizeof *config);
    config->struct_size = (uint32_t)sizeof *config;
    config->temperature = 1;
    config->temperature_squared = 1;
    config->beta = 1;
    config->gamma = 1;
    config->ignore_index = -100;
    return GDKD_OK;
}
