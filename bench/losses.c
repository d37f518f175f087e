#include "losses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char ALL_LOSSES[] = "kd,dkd,gdkd,gdkd3,gdkd-reverse,gdkd-symmetric,lskd,"
                          "ls-gdkd-global,ls-gdkd-groups,map4,gdkd+ce,ce,dist";

// The paper's T and k, and weights none of which is 0, so that every term is computed.
static const double T = 4.0;
static const int64_t K = 5;
static const double W0 = 1.0, W1 = 1.0, W2 = 2.0;

static void make_kd(gdkd_config *config) {
    gdkd_config_kd(config, T);
}
static void make_dkd(gdkd_config *config) {
    gdkd_config_dkd(config, T, 1.0, 8.0);
}
static void make_gdkd(gdkd_config *config) {
    gdkd_config_gdkd(config, T, K, W0, W1, W2);
}
static void make_gdkd3(gdkd_config *config) {
    gdkd_config_gdkd3(config, T, K, W0, W1, W2);
}
static void make_reverse(gdkd_config *config) {
    make_gdkd(config);
    config->divergence = GDKD_DIVERGENCE_REVERSE_KL;
}
static void make_symmetric(gdkd_config *config) {
    make_gdkd(config);
    config->divergence = GDKD_DIVERGENCE_SYMMETRIC_KL;
}
static void make_lskd(gdkd_config *config) {
    gdkd_config_lskd(config, 2.0); // its authors' base temperature
}
static void make_global(gdkd_config *config) {
    gdkd_config_ls_gdkd(config, T, K, GDKD_STANDARDIZE_GLOBAL, W0, W1, W2);
}
static void make_groups(gdkd_config *config) {
    gdkd_config_ls_gdkd(config, T, K, GDKD_STANDARDIZE_GROUPS, W0, W1, W2);
}
static void make_map(gdkd_config *config) {
    make_kd(config);
    config->partition = GDKD_PARTITION_MAP;
    config->w_high = 1.0;
    for (int g = 0; g < MAP_GROUPS; g++) config->w_low[g] = 1.0 + g;
}
static void make_with_ce(gdkd_config *config) {
    make_gdkd(config);
    config->ce_weight = 1.0;
}
static void make_ce(gdkd_config *config) {
    gdkd_config_ce(config, 0.0);
}

static const struct {
    const char *name;
    void (*make)(gdkd_config *config);
} makers[] = {
    {"kd", make_kd},
    {"dkd", make_dkd},
    {"gdkd", make_gdkd},
    {"gdkd3", make_gdkd3},
    {"gdkd-reverse", make_reverse},
    {"gdkd-symmetric", make_symmetric},
    {"lskd", make_lskd},
    {"ls-gdkd-global", make_global},
    {"ls-gdkd-groups", make_groups},
    {"map4", make_map},
    {"gdkd+ce", make_with_ce},
    {"ce", make_ce},
};

// Cuts ":k=50" off the name. -1 when what follows the colon is not that, 0 when there is no colon.
static int64_t cut_k(char *name) {
    char *colon = strchr(name, ':');
    if (!colon) return 0;
    *colon = '\0';
    char *end = colon;
    int64_t k = strncmp(colon + 1, "k=", 2) == 0 ? strtoll(colon + 3, &end, 10) : -1;
    return *end == '\0' && k > 0 ? k : -1;
}

int find_loss(const char *name, bench_loss *loss) {
    char plain[sizeof loss->name];
    if (strlen(name) >= sizeof plain) return 0;
    memset(loss, 0, sizeof *loss);
    snprintf(loss->name, sizeof loss->name, "%s", name);
    snprintf(plain, sizeof plain, "%s", name);
    int64_t k = cut_k(plain);
    if (k == 0 && strcmp(plain, "dist") == 0) {
        gdkd_dist_config_init(&loss->dist);
        loss->dist.temperature = T;
        loss->is_dist = 1;
        return 1;
    }
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (strcmp(plain, makers[i].name) != 0) continue;
        makers[i].make(&loss->config);
        int32_t partition = loss->config.partition;
        if (k == 0) return 1;
        loss->config.k = k;
        return k > 0 && (partition == GDKD_PARTITION_TOP || partition == GDKD_PARTITION_TOP1_TOPK);
    }
    return 0;
}
