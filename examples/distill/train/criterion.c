#include "train/criterion.h"

#include "train/class_table.h"
#include "train/losses.h"

#include <math.h>
#include <stdlib.h>

struct criterion {
    loss_settings settings;
    const loss_method *method;
    gdkd_config config;    // DIST: of the cross-entropy alone
    gdkd_dist_config dist; // DIST only
    int64_t classes;
    int64_t *k_table;   // [classes], or NULL
    double *low_weight; // [classes], or NULL
    uint8_t *groups;    // [classes], or NULL
    int32_t teacher_dtype;
    void *workspace;
    size_t workspace_bytes;
};

// --- Configuration -------------------------------------------------------------------------------

static gdkd_status configure_dist(criterion *c) {
    const loss_settings *s = &c->settings;
    gdkd_status status = gdkd_config_ce(&c->config, 0);
    if (status == GDKD_OK) status = gdkd_dist_config_init(&c->dist);
    c->config.ce_weight = s->ce_weight;
    c->dist.temperature = s->temperature;
    c->dist.beta = s->inter;
    c->dist.gamma = s->intra;
    c->dist.temperature_squared = 1;
    return status;
}

static gdkd_status configure(criterion *c) {
    const loss_settings *s = &c->settings;
    if (!c->method->configure) return configure_dist(c);
    const gdkd_status status = c->method->configure(&c->config, s);
    c->config.ce_weight = s->ce_weight;
    c->config.kd_weight = c->method->uses & USE_TEACHER ? s->kd_weight : 0;
    if (c->method->uses & USE_KL) {
        c->config.divergence = GDKD_DIVERGENCE_FORWARD_KL + s->kl;
        c->config.teacher_temperature = s->teacher_temperature;
    }
    if (c->k_table) c->config.k_rule = GDKD_K_PER_CLASS;
    return status;
}

// --- Tables --------------------------------------------------------------------------------------

// *values stays NULL without a file.
static bool read_table(const char *path, const class_table_rule *rule, int classes, double **values,
                       error_line *e) {
    if (!path) return true;
    *values = calloc((size_t)classes, sizeof **values);
    if (!*values) return error_memory(e, path);
    return class_table_read(path, rule, classes, *values, e);
}

static bool make_tables(criterion *c, const double *k, const double *group, error_line *e) {
    if (k) c->k_table = calloc((size_t)c->classes, sizeof *c->k_table);
    if (group) c->groups = calloc((size_t)c->classes, sizeof *c->groups);
    if ((k && !c->k_table) || (group && !c->groups)) return error_memory(e, "the classes' tables");
    for (int64_t i = 0; k && i < c->classes; i++) c->k_table[i] = (int64_t)k[i];
    for (int64_t i = 0; group && i < c->classes; i++) c->groups[i] = (uint8_t)group[i];
    return true;
}

// ADKD has weights without a file too: 1.
static bool make_weights(criterion *c, error_line *e) {
    if (!(c->method->uses & USE_CLASS_WEIGHTS) || c->low_weight) return true;
    c->low_weight = calloc((size_t)c->classes, sizeof *c->low_weight);
    if (!c->low_weight) return error_memory(e, "the classes' weights");
    for (int64_t i = 0; i < c->classes; i++) c->low_weight[i] = 1;
    return true;
}

static bool read_tables(criterion *c, error_line *e) {
    static const class_table_rule k_rule = {"k-file", 1, 1 << 20, true},
                                  group_rule = {"groups", 0, 1, true},
                                  weight_rule = {"class-weights", -1e6, 1e6, false};
    const loss_settings *s = &c->settings;
    const unsigned uses = c->method->uses;
    const int classes = (int)c->classes;
    double *k = NULL, *group = NULL;
    const bool fine =
        read_table(uses & USE_K ? s->k_file : NULL, &k_rule, classes, &k, e) &&
        read_table(uses & USE_GROUPS ? s->groups : NULL, &group_rule, classes, &group, e) &&
        read_table(uses & USE_CLASS_WEIGHTS ? s->class_weights : NULL, &weight_rule, classes,
                   &c->low_weight, e) &&
        make_tables(c, k, group, e) && make_weights(c, e);
    free(group);
    free(k);
    return fine;
}

// --- Calls ---------------------------------------------------------------------------------------

static size_t workspace_of(const criterion *c, const gdkd_batch *batch) {
    const size_t rows = gdkd_workspace_size(&c->config, batch);
    if (c->method->configure || rows == 0) return rows;
    const size_t dist = gdkd_dist_workspace_size(&c->dist, batch);
    return dist > rows || dist == 0 ? dist : rows;
}

