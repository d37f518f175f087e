// DIST: correlation of the two softmaxes along rows and along classes (arXiv 2205.10536).
//
// With Y, Z the softmaxes and ~ their deviations from the mean of the row (or of the class):
//     r = <Y~, Z~> / (|Y~| |Z~| + eps),   dr/dY = Z~ / D - <Y~, Z~> |Z~| Y~ / (|Y~| D^2),  D = |Y~|
//     |Z~| + eps
// (the projection that the mean brings is no change, since both deviations sum to 0), and back
// through the softmax dL/ds = Y (G - <G, Y>) / T. Everything in double; no matrix is kept: a
// softmax is formed anew from its row's log-sum-exp wherever it is needed. Threads share out rows,
// or ranges of classes, so that every number is summed by one thread in one order.
#include "layouts.h"
#include "plan.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

static const double cosine_epsilon = 1e-8; // ZaberKo/GDKD's cosine_similarity

// Products of the deviations of a row or class.
typedef struct {
    double yy, zz, yz;
} products;

// A row's softmax is exp((x - top) / T - log_sum): the largest logit comes off before the division,
// so that neither a common offset nor a small temperature costs digits.
typedef struct {
    double top, log_sum;
} normaliser;

typedef struct {
    normaliser s, t;
    products of;
} row_moments;

typedef struct {
    double s, t; // means
    products of;
} class_moments;

typedef struct {
    const gdkd_dist_config *config;
    const gdkd_batch *batch;
    gdkd_result *result;
    int64_t rows, rows_used, student_stride, teacher_stride, grad_stride;
    int threads;
    double factor; // T^2 or 1
    row_moments *row;
    class_moments *class_;
    double *line; // two rows per thread
} dist;

static bool used(const dist *d, int64_t row) {
    return !d->batch->target || gdkd_target_of(d->batch, row) != d->config->ignore_index;
}

// A row of the caller's logits or gradient, from a class on.
static gdkd_strided row_at(const dist *d, const void *data, int32_t dtype, int64_t stride,
                           int64_t row, int64_t from) {
    const int64_t inner = d->batch->inner, at = row / inner * stride + row % inner + from * inner;
    return (gdkd_strided){(char *)data + (size_t)at * gdkd_dtype_size(dtype), dtype, inner};
}

// Classes [from, from + count) of both models.
static void load(const dist *d, int64_t row, int64_t from, int64_t count, double *y, double *z) {
    const gdkd_batch *b = d->batch;
    const gdkd_strided s = row_at(d, b->student, b->student_dtype, d->student_stride, row, from);
    const gdkd_strided t = row_at(d, b->teacher, b->teacher_dtype, d->teacher_stride, row, from);
    gdkd_gather_f64(&s, count, y);
    gdkd_gather_f64(&t, count, z);
}

static normaliser normaliser_of(const double *x, int64_t n, double t) {
    double top = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < n; i++) sum += exp((x[i] - top) / t);
    return (normaliser){top, log(sum)};
}

static void to_softmax(const dist *d, const row_moments *m, int64_t n, double *y, double *z) {
    const double t = d->config->temperature;
    for (int64_t i = 0; i < n; i++) {
        y[i] = exp((y[i] - m->s.top) / t - m->s.log_sum);
        z[i] = exp((z[i] - m->t.top) / t - m->t.log_sum);
    }
}

static void add_products(products *m, double y, double z) {
    m->yy += y * y;
    m->zz += z * z;
    m->yz += y * z;
}

static double correlation(const products *m) {
    return m->yz / (sqrt(m->yy) * sqrt(m->zz) + cosine_epsilon);
}

static void measure_row(const dist *d, int64_t row, double *y, double *z) {
    const int64_t n = d->batch->classes;
    const double t = d->config->temperature, mean = 1 / (double)n;
    row_moments *m = &d->row[row];
    load(d, row, 0, n, y, z);
    *m = (row_moments){.s = normaliser_of(y, n, t), .t = normaliser_of(z, n, t)};
    to_softmax(d, m, n, y, z);
    for (int64_t i = 0; i < n; i++) add_products(&m->of, y[i] - mean, z[i] - mean);
}

enum { CLASS_RANGE = 256 }; // classes that a thread follows through all rows at a time

