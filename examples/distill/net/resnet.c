// ResNet for CIFAR (He et al. 2015, section 4.2) with the names of the reference's state_dict.
#include "net/graph.h"

#include <stdio.h>

// relu(bn2(conv2(relu(bn1(conv1(x))))) + x), x going through a 1x1 convolution where the shape
// changes.
static int basic_block(model *m, const char *prefix, int x, int channels, int stride) {
    const int in = graph_channels(m, x);
    const bool downsample = stride != 1 || in != channels;
    const int conv1 = graph_conv_weight(m, prefix, "conv1", in, channels, 3);
    const int bn1 = graph_norm_tensors(m, prefix, "bn1", channels);
    const int conv2 = graph_conv_weight(m, prefix, "conv2", channels, channels, 3);
    const int bn2 = graph_norm_tensors(m, prefix, "bn2", channels);

    int out = graph_conv(m, conv1, x, stride, NONE);
    out = graph_norm(m, bn1, out, NONE, true);
    out = graph_conv(m, conv2, out, 1, NONE);
    if (downsample) {
        const int weight = graph_conv_weight(m, prefix, "downsample.0", in, channels, 1);
        const int bn = graph_norm_tensors(m, prefix, "downsample.1", channels);
        x = graph_norm(m, bn, graph_conv(m, weight, x, stride, NONE), NONE, false);
    }
    return graph_norm(m, bn2, out, x, true);
}

void resnet_build(model *m, int depth, const int channels[4]) {
    const int blocks = (depth - 2) / 6;
    const int conv1 = graph_conv_weight(m, "", "conv1", m->shape.channels, channels[0], 3);
    const int bn1 = graph_norm_tensors(m, "", "bn1", channels[0]);
    int x = graph_norm(m, bn1, graph_conv(m, conv1, 0, 1, NONE), NONE, true);
    for (int layer = 1; layer <= 3; layer++)
        for (int b = 0; b < blocks; b++) {
            char prefix[NAME_SIZE];
            snprintf(prefix, sizeof prefix, "layer%d.%d.", layer, b);
            x = basic_block(m, prefix, x, channels[layer], layer > 1 && b == 0 ? 2 : 1);
        }
    graph_head(m);
    m->fc_bias_random = true;
}
