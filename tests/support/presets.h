// One list of the losses, for tests that go through all of them.
#ifndef GDKD_TESTS_PRESETS_H
#define GDKD_TESTS_PRESETS_H

#include "problem.h"

typedef struct loss_preset {
    const char *name;
    gdkd_config config;
} loss_preset;

enum { LOSS_PRESETS = 35 + 3 };

// By the library's presets, at T = 2: each loss, the general partitions under reverse and symmetric
// KL, and what no preset sets. Aborts if one of them is refused.
const loss_preset *loss_presets(void);

// What the config needs beside logits: targets (row r: class r % C), groups, tables.
void preset_inputs(problem *p);

#endif
