// Whole files: read in one go, and written to a temporary name beside the final one (FILE.part),
// brought to disk and renamed, so that nobody ever sees half a file, also after a power cut.
#ifndef DISTILL_SAFE_FILE_H
#define DISTILL_SAFE_FILE_H

#include "base/error.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct {
    FILE *stream; // to write to; its descriptor may be read too
    char path[PATH_MAX];
    char temporary[PATH_MAX];
} safe_file;

bool safe_file_begin(safe_file *file, const char *path, error_line *e);

// Renames when everything was written; removes the temporary file otherwise.
bool safe_file_commit(safe_file *file, error_line *e);

// All of it at once.
bool safe_file_write(const char *path, const void *bytes, size_t size, error_line *e);

// Whether writing `path` would use `other` up, as its temporary file.
bool safe_file_takes(const char *path, const char *other);

// A descriptor of an empty file under one name for every process, so that what a killed one left is
// used again and does not pile up; a lock keeps two that live apart. -1 and errno on failure: EBUSY
// when another process has it.
int open_locked(const char *path);

// Removes the temporary file, and does nothing after safe_file_commit.
void safe_file_abandon(safe_file *file);

// The content of a regular file, to be freed, with a byte 0 behind it; NULL on failure.
char *safe_file_read(const char *path, size_t *size, error_line *e);

// The rest of a stream, likewise; `path` is for messages.
char *safe_stream_read(FILE *stream, const char *path, size_t *size, error_line *e);

// A file's content, for a file whose first bytes pass a check: another kind of file, which may be
// huge, is not read. `count` bytes are there, FILE_BEGINNING or the whole file; `size`: of the
// file. The check fills in *e.
enum { FILE_BEGINNING = 16 };
typedef bool file_check(const char *beginning, size_t count, size_t size, const char *path,
                        error_line *e);
char *safe_file_read_if(const char *path, file_check *check, size_t *size, error_line *e);

// Fails for a directory, a pipe, a device: what may have no end, or no content.
bool check_regular(const struct stat *status, const char *path, error_line *e);

// Makes a folder and those above it.
bool make_folder(const char *path, error_line *e);

// Whether two paths mean one file, there or not yet.
bool same_file(const char *a, const char *b);

// Whether a path, there or not yet, is in this folder or in one below it.
bool lies_below(const char *path, const char *folder);

// Fails when a file of this name could not be written: before hours of training, not after.
bool check_writable(const char *path, error_line *e);

#endif
