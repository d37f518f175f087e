#include "presets.h"

#include <stdio.h>
#include <stdlib.h>

static loss_preset list[LOSS_PRESETS];
static int count;

static gdkd_config *add(const char *name) {
    if (count == LOSS_PRESETS) abort();
    list[count].name = name;
    return &list[count++].config;
}

static void accept(gdkd_status status) {
    if (status == GDKD_OK) return;
    fprintf(stderr, "preset %s: %s\n", list[count - 1].name, gdkd_status_string(status));
    abort();
}

static void add_methods(void) {
    accept(gdkd_config_kd(add("kd"), 2));
    accept(gdkd_config_dkd(add("dkd"), 2, 1, 8));
    accept(gdkd_config_dkd_top1(add("dkd_top1"), 2, 1, 2));
    accept(gdkd_config_gdkd(add("gdkd"), 2, 3, 1, 1, 4));
    accept(gdkd_config_gdkd_bottom(add("gdkd_bottom"), 2, 2, 1, 2, 1));
    accept(gdkd_config_gdkd3(add("gdkd3"), 2, 3, 1, 1, 2));
    accept(gdkd_config_gdkd_autok(add("gdkd_autok"), 2, 1.5, 5, 1, 1, 2));
    accept(gdkd_config_gdkd_autow(add("gdkd_autow 1"), 2, 3, 1, 1, 2));
    accept(gdkd_config_gdkd_autow(add("gdkd_autow 2"), 2, 3, 2, 1, 2));
    accept(gdkd_config_gdkd_autow(add("gdkd_autow 3"), 2, 3, 3, 1, 2));
    accept(gdkd_config_lskd(add("lskd"), 2));
    accept(gdkd_config_ls_gdkd(add("ls_gdkd global"), 2, 3, GDKD_STANDARDIZE_GLOBAL, 1, 1, 2));
    accept(gdkd_config_ls_gdkd(add("ls_gdkd groups"), 2, 3, GDKD_STANDARDIZE_GROUPS, 1, 1, 2));
    accept(gdkd_config_ls_gdkd(add("ls_gdkd other"), 2, 3, GDKD_STANDARDIZE_OTHER, 1, 1, 2));
    accept(gdkd_config_skd(add("skd"), 2));
    accept(gdkd_config_sgdkd(add("sgdkd"), 2, 1, 2));
    accept(gdkd_config_adkd(add("adkd"), 2, 1, 0.7));
    accept(gdkd_config_ce(add("ce"), 0.1));
}

static void add_other_divergences(void) {
    static const char *const names[] = {
        "kd reverse",          "dkd reverse",          "gdkd reverse",
        "kd symmetric",        "dkd symmetric",        "gdkd symmetric",
        "kd, total variation", "dkd, total variation", "gdkd, total variation"};
    for (int i = 0; i < 9; i++) {
        gdkd_config *c = add(names[i]);
        if (i % 3 == 0) accept(gdkd_config_kd(c, 2));
        if (i % 3 == 1) accept(gdkd_config_dkd(c, 2, 1, 2));
        if (i % 3 == 2) accept(gdkd_config_gdkd(c, 2, 3, 1, 1, 4));
        c->divergence = GDKD_DIVERGENCE_REVERSE_KL + i / 3;
    }
}

static void add_by_rule(const char *name, int32_t partition, int32_t k_rule) {
    gdkd_config *c = add(name);
    accept(gdkd_config_gdkd_autok(c, 2, 1.5, 6, 1, 1, 2));
    c->partition = partition;
    c->k_rule = k_rule;
    c->k_mass = 0.8;
}

// Rules, divergences and standardisations that meet in no preset.
static void add_mixtures(void) {
    add_by_rule("gdkd by mass", GDKD_PARTITION_TOP, GDKD_K_MASS);
    add_by_rule("gdkd_bottom by mass", GDKD_PARTITION_BOTTOM, GDKD_K_MASS);
    add_by_rule("gdkd_bottom by ratio", GDKD_PARTITION_BOTTOM, GDKD_K_RATIO);
    accept(gdkd_config_ce(add("ce, smoothed flat"), 1));
    add_by_rule("gdkd3 by ratio", GDKD_PARTITION_TOP1_TOPK, GDKD_K_RATIO);
    accept(gdkd_config_gdkd_autow(add("gdkd_autow symmetric"), 2, 3, 1, 1, 2));
    list[count - 1].config.divergence = GDKD_DIVERGENCE_SYMMETRIC_KL;
    accept(gdkd_config_gdkd3(add("gdkd3 reverse"), 2, 3, 1, 1, 2));
    list[count - 1].config.divergence = GDKD_DIVERGENCE_REVERSE_KL;
    accept(gdkd_config_lskd(add("lskd reverse"), 2));
    list[count - 1].config.divergence = GDKD_DIVERGENCE_REVERSE_KL;
    accept(gdkd_config_ls_gdkd(add("ls_gdkd groups symmetric"), 2, 3, GDKD_STANDARDIZE_GROUPS, 1, 1,
                               2));
    list[count - 1].config.divergence = GDKD_DIVERGENCE_SYMMETRIC_KL;
    accept(gdkd_config_sgdkd(add("sgdkd symmetric"), 2, 1, 2));
    list[count - 1].config.divergence = GDKD_DIVERGENCE_SYMMETRIC_KL;
    gdkd_config *c = add("dkd with ce, two temperatures");
    accept(gdkd_config_dkd(c, 2, 1, 3));
    c->ce_weight = 0.5;
    c->label_smoothing = 0.1;
    c->teacher_temperature = 3;
}

const loss_preset *loss_presets(void) {
    if (count == 0) {
        add_methods();
        add_other_divergences();
        add_mixtures();
    }
    return list;
}

void preset_inputs(problem *p) {
    const gdkd_config *f = &p->config;
    if (f->partition == GDKD_PARTITION_TARGET || f->ce_weight != 0.0 || f->low_weight_index) {
        p->target = checked_calloc((size_t)p->rows, sizeof *p->target);
        for (int64_t r = 0; r < p->rows; r++) p->target[r] = r % p->classes;
    }
    if (f->partition == GDKD_PARTITION_MAP) {
        const int64_t groups = f->w_low[1] != 0.0 ? 3 : 2; // sgdkd, skd
        p->groups = checked_calloc((size_t)p->classes, 1);
        for (int64_t c = 0; c < p->classes; c++) p->groups[c] = (uint8_t)(c % groups);
    }
    if (f->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS) {
        p->low_weight = checked_calloc((size_t)p->classes, sizeof *p->low_weight);
        for (int64_t c = 0; c < p->classes; c++) p->low_weight[c] = 0.5 + 0.25 * (double)(c % 5);
    }
}
