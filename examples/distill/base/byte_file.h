// A file read from front to back, plain or gzipped, whose every failure names the file.
#ifndef DISTILL_BYTE_FILE_H
#define DISTILL_BYTE_FILE_H

#include "base/error.h"

#include <stddef.h>

typedef struct byte_file byte_file;

// Whether neither directory/name nor directory/name.gz is there. False too when nobody can say, in
// a folder that may not be read: byte_file_open has the words for that.
bool byte_file_missing(const char *directory, const char *name);

// Opens directory/name, or directory/name.gz when that is there instead. NULL on failure.
byte_file *byte_file_open(const char *directory, const char *name, error_line *e);
void byte_file_close(byte_file *file);

// The path that was opened.
const char *byte_file_path(const byte_file *file);

// Exactly `bytes`, or fails: `what` was being read.
bool byte_file_read(byte_file *file, void *buffer, size_t bytes, const char *what, error_line *e);

// As byte_file_read, but *ended = true and no failure when the file ends before the first byte.
bool byte_file_read_or_end(byte_file *file, void *buffer, size_t bytes, const char *what,
                           bool *ended, error_line *e);

// Fails when bytes are left.
bool byte_file_at_end(byte_file *file, error_line *e);

#endif
