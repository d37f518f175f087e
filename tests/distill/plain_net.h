// The reference's networks once more, as plainly as possible: double precision,
// [channels][height][width] arrays, loops; parameters by their names. Written from the definition,
// not from the trainer's code. Included by the one test that uses it.
#ifndef TEST_PLAIN_NET_H
#define TEST_PLAIN_NET_H

#include "net/model.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `parameters` are the tensors' values in double, in their order: parameters[i][element].
typedef struct {
    const tensor *tensors;
    size_t count;
    double **parameters;
} plain_weights;

typedef struct {
    int images;
    int channels;
    int height;
    int width;
    double *data;
} plain_maps;

static plain_weights plain_copy(const model *m) {
    plain_weights w = {0};
    w.count = model_tensors(m, &w.tensors);
    w.parameters = calloc(w.count, sizeof *w.parameters);
    for (size_t i = 0; i < w.count; i++) {
        w.parameters[i] = calloc(w.tensors[i].count, sizeof(double));
        for (size_t j = 0; w.tensors[i].data && j < w.tensors[i].count; j++)
            w.parameters[i][j] = w.tensors[i].data[j];
    }
    return w;
}

static void plain_free(plain_weights *w) {
    for (size_t i = 0; i < w->count; i++) free(w->parameters[i]);
    free(w->parameters);
}

// The tensor whose name is the three parts in a row, or NULL.
static const tensor *look_up(const plain_weights *w, const char *prefix, const char *name,
                             const char *suffix) {
    for (size_t i = 0; i < w->count; i++) {
        const char *full = w->tensors[i].name;
        if (strncmp(full, prefix, strlen(prefix)) != 0) continue;
        full += strlen(prefix);
        if (strncmp(full, name, strlen(name)) != 0) continue;
        if (strcmp(full + strlen(name), suffix) == 0) return &w->tensors[i];
    }
    return NULL;
}

static const double *find(const plain_weights *w, const char *prefix, const char *name,
                          const char *suffix) {
    const tensor *t = look_up(w, prefix, name, suffix);
    if (!t) {
        fprintf(stderr, "the model has no tensor %s%s%s\n", prefix, name, suffix);
        abort();
    }
    return w->parameters[t - w->tensors];
}

static plain_maps plain_maps_new(int images, int channels, int height, int width) {
    plain_maps m = {images, channels, height, width, NULL};
    m.data =
        calloc((size_t)images * (size_t)channels * (size_t)height * (size_t)width, sizeof(double));
    return m;
}

static double *at(const plain_maps *m, int n, int c, int y, int x) {
    return m->data +
           (((size_t)n * (size_t)m->channels + (size_t)c) * (size_t)m->height + (size_t)y) *
               (size_t)m->width +
           (size_t)x;
}

static double conv_at(const plain_maps *in, const double *w, int kernel, int n, int top, int left) {
    double sum = 0;
    for (int c = 0; c < in->channels; c++)
        for (int ky = 0; ky < kernel; ky++)
            for (int kx = 0; kx < kernel; kx++) {
                const int y = top + ky;
                const int x = left + kx;
                if (y >= 0 && y < in->height && x >= 0 && x < in->width)
                    sum += *at(in, n, c, y, x) * w[(c * kernel + ky) * kernel + kx];
            }
    return sum;
}

static plain_maps plain_conv(const plain_maps *x, const double *weight, int channels, int kernel,
                             int stride) {
    const int pad = kernel / 2;
    plain_maps y = plain_maps_new(x->images, channels, (x->height + 2 * pad - kernel) / stride + 1,
                                  (x->width + 2 * pad - kernel) / stride + 1);
    for (int n = 0; n < y.images; n++)
        for (int o = 0; o < channels; o++)
            for (int i = 0; i < y.height; i++)
                for (int j = 0; j < y.width; j++)
                    *at(&y, n, o, i, j) =
                        conv_at(x, weight + (size_t)o * (size_t)(x->channels * kernel * kernel),
                                kernel, n, i * stride - pad, j * stride - pad);
    return y;
}

static plain_maps named_conv(const plain_weights *w, const char *prefix, const char *name,
                             const plain_maps *x, int stride) {
    const double *weight = find(w, prefix, name, ".weight");
    const size_t *shape = look_up(w, prefix, name, ".weight")->shape;
    return plain_conv(x, weight, (int)shape[0], (int)shape[2], stride);
}

static void norm_channel(plain_maps *m, int c, const double *mean_var, const double *affine) {
    for (int n = 0; n < m->images; n++)
        for (int i = 0; i < m->height * m->width; i++) {
            double *v = at(m, n, c, 0, 0) + i;
            *v = (*v - mean_var[0]) / sqrt(mean_var[1] + 1e-5) * affine[0] + affine[1];
        }
}

static void batch_statistics(const plain_maps *m, int c, double *mean_var) {
    const int pixels = m->height * m->width;
    mean_var[0] = mean_var[1] = 0;
    for (int n = 0; n < m->images; n++)
        for (int i = 0; i < pixels; i++) mean_var[0] += at(m, n, c, 0, 0)[i];
    mean_var[0] /= m->images * pixels;
    for (int n = 0; n < m->images; n++)
        for (int i = 0; i < pixels; i++) {
            const double d = at(m, n, c, 0, 0)[i] - mean_var[0];
            mean_var[1] += d * d;
        }
    mean_var[1] /= m->images * pixels;
}

