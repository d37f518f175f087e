// The presets: each is gdkd_initial_config and the few fields that make the method.
#include "layouts.h"

static gdkd_status give(gdkd_config made, gdkd_config *config, size_t struct_size) {
    return gdkd_hand_out(GDKD_STRUCT_CONFIG, &made, struct_size, config);
}

static gdkd_config kd(double temperature) {
    gdkd_config c = gdkd_initial_config;
    c.temperature = temperature;
    return c;
}

// {first}, {second} with their weights.
static gdkd_config two_groups(double temperature, int32_t partition, double high, double first,
                              double second) {
    gdkd_config c = kd(temperature);
    c.partition = partition;
    c.w_high = high;
    c.w_low[0] = first;
    c.w_low[1] = second;
    return c;
}

// The target's group has one class, so its low term is 0 whatever its weight.
static gdkd_config dkd(double temperature, int32_t partition, double alpha, double beta) {
    return two_groups(temperature, partition, alpha, 0, beta);
}

static gdkd_config gdkd(double temperature, int64_t k, double w0, double w1, double w2) {
    gdkd_config c = two_groups(temperature, GDKD_PARTITION_TOP, w0, w1, w2);
    c.k = k;
    return c;
}

gdkd_status gdkd_config_init_sized(gdkd_config *config, size_t struct_size) {
    return give(gdkd_initial_config, config, struct_size);
}

gdkd_status gdkd_config_kd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    return give(kd(temperature), config, struct_size);
}

gdkd_status gdkd_config_dkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                  double alpha, double beta) {
    return give(dkd(temperature, GDKD_PARTITION_TARGET, alpha, beta), config, struct_size);
}

gdkd_status gdkd_config_dkd_top1_sized(gdkd_config *config, size_t struct_size, double temperature,
                                       double alpha, double beta) {
    return give(dkd(temperature, GDKD_PARTITION_TOP, alpha, beta), config, struct_size);
}

gdkd_status gdkd_config_gdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                   int64_t k, double w0, double w1, double w2) {
    return give(gdkd(temperature, k, w0, w1, w2), config, struct_size);
}

gdkd_status gdkd_config_gdkd_bottom_sized(gdkd_config *config, size_t struct_size,
                                          double temperature, int64_t k, double w0, double w1,
                                          double w2) {
    gdkd_config c = gdkd(temperature, k, w0, w1, w2);
    c.partition = GDKD_PARTITION_BOTTOM;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_gdkd3_sized(gdkd_config *config, size_t struct_size, double temperature,
                                    int64_t k, double w0, double w1, double w2) {
    gdkd_config c = gdkd(temperature, k, w0, 0, w1);
    c.partition = GDKD_PARTITION_TOP1_TOPK;
    c.w_low[2] = w2;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_gdkd_autok_sized(gdkd_config *config, size_t struct_size,
                                         double temperature, double ratio, int64_t k_max, double w0,
                                         double w1, double w2) {
    gdkd_config c = gdkd(temperature, 1, w0, w1, w2);
    c.k_rule = GDKD_K_RATIO;
    c.k_ratio = ratio;
    c.k_max = k_max;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_gdkd_autow_sized(gdkd_config *config, size_t struct_size,
                                         double temperature, int64_t k, int32_t version, double w1,
                                         double w2) {
    static const uint32_t scaled[] = {0, 0x3, 0x2, 0x1};
    if (version < 1 || version > 3) return GDKD_ERROR_ENUM;
    gdkd_config c = gdkd(temperature, k, 1, w1, w2);
    c.mass_scaled_groups = scaled[version];
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_lskd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    gdkd_config c = kd(temperature);
    c.standardize = GDKD_STANDARDIZE_GLOBAL;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_ls_gdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                      int64_t k, int32_t standardize, double w0, double w1,
                                      double w2) {
    gdkd_config c = gdkd(temperature, k, w0, w1, w2);
    c.standardize = standardize;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_skd_sized(gdkd_config *config, size_t struct_size, double temperature) {
    return give(two_groups(temperature, GDKD_PARTITION_MAP, 0, 1, 0), config, struct_size);
}

gdkd_status gdkd_config_sgdkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                    double w0, double w1) {
    gdkd_config c = two_groups(temperature, GDKD_PARTITION_MAP, w0, 0, w1);
    c.w_low[2] = 0;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_adkd_sized(gdkd_config *config, size_t struct_size, double temperature,
                                   double alpha, double gamma) {
    gdkd_config c = dkd(temperature, GDKD_PARTITION_TARGET, alpha, gamma);
    c.low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
    c.low_weight_groups = 0x2;
    return give(c, config, struct_size);
}

gdkd_status gdkd_config_ce_sized(gdkd_config *config, size_t struct_size, double label_smoothing) {
    gdkd_config c = gdkd_initial_config;
    c.kd_weight = 0;
    c.ce_weight = 1;
    c.label_smoothing = label_smoothing;
    return give(c, config, struct_size);
}
