// Everything that a command line can say, in one structure, and the table that reads it.
#ifndef DISTILL_SETTINGS_H
#define DISTILL_SETTINGS_H

#include "app/options.h"
#include "train/criterion.h"

#include <stdint.h>

enum {
    COMMAND_TRAIN = 1 << 0,
    COMMAND_DISTILL = 1 << 1,
    COMMAND_COMPARE = 1 << 2,
    COMMAND_EVAL = 1 << 3,
    COMMAND_SPEED = 1 << 4,
    COMMAND_DATA = 1 << 5,
    COMMAND_REPORT = 1 << 6,
};

typedef struct {
    unsigned command;         // COMMAND_TRAIN ...
    const char *command_name; // for messages
    const bool *given;        // per place of settings_options: the command line names it
    const char *config, *preset;
    const char *data, *model, *weights, *logits, *out, *log;
    const char *teacher, *teacher_model, *teacher_logits;
    const char *losses, *seeds, *out_dir;
    const char *report; // where the page goes, NULL: into the first folder
    word_list runs;     // report: folders and facts
    int epochs, teacher_epochs, batch, threads, limit, student_limit, image_size;
    uint64_t seed;
    int schedule; // schedule_kind
    double lr, lr_min, momentum, weight_decay;
    double teacher_memory; // MB
    loss_settings loss;
    int split; // 0: the training images; 1: the test images
    bool quiet, resume, list;
} settings;

extern const option settings_options[];

// Every variable as it is before defaults and options: unset.
void settings_init(settings *s);

// Reads the arguments behind the name of the command, s->command. Texts point into *p, which is to
// be freed after use. p->help is set when help is asked for.
bool settings_parse(settings *s, option_parser *p, int argc, char **argv, error_line *e);

// Which setting of the loss an option is: its offset in loss_settings, or -1 for other options.
ptrdiff_t settings_of_loss(const option *o);

// Says on stderr which options of the command line none of these losses has a use for.
void settings_tell_unused(const settings *s, const loss_kind *losses, int count);

// Makes a setting of the loss unset that none of these losses has a use for.
void settings_forget_unused(settings *s, const loss_kind *losses, int count);

// What the table cannot say: that the models exist.
bool settings_check(const settings *s, error_line *e);

#endif
