#include "safe_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool safe_file_begin(safe_file *file, const char *path, error_line *e) {
    struct stat status;
    file->stream = NULL;
    // Renaming over a device or a folder would do more than was asked for.
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(e, "%s is not a regular file; name another", path);
    const int room = (int)sizeof file->temporary;
    snprintf(file->path, sizeof file->path, "%s", path);
    if (snprintf(file->temporary, sizeof file->temporary, "%s.part%ld", path, (long)getpid()) >=
        room)
        return error_set(e, "%s: the path is too long", path);
    file->stream = fopen(file->temporary, "wb");
    return file->stream || error_set(e, "%s cannot be written: %s", path, strerror(errno));
}

bool safe_file_commit(safe_file *file, error_line *e) {
    // fflush and fclose report what buffered writes could not do, a full disk for one.
    errno = 0;
    bool written = fflush(file->stream) == 0 && !ferror(file->stream);
    int reason = errno;
    if (fclose(file->stream) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written && rename(file->temporary, file->path) == 0) {
        file->stream = NULL;
        return true;
    }
    if (written) reason = errno;
    file->stream = NULL;
    unlink(file->temporary);
    return error_set(e, "%s cannot be written: %s", file->path, strerror(reason ? reason : EIO));
}

void safe_file_abandon(safe_file *file) {
    if (!file->stream) return;
    fclose(file->stream);
    unlink(file->temporary);
    file->stream = NULL;
}

static char *read_stream(FILE *stream, const char *path, size_t *size, error_line *e) {
    size_t room = 1U << 16, used = 0;
    char *bytes = malloc(room);
    while (bytes) {
        used += fread(bytes + used, 1, room - 1 - used, stream);
        if (used < room - 1) break;
        char *more = realloc(bytes, room *= 2);
        if (!more) free(bytes);
        bytes = more;
    }
    if (!bytes) {
        error_memory(e, path);
        return NULL;
    }
    if (ferror(stream)) {
        error_set(e, "%s cannot be read: %s", path, strerror(errno));
        free(bytes);
        return NULL;
    }
    bytes[used] = '\0';
    *size = used;
    return bytes;
}

char *safe_file_read(const char *path, size_t *size, error_line *e) {
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        error_set(e, "%s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    char *bytes = read_stream(stream, path, size, e);
    fclose(stream);
    return bytes;
}

bool make_folder(const char *path, error_line *e) {
    char part[PATH_MAX];
    struct stat status;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return error_set(e, "%s: the path is too long", path);
    for (char *c = part + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(part, 0777); // what stands in its way shows at the last one
        *c = '/';
    }
    if (mkdir(part, 0777) == 0) return true;
    const int reason = errno;
    if (reason == EEXIST && stat(part, &status) == 0 && S_ISDIR(status.st_mode)) return true;
    return error_set(e, "the folder %s cannot be made: %s", path, strerror(reason));
}

bool check_writable(const char *path, error_line *e) {
    safe_file file;
    if (!safe_file_begin(&file, path, e)) return false;
    safe_file_abandon(&file);
    return true;
}
