// What a run says on stderr while it goes: a bar on a terminal, a line per epoch otherwise, nothing
// when quiet.
#ifndef DISTILL_PROGRESS_H
#define DISTILL_PROGRESS_H

#include <stdbool.h>

typedef struct {
    const char *label; // "gdkd seed 2"
    bool quiet, terminal;
    int epochs, batches;
    int resumed;           // batches of all epochs that were done before, in no time
    double begun, painted; // seconds
} progress;

void progress_begin(progress *p, const char *label, int epochs, int batches, bool quiet);

// `done_batches` of `epoch` (from 1) are done. Repaints ten times a second at most.
void progress_update(progress *p, int epoch, int done_batches, double loss, double top1);

// "testing" in the bar's place.
void progress_testing(progress *p, int epoch);

// Wipes the bar and prints a line that stays.
void progress_line(progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Wipes the bar.
void progress_end(progress *p);

// The bar's text, at most `columns` characters, in `text` of size columns + 1; for progress_update
// and the tests.
void progress_format(const progress *p, int epoch, int done_batches, double loss, double top1,
                     double elapsed, int columns, char *text);

#endif
