// The losses, for who asks for help.
#ifndef DISTILL_LOSSES_HELP_H
#define DISTILL_LOSSES_HELP_H

#include <stdio.h>

// A line for each: its name and its help, for a terminal of 80 columns.
void losses_help(FILE *out);

#endif
