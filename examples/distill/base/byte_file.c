#include "base/byte_file.h"

#include "base/safe_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

struct byte_file {
    gzFile stream; // reads plain files too
    char path[PATH_MAX];
};

// The path of the file that exists; a plain one comes first. gzopen opens a directory without a
// word and waits for a pipe, so these are told apart here.
static bool find_file(char *path, size_t size, const char *directory, const char *name,
                      error_line *e) {
    struct stat status;
    for (int zipped = 0; zipped < 2; zipped++) {
        const int length = snprintf(path, size, "%s/%s%s", directory, name, zipped ? ".gz" : "");
        if (length < 0 || (size_t)length >= size)
            return error_set(e, "%s/%s: the path is too long", directory, name);
        if (stat(path, &status) == 0) return check_regular(&status, path, e);
        if (errno != ENOENT && errno != ENOTDIR)
            return error_set(e, "%s: %s", path, strerror(errno));
    }
    return error_set(e, "%s/%s is not there, nor %s.gz", directory, name, name);
}

bool byte_file_missing(const char *directory, const char *name) {
    char path[PATH_MAX];
    struct stat status;
    for (int zipped = 0; zipped < 2; zipped++) {
        snprintf(path, sizeof path, "%s/%s%s", directory, name, zipped ? ".gz" : "");
        if (stat(path, &status) == 0 || errno != ENOENT) return false;
    }
    return true;
}

byte_file *byte_file_open(const char *directory, const char *name, error_line *e) {
    byte_file *file = calloc(1, sizeof *file);
    if (!file) {
        error_memory(e, "a file");
        return NULL;
    }
    if (!find_file(file->path, sizeof file->path, directory, name, e)) {
        free(file);
        return NULL;
    }
    errno = 0;
    file->stream = gzopen(file->path, "rb");
    if (!file->stream) {
        error_unread(e, "%s cannot be opened: %s", file->path, strerror(errno ? errno : ENOMEM));
        free(file);
        return NULL;
    }
    gzbuffer(file->stream, 1U << 17);
    return file;
}

void byte_file_close(byte_file *file) {
    if (!file) return;
    gzclose(file->stream);
    free(file);
}

const char *byte_file_path(const byte_file *file) {
    return file->path;
}

static void explain(const byte_file *file, int code, error_line *e) {
    int unused;
    const char *text = gzerror(file->stream, &unused); // begins with the path
    if (code == Z_MEM_ERROR)
        error_memory(e, file->path);
    else if (code == Z_ERRNO)
        error_unread(e, "%s cannot be read: %s", file->path, strerror(errno));
    else
        error_set(e, "%s is damaged: %s", file->path,
                  code == Z_BUF_ERROR  ? "the compressed data ends too early"
                  : strstr(text, ": ") ? strstr(text, ": ") + 2
                                       : text);
}

// Bytes read: fewer than asked for at the end of the file; -1 when the file is damaged.
static long long read_some(byte_file *file, void *buffer, size_t bytes, error_line *e) {
    size_t done = 0;
    while (done < bytes) {
        const size_t rest = bytes - done;
        const unsigned part = rest < (1U << 30) ? (unsigned)rest : 1U << 30;
        const int got = gzread(file->stream, (char *)buffer + done, part);
        // A file that is cut off gives what is there, and then an end with a code.
        int code = Z_OK;
        if (got <= 0) (void)gzerror(file->stream, &code);
        if (got < 0 || code == Z_BUF_ERROR) {
            explain(file, code, e);
            return -1;
        }
        if (got == 0) break;
        done += (size_t)got;
    }
    return (long long)done;
}

bool byte_file_read_or_end(byte_file *file, void *buffer, size_t bytes, const char *what,
                           bool *ended, error_line *e) {
    const long long got = read_some(file, buffer, bytes, e);
    if (got < 0) return false;
    *ended = got == 0;
    if (got == 0 || (size_t)got == bytes) return true;
    return error_set(e, "%s ends too early: %lld of %zu bytes of %s are there; fetch it again",
                     file->path, got, bytes, what);
}

bool byte_file_read(byte_file *file, void *buffer, size_t bytes, const char *what, error_line *e) {
    bool ended;
    if (!byte_file_read_or_end(file, buffer, bytes, what, &ended, e)) return false;
    if (ended && bytes)
        return error_set(e, "%s ends too early: before %s; fetch it again", file->path, what);
    return true;
}

bool byte_file_at_end(byte_file *file, error_line *e) {
    char byte;
    const long long got = read_some(file, &byte, 1, e);
    if (got < 0) return false;
    return got == 0 || error_set(e, "%s is longer than its header says", file->path);
}
