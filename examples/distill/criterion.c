#include "criterion.h"

#include <gdkd.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const loss_names[LOSS_KINDS + 1] = {"ce", "kd", "dkd", "gdkd", "gdkd3", NULL};
const char *const term_names[TERMS] = {"loss", "ce", "kd", "high", "top", "other"};

struct criterion {
    loss_settings settings;
    gdkd_config config;
    int64_t classes;
    int32_t teacher_dtype;
    void *workspace;
    size_t workspace_bytes;
};

// --- Settings ------------------------------------------------------------------------------------

static void fill(double *value, double initial) {
    if (isnan(*value)) *value = initial;
}

void criterion_defaults(loss_settings *s) {
    const bool plain_kd = s->kind == LOSS_KD;
    fill(&s->temperature, 4);
    if (s->k == 0) s->k = s->kind == LOSS_GDKD3 ? 4 : 5;
    fill(&s->w0, 1);
    fill(&s->w1, 1);
    fill(&s->w2, 8);
    fill(&s->alpha, 1);
    fill(&s->beta, 8);
    fill(&s->warmup, plain_kd ? 0 : 20);
    fill(&s->ce_weight, plain_kd ? 0.1 : 1);
    fill(&s->kd_weight, s->kind == LOSS_CE ? 0 : plain_kd ? 0.9 : 1);
}

bool criterion_uses(loss_kind kind, size_t member) {
    switch (member) {
    case offsetof(loss_settings, k):
    case offsetof(loss_settings, w0):
    case offsetof(loss_settings, w1):
    case offsetof(loss_settings, w2):
        return kind == LOSS_GDKD || kind == LOSS_GDKD3;
    case offsetof(loss_settings, alpha):
    case offsetof(loss_settings, beta):
        return kind == LOSS_DKD;
    case offsetof(loss_settings, kind):
    case offsetof(loss_settings, ce_weight):
        return true;
    default:
        return kind != LOSS_CE;
    }
}

void criterion_describe(const loss_settings *s, char *text, int size) {
    char own[96] = "";
    if (s->kind == LOSS_CE) {
        snprintf(text, (size_t)size, "ce %g", s->ce_weight);
        return;
    }
    if (s->kind == LOSS_DKD) snprintf(own, sizeof own, "alpha %g, beta %g, ", s->alpha, s->beta);
    if (s->kind >= LOSS_GDKD)
        snprintf(own, sizeof own, "k %d, w %g %g %g, ", s->k, s->w0, s->w1, s->w2);
    snprintf(text, (size_t)size, "T %g, %swarm-up %g, ce %g, kd %g", s->temperature, own, s->warmup,
             s->ce_weight, s->kd_weight);
}

bool criterion_needs_teacher(const loss_settings *s) {
    return s->kind != LOSS_CE && s->kd_weight != 0;
}

double criterion_weight(const loss_settings *s, loss_term term) {
    if (term == TERM_TOTAL) return 1;
    if (term == TERM_CE) return s->ce_weight;
    if (s->kind == LOSS_CE) return 0;
    const bool plain = s->kind == LOSS_KD, dkd = s->kind == LOSS_DKD;
    double own = 0;
    if (term == TERM_KD) own = plain;
    if (term == TERM_HIGH && !plain) own = dkd ? s->alpha : s->w0;
    if (term == TERM_TOP && !plain && !dkd) own = s->w1;
    if (term == TERM_OTHER && !plain) own = dkd ? s->beta : s->w2;
    return s->kd_weight * own;
}

static gdkd_status configure(gdkd_config *c, const loss_settings *s) {
    gdkd_status status = GDKD_ERROR_ENUM;
    switch ((loss_kind)s->kind) {
    case LOSS_CE:
        status = gdkd_config_ce(c, sizeof *c, 0);
        break;
    case LOSS_KD:
        status = gdkd_config_kd(c, sizeof *c, s->temperature);
        break;
    case LOSS_DKD:
        status = gdkd_config_dkd(c, sizeof *c, s->temperature, s->alpha, s->beta);
        break;
    case LOSS_GDKD:
        status = gdkd_config_gdkd(c, sizeof *c, s->temperature, s->k, s->w0, s->w1, s->w2);
        break;
    case LOSS_GDKD3:
        status = gdkd_config_gdkd3(c, sizeof *c, s->temperature, s->k, s->w0, s->w1, s->w2);
        break;
    case LOSS_KINDS:
        break;
    }
    c->ce_weight = s->ce_weight;
    c->kd_weight = s->kind == LOSS_CE ? 0 : s->kd_weight;
    return status;
}

