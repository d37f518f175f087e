// Everything that a command line can say, in one structure, and the table that reads it.
#ifndef DISTILL_SETTINGS_H
#define DISTILL_SETTINGS_H

#include "criterion.h"
#include "options.h"

#include <stdint.h>

enum {
    COMMAND_TRAIN = 1 << 0,
    COMMAND_DISTILL = 1 << 1,
    COMMAND_COMPARE = 1 << 2,
    COMMAND_EVAL = 1 << 3,
    COMMAND_SPEED = 1 << 4,
    COMMAND_REPORT = 1 << 5,
};

typedef struct {
    const char *data, *model, *weights, *logits, *out, *log;
    const char *teacher, *teacher_model;
    const char *losses, *seeds, *out_dir;
    const char *report; // where the page goes, NULL: into the first folder
    word_list runs;     // report: folders and facts
    int epochs, teacher_epochs, batch, threads, limit;
    uint64_t seed;
    int schedule; // schedule_kind
    double lr, lr_min, momentum, weight_decay;
    loss_settings loss;
    bool quiet, resume;
} settings;

extern const option settings_options[];

// Every variable as it is before defaults and options: unset.
void settings_init(settings *s);

// What the table cannot say: that the models exist.
bool settings_check(const settings *s, error_line *e);

#endif
