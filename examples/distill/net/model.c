#include "net/graph.h"

#include "base/rng.h"
#include "net/blas_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- Memory --------------------------------------------------------------------------------------

struct allocation {
    allocation *next;
};

// The list's link lies in front of the memory, in a cache line of its own.
enum { CACHE_LINE = 64 };

void *model_memory(model *m, size_t bytes) {
    const size_t size = (bytes + 2 * CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    char *block = aligned_alloc(CACHE_LINE, size);
    if (!block) {
        m->out_of_memory = true;
        return NULL;
    }
    memset(block, 0, size);
    allocation *a = (allocation *)(void *)block;
    a->next = m->allocations;
    m->allocations = a;
    return block + CACHE_LINE;
}

void model_free(model *m) {
    if (!m) return;
    while (m->allocations) {
        allocation *next = m->allocations->next;
        free(m->allocations);
        m->allocations = next;
    }
    free(m);
}

// --- Making one ---------------------------------------------------------------------------------

// Bounds that no use comes near and that keep every product of sizes within a size_t.
static bool valid(const model_shape *s) {
    enum { MOST_PIXELS = 1 << 12, MOST = 1 << 16 };
    return s->channels >= 1 && s->channels <= MOST_PIXELS && s->height >= 1 &&
           s->height <= MOST_PIXELS && s->width >= 1 && s->width <= MOST_PIXELS &&
           s->classes >= 1 && s->classes <= MOST && s->max_batch >= 1 && s->max_batch <= MOST;
}

model *model_create(const char *name, const model_shape *shape, const char **error) {
    model *m = valid(shape) ? calloc(1, sizeof *m) : NULL;
    if (!m) {
        *error = valid(shape) ? "not enough memory" : "an impossible size of image or batch";
        return NULL;
    }
    m->shape = *shape;
    m->kernels = kernels_get();
    m->slots = shape->training ? shape->max_batch : CHUNKS;
    const network *n = network_find(name);
    *error = n ? NULL : "no model has this name";
    if (n) {
        graph_images(m);
        n->build(m, n->depth, n->channels);
        assign_buffers(m);
        if (m->out_of_memory) *error = "not enough memory for this model and batch";
    }
    if (*error) {
        model_free(m);
        return NULL;
    }
    blas_single_thread();
    return m;
}

size_t model_tensors(const model *m, const tensor **tensors) {
    *tensors = m->tensors;
    return m->tensor_count;
}

// --- Initialisation ------------------------------------------------------------------------------

static void fill(const tensor *t, float x) {
    for (size_t i = 0; i < t->count; i++) t->data[i] = x;
}

// He et al. 2015: deviation sqrt(2 / fan_out), which both of the reference's networks use.
static void init_conv(const tensor *t, rng *r) {
    const double fan_out = (double)(t->shape[0] * t->shape[2] * t->shape[3]);
    for (size_t i = 0; i < t->count; i++) t->data[i] = (float)(sqrt(2 / fan_out) * rng_normal(r));
}

// PyTorch's default for a linear layer: weight and bias uniform within 1 / sqrt(features).
static void init_linear(const tensor *t, rng *r, double features) {
    const double bound = 1 / sqrt(features);
    for (size_t i = 0; i < t->count; i++) t->data[i] = (float)(bound * (2 * rng_uniform(r) - 1));
}

void model_init(model *m, uint64_t seed) {
    rng r;
    rng_seed(&r, seed);
    if (m->momenta) memset(m->momenta, 0, m->parameter_count * sizeof *m->momenta);
    for (int k = 0; k < m->node_count; k++) {
        const node *n = &m->nodes[k];
        if (n->kind == NODE_CONV) continue;
        const tensor *t = &m->tensors[n->first_tensor];
        fill(&t[0], 1);
        fill(&t[1], 0);
        fill(&t[2], 0);
        fill(&t[3], 1);
        *t[4].steps = 0;
    }
    for (size_t i = 0; i < m->tensor_count; i++)
        if (m->tensors[i].dims == 4) init_conv(&m->tensors[i], &r);
    const tensor *weight = &m->tensors[m->tensor_count - 2];
    const double features = (double)weight->shape[1];
    init_linear(weight, &r, features);
    if (m->fc_bias_random)
        init_linear(weight + 1, &r, features);
    else
        fill(weight + 1, 0);
}

// --- Steps ---------------------------------------------------------------------------------------

void model_forward(model *m, const float *images, int count, bool training, float *logits) {
    pass_forward(m, images, count, training && m->shape.training, logits);
}

void model_backward(model *m, const float *grad_logits) {
    if (m->shape.training && m->count > 0) pass_backward(m, grad_logits);
}

// The gaps between the tensors are zeros and stay zeros.
void model_step(model *m, float lr, float mu, float weight_decay) {
    if (!m->shape.training) return;
    float *restrict w = m->parameters;
    float *restrict momentum = m->momenta;
    const float *restrict gradient = m->gradients;
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < m->parameter_count; i++) {
        momentum[i] = mu * momentum[i] + (gradient[i] + weight_decay * w[i]);
        w[i] -= lr * momentum[i];
    }
}

void model_profile(model *m, bool on) {
    m->profiling = on;
    if (on) m->times = (model_times){0};
}

const model_times *model_profile_times(const model *m) {
    return &m->times;
}