static bool prepare(criterion *c, int rows, error_line *e) {
    gdkd_batch batch;
    if (c->method->uses & USE_GROUPS && !c->settings.groups)
        return error_usage(e, "%s wants --groups FILE: which classes take part", c->method->name);
    if (!read_tables(c, e)) return false;
    gdkd_status status = configure(c);
    if (status == GDKD_OK) status = gdkd_batch_init(&batch);
    if (status != GDKD_OK)
        return error_set(e, "libgdkd refuses the loss %s: %s", c->method->name,
                         gdkd_status_string(status));
    batch.outer = rows;
    batch.classes = c->classes;
    batch.inner = 1;
    batch.teacher_dtype = c->teacher_dtype;
    c->workspace_bytes = workspace_of(c, &batch);
    c->workspace = malloc(c->workspace_bytes ? c->workspace_bytes : 1);
    if (!c->workspace_bytes)
        return error_set(e, "libgdkd refuses the loss %s for %d images of %d classes",
                         c->method->name, rows, (int)c->classes);
    return c->workspace || error_memory(e, "the loss");
}

criterion *criterion_create(const loss_settings *s, int rows, int classes, teacher_type type,
                            error_line *e) {
    criterion *c = calloc(1, sizeof *c);
    if (!c) {
        error_memory(e, "the loss");
        return NULL;
    }
    c->settings = *s;
    c->method = &loss_methods[s->kind];
    c->classes = classes;
    c->teacher_dtype = type == TEACHER_F16 ? GDKD_F16 : GDKD_F32;
    if (prepare(c, rows, e)) return c;
    criterion_free(c);
    return NULL;
}

void criterion_free(criterion *c) {
    if (!c) return;
    free(c->workspace);
    free(c->groups);
    free(c->low_weight);
    free(c->k_table);
    free(c);
}

static void copy_terms(const criterion *c, const gdkd_result *r, double terms[TERMS]) {
    const loss_settings *s = &c->settings;
    const int top = c->method->first;
    for (int i = 0; i < TERMS; i++) terms[i] = NAN;
    terms[TERM_TOTAL] = r->total;
    // The library does not compute a term that weighs nothing.
    if (s->ce_weight != 0) terms[TERM_CE] = r->ce;
    if (!criterion_needs_teacher(s)) return;
    terms[TERM_KD] = r->kd;
    if (criterion_weight(s, TERM_HIGH) != 0) terms[TERM_HIGH] = r->high;
    if (criterion_weight(s, TERM_TOP) != 0) terms[TERM_TOP] = r->low[top];
    if (criterion_weight(s, TERM_OTHER) != 0) terms[TERM_OTHER] = r->low[top + 1];
}

// DIST is no loss of rows: its gradient is added to that of the cross-entropy, and so is its total.
static gdkd_status apply_dist(criterion *c, const gdkd_batch *batch, gdkd_result *result) {
    const double weight = c->config.kd_weight;
    gdkd_result dist = *result;
    gdkd_config ce = c->config;
    ce.kd_weight = 0;
    gdkd_status status = gdkd_loss(&ce, batch, result, c->workspace, c->workspace_bytes);
    dist.accumulate = 1;
    dist.grad_scale = weight;
    if (status == GDKD_OK && weight != 0)
        status = gdkd_dist(&c->dist, batch, &dist, c->workspace, c->workspace_bytes);
    if (status != GDKD_OK || weight == 0) return status;
    result->kd = dist.total;
    result->total += weight * dist.total;
    result->rows_nonfinite += dist.rows_nonfinite;
    return status;
}

bool criterion_apply(criterion *c, const float *student, const void *teacher, const int64_t *target,
                     int rows, int epoch, float *grad, double terms[TERMS], error_line *e) {
    gdkd_batch batch;
    gdkd_result result;
    gdkd_batch_init(&batch);
    gdkd_result_init(&result);
    batch.outer = rows;
    batch.classes = c->classes;
    batch.inner = 1;
    batch.student = student;
    batch.teacher = teacher;
    batch.teacher_dtype = c->teacher_dtype;
    batch.target = target;
    batch.k_table = c->k_table;
    batch.low_weight = c->low_weight;
    batch.groups = c->groups;
    result.grad = grad;
    const loss_settings *s = &c->settings;
    const double factor = s->warmup > 0 ? fmin(epoch / s->warmup, 1.0) : 1.0;
    if (c->method->uses & USE_TEACHER) c->config.kd_weight = factor * s->kd_weight;
    const gdkd_status status = c->method->configure ? gdkd_loss(&c->config, &batch, &result,
                                                                c->workspace, c->workspace_bytes)
                                                    : apply_dist(c, &batch, &result);
    if (status != GDKD_OK)
        return error_set(e, "libgdkd: %s (row %lld of the batch)", gdkd_status_string(status),
                         (long long)result.error_row);
    if (result.rows_nonfinite)
        return error_set(
            e, "the loss is not finite in epoch %d: training has diverged; try a lower --lr",
            epoch);
    copy_terms(c, &result, terms);
    return true;
}

const char *criterion_library_version(void) {
    return gdkd_version_string();
}

const char *criterion_library_isa(void) {
    return gdkd_isa_name(gdkd_isa());
}
