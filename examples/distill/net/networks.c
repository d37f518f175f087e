// The networks by name: what help and messages list is what model_create builds.
#include "net/graph.h"

#include <string.h>

const network networks[] = {
    {"resnet8", 8, {16, 16, 32, 64}, resnet_build},
    {"resnet14", 14, {16, 16, 32, 64}, resnet_build},
    {"resnet20", 20, {16, 16, 32, 64}, resnet_build},
    {"resnet32", 32, {16, 16, 32, 64}, resnet_build},
    {"resnet44", 44, {16, 16, 32, 64}, resnet_build},
    {"resnet56", 56, {16, 16, 32, 64}, resnet_build},
    {"resnet110", 110, {16, 16, 32, 64}, resnet_build},
    {"resnet8x4", 8, {32, 64, 128, 256}, resnet_build},
    {"resnet32x4", 32, {32, 64, 128, 256}, resnet_build},
    {"wrn_16_1", 16, {16, 16, 32, 64}, wrn_build},
    {"wrn_16_2", 16, {16, 32, 64, 128}, wrn_build},
    {"wrn_40_1", 40, {16, 16, 32, 64}, wrn_build},
    {"wrn_40_2", 40, {16, 32, 64, 128}, wrn_build},
    {0},
};
_Static_assert(sizeof networks / sizeof *networks <= MAX_NETWORKS, "MAX_NETWORKS is too small");

const network *network_find(const char *name) {
    for (const network *n = networks; n->name; n++)
        if (strcmp(n->name, name) == 0) return n;
    return NULL;
}
