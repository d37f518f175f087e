#include "case_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int case_is_dist(const ref_case *c) {
    return strcmp(c->name, "dist") == 0;
}

typedef struct mapping {
    const ref_case *c;
    problem *p;
    char *error;
    size_t error_size;
    int failed;
} mapping;

static void refuse(mapping *m, const char *what, const char *detail) {
    if (m->failed) return; // the first reason counts
    m->failed = 1;
    snprintf(m->error, m->error_size, "case %ld (%s, line %ld): %s %s", m->c->number, m->c->name,
             m->c->line, what, detail);
}

static double real_param(mapping *m, const char *key) {
    double value = 0.0;
    const char *text = case_param(m->c, key);
    if (!text) {
        refuse(m, "has no param", key);
    } else if (parse_real(text, &value)) {
        refuse(m, "needs a real for param", key);
    }
    return value;
}

static int64_t int_param(mapping *m, const char *key) {
    int64_t value = 1;
    const char *text = case_param(m->c, key);
    if (!text) {
        refuse(m, "has no param", key);
    } else if (parse_int(text, &value)) {
        refuse(m, "needs an integer for param", key);
    }
    return value;
}

// The place of a param's word among the words; `missing` where the param is not there.
static int word_param(mapping *m, const char *key, const char *const *words, int missing) {
    const char *text = case_param(m->c, key);
    if (!text) {
        if (missing < 0) refuse(m, "has no param", key);
        return missing < 0 ? 0 : missing;
    }
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) return i;
    }
    refuse(m, "has an unknown value for param", key);
    return 0;
}

static int32_t kl_param(mapping *m) {
    static const char *const words[] = {"forward", "reverse", "both", NULL};
    return word_param(m, "kl", words,
                      GDKD_DIVERGENCE_FORWARD_KL); // in the order of GDKD_DIVERGENCE_*
}

static int needed(mapping *m, const void *array, const char *key) {
    if (!array) refuse(m, "has no line", key);
    return array != NULL;
}

