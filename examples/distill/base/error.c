#include "base/error.h"

#include "base/escape.h"

#include <stdio.h>

static bool fill(error_line *e, int status, const char *format, va_list arguments) {
    char text[sizeof e->text];
    e->status = status;
    e->unread = false;
    vsnprintf(text, sizeof text, format, arguments);
    escape_text(e->text, sizeof e->text, text);
    return false;
}

bool error_set(error_line *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(e, EXIT_RUNTIME, format, arguments);
    va_end(arguments);
    return false;
}

bool error_usage(error_line *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(e, EXIT_USAGE, format, arguments);
    va_end(arguments);
    return false;
}

bool error_interrupted(error_line *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(e, EXIT_INTERRUPTED, format, arguments);
    va_end(arguments);
    return false;
}

bool error_prefix(error_line *e, const char *where) {
    const error_line inner = *e;
    error_set(e, "%s: %s", where, inner.text);
    e->status = inner.status;
    e->unread = inner.unread;
    return false;
}

bool error_memory(error_line *e, const char *what) {
    return error_unread(e, "not enough memory for %s", what);
}

bool error_unread(error_line *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fill(e, EXIT_RUNTIME, format, arguments);
    va_end(arguments);
    e->unread = true;
    return false;
}

void note_arguments(const char *format, va_list arguments) {
    error_line line;
    fill(&line, 0, format, arguments);
    fprintf(stderr, "%s\n", line.text);
}

void note_line(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note_arguments(format, arguments);
    va_end(arguments);
}
