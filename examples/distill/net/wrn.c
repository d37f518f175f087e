// Wide ResNet (Zagoruyko and Komodakis 2016) with the names of the reference's state_dict. (The
// reference's forward runs three of its norms a second time for features that only other losses
// use, which moves their running statistics twice per step; here they move once, as in the paper.)
#include "net/graph.h"

#include <stdio.h>

// x + conv2(relu(bn2(conv1(relu(bn1(x)))))). Where the number of channels changes, the shortcut is
// a 1x1 convolution of relu(bn1(x)), not of x.
static int basic_block(model *m, const char *prefix, int x, int channels, int stride) {
    const int in = graph_channels(m, x);
    const int bn1 = graph_norm_tensors(m, prefix, "bn1", in);
    const int conv1 = graph_conv_weight(m, prefix, "conv1", in, channels, 3);
    const int bn2 = graph_norm_tensors(m, prefix, "bn2", channels);
    const int conv2 = graph_conv_weight(m, prefix, "conv2", channels, channels, 3);

    const int active = graph_norm(m, bn1, x, NONE, true);
    int out = graph_conv(m, conv1, active, stride, NONE);
    if (in != channels) {
        const int weight = graph_conv_weight(m, prefix, "convShortcut", in, channels, 1);
        x = graph_conv(m, weight, active, stride, NONE);
    }
    out = graph_norm(m, bn2, out, NONE, true);
    return graph_conv(m, conv2, out, 1, x);
}

void wrn_build(model *m, int depth, const int channels[4]) {
    const int blocks = (depth - 4) / 6;
    const int conv1 = graph_conv_weight(m, "", "conv1", m->shape.channels, channels[0], 3);
    int x = graph_conv(m, conv1, 0, 1, NONE);
    for (int block = 1; block <= 3; block++)
        for (int b = 0; b < blocks; b++) {
            char prefix[NAME_SIZE];
            snprintf(prefix, sizeof prefix, "block%d.layer.%d.", block, b);
            x = basic_block(m, prefix, x, channels[block], block > 1 && b == 0 ? 2 : 1);
        }
    const int bn1 = graph_norm_tensors(m, "", "bn1", graph_channels(m, x));
    graph_norm(m, bn1, x, NONE, true);
    graph_head(m);
    m->fc_bias_random = false;
}