// --- Calls ---------------------------------------------------------------------------------------

criterion *criterion_create(const loss_settings *s, int rows, int classes, teacher_type type,
                            error_line *e) {
    criterion *c = calloc(1, sizeof *c);
    gdkd_batch batch;
    if (!c) {
        error_memory(e, "the loss");
        return NULL;
    }
    c->settings = *s;
    c->classes = classes;
    c->teacher_dtype = type == TEACHER_F16 ? GDKD_F16 : GDKD_F32;
    gdkd_status status = configure(&c->config, s);
    if (status == GDKD_OK) status = gdkd_batch_init(&batch, sizeof batch);
    if (status != GDKD_OK) {
        error_set(e, "libgdkd refuses the loss %s: %s", loss_names[s->kind],
                  gdkd_status_string(status));
        criterion_free(c);
        return NULL;
    }
    batch.outer = rows;
    batch.classes = classes;
    batch.inner = 1;
    batch.teacher_dtype = c->teacher_dtype;
    c->workspace_bytes = gdkd_workspace_size(&c->config, &batch);
    c->workspace = malloc(c->workspace_bytes ? c->workspace_bytes : 1);
    if (c->workspace_bytes && c->workspace) return c;
    if (c->workspace_bytes)
        error_memory(e, "the loss");
    else
        error_set(e, "libgdkd refuses the loss %s for %d images of %d classes", loss_names[s->kind],
                  rows, classes);
    criterion_free(c);
    return NULL;
}

void criterion_free(criterion *c) {
    if (!c) return;
    free(c->workspace);
    free(c);
}

static void copy_terms(const loss_settings *s, const gdkd_result *r, double terms[TERMS]) {
    for (int i = 0; i < TERMS; i++) terms[i] = NAN;
    terms[TERM_TOTAL] = r->total;
    // The library does not compute a term that weighs nothing.
    if (s->ce_weight != 0) terms[TERM_CE] = r->ce;
    if (!criterion_needs_teacher(s)) return;
    terms[TERM_KD] = r->kd;
    if (s->kind == LOSS_KD) return;
    // DKD's first group is one class: it has no low term. GDKD3's are {top 1}, {top 2..k}, {rest}.
    const int top = s->kind == LOSS_GDKD3 ? 1 : 0;
    if (criterion_weight(s, TERM_HIGH) != 0) terms[TERM_HIGH] = r->high;
    if (criterion_weight(s, TERM_TOP) != 0) terms[TERM_TOP] = r->low[top];
    if (criterion_weight(s, TERM_OTHER) != 0) terms[TERM_OTHER] = r->low[top + 1];
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
    result.grad = grad;
    const loss_settings *s = &c->settings;
    const double factor = s->warmup > 0 ? fmin(epoch / s->warmup, 1.0) : 1.0;
    if (s->kind != LOSS_CE) c->config.kd_weight = factor * s->kd_weight;
    const gdkd_status status =
        gdkd_loss(&c->config, &batch, &result, c->workspace, c->workspace_bytes);
    if (status != GDKD_OK)
        return error_set(e, "libgdkd: %s (row %lld of the batch)", gdkd_status_string(status),
                         (long long)result.error_row);
    if (result.rows_nonfinite)
        return error_set(
            e, "the loss is not finite in epoch %d: training has diverged; try a lower --lr",
            epoch);
    copy_terms(s, &result, terms);
    return true;
}

const char *criterion_library_version(void) {
    return gdkd_version_string();
}

const char *criterion_library_isa(void) {
    return gdkd_isa_name(gdkd_isa());
}
