// Ctrl-C and SIGTERM: asked for after every batch; a second one ends the program at once.
#ifndef DISTILL_STOP_H
#define DISTILL_STOP_H

#include <stdbool.h>

void stop_on_signals(void);
bool stop_requested(void);

#endif
