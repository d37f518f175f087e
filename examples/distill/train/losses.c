#include "train/losses.h"

#include <stddef.h>
#include <string.h>

#define NO_PARTS   0, 0, 0, 0
#define AT(member) offsetof(loss_settings, member)

static gdkd_status set_ce(gdkd_config *c, const loss_settings *s) {
    (void)s;
    return gdkd_config_ce(c, 0);
}

static gdkd_status set_kd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_kd(c, s->temperature);
}

static gdkd_status set_dkd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_dkd(c, s->temperature, s->alpha, s->beta);
}

static gdkd_status set_dkd_top1(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_dkd_top1(c, s->temperature, s->alpha, s->beta);
}

static gdkd_status set_gdkd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_gdkd(c, s->temperature, s->k, s->w0, s->w1, s->w2);
}

static gdkd_status set_gdkd_bottom(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_gdkd_bottom(c, s->temperature, s->k, s->w0, s->w1, s->w2);
}

static gdkd_status set_gdkd3(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_gdkd3(c, s->temperature, s->k, s->w0, s->w1, s->w2);
}

static gdkd_status set_gdkd_autok(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_gdkd_autok(c, s->temperature, s->k_ratio, s->k_max, s->w0, s->w1, s->w2);
}

static gdkd_status set_gdkd_autow(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_gdkd_autow(c, s->temperature, s->k, s->mass + 1, s->w1, s->w2);
}

static gdkd_status set_lskd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_lskd(c, s->temperature);
}

static gdkd_status set_ls_gdkd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_ls_gdkd(c, s->temperature, s->k, GDKD_STANDARDIZE_GLOBAL + s->standardize,
                               s->w0, s->w1, s->w2);
}

static gdkd_status set_skd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_skd(c, s->temperature);
}

static gdkd_status set_adkd(gdkd_config *c, const loss_settings *s) {
    return gdkd_config_adkd(c, s->temperature, s->alpha, s->gamma);
}

enum {
    KL_LOSS = USE_TEACHER | USE_KL,
    DKD = KL_LOSS | USE_ALPHA | USE_BETA,
    GDKD = KL_LOSS | USE_W0 | USE_W12,
};

