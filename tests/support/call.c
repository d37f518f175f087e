#include "call.h"

#include "number.h"

#include <stdlib.h>
#include <string.h>

// One of the call's arrays of logits.
typedef struct plane {
    int32_t dtype;
    int64_t stride;
    size_t bytes;
    unsigned char *data;
    unsigned char *copy; // as it was before the call
} plane;

typedef struct shape {
    int64_t outer, classes, inner;
} shape;

static int64_t place(const shape *s, int64_t stride, int64_t row, int64_t c) {
    return row / s->inner * stride + c * s->inner + row % s->inner;
}

// A pattern that no computation gives: it shows where nothing was written.
static void fill(unsigned char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)(0xa5u ^ (i * 37u & 0x1fu));
}

static void plane_init(plane *a, const shape *s, int32_t dtype, int64_t pad) {
    a->dtype = dtype;
    a->stride = s->classes * s->inner + pad;
    a->bytes = (size_t)(s->outer * a->stride) * number_size(dtype);
    a->data = checked_calloc(a->bytes, 1);
    a->copy = NULL;
    fill(a->data, a->bytes);
}

static void plane_remember(plane *a) {
    a->copy = checked_calloc(a->bytes, 1);
    memcpy(a->copy, a->data, a->bytes);
}

static void plane_free(plane *a) {
    free(a->data);
    free(a->copy);
}

static void write_rows(const shape *s, plane *a, const double *from) {
    for (int64_t row = 0; row < s->outer * s->inner; row++) {
        for (int64_t c = 0; c < s->classes; c++) {
            number_store(a->dtype, a->data, place(s, a->stride, row, c),
                         from[row * s->classes + c]);
        }
    }
}

static double *read_rows(const shape *s, const plane *a, const unsigned char *data) {
    double *to = checked_calloc((size_t)(s->outer * s->inner * s->classes), sizeof *to);
    for (int64_t row = 0; row < s->outer * s->inner; row++) {
        for (int64_t c = 0; c < s->classes; c++) {
            to[row * s->classes + c] = number_load(a->dtype, data, place(s, a->stride, row, c));
        }
    }
    return to;
}

static int changed(const plane *a) {
    return memcmp(a->data, a->copy, a->bytes) != 0;
}

// Whether something between the rows' ends and the stride was written to.
static int padding_changed(const shape *s, const plane *a) {
    const size_t size = number_size(a->dtype);
    const int64_t used = s->classes * s->inner;
    for (int64_t o = 0; o < s->outer; o++) {
        const size_t from = (size_t)(o * a->stride + used) * size;
        if (memcmp(a->data + from, a->copy + from, (size_t)(a->stride - used) * size) != 0)
            return 1;
    }
    return 0;
}

static void *make_target(const problem *p, int32_t dtype) {
    if (!p->target) return NULL;
    int64_t *wide = checked_calloc((size_t)p->rows, sizeof *wide);
    int32_t *narrow = (int32_t *)(void *)wide;
    if (dtype == GDKD_INT64) {
        memcpy(wide, p->target, (size_t)p->rows * sizeof *wide);
    } else {
        for (int64_t r = 0; r < p->rows; r++) narrow[r] = (int32_t)p->target[r];
    }
    return wide;
}

static uint8_t *make_groups(const problem *p, const shape *s, int64_t pad, int64_t *stride) {
    *stride = 0;
    if (!p->groups) return NULL;
    if (!p->groups_per_row) {
        uint8_t *map = checked_calloc((size_t)p->classes, 1);
        memcpy(map, p->groups, (size_t)p->classes);
        return map;
    }
    *stride = s->classes * s->inner + pad;
    uint8_t *map = checked_calloc((size_t)(s->outer * *stride), 1);
    memset(map, 0xff, (size_t)(s->outer * *stride)); // no group, should padding be read
    for (int64_t row = 0; row < p->rows; row++) {
        for (int64_t c = 0; c < p->classes; c++) {
            map[place(s, *stride, row, c)] = p->groups[row * p->classes + c];
        }
    }
    return map;
}

