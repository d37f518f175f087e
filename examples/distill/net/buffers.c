// Where everything lies. A value that nobody reads any more hands its buffer on to a later one of
// the same shape (the same, because of the frame of zeros).
#include "net/graph.h"

#include <stdint.h>

// --- Buffers that are used in turns --------------------------------------------------------------

typedef struct {
    float *data;
    map_shape shape;
    int users;
} buffer;

typedef struct {
    model *m;
    int slots;
    buffer buffers[MAX_VALUES];
    int count;
} pool;

static bool same_layout(map_shape a, map_shape b) {
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

// A free buffer of that shape, or a new one; it has one user then.
static int pool_take(pool *p, map_shape shape) {
    for (int i = 0; i < p->count; i++)
        if (p->buffers[i].users == 0 && same_layout(p->buffers[i].shape, shape)) {
            p->buffers[i].users = 1;
            return i;
        }
    float *data = model_memory(p->m, (size_t)p->slots * map_size(shape) * sizeof(float));
    p->buffers[p->count] = (buffer){data, shape, 1};
    return p->count++;
}

// --- Values --------------------------------------------------------------------------------------

// Training needs every value again in the backward pass.
static void assign_values_kept(model *m) {
    for (int v = 0; v < m->value_count; v++) {
        const size_t size = map_size(m->values[v].shape);
        m->values[v].data = model_memory(m, (size_t)m->slots * size * sizeof(float));
    }
}

// Otherwise a value lives until its last reader. The last value of all is read by the head.
static void assign_values_in_turns(model *m) {
    pool p = {.m = m, .slots = m->slots};
    int of[MAX_VALUES];
    of[0] = pool_take(&p, m->values[0].shape);
    m->values[0].data = p.buffers[of[0]].data;
    for (int k = 0; k < m->node_count; k++) {
        const node *n = &m->nodes[k];
        of[n->out] = pool_take(&p, m->values[n->out].shape);
        m->values[n->out].data = p.buffers[of[n->out]].data;
        if (m->values[n->in].last_use == k) p.buffers[of[n->in]].users--;
        if (n->add != NONE && m->values[n->add].last_use == k) p.buffers[of[n->add]].users--;
    }
}

// --- Gradients -----------------------------------------------------------------------------------

// The backward pass is played through. A gradient's buffer is free when the value's producer has
// used it; but not before the next norm, because the weights' gradients of the convolutions in
// between are computed last (passes.c).
typedef struct {
    pool pool;
    int of[MAX_VALUES]; // buffer of the value's gradient, or NONE
    int done[MAX_NODES];
    int done_count;
} gradient_buffers;

static void assign_node_gradient(model *m, gradient_buffers *g, node *n) {
    const int out = g->of[n->out];
    buffer *buffers = g->pool.buffers;
    n->grad_out = buffers[out].data;
    if (n->add != NONE) { // the sum's gradient is that of both its terms
        g->of[n->add] = out;
        buffers[out].users++;
    }
    if (n->kind == NODE_NORM) {
        for (int i = 0; i < g->done_count; i++) buffers[g->done[i]].users--;
        g->done_count = 0;
    }
    if (n->in != 0) {
        n->accumulate = g->of[n->in] != NONE;
        if (n->kind == NODE_NORM && !n->accumulate && buffers[out].users == 1) {
            g->of[n->in] = out; // in place
            buffers[out].users++;
        } else if (!n->accumulate) {
            g->of[n->in] = pool_take(&g->pool, m->values[n->in].shape);
        }
        n->grad_in = buffers[g->of[n->in]].data;
    }
    g->done[g->done_count++] = out;
}

static void assign_gradients(model *m) {
    gradient_buffers g = {.pool = {.m = m, .slots = m->shape.max_batch}};
    for (int v = 0; v < m->value_count; v++) g.of[v] = NONE;
    const int last = m->value_count - 1;
    g.of[last] = pool_take(&g.pool, m->values[last].shape);
    m->grad_last = g.pool.buffers[g.of[last]].data;
    for (int k = m->node_count - 1; k >= 0; k--) assign_node_gradient(m, &g, &m->nodes[k]);
}

// --- Parameters ----------------------------------------------------------------------------------

// Each tensor begins on a cache line.
static size_t aligned_count(const tensor *t) {
    return (t->count + 15) / 16 * 16;
}

static size_t total_count(const model *m, bool statistics) {
    size_t total = 0;
    for (size_t i = 0; i < m->tensor_count; i++)
        if (m->is_statistic[i] == statistics) total += aligned_count(&m->tensors[i]);
    return total;
}

static void assign_tensors(model *m) {
    m->parameter_count = total_count(m, false);
    m->parameters = model_memory(m, m->parameter_count * sizeof(float));
    if (m->shape.training) {
        m->gradients = model_memory(m, m->parameter_count * sizeof(float));
        m->momenta = model_memory(m, m->parameter_count * sizeof(float));
    }
    float *statistics = model_memory(m, total_count(m, true) * sizeof(float));
    int64_t *steps = model_memory(m, m->tensor_count * sizeof(int64_t));
    if (m->out_of_memory) return;
    size_t at = 0;
    for (size_t i = 0; i < m->tensor_count; i++) {
        tensor *t = &m->tensors[i];
        if (t->dims == 0) {
            t->steps = steps++;
        } else if (m->is_statistic[i]) {
            t->data = statistics;
            statistics += aligned_count(t);
        } else {
            t->data = m->parameters + at;
            t->grad = m->gradients ? m->gradients + at : NULL;
            t->momentum = m->momenta ? m->momenta + at : NULL;
            at += aligned_count(t);
        }
    }
}

// --- Nodes ---------------------------------------------------------------------------------------

static size_t assign_conv(model *m, node *n) {
    const size_t bytes = conv_packed_size(&n->conv) * sizeof(float);
    n->packed_forward = model_memory(m, bytes);
    if (m->shape.training && n->in != 0) n->packed_backward = model_memory(m, bytes);
    return conv_partial_size(&n->conv);
}

static void assign_norm(model *m, node *n) {
    const map_shape shape = m->values[n->in].shape;
    const int images = m->shape.training ? m->shape.max_batch : 0;
    float *buffers = model_memory(m, norm_buffer_size(shape, images) * sizeof(float));
    if (!buffers) return;
    norm_set_buffers(&n->norm, shape, buffers);
    const tensor *t = &m->tensors[n->first_tensor];
    n->norm.weight = t[0].data;
    n->norm.bias = t[1].data;
    n->norm.running_mean = t[2].data;
    n->norm.running_var = t[3].data;
    n->norm.steps = t[4].steps;
    n->norm.grad_weight = t[0].grad;
    n->norm.grad_bias = t[1].grad;
}

static void assign_head(model *m) {
    const map_shape last = m->values[m->value_count - 1].shape;
    const tensor *weight = &m->tensors[m->tensor_count - 2];
    const size_t bytes = (size_t)m->shape.max_batch * map_padded(last) * sizeof(float);
    m->features = model_memory(m, bytes);
    if (m->shape.training) m->grad_features = model_memory(m, bytes);
    m->linear = (linear){.features = last.channels,
                         .classes = m->shape.classes,
                         .feature_step = map_padded(last),
                         .weight = weight[0].data,
                         .bias = weight[1].data,
                         .grad_weight = weight[0].grad,
                         .grad_bias = weight[1].grad};
}

void assign_buffers(model *m) {
    assign_tensors(m);
    if (m->shape.training)
        assign_values_kept(m);
    else
        assign_values_in_turns(m);
    if (m->shape.training) assign_gradients(m);
    size_t partial = 0;
    for (int k = 0; k < m->node_count; k++) {
        if (m->nodes[k].kind == NODE_NORM) {
            assign_norm(m, &m->nodes[k]);
        } else {
            const size_t size = assign_conv(m, &m->nodes[k]);
            if (size > partial) partial = size;
        }
    }
    if (m->shape.training) m->partial = model_memory(m, partial * sizeof(float));
    assign_head(m);
}