// Defaults: ZaberKo/GDKD, mdistiller/engine/cfg.py and
// mdistiller/distillers/experimental/__init__.py. W1 of GDKD is not the 8 of cfg.py, which no
// configuration keeps, but the 1 of most of them. LSKD's are those of its authors' command lines
// (sunshangquan/logit-standardization-KD). LS-GDKD has none there that are published: GDKD's.
// clang-format off
const loss_method loss_methods[LOSS_KINDS] = {
    [LOSS_CE] = {"ce", "cross-entropy with the labels alone; no teacher", 0, NO_PARTS, set_ce,
        {.temperature = 4, .ce_weight = 1}},
    [LOSS_KD] = {"kd", "classic distillation: KL of the softened distributions (arXiv 1503.02531)", KL_LOSS, NO_PARTS, set_kd,
        {.temperature = 4, .ce_weight = 0.1, .kd_weight = 0.9}},
    [LOSS_DKD] = {"dkd", "DKD: the label's class against the rest, and among the rest (arXiv 2203.08679)",
        DKD, 0, AT(alpha), 0, AT(beta), set_dkd, {4, 1, 1, .beta = 8, .warmup = true}},
    [LOSS_DKD_TOP1] = {"dkd-top1", "DKD with the teacher's largest class for the label's (DKDMod of ZaberKo/GDKD)",
        DKD, 0, AT(alpha), 0, AT(beta), set_dkd_top1, {4, 1, 1, .beta = 8, .warmup = true}},
    [LOSS_GDKD] = {"gdkd", "GDKD: the teacher's k largest classes against the rest, and among each (arXiv 2512.04625)",
        GDKD | USE_K, 0, AT(w0), AT(w1), AT(w2), set_gdkd, {4, 1, 1, 1, 8, .k = 5, .warmup = true}},
    [LOSS_GDKD_BOTTOM] = {"gdkd-bottom", "GDKD with the k smallest classes as the first group (strategy \"worst\" of ZaberKo/GDKD)",
        GDKD | USE_K, 0, AT(w0), AT(w1), AT(w2), set_gdkd_bottom, {4, 1, 1, 1, 8, .k = 5, .warmup = true}},
    [LOSS_GDKD3] = {"gdkd3", "three groups: the largest class, the 2nd to k-th, the rest (ZaberKo/GDKD)",
        GDKD | USE_K, 1, AT(w0), AT(w1), AT(w2), set_gdkd3, {4, 1, 1, 1, 8, .k = 4, .warmup = true}},
    [LOSS_GDKD_AUTOK] = {"gdkd-autok", "GDKD with a k for each image, found in the teacher's probabilities (ZaberKo/GDKD, experimental)",
        GDKD | USE_K_RATIO, 0, AT(w0), AT(w1), AT(w2), set_gdkd_autok, {4, 1, 1, 4, 8, .warmup = true}},
    [LOSS_GDKD_AUTOW] = {"gdkd-autow", "GDKD whose terms weigh as much as the teacher gives their group (ZaberKo/GDKD, experimental)",
        KL_LOSS | USE_K | USE_W12 | USE_MASS, 0, AT(w0), AT(w1), AT(w2), set_gdkd_autow,
        {4, 1, 1, 1, 1, .k = 5, .warmup = true}},
    [LOSS_LSKD] = {"lskd", "KD of logits that are standardised over the classes (arXiv 2403.01427)", KL_LOSS, NO_PARTS, set_lskd,
        {.temperature = 2, .ce_weight = 0.1, .kd_weight = 9}},
    [LOSS_LS_GDKD] = {"ls-gdkd", "GDKD of standardised logits (ZaberKo/GDKD, experimental)",
        GDKD | USE_K | USE_STANDARDIZE, 0, AT(w0), AT(w1), AT(w2), set_ls_gdkd, {4, 1, 1, 1, 8, .k = 5, .warmup = true}},
    [LOSS_SKD] = {"skd", "KD among some classes alone, those of --groups (ZaberKo/GDKD, experimental)",
        KL_LOSS | USE_GROUPS, NO_PARTS, set_skd, {4, 1, 8, .warmup = true}},
    [LOSS_ADKD] = {"adkd", "DKD with a weight of the rest for each label (ZaberKo/GDKD, experimental)",
        KL_LOSS | USE_ALPHA | USE_GAMMA | USE_CLASS_WEIGHTS, 0, AT(alpha), 0, AT(gamma), set_adkd,
        {4, 1, 1, .gamma = 1, .warmup = true}},
    [LOSS_DIST] = {"dist", "DIST: correlations along each image's classes and each class's images (arXiv 2205.10536)",
        USE_TEACHER | USE_CORRELATIONS, NO_PARTS, NULL, {4, 1, 1, .inter = 2, .intra = 2}},
};

const char *const loss_names[LOSS_KINDS + 1] = {
    [LOSS_CE] = "ce", [LOSS_KD] = "kd", [LOSS_DKD] = "dkd", [LOSS_DKD_TOP1] = "dkd-top1", [LOSS_GDKD] = "gdkd",
    [LOSS_GDKD_BOTTOM] = "gdkd-bottom", [LOSS_GDKD3] = "gdkd3", [LOSS_GDKD_AUTOK] = "gdkd-autok",
    [LOSS_GDKD_AUTOW] = "gdkd-autow", [LOSS_LSKD] = "lskd", [LOSS_LS_GDKD] = "ls-gdkd", [LOSS_SKD] = "skd",
    [LOSS_ADKD] = "adkd", [LOSS_DIST] = "dist"};
// clang-format on
