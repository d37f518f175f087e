// The trainer's loss: what the command line asks for, computed by libgdkd. Only criterion.c and
// losses.c see gdkd.h.
#ifndef DISTILL_CRITERION_H
#define DISTILL_CRITERION_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// What they are: losses.c.
typedef enum {
    LOSS_CE,
    LOSS_KD,
    LOSS_DKD,
    LOSS_DKD_TOP1,
    LOSS_GDKD,
    LOSS_GDKD_BOTTOM,
    LOSS_GDKD3,
    LOSS_GDKD_AUTOK,
    LOSS_GDKD_AUTOW,
    LOSS_LSKD,
    LOSS_LS_GDKD,
    LOSS_SKD,
    LOSS_ADKD,
    LOSS_DIST,
    LOSS_KINDS
} loss_kind;

extern const char *const loss_names[LOSS_KINDS + 1]; // "ce", "kd" ..., ended by NULL

// The names of what the members below choose, ended by NULL.
extern const char *const kl_names[], *const standardize_names[], *const mass_names[];

// A NaN, a choice of -1, a k or k_max of 0 stand for the loss's own default: criterion_defaults.
typedef struct {
    int kind; // loss_kind
    double temperature;
    double teacher_temperature; // 0: the same
    int kl;                     // the divergence of the low terms, by its place in kl_names
    int k;
    const char *k_file;  // a k for each class in place of it, or NULL
    double k_ratio;      // gdkd-autok, as in gdkd.h
    int k_max;           // likewise; from the number of classes on: no limit
    double w0, w1, w2;   // weights of high, top and other
    double alpha, beta;  // DKD: weights of high and other
    double gamma;        // ADKD: of other; of high it is alpha
    double inter, intra; // DIST: of its correlations
    int mass;        // gdkd-autow: which terms the teacher's mass scales, by place in mass_names
    int standardize; // ls-gdkd: what is standardised, by place in standardize_names
    const char *class_weights; // adkd: a file with a weight for each class, or NULL: all 1
    const char *groups; // skd: a file with a 0 for each class that takes part, a 1 for each other
    double warmup;      // epochs until the distillation has its full weight; 0: from the start
    double ce_weight;   // of the cross-entropy
    double kd_weight;   // of the distillation
    unsigned long checksum; // of these files
    bool of_100_classes; // k or a weight is a default that was made for another number of classes
} loss_settings;

// Fills in what was left open (a second time: nothing), for a run of so many epochs. Sources:
// losses.c. With up to 20 classes k and the weights are smaller than there: they are then those of
// examples/README.md.
void criterion_defaults(loss_settings *s, int epochs, int classes);

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

// What a term is multiplied with in the total, after the warm-up; 0 where a loss has no such term.
// TERM_TOTAL has 1; TERM_KD is a part of its own in KD alone, elsewhere its parts are.
double criterion_weight(const loss_settings *s, loss_term term);

typedef struct criterion criterion;

typedef enum { TEACHER_F32, TEACHER_F16 } teacher_type;

// A workspace for batches of up to `rows` images is made here, once. NULL on failure.
criterion *criterion_create(const loss_settings *s, int rows, int classes, teacher_type type,
                            error_line *e);
void criterion_free(criterion *c);

bool criterion_needs_teacher(const loss_settings *s);

// Loss and gradient of a batch in one call. student, teacher and grad: [rows][classes]; teacher,
// whose numbers are of the type that was given above, may be NULL when it is not needed, grad when
// the loss alone is wanted. epoch counts from 1: the distillation weighs min(epoch / warmup, 1) as
// in the reference. Fails when the loss is not finite.
bool criterion_apply(criterion *c, const float *student, const void *teacher, const int64_t *target,
                     int rows, int epoch, float *grad, double terms[TERMS], error_line *e);

// "0.1.0" and "avx2": what libgdkd says of itself.
const char *criterion_library_version(void);
const char *criterion_library_isa(void);

#endif
