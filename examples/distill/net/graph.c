#include "net/graph.h"

#include <stdio.h>

// data stays NULL until assign_buffers.
static int add_tensor(model *m, const char *prefix, const char *name, const char *suffix, int dims,
                      const int *shape) {
    tensor *t = &m->tensors[m->tensor_count];
    char *full = m->names[m->tensor_count];
    snprintf(full, NAME_SIZE, "%s%s.%s", prefix, name, suffix);
    *t = (tensor){.name = full, .dims = dims, .count = 1};
    for (int i = 0; i < dims; i++) {
        t->shape[i] = (size_t)shape[i];
        t->count *= t->shape[i];
    }
    return (int)m->tensor_count++;
}

void graph_images(model *m) {
    m->values[0] = (value){.shape = {m->shape.channels, m->shape.height, m->shape.width},
                           .producer = NONE,
                           .norm = NONE};
    m->value_count = 1;
}

int graph_conv_weight(model *m, const char *prefix, const char *name, int in, int out, int kernel) {
    return add_tensor(m, prefix, name, "weight", 4, (int[]){out, in, kernel, kernel});
}

int graph_norm_tensors(model *m, const char *prefix, const char *name, int channels) {
    const int first = add_tensor(m, prefix, name, "weight", 1, &channels);
    add_tensor(m, prefix, name, "bias", 1, &channels);
    m->is_statistic[add_tensor(m, prefix, name, "running_mean", 1, &channels)] = true;
    m->is_statistic[add_tensor(m, prefix, name, "running_var", 1, &channels)] = true;
    m->is_statistic[add_tensor(m, prefix, name, "num_batches_tracked", 0, NULL)] = true;
    return first;
}

static node *add_node(model *m, node_kind kind, int in, int add, map_shape out) {
    const int k = m->node_count++;
    m->values[in].last_use = k;
    if (add != NONE) m->values[add].last_use = k;
    m->values[m->value_count] = (value){.shape = out, .producer = k, .norm = NONE, .last_use = k};
    m->nodes[k] = (node){.kind = kind, .in = in, .add = add, .out = m->value_count++};
    return &m->nodes[k];
}

int graph_conv(model *m, int weight, int in, int stride, int add) {
    const tensor *w = &m->tensors[weight];
    const conv c = conv_make(m->values[in].shape, (int)w->shape[0], (int)w->shape[2], stride);
    node *n = add_node(m, NODE_CONV, in, add, c.out);
    n->conv = c;
    n->weight = weight;
    return n->out;
}

int graph_norm(model *m, int tensors, int in, int add, bool relu) {
    node *n = add_node(m, NODE_NORM, in, add, m->values[in].shape);
    n->first_tensor = tensors;
    n->relu = relu;
    m->values[in].norm = m->node_count - 1;
    return n->out;
}

void graph_head(model *m) {
    const int features = graph_channels(m, m->value_count - 1);
    add_tensor(m, "", "fc", "weight", 2, (int[]){m->shape.classes, features});
    add_tensor(m, "", "fc", "bias", 1, &m->shape.classes);
}