static void measure_classes(const dist *d, int64_t from, int64_t count) {
    double y[CLASS_RANGE], z[CLASS_RANGE];
    for (int64_t i = 0; i < count; i++) d->class_[from + i] = (class_moments){0};
    for (int pass = 0; pass < 2; pass++) { // means, then deviations from them
        for (int64_t row = 0; row < d->rows; row++) {
            if (!used(d, row)) continue;
            load(d, row, from, count, y, z);
            to_softmax(d, &d->row[row], count, y, z);
            for (int64_t i = 0; i < count; i++) {
                class_moments *m = &d->class_[from + i];
                if (pass == 0) {
                    m->s += y[i] / (double)d->rows_used;
                    m->t += z[i] / (double)d->rows_used;
                } else {
                    add_products(&m->of, y[i] - m->s, z[i] - m->t);
                }
            }
        }
    }
}

// dr/dY for deviations y, z of a row or class.
static double slope(const products *m, double y, double z) {
    const double a = sqrt(m->yy), b = sqrt(m->zz), denominator = a * b + cosine_epsilon;
    return z / denominator - (a > 0 ? m->yz * b * y / (a * denominator * denominator) : 0);
}

// Elements that were written and are not finite.
static int64_t gradient_row(const dist *d, int64_t row, double *y, double *z) {
    const gdkd_batch *b = d->batch;
    const int64_t n = b->classes;
    const double t = d->config->temperature, mean = 1 / (double)n;
    const double inter = -d->config->beta * d->factor / (double)d->rows_used,
                 intra = -d->config->gamma * d->factor / (double)n;
    const gdkd_strided out = row_at(d, d->result->grad, b->student_dtype, d->grad_stride, row, 0);
    if (!used(d, row)) {
        for (int64_t i = 0; i < n; i++) y[i] = 0;
        if (!d->result->accumulate) gdkd_scatter_f64(y, n, false, &out);
        return 0;
    }
    load(d, row, 0, n, y, z);
    to_softmax(d, &d->row[row], n, y, z);
    double dot = 0;
    for (int64_t i = 0; i < n; i++) {
        const class_moments *c = &d->class_[i];
        z[i] = inter * slope(&d->row[row].of, y[i] - mean, z[i] - mean) +
               intra * slope(&c->of, y[i] - c->s, z[i] - c->t);
        dot += z[i] * y[i];
    }
    for (int64_t i = 0; i < n; i++) y[i] = d->result->grad_scale / t * y[i] * (z[i] - dot);
    gdkd_scatter_f64(y, n, d->result->accumulate != 0, &out);
    return gdkd_count_nonfinite(&out, n);
}

// Calls work on each thread; one alone without a team, whose making may allocate.
typedef void share(const dist *d, int thread, int team);

static void on_threads(const dist *d, share *work) {
    if (d->threads == 1) {
        work(d, 0, 1);
    } else {
#pragma omp parallel num_threads(d->threads)
        work(d, omp_get_thread_num(), omp_get_num_threads());
    }
}

static void measure_rows(const dist *d, int thread, int team) {
    double *y = d->line + 2 * d->batch->classes * thread;
    for (int64_t row = thread; row < d->rows; row += team)
        if (used(d, row)) measure_row(d, row, y, y + d->batch->classes);
}

static void measure_ranges(const dist *d, int thread, int team) {
    const int64_t n = d->batch->classes;
    for (int64_t from = (int64_t)thread * CLASS_RANGE; from < n;
         from += (int64_t)team * CLASS_RANGE)
        measure_classes(d, from, n - from < CLASS_RANGE ? n - from : CLASS_RANGE);
}

static void write_rows(const dist *d, int thread, int team) {
    double *y = d->line + 2 * d->batch->classes * thread;
    int64_t nonfinite = 0;
    for (int64_t row = thread; row < d->rows; row += team)
        nonfinite += gradient_row(d, row, y, y + d->batch->classes);
#pragma omp atomic
    d->result->grad_nonfinite += nonfinite;
}

static void run(const dist *d) {
    gdkd_result *r = d->result;
    const gdkd_dist_config *c = d->config;
    double rows = 0, classes = 0;
    // Terms that DIST does not have stay 0.
    const size_t reports = offsetof(gdkd_result, total);
    memset((char *)r + reports, 0, sizeof *r - reports);
    if (d->rows_used > 0) {
        on_threads(d, measure_rows);
        on_threads(d, measure_ranges);
    }
    for (int64_t row = 0; row < d->rows; row++)
        if (used(d, row)) rows += correlation(&d->row[row].of);
    for (int64_t i = 0; i < d->batch->classes && d->rows_used > 0; i++)
        classes += correlation(&d->class_[i].of);
    if (d->rows_used > 0) {
        r->dist_inter = d->factor * (1 - rows / (double)d->rows_used);
        r->dist_intra = d->factor * (1 - classes / (double)d->batch->classes);
    }
    r->total = r->kd = c->beta * r->dist_inter + c->gamma * r->dist_intra;
    r->divisor = 1;
    r->rows_used = d->rows_used;
    r->first_nonfinite = r->error_row = -1;
    for (int64_t row = 0; row < d->rows; row++) {
        if (!used(d, row) || is_finite(correlation(&d->row[row].of))) continue;
        if (r->rows_nonfinite++ == 0) r->first_nonfinite = row;
    }
    if (r->grad) on_threads(d, write_rows);
}

