// Every loss that the trainer knows: a row of one table each, which parsing, help, defaults,
// reports and the call of libgdkd follow.
#ifndef DISTILL_LOSSES_H
#define DISTILL_LOSSES_H

#include "train/criterion.h"

#include <gdkd.h>

// What a loss has a use for. The kind and the weight of the cross-entropy matter to all of them.
enum {
    USE_TEACHER = 1 << 0, // temperature, warm-up, weight of the distillation
    USE_KL = 1 << 1,      // the divergence, and a temperature of the teacher's own
    USE_K = 1 << 2,
    USE_K_RATIO = 1 << 3, // ratio and limit of a k that is found
    USE_W0 = 1 << 4,
    USE_W12 = 1 << 5,
    USE_ALPHA = 1 << 6,
    USE_BETA = 1 << 7,
    USE_GAMMA = 1 << 8,
    USE_MASS = 1 << 9,
    USE_STANDARDIZE = 1 << 10,
    USE_CLASS_WEIGHTS = 1 << 11,
    USE_GROUPS = 1 << 12,
    USE_CORRELATIONS = 1 << 13,
};

// A default that stands in the table; 0 where a loss has no use for it.
typedef struct {
    double temperature, ce_weight, kd_weight;
    double w1, w2, beta; // of 100 classes, as their authors have them
    double gamma, inter, intra;
    int k;
    bool warmup; // 20 of 240 epochs
} loss_defaults;

typedef struct {
    const char *name, *help; // what it is, and where it comes from
    unsigned uses;
    int first; // the group of the term `top`; that of `other` follows
    // Which members of loss_settings weigh the terms; 0 (the kind) for a term that the loss has
    // not. NO_PARTS: all of the loss is one term.
    size_t high, top, other;
    gdkd_status (*configure)(gdkd_config *c, const loss_settings *s); // NULL: gdkd_dist has it
    loss_defaults defaults;
} loss_method;

extern const loss_method loss_methods[LOSS_KINDS];

#endif
