#include "criterion.h"

#include "class_table.h"
#include "losses.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define AT(name) offsetof(loss_settings, name)

const char *const term_names[TERMS] = {"loss", "ce", "kd", "high", "top", "other"};
const char *const kl_names[] = {"forward", "reverse", "symmetric", NULL};
const char *const standardize_names[] = {"global", "groups", "other", NULL};
const char *const mass_names[] = {"both", "other", "top", NULL};

// Up to so many classes, the weights of 100 are too large and the k too (examples/README.md).
enum { FEW_CLASSES = 20, PUBLISHED_CLASSES = 100 };

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

// --- Settings ------------------------------------------------------------------------------------

static void fill(double *value, double initial) {
    if (isnan(*value)) *value = initial;
}

static void fill_choice(int *value, int initial) {
    if (*value < 0) *value = initial;
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

// k and the weights, of which the best are others with other numbers of classes.
static void fill_by_classes(loss_settings *s, const loss_method *m, int classes) {
    const loss_defaults *d = &m->defaults;
    const bool few = classes <= FEW_CLASSES;
    const unsigned sized = m->uses & (USE_K | USE_W12 | USE_ALPHA);
    const bool open = (sized & USE_K && s->k == 0 && !s->k_file) ||
                      (sized & USE_W12 && (isnan(s->w1) || isnan(s->w2))) ||
                      (m->uses & USE_ALPHA && m->uses & USE_BETA && isnan(s->beta));
    s->of_100_classes = open && !few && classes != PUBLISHED_CLASSES;
    if (s->k == 0) s->k = few ? 2 + m->first : d->k ? d->k : 5;
    fill(&s->w1, few ? smaller(d->w1, 1) : d->w1);
    fill(&s->w2, few ? smaller(d->w2, 2) : d->w2);
    fill(&s->beta, few ? smaller(d->beta, 2) : d->beta);
}

void criterion_defaults(loss_settings *s, int epochs, int classes) {
    const loss_method *m = &loss_methods[s->kind];
    const loss_defaults *d = &m->defaults;
    fill_by_classes(s, m, classes);
    fill(&s->temperature, d->temperature);
    fill(&s->teacher_temperature, 0);
    fill_choice(&s->kl, 0);
    fill(&s->k_ratio, 2);
    if (s->k_max == 0) s->k_max = classes;
    fill(&s->w0, 1);
    fill(&s->alpha, 1);
    fill(&s->gamma, d->gamma);
    fill_choice(&s->mass, 0);
    fill_choice(&s->standardize, 0);
    fill(&s->warmup, d->warmup ? epochs * 20 / 240.0 : 0);
    fill(&s->ce_weight, d->ce_weight);
    fill(&s->kd_weight, d->kd_weight);
    s->checksum = class_table_checksum(s->k_file) ^ class_table_checksum(s->class_weights) ^
                  class_table_checksum(s->groups);
}

static const struct {
    size_t member;
    unsigned use;
} users[] = {
    {AT(kl), USE_KL},
    {AT(teacher_temperature), USE_KL},
    {AT(k), USE_K},
    {AT(k_file), USE_K},
    {AT(k_ratio), USE_K_RATIO},
    {AT(k_max), USE_K_RATIO},
    {AT(w0), USE_W0},
    {AT(w1), USE_W12},
    {AT(w2), USE_W12},
    {AT(alpha), USE_ALPHA},
    {AT(beta), USE_BETA},
    {AT(gamma), USE_GAMMA},
    {AT(mass), USE_MASS},
    {AT(standardize), USE_STANDARDIZE},
    {AT(class_weights), USE_CLASS_WEIGHTS},
    {AT(groups), USE_GROUPS},
    {AT(temperature), USE_TEACHER},
    {AT(warmup), USE_TEACHER},
    {AT(kd_weight), USE_TEACHER},
};

bool criterion_uses(loss_kind kind, size_t member) {
    for (size_t i = 0; i < sizeof users / sizeof *users; i++)
        if (users[i].member == member) return loss_methods[kind].uses & users[i].use;
    return true; // the kind, and the weight of the cross-entropy
}

// Appends, as snprintf would.
static void add(char *text, int size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *text, int size, const char *format, ...) {
    const int used = (int)strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, (size_t)(size - used), format, list);
    va_end(list);
}

