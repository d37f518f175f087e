// Per pair: ZaberKo/GDKD, configs/cifar100/METHOD/PAIR.yaml. w1 and w2 are in gdkd/PAIR.yaml and,
// the same, in gdkd3/PAIR.yaml; beta is in dkd/PAIR.yaml and, the same, in megvii-research/
// mdistiller, configs/cifar100/dkd/PAIR.yaml. res32x4_res8x4 has no beta there: it keeps
// mdistiller/engine/cfg.py's 8.
//
// T 4, k 5 (gdkd3: 4), w0 1, alpha 1, a warm-up of 20 epochs and the weights of the cross-entropy
// are cfg.py's for all pairs, and the defaults of our losses (criterion_defaults).
//
// The authors' other pairs have networks that this program does not: res32x4_shuv1,
// res32x4_shuv2, res50_mv2, vgg13_mv2, vgg13_vgg8, wrn40_2_shuv1.
#include "app/presets.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *teacher, *student, *w1, *w2, *beta;
} pair;

// clang-format off
#define PAIRS(X)                                                                    \
    /* name               teacher       student      w1   w2   beta  PAIR.yaml  */  \
    X("res56-res20",      "resnet56",   "resnet20",  "1", "1", "2") /* res56_res20 */      \
    X("res110-res32",     "resnet110",  "resnet32",  "1", "1", "2") /* res110_res32 */     \
    X("res32x4-res8x4",   "resnet32x4", "resnet8x4", "2", "8", "8") /* res32x4_res8x4 */   \
    X("wrn40_2-wrn16_2",  "wrn_40_2",   "wrn_16_2",  "2", "6", "6") /* wrn40_2_wrn_16_2 */ \
    X("wrn40_2-wrn40_1",  "wrn_40_2",   "wrn_40_1",  "2", "6", "6") /* wrn40_2_wrn_40_1 */
// clang-format on

#define NAME(name, ...) name,
#define PAIR(name, ...) {__VA_ARGS__},
const char *const preset_names[] = {PAIRS(NAME) NULL};
static const pair pairs[] = {PAIRS(PAIR)};

// SOLVER of every PAIR.yaml; LR_DECAY_STAGES [150, 180, 210] of 240 epochs is our step schedule.
static const char *const solver[][2] = {
    {"epochs", "240"},    {"batch", "64"},     {"lr", "0.05"},
    {"schedule", "step"}, {"momentum", "0.9"}, {"weight-decay", "5e-4"},
};

static const struct {
    const char *option;
    size_t offset;
} columns[] = {
    {"teacher-model", offsetof(pair, teacher)},
    {"model", offsetof(pair, student)},
    {"w1", offsetof(pair, w1)},
    {"w2", offsetof(pair, w2)},
    {"beta", offsetof(pair, beta)},
};

const char *preset_value(int which, const char *option_name) {
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (strcmp(columns[i].option, option_name) == 0)
            return *(const char *const *)((const char *)&pairs[which] + columns[i].offset);
    for (size_t i = 0; i < sizeof solver / sizeof *solver; i++)
        if (strcmp(solver[i][0], option_name) == 0) return solver[i][1];
    return NULL;
}