static int64_t *copy_ints(mapping *m, const int64_t *from, int64_t n, const char *key) {
    int64_t *to = checked_calloc((size_t)n, sizeof *to);
    if (needed(m, from, key)) memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

// A real per class, separated by commas.
static double *class_list(mapping *m, const char *key, int64_t n) {
    double *out = checked_calloc((size_t)n, sizeof *out);
    const char *text = case_param(m->c, key);
    if (!text) {
        refuse(m, "has no param", key);
        return out;
    }
    for (int64_t i = 0; i < n; i++) {
        char *end;
        out[i] = strtod(text, &end);
        if (end == text || *end != (i + 1 < n ? ',' : 0)) {
            refuse(m, "needs one real per class in param", key);
            return out;
        }
        text = end + 1;
    }
    return out;
}

static void weights(mapping *m, const char *high, const char *first, const char *second) {
    gdkd_config *f = &m->p->config;
    f->w_high = high ? real_param(m, high) : 0.0;
    f->w_low[0] = first ? real_param(m, first) : 0.0;
    f->w_low[1] = second ? real_param(m, second) : 0.0;
}

static void map_target(mapping *m) {
    m->p->target = copy_ints(m, m->c->target, m->c->rows, "target");
}

static void map_ce(mapping *m) {
    gdkd_config *f = &m->p->config;
    f->kd_weight = 0.0;
    f->ce_weight = 1.0;
    f->label_smoothing = real_param(m, "label_smoothing");
    map_target(m);
}

static void map_dkd(mapping *m) {
    static const char *const words[] = {"target", "top1", NULL};
    gdkd_config *f = &m->p->config;
    weights(m, "alpha", NULL, "beta");
    f->divergence = kl_param(m);
    if (word_param(m, "strategy", words, 0) == 0) {
        f->partition = GDKD_PARTITION_TARGET;
        map_target(m);
    } else {
        f->partition = GDKD_PARTITION_TOP;
        f->k = 1;
    }
}

static void map_gdkd(mapping *m) {
    static const char *const words[] = {"best", "worst", NULL};
    gdkd_config *f = &m->p->config;
    weights(m, "w0", "w1", "w2");
    f->divergence = kl_param(m);
    f->partition = word_param(m, "strategy", words, 0) ? GDKD_PARTITION_BOTTOM : GDKD_PARTITION_TOP;
}

static void map_fixed_gdkd(mapping *m) {
    map_gdkd(m);
    m->p->config.k = int_param(m, "k");
}

static void map_gdkd3(mapping *m) {
    weights(m, "w0", NULL, "w1");
    m->p->config.w_low[2] = real_param(m, "w2");
    m->p->config.partition = GDKD_PARTITION_TOP1_TOPK;
    m->p->config.k = int_param(m, "k");
}

static void map_per_row_k(mapping *m) {
    map_gdkd(m);
    m->p->config.k_rule = GDKD_K_PER_ROW;
    m->p->k_table = copy_ints(m, m->c->row_k, m->c->rows, "row_k");
}

static void map_autok(mapping *m) {
    map_gdkd(m);
    m->p->config.k_rule = GDKD_K_RATIO;
    m->p->config.k_ratio = real_param(m, "ratio");
    m->p->config.k_max = int_param(m, "topk_max");
}

static void map_autow(mapping *m) {
    static const char *const words[] = {"v1", "v2", "v3", NULL};
    static const uint32_t scaled[] = {3u, 2u, 1u};
    gdkd_config *f = &m->p->config;
    const int mode = word_param(m, "mode", words, -1);
    f->mass_scaled_groups = scaled[mode];
    f->partition = GDKD_PARTITION_TOP;
    f->k = int_param(m, "k");
    f->w_high = 1.0;
    f->w_low[0] = real_param(m, mode == 1 ? "w1" : "m1");
    f->w_low[1] = real_param(m, mode == 2 ? "w2" : "m2");
}

static void map_lskd(mapping *m) {
    m->p->config.standardize = GDKD_STANDARDIZE_GLOBAL;
}

static void map_ls_gdkd(mapping *m) {
    static const char *const words[] = {"global", "both", "other", NULL};
    map_fixed_gdkd(m);
    // The words stand in the order of GDKD_STANDARDIZE_GLOBAL and the two after it.
    m->p->config.standardize = GDKD_STANDARDIZE_GLOBAL + word_param(m, "norm", words, -1);
}

static void map_groups(mapping *m, const int64_t *from, const char *key, int64_t flip) {
    const int64_t n = m->p->rows * m->p->classes;
    m->p->config.partition = GDKD_PARTITION_MAP;
    m->p->groups = checked_calloc((size_t)n, 1);
    m->p->groups_per_row = 1;
    if (!needed(m, from, key)) return;
    for (int64_t i = 0; i < n; i++) m->p->groups[i] = (uint8_t)(flip ? 1 - from[i] : from[i]);
}

static void map_skd(mapping *m) {
    m->p->config.w_high = 0.0;
    m->p->config.divergence = kl_param(m);
    map_groups(m, m->c->mask, "mask", 1);
}

static void map_sgdkd(mapping *m) {
    weights(m, "w0", NULL, "w1");
    m->p->config.divergence = kl_param(m);
    map_groups(m, m->c->groups, "groups", 0);
}

static void map_adkd(mapping *m) {
    gdkd_config *f = &m->p->config;
    weights(m, "alpha", NULL, "gamma");
    f->divergence = kl_param(m);
    f->partition = GDKD_PARTITION_TARGET;
    f->low_weight_groups = 2u;
    f->low_weight_index = GDKD_LOW_WEIGHT_PER_CLASS;
    m->p->low_weight = class_list(m, "beta", m->c->classes);
    map_target(m);
}

static void map_nothing(mapping *m) {
    (void)m;
}

static const struct {
    const char *name;
    void (*map)(mapping *m);
} losses[] = {
    {"kd", map_nothing},
    {"ce", map_ce},
    {"dkd", map_dkd},
    {"dkdmod", map_dkd},
    {"gdkd", map_fixed_gdkd},
    {"gdkd3", map_gdkd3},
    {"gdkd_per_row_k", map_per_row_k},
    {"gdkd_autok", map_autok},
    {"gdkd_autow", map_autow},
    {"ls_gdkd", map_ls_gdkd},
    {"lskd", map_lskd},
    {"skd", map_skd},
    {"sgdkd", map_sgdkd},
    {"adkd", map_adkd},
    {"dist", map_nothing},
};

int case_problem(const ref_case *c, problem *p, double *beta, double *gamma, char *error,
                 size_t error_size) {
    mapping m = {c, p, error, error_size, 0};
    const size_t bytes = (size_t)(c->rows * c->classes) * sizeof(double);
    void (*map)(mapping *) = NULL;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        if (strcmp(c->name, losses[i].name) == 0) map = losses[i].map;
    }
    problem_init(p, c->rows, c->classes);
    memcpy(p->student, c->student, bytes);
    memcpy(p->teacher, c->teacher, bytes);
    if (!map) {
        refuse(&m, "is of an unknown loss", "");
    } else {
        map(&m);
        if (p->config.kd_weight != 0.0) p->config.temperature = real_param(&m, "T");
    }
    if (case_is_dist(c)) {
        *beta = real_param(&m, "beta");
        *gamma = real_param(&m, "gamma");
    }
    for (int i = 0; i < c->term_count; i++) {
        int group;
        if (case_term(c, c->terms[i].key, &group) == TERM_UNKNOWN)
            refuse(&m, "has an unknown term", c->terms[i].key);
    }
    if (m.failed) problem_free(p);
    return m.failed ? -1 : 0;
}

term_kind case_term(const ref_case *c, const char *key, int *group) {
    // The reference names its groups from above; group 0 is the first one of the partition.
    const int three = strcmp(c->name, "gdkd3") == 0;
    *group = 0;
    if (strcmp(key, "high") == 0) return TERM_HIGH;
    if (strcmp(key, "inter") == 0) return TERM_INTER;
    if (strcmp(key, "intra") == 0) return TERM_INTRA;
    if (strcmp(key, "mass_top") == 0) return TERM_MASS;
    *group = 1;
    if (strcmp(key, "mass_other") == 0) return TERM_MASS;
    if (strcmp(key, "low_1") == 0) return TERM_LOW;
    *group = three ? 2 : 1;
    if (strcmp(key, "low_other") == 0) return TERM_LOW;
    *group = three ? 1 : 0;
    return strcmp(key, "low_top") == 0 ? TERM_LOW : TERM_UNKNOWN;
}
