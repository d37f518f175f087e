// A small call in which every input is used by something: the ground that faults are put into.
#ifndef GDKD_TESTS_FIXTURE_H
#define GDKD_TESTS_FIXTURE_H

#include "problem.h"

enum { OUTER = 3, CLASSES = 5, INNER = 2, ROWS = OUTER * INNER, COUNT = ROWS * CLASSES };

// A call in which every input is used by something.
typedef struct fixture {
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    float student[COUNT + 8];
    float teacher[COUNT + 8];
    float grad[COUNT + 8];
    double row_loss[ROWS];
    int64_t target[ROWS];
    int64_t k_table[ROWS > CLASSES ? ROWS : CLASSES];
    uint8_t groups[COUNT];
    double low_weight[ROWS];
    double row_weight[ROWS];
} fixture;

void fixture_init(fixture *f);
gdkd_status fixture_run(fixture *f); // gdkd_loss without a workspace

// What a fault needs to matter: a rule that reads the field at fault.
typedef enum variant {
    PLAIN,
    PER_ROW_K,
    PER_CLASS_K,
    BY_RATIO,
    BY_MASS,
    ONE_MAP,
    MAP_PER_ROW,
    TARGET_32
} variant;

void fixture_choose(fixture *f, variant v);

#endif
