// The subcommands. Each prints its results on stdout and returns false with one line otherwise.
#ifndef DISTILL_COMMANDS_H
#define DISTILL_COMMANDS_H

#include "app/settings.h"

bool command_train(const settings *s, error_line *e); // train and distill: the loss says which
bool command_compare(const settings *s, error_line *e);
bool command_eval(const settings *s, error_line *e);
bool command_data(const settings *s, error_line *e);
bool command_speed(const settings *s, error_line *e);
bool command_report(const settings *s, error_line *e);

#endif