// In place.
static void named_norm(const plain_weights *w, const char *prefix, const char *name, bool training,
                       plain_maps *m) {
    for (int c = 0; c < m->channels; c++) {
        double statistics[2] = {find(w, prefix, name, ".running_mean")[c],
                                find(w, prefix, name, ".running_var")[c]};
        const double affine[2] = {find(w, prefix, name, ".weight")[c],
                                  find(w, prefix, name, ".bias")[c]};
        if (training) batch_statistics(m, c, statistics);
        norm_channel(m, c, statistics, affine);
    }
}

static size_t elements(const plain_maps *m) {
    return (size_t)m->images * (size_t)m->channels * (size_t)m->height * (size_t)m->width;
}

static void relu(plain_maps *m) {
    for (size_t i = 0; i < elements(m); i++)
        if (m->data[i] < 0) m->data[i] = 0;
}

static void add(plain_maps *m, const plain_maps *other) {
    for (size_t i = 0; i < elements(m); i++) m->data[i] += other->data[i];
}

static plain_maps copy(const plain_maps *m) {
    plain_maps c = plain_maps_new(m->images, m->channels, m->height, m->width);
    memcpy(c.data, m->data, elements(m) * sizeof(double));
    return c;
}

static plain_maps load_images(const model_shape *s, const float *images, int count) {
    plain_maps x = plain_maps_new(count, s->channels, s->height, s->width);
    for (size_t i = 0; i < elements(&x); i++) x.data[i] = images[i];
    return x;
}

static void head(const plain_weights *w, const plain_maps *x, int classes, double *logits) {
    const double *weight = find(w, "", "fc", ".weight");
    const double *bias = find(w, "", "fc", ".bias");
    for (int n = 0; n < x->images; n++)
        for (int k = 0; k < classes; k++) {
            double sum = bias[k];
            for (int c = 0; c < x->channels; c++) {
                double mean = 0;
                for (int i = 0; i < x->height * x->width; i++) mean += at(x, n, c, 0, 0)[i];
                sum += weight[k * x->channels + c] * mean / (x->height * x->width);
            }
            logits[n * classes + k] = sum;
        }
}

// Takes x and frees it.
static plain_maps resnet_block(const plain_weights *w, const char *prefix, plain_maps x, int stride,
                               bool training) {
    plain_maps a = named_conv(w, prefix, "conv1", &x, stride);
    named_norm(w, prefix, "bn1", training, &a);
    relu(&a);
    plain_maps b = named_conv(w, prefix, "conv2", &a, 1);
    named_norm(w, prefix, "bn2", training, &b);
    if (look_up(w, prefix, "downsample.0", ".weight")) {
        plain_maps d = named_conv(w, prefix, "downsample.0", &x, stride);
        named_norm(w, prefix, "downsample.1", training, &d);
        free(x.data);
        x = d;
    }
    add(&b, &x);
    relu(&b);
    free(a.data);
    free(x.data);
    return b;
}

static void plain_resnet(const plain_weights *w, int blocks, const model_shape *s,
                         const float *images, int count, bool training, double *logits) {
    plain_maps input = load_images(s, images, count);
    plain_maps x = named_conv(w, "", "conv1", &input, 1);
    free(input.data);
    named_norm(w, "", "bn1", training, &x);
    relu(&x);
    for (int layer = 1; layer <= 3; layer++)
        for (int b = 0; b < blocks; b++) {
            char prefix[48];
            snprintf(prefix, sizeof prefix, "layer%d.%d.", layer, b);
            x = resnet_block(w, prefix, x, layer > 1 && b == 0 ? 2 : 1, training);
        }
    head(w, &x, s->classes, logits);
    free(x.data);
}

static plain_maps wrn_block(const plain_weights *w, const char *prefix, plain_maps x, int stride,
                            bool training) {
    plain_maps a = copy(&x);
    named_norm(w, prefix, "bn1", training, &a);
    relu(&a);
    plain_maps b = named_conv(w, prefix, "conv1", &a, stride);
    named_norm(w, prefix, "bn2", training, &b);
    relu(&b);
    plain_maps c = named_conv(w, prefix, "conv2", &b, 1);
    if (look_up(w, prefix, "convShortcut", ".weight")) {
        free(x.data);
        x = named_conv(w, prefix, "convShortcut", &a, stride);
    }
    add(&c, &x);
    free(a.data);
    free(b.data);
    free(x.data);
    return c;
}

static void plain_wrn(const plain_weights *w, int blocks, const model_shape *s, const float *images,
                      int count, bool training, double *logits) {
    plain_maps input = load_images(s, images, count);
    plain_maps x = named_conv(w, "", "conv1", &input, 1);
    free(input.data);
    for (int block = 1; block <= 3; block++)
        for (int b = 0; b < blocks; b++) {
            char prefix[48];
            snprintf(prefix, sizeof prefix, "block%d.layer.%d.", block, b);
            x = wrn_block(w, prefix, x, block > 1 && b == 0 ? 2 : 1, training);
        }
    named_norm(w, "", "bn1", training, &x);
    relu(&x);
    head(w, &x, s->classes, logits);
    free(x.data);
}

#endif