static void describe_own(const loss_settings *s, unsigned uses, char *text, int size) {
    if (uses & USE_KL && s->teacher_temperature != 0)
        add(text, size, "teacher T %g, ", s->teacher_temperature);
    if (uses & USE_KL && s->kl > 0) add(text, size, "%s KL, ", kl_names[s->kl]);
    if (uses & USE_ALPHA) add(text, size, "alpha %g, ", s->alpha);
    if (uses & USE_BETA) add(text, size, "beta %g, ", s->beta);
    if (uses & USE_GAMMA) add(text, size, "gamma %g, ", s->gamma);
    if (uses & USE_K && !s->k_file) add(text, size, "k %d, ", s->k);
    if (uses & USE_K && s->k_file) add(text, size, "k of a file %08lx, ", s->checksum);
    if (uses & USE_K_RATIO) add(text, size, "k by ratio %g up to %d, ", s->k_ratio, s->k_max);
    if (uses & USE_W0) add(text, size, "w %g %g %g, ", s->w0, s->w1, s->w2);
    if (uses & USE_W12 && !(uses & USE_W0)) add(text, size, "w %g %g, ", s->w1, s->w2);
    if (uses & USE_MASS) add(text, size, "mass of %s, ", mass_names[s->mass]);
    if (uses & USE_STANDARDIZE)
        add(text, size, "standardised %s, ", standardize_names[s->standardize]);
    if (uses & USE_CLASS_WEIGHTS && s->class_weights)
        add(text, size, "weights of a file %08lx, ", s->checksum);
    if (uses & USE_GROUPS) add(text, size, "groups of a file %08lx, ", s->checksum);
}

void criterion_describe(const loss_settings *s, char *text, int size) {
    text[0] = '\0';
    if (!(loss_methods[s->kind].uses & USE_TEACHER)) {
        add(text, size, "ce %g", s->ce_weight);
        return;
    }
    add(text, size, "T %g, ", s->temperature);
    describe_own(s, loss_methods[s->kind].uses, text, size);
    add(text, size, "warm-up %g, ce %g, kd %g", s->warmup, s->ce_weight, s->kd_weight);
}

bool criterion_needs_teacher(const loss_settings *s) {
    return loss_methods[s->kind].uses & USE_TEACHER && s->kd_weight != 0;
}

bool criterion_by_rows(const loss_settings *s) {
    return loss_methods[s->kind].configure && !s->k_file && !s->class_weights && !s->groups;
}

// A part without an option of its own weighs 1.
static double part_weight(const loss_settings *s, size_t member) {
    double weight = 1;
    if (member == 0) return 0;
    if (criterion_uses((loss_kind)s->kind, member))
        memcpy(&weight, (const char *)s + member, sizeof weight);
    return weight;
}

double criterion_weight(const loss_settings *s, loss_term term) {
    const loss_method *m = &loss_methods[s->kind];
    if (term == TERM_TOTAL) return 1;
    if (term == TERM_CE) return s->ce_weight;
    if (!(m->uses & USE_TEACHER)) return 0;
    const size_t members[TERMS] = {
        [TERM_HIGH] = m->high, [TERM_TOP] = m->top, [TERM_OTHER] = m->other};
    const double own = term == TERM_KD ? m->high == 0 : part_weight(s, members[term]);
    return s->kd_weight * own;
}

static gdkd_status configure_dist(criterion *c) {
    const loss_settings *s = &c->settings;
    gdkd_status status = gdkd_config_ce(&c->config, sizeof c->config, 0);
    if (status == GDKD_OK) status = gdkd_dist_config_init(&c->dist, sizeof c->dist);
    c->config.ce_weight = s->ce_weight;
    c->dist.temperature = s->temperature;
    c->dist.beta = s->beta;
    c->dist.gamma = s->gamma;
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
        c->config.kl = GDKD_KL_FORWARD + s->kl;
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
    if (status == GDKD_OK) status = gdkd_batch_init(&batch, sizeof batch);
    if (status != GDKD_OK)
        return error_set(e, "libgdkd refuses the loss %s: %s", c->method->name,
                         gdkd_status_string(status));
    batch.outer = rows;
    batch.classes = c->classes;
    batch.inner = 1;
    batch.teacher_dtype = c->teacher_dtype;
    c->workspace_bytes = workspace_of(c, &batch);
    c->workspace = malloc(c->workspace_bytes ? c->workspace_bytes : 1);
    return (c->workspace_bytes && c->workspace) ||
           error_set(e, "libgdkd refuses the loss %s for %d images of %d classes", c->method->name,
                     rows, (int)c->classes);
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
    gdkd_batch_init(&batch, sizeof batch);
    gdkd_result_init(&result, sizeof result);
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
