// The networks of the trainer: CIFAR ResNets and Wide ResNets, forward, backward and the update, on
// the CPU.
//
// A model owns its parameters, its running statistics, its gradients and every buffer that a batch
// of up to max_batch images needs; nothing is allocated after model_create.
#ifndef DISTILL_MODEL_H
#define DISTILL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct model model;

typedef struct {
    int channels; // of an image
    int height;
    int width;
    int classes;
    int max_batch; // images that one call may carry
    bool
        training; // false: no gradients, less memory; model_backward and model_step are not allowed
} model_shape;

enum { TENSOR_MAX_DIMS = 4 };

// One entry of the state_dict, with PyTorch's name.
typedef struct {
    const char *name; // "layer1.0.conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked"
    int dims;         // 0 for the scalar num_batches_tracked
    size_t shape[TENSOR_MAX_DIMS];
    size_t count;    // elements; 1 for a scalar
    float *data;     // NULL where steps is used
    int64_t *steps;  // num_batches_tracked, otherwise NULL
    float *grad;     // NULL for running statistics and for models without training
    float *momentum; // like grad
} tensor;

// NULL when the name is unknown or the memory does not suffice; *error then points to a static
// sentence.
model *model_create(const char *name, const model_shape *shape, const char **error);
void model_free(model *m);

// A network that model_create knows.
typedef struct {
    const char *name;
    int depth;       // layers with weights, as its authors count them
    int channels[4]; // of the first convolution, and of the three stages
    void (*build)(model *m, int depth, const int channels[4]);
} network;

enum { MAX_NETWORKS = 64 };
extern const network networks[];               // ended by one without a name
const network *network_find(const char *name); // NULL when no network has this name

// He initialisation as the reference does it; the same seed gives the same weights on every
// machine.
void model_init(model *m, uint64_t seed);

// images [count][channels][height][width], logits [count][classes]. Training mode normalises with
// the batch's own statistics and updates the running ones; otherwise the running ones are used.
void model_forward(model *m, const float *images, int count, bool training, float *logits);

// Gradients of every parameter for the last model_forward(training = true); grad_logits
// [count][classes]. Overwrites the gradients of the step before.
void model_backward(model *m, const float *grad_logits);

// SGD as PyTorch's: g += weight_decay * w; momentum = mu * momentum + g; w -= lr * momentum.
void model_step(model *m, float lr, float mu, float weight_decay);

// The state_dict, in PyTorch's order.
size_t model_tensors(const model *m, const tensor **tensors);

#endif