static void describe(const problem *p, const call *how, const shape *s, const plane *student,
                     const plane *teacher, gdkd_batch *b) {
    gdkd_batch_init(b);
    b->student_dtype = how->student_dtype;
    b->teacher_dtype = how->teacher_dtype;
    b->target_dtype = how->target_dtype;
    b->outer = s->outer;
    b->classes = s->classes;
    b->inner = s->inner;
    b->student = student->data;
    b->teacher = teacher->data;
    b->student_stride = how->student_pad ? student->stride : 0;
    b->teacher_stride = how->teacher_pad ? teacher->stride : 0;
    b->k_table = p->k_table;
    b->low_weight = p->low_weight;
    b->row_weight = p->row_weight;
}

static gdkd_dist_config dist_config(const problem *p, const call *how) {
    gdkd_dist_config d;
    gdkd_dist_config_init(&d);
    d.temperature = p->config.temperature;
    d.temperature_squared = p->config.temperature_squared;
    d.ignore_index = p->config.ignore_index;
    d.num_threads = p->config.num_threads;
    d.beta = how->beta;
    d.gamma = how->gamma;
    return d;
}

static void invoke(const problem *p, const call *how, const gdkd_batch *b, answer *out) {
    const gdkd_dist_config d = dist_config(p, how);
    size_t bytes = 0;
    void *workspace = NULL;
    if (how->own_workspace) {
        bytes = how->dist ? gdkd_dist_workspace_size(&d, b) : gdkd_workspace_size(&p->config, b);
        workspace = malloc(bytes); // of just this size, for the sanitizer to watch
        if (workspace) memset(workspace, 0xee, bytes);
    }
    out->status = how->dist ? gdkd_dist(&d, b, &out->result, workspace, bytes)
                            : gdkd_loss(&p->config, b, &out->result, workspace, bytes);
    free(workspace);
}

void call_run(const problem *p, const call *how, answer *out) {
    const int64_t inner = how->inner > 0 ? how->inner : 1;
    const shape s = {p->rows / inner, p->classes, inner};
    plane student;
    plane teacher;
    plane grad;
    gdkd_batch b;
    memset(out, 0, sizeof *out);
    plane_init(&student, &s, how->student_dtype, how->student_pad);
    plane_init(&teacher, &s, how->teacher_dtype, how->teacher_pad);
    plane_init(&grad, &s, how->student_dtype, how->grad_pad);
    write_rows(&s, &student, p->student);
    write_rows(&s, &teacher, p->teacher);
    for (int64_t i = 0; how->accumulate && i < s.outer * grad.stride; i++) {
        number_store(grad.dtype, grad.data, i, 0.001 * (double)(i % 17 - 8));
    }
    plane_remember(&student);
    plane_remember(&teacher);
    plane_remember(&grad);
    plane *target_plane = how->in_place ? &student : &grad;
    describe(p, how, &s, &student, &teacher, &b);
    void *target = make_target(p, how->target_dtype);
    uint8_t *groups = make_groups(p, &s, how->groups_pad, &b.groups_stride);
    b.target = target;
    b.groups = groups;
    gdkd_result_init(&out->result);
    out->row_loss = checked_calloc((size_t)p->rows, sizeof *out->row_loss);
    out->result.row_loss = how->dist ? NULL : out->row_loss;
    out->result.accumulate = how->accumulate;
    out->result.want_norms = how->want_norms;
    out->result.grad_scale = how->grad_scale != 0.0 ? how->grad_scale : 1.0;
    out->result.grad = how->loss_only ? NULL : target_plane->data;
    out->result.grad_stride = how->in_place ? b.student_stride : how->grad_pad ? grad.stride : 0;
    invoke(p, how, &b, out);
    if (!how->loss_only) {
        out->grad = read_rows(&s, target_plane, target_plane->data);
        out->before = read_rows(&s, target_plane, target_plane->copy);
    }
    out->trespassed = changed(&teacher) ||
                      (!(how->in_place && !how->loss_only) && changed(&student)) ||
                      padding_changed(&s, &student) || padding_changed(&s, &grad) ||
                      ((how->loss_only || how->in_place) && changed(&grad));
    plane_free(&student);
    plane_free(&teacher);
    plane_free(&grad);
    free(target);
    free(groups);
}

void answer_free(answer *a) {
    free(a->grad);
    free(a->before);
    free(a->row_loss);
    memset(a, 0, sizeof *a);
}