// --- The calls -----------------------------------------------------------------------------------

// The batch is checked by the rules of gdkd_loss, as one whose loss is KD.
static gdkd_status resolve(const gdkd_dist_config *config, const gdkd_batch *batch,
                           gdkd_result *result, dist *d) {
    gdkd_config kd;
    gdkd_config_kd(&kd, config->temperature);
    kd.temperature_squared = config->temperature_squared;
    kd.ignore_index = config->ignore_index;
    kd.num_threads = config->num_threads;
    plan p;
    gdkd_status status = gdkd_plan(&kd, batch, result, &p);
    if (status != GDKD_OK) return status;
    if (!is_finite(config->beta) || !is_finite(config->gamma) || batch->row_weight)
        return GDKD_ERROR_WEIGHT;
    *d = (dist){.config = config,
                .batch = batch,
                .result = result,
                .rows = p.rows,
                .student_stride = p.student_stride,
                .teacher_stride = p.teacher_stride,
                .grad_stride = p.grad_stride,
                .threads = p.room_threads,
                .factor = p.c.factor};
    if (!result) return GDKD_OK;
    status = gdkd_plan_rows(&p);
    d->rows_used = p.rows_used;
    return status;
}

static size_t workspace_bytes_of(const dist *d) {
    const size_t rows = (size_t)d->rows, classes = (size_t)d->batch->classes;
    return sizeof(double) + sizeof(row_moments) * rows + sizeof(class_moments) * classes +
           2 * sizeof(double) * classes * (size_t)d->threads;
}

static gdkd_status adopt(const gdkd_dist_config *config, const gdkd_batch *batch,
                         gdkd_dist_config *own_config, gdkd_batch *own_batch) {
    const gdkd_status status = gdkd_adopt(GDKD_STRUCT_DIST_CONFIG, config, own_config);
    return status == GDKD_OK ? gdkd_adopt(GDKD_STRUCT_BATCH, batch, own_batch) : status;
}

size_t gdkd_dist_workspace_size(const gdkd_dist_config *config, const gdkd_batch *batch) {
    gdkd_dist_config own_config;
    gdkd_batch own_batch;
    dist d;
    gdkd_status status = adopt(config, batch, &own_config, &own_batch);
    if (status == GDKD_OK) status = resolve(&own_config, &own_batch, NULL, &d);
    return status == GDKD_OK ? workspace_bytes_of(&d) : 0;
}

static gdkd_status dist_of_today(const gdkd_dist_config *config, const gdkd_batch *batch,
                                 gdkd_result *result, void *workspace, size_t workspace_bytes) {
    dist d;
    gdkd_status status = resolve(config, batch, result, &d);
    if (status != GDKD_OK) return status;
    const size_t bytes = workspace_bytes_of(&d);
    if (workspace && workspace_bytes < bytes) return GDKD_ERROR_WORKSPACE;
    void *own = workspace ? NULL : malloc(bytes);
    if (!workspace && !own) return GDKD_ERROR_MEMORY;
    char *start = workspace ? workspace : own;
    start += -(uintptr_t)start % sizeof(double);
    d.row = (row_moments *)(void *)start;
    d.class_ = (class_moments *)(void *)(d.row + d.rows);
    d.line = (double *)(d.class_ + batch->classes);
    run(&d);
    free(own);
    return GDKD_OK;
}

gdkd_status gdkd_dist(const gdkd_dist_config *config, const gdkd_batch *batch, gdkd_result *result,
                      void *workspace, size_t workspace_bytes) {
    gdkd_dist_config own_config;
    gdkd_batch own_batch;
    gdkd_result own_result;
    gdkd_status status = gdkd_adopt(GDKD_STRUCT_RESULT, result, &own_result);
    if (status != GDKD_OK) return status;
    own_result.error_row = -1;
    status = adopt(config, batch, &own_config, &own_batch);
    if (status == GDKD_OK)
        status = dist_of_today(&own_config, &own_batch, &own_result, workspace, workspace_bytes);
    gdkd_hand_back(status, &own_result, result);
    return status;
}
