// The trainer's loss: what the command line asks for, computed by libgdkd. The only file of the
// trainer that sees gdkd.h.
#ifndef DISTILL_CRITERION_H
#define DISTILL_CRITERION_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef enum { LOSS_CE, LOSS_KD, LOSS_DKD, LOSS_GDKD, LOSS_GDKD3, LOSS_KINDS } loss_kind;

extern const char *const loss_names[LOSS_KINDS + 1]; // "ce", "kd" ..., ended by NULL

// A NaN, or a k of 0, stands for the loss's own default: criterion_defaults.
typedef struct {
    int kind; // loss_kind
    double temperature;
    int k;
    double w0, w1, w2;  // GDKD, GDKD3: weights of high, top and other
    double alpha, beta; // DKD: weights of high and other
    double warmup;      // epochs until the distillation has its full weight; 0: from the start
    double ce_weight;   // of the cross-entropy
    double kd_weight;   // of the distillation
} loss_settings;

// Fills in what was left open. Sources: ZaberKo/GDKD, mdistiller/engine/cfg.py.
void criterion_defaults(loss_settings *s);

// Whether a loss has a use for the member of loss_settings at this offset.
bool criterion_uses(loss_kind kind, size_t member);

// The settings that matter to the loss, as "T 4, k 5, w 1 1 8, warm-up 20, ce 1, kd 1".
void criterion_describe(const loss_settings *s, char *text, int size);

// Means over the images, before the weights, the factor T^2 included; NaN where a loss has no such
// term.
//     total = ce_weight ce + warm-up factor kd_weight kd
//     kd    = T^2 KL for KD, alpha high + beta other for DKD, w0 high + w1 top + w2 other for GDKD
//     and GDKD3
typedef enum { TERM_TOTAL, TERM_CE, TERM_KD, TERM_HIGH, TERM_TOP, TERM_OTHER, TERMS } loss_term;
extern const char *const term_names[TERMS]; // "loss", "ce", "kd", "high", "top", "other"

typedef struct criterion criterion;

typedef enum { TEACHER_F32, TEACHER_F16 } teacher_type;

// A workspace for batches of up to `rows` images is made here, once. NULL on failure.
criterion *criterion_create(const loss_settings *s, int rows, int classes, teacher_type type,
                            error_line *e);
void criterion_free(criterion *c);

bool criterion_needs_teacher(const loss_settings *s);

// Loss and gradient of a batch in one call. student, teacher and grad: [rows][classes]; teacher,
// whose numbers are of the type that was given above, may be NULL when it is not needed, grad when
// the loss alone is wanted. epoch counts from 1: the distillation weighs min(epoch / warmup, 1) as in the reference. Fails when the loss is not finite.
bool criterion_apply(criterion *c, const float *student, const void *teacher, const int64_t *target,
                     int rows, int epoch, float *grad, double terms[TERMS], error_line *e);

// "0.1.0" and "avx2": what libgdkd says of itself.
const char *criterion_library_version(void);
const char *criterion_library_isa(void);

#endif
