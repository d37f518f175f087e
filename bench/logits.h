// The logits that are measured on, and the element types.
#ifndef BENCH_LOGITS_H
#define BENCH_LOGITS_H

#include <stdint.h>

#include "shape.h"

typedef enum {
    LOGITS_NORMAL,  // student and teacher independent, normal with deviation 3
    LOGITS_PEAKED,  // one class of each row 12 (teacher) and 8 (student) above noise of deviation 1
    LOGITS_NEAR,    // the student is the teacher of NORMAL plus noise of deviation 0.1
    LOGITS_WIDE,    // independent, deviation 30: nearly all probabilities are 0
    LOGITS_COUNTED, // as NORMAL, from another generator: what instructions.sh counts on
    LOGITS_KINDS
} logits_kind;
extern const char *const logits_names[LOGITS_KINDS];
extern const char *const logits_descriptions[LOGITS_KINDS];

extern const char *const dtype_names[4]; // by GDKD_F32, GDKD_F64, GDKD_BF16, GDKD_F16
extern const int dtype_bytes[4];

uint64_t logits_seed(logits_kind kind);

// Fills both arrays ([outer][classes][inner], of the dtype) from that seed, the same each time.
void fill_logits(logits_kind kind, const bench_shape *shape, int32_t dtype, void *student,
                 void *teacher);

#endif
