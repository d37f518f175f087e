// Inside a model: values (feature maps), the nodes that make them, and the parameters. The
// networks' files (resnet.c, wrn.c) describe themselves with the functions at the end; buffers.c
// gives every value its memory; passes.c carries the nodes out.
#ifndef DISTILL_GRAPH_H
#define DISTILL_GRAPH_H

#include "net/batchnorm.h"
#include "net/conv.h"
#include "net/head.h"
#include "net/kernels.h"
#include "net/model.h"
#include "net/model_speed.h"

enum {
    MAX_NODES = 256, // resnet110 has 222
    MAX_VALUES = MAX_NODES + 1,
    MAX_TENSORS = 768, // resnet110 has 668
    NAME_SIZE = 48,
    // A batch is cut into so many pieces, whatever the number of threads.
    CHUNKS = 16,
    NONE = -1
};

typedef enum {
    NODE_CONV, // out = conv(in) [+ add]
    NODE_NORM  // out = norm(in) [+ add] [, relu]
} node_kind;

typedef struct {
    node_kind kind;
    int in;
    int add; // NONE, or a value that this node is the last to read
    int out;
    // NODE_CONV
    conv conv;
    int weight; // tensor
    float *packed_forward;
    float *packed_backward; // NULL where no gradient of the input is wanted
    // NODE_NORM
    norm norm;
    int first_tensor; // weight, bias, running_mean, running_var, num_batches_tracked
    bool relu;
    // Backward: the buffers of the values' gradients.
    float *grad_out;
    float *grad_in;
    bool accumulate; // add to what grad_in holds
} node;

typedef struct {
    map_shape shape;
    float *data;  // one map for every slot
    int producer; // node, NONE for the images
    int norm;     // node that normalises it, or NONE
    int last_use; // node
} value;

typedef struct allocation allocation;

struct model {
    model_shape shape;
    const kernels *kernels;
    int slots; // maps per value: max_batch, or CHUNKS for a model that is not trained
    node nodes[MAX_NODES];
    int node_count;
    value values[MAX_VALUES];
    int value_count;
    tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][NAME_SIZE];
    bool is_statistic[MAX_TENSORS]; // not learned: running_*, num_batches_tracked
    size_t tensor_count;
    bool fc_bias_random; // as PyTorch starts it; otherwise 0
    // One array each for all tensors, in their order.
    float *parameters;
    float *gradients;
    float *momenta;
    size_t parameter_count;
    linear linear;
    float *features; // [max_batch][padded channels]
    float *grad_features;
    float *partial; // of a convolution's gradient
    float *grad_last;
    int count; // images of the last forward in training mode, 0 when there was none
    bool profiling;
    model_times times;
    allocation *allocations;
    bool out_of_memory;
};

// --- To describe a network -----------------------------------------------------------------------
// Parameters are made in the order of the state_dict, nodes in the order of computation. A prefix
// ends with a dot or is empty: "layer1.0." and "conv1" make "layer1.0.conv1.weight".

// The first value: the images.
void graph_images(model *m);

int graph_conv_weight(model *m, const char *prefix, const char *name, int in, int out, int kernel);
int graph_norm_tensors(model *m, const char *prefix, const char *name, int channels);

int graph_conv(model *m, int weight, int in, int stride, int add);
int graph_norm(model *m, int tensors, int in, int add, bool relu);

// Pooling and the linear layer "fc" on the last value.
void graph_head(model *m);

static inline int graph_channels(const model *m, int v) {
    return m->values[v].shape.channels;
}

void resnet_build(model *m, int depth, const int channels[4]);
void wrn_build(model *m, int depth, const int channels[4]);

// --- The model's other parts ---------------------------------------------------------------------

// Memory, zeroed, 64-byte aligned, freed with the model. NULL and m->out_of_memory when there is
// none.
void *model_memory(model *m, size_t bytes);

// Gives every value, gradient and node its memory.
void assign_buffers(model *m);

void pass_forward(model *m, const float *images, int count, bool training, float *logits);
void pass_backward(model *m, const float *grad_logits);

#endif
