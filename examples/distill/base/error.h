// One failure, told in one line. A function that can fail takes an error_line and returns false
// after filling it in; main() prints it. Nothing else writes to stderr on failure, so a failed run
// says exactly one thing; but a folder of images lists all that cannot be read, in lines before it.
#ifndef DISTILL_ERROR_H
#define DISTILL_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

typedef struct {
    int status;  // of the process: EXIT_RUNTIME, EXIT_USAGE or EXIT_INTERRUPTED
    bool unread; // says nothing about a file's content: it could not be read, or memory was short
    char text[1024];
} error_line;

// Both always return false, so that `return error_set(e, ...)` reads well. Control characters (a
// file name can hold a newline) and bytes that are no UTF-8 are escaped; text beyond the buffer is
// cut.
bool error_set(error_line *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_usage(error_line *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_interrupted(error_line *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Puts "WHERE: " before the text.
bool error_prefix(error_line *e, const char *where);

// "not enough memory ..." with what it was for.
bool error_memory(error_line *e, const char *what);

// For a file that could not be read to its end: whatever it holds may be good.
bool error_unread(error_line *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A line on stderr that is no failure, escaped and cut as those are.
void note_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void note_arguments(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#endif
