#include "train/progress.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MAX_COLUMNS = 160, MIN_BAR = 10, MAX_BAR = 40 };

// Asked at every repaint: the window may have changed.
static int terminal_columns(void) {
    struct winsize size;
    const int columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    // Three less: a character in the last column makes some terminals break the line, and Ctrl-C
    // leaves a ^C behind the text.
    return columns - 3 < MAX_COLUMNS ? columns - 3 : MAX_COLUMNS;
}

void progress_begin(progress *p, const char *label, int epochs, int batches, bool quiet) {
    const char *kind = getenv("TERM");
    const bool terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
    *p = (progress){.label = label,
                    .quiet = quiet,
                    .terminal = terminal && !quiet,
                    .epochs = epochs,
                    .batches = batches,
                    .begun = clock_seconds()};
}

static void format_time(double seconds, char *text, size_t size) {
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%ld:%02ld left", s / 60, s % 60);
}

// "  [####....]" of that many characters between the brackets, or nothing when they are too few.
static void format_bar(double done, int width, char bar[MAX_BAR + 5]) {
    if (width > MAX_BAR) width = MAX_BAR;
    bar[0] = '\0';
    if (width < MIN_BAR) return;
    const int full = (int)(width * done);
    memcpy(bar, "  [", 3);
    for (int i = 0; i < width; i++) bar[3 + i] = i < full ? '#' : '.';
    memcpy(bar + 3 + width, "]", 2);
}

void progress_format(const progress *p, int epoch, int done_batches, double loss, double top1,
                     double elapsed, int columns, char *text) {
    const double done = (double)(epoch - 1) * p->batches + done_batches - p->resumed,
                 all = (double)p->epochs * p->batches - p->resumed;
    char front[MAX_COLUMNS], numbers[80], left[40], bar[MAX_BAR + 5];
    format_time(elapsed / done * (all - done), left, sizeof left);
    snprintf(front, sizeof front, "%s epoch %d/%d", p->label, epoch, p->epochs);
    snprintf(numbers, sizeof numbers, "loss %.4f  acc %.2f %%", loss, top1);
    const int words = (int)(strlen(front) + strlen(numbers) + strlen(left)) + 4;
    // The bar takes what the words leave. Without room for one the label goes too: loss, accuracy
    // and time come first.
    format_bar((double)done_batches / p->batches, columns - words - 4, bar);
    if (words <= columns)
        snprintf(text, (size_t)columns + 1, "%s%s  %s  %s", front, bar, numbers, left);
    else
        snprintf(text, (size_t)columns + 1, "%d/%d  %s  %s", epoch, p->epochs, numbers, left);
}

static void repaint(progress *p, const char *text) {
    fprintf(stderr, "\r%s\033[K", text);
    fflush(stderr);
    p->painted = clock_seconds();
}

void progress_update(progress *p, int epoch, int done_batches, double loss, double top1) {
    char text[MAX_COLUMNS + 1];
    if (!p->terminal) return;
    const double now = clock_seconds();
    if (now - p->painted < 0.1) return;
    const int columns = terminal_columns();
    if (columns < 1) return;
    progress_format(p, epoch, done_batches, loss, top1, now - p->begun, columns, text);
    repaint(p, text);
}

void progress_testing(progress *p, int epoch) {
    char text[MAX_COLUMNS + 1];
    if (!p->terminal) return;
    const int columns = terminal_columns();
    if (columns < 1) return;
    snprintf(text, (size_t)columns + 1, "%s epoch %d/%d  testing", p->label, epoch, p->epochs);
    repaint(p, text);
}

void progress_line(progress *p, const char *format, ...) {
    if (p->quiet) return;
    progress_end(p);
    va_list arguments;
    va_start(arguments, format);
    note_arguments(format, arguments);
    va_end(arguments);
}

void progress_end(progress *p) {
    if (p->terminal) fputs("\r\033[K", stderr);
    p->painted = 0;
}
