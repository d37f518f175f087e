#include "base/safe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int open_locked(const char *path) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat ours, named;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return -1;
    // Some file systems know no locks: no reason not to write. The name may have gone to another
    // file between open and lock: then the writer before us has just renamed it.
    const bool busy = fcntl(fd, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN);
    const bool same = !busy && fstat(fd, &ours) == 0 && stat(path, &named) == 0 &&
                      ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
    if (same && ftruncate(fd, 0) == 0) return fd;
    const int reason = same ? errno : EBUSY;
    close(fd);
    errno = reason;
    return -1;
}

// Removed while it is still locked: the next one to write makes its own.
static void discard_part(const char *path, int fd) {
    unlink(path);
    close(fd);
}

static bool name_part(const char *path, char part[PATH_MAX]) {
    return snprintf(part, PATH_MAX, "%s.part", path) < PATH_MAX;
}

// Renaming over a device, a folder or a link would do more than was asked for: /dev/stdout is one.
// So would writing through a link, or waiting for the reader of a pipe.
static bool free_for_a_file(const char *path) {
    struct stat status;
    return lstat(path, &status) != 0 || S_ISREG(status.st_mode);
}

bool safe_file_takes(const char *path, const char *other) {
    char part[PATH_MAX];
    return name_part(path, part) && same_file(part, other);
}

bool safe_file_begin(safe_file *file, const char *path, error_line *e) {
    file->stream = NULL;
    if (!free_for_a_file(path)) return error_set(e, "%s is not a regular file; name another", path);
    snprintf(file->path, sizeof file->path, "%s", path);
    if (!name_part(path, file->temporary)) return error_set(e, "%s: the path is too long", path);
    if (!free_for_a_file(file->temporary))
        return error_set(e, "%s, which is to become %s, is not a regular file; remove it",
                         file->temporary, path);
    const int fd = open_locked(file->temporary);
    if (fd < 0 && errno == EBUSY)
        return error_set(e, "%s is being written by another program", path);
    if (fd >= 0) file->stream = fdopen(fd, "wb");
    if (file->stream) return true;
    error_set(e, "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0) discard_part(file->temporary, fd);
    return false;
}

// The folder of a path, and the name in it.
static const char *name_folder(const char *path, char folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return slash ? slash + 1 : path;
}

// The new name is on disk only when the folder is. What cannot be done here (a folder that may not
// be read) costs the promise after a power cut, not the file.
static void sync_folder(const char *path) {
    char folder[PATH_MAX];
    name_folder(path, folder);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

// Content before name: after a power cut there is the old file or the new one. fflush and fsync
// report what buffered writes could not do, a full disk for one.
bool safe_file_commit(safe_file *file, error_line *e) {
    const bool broken = ferror(file->stream) != 0;
    errno = 0;
    if (broken) fputc(0, file->stream); // fails again, and says why
    if (fflush(file->stream) != 0 || broken || fsync(fileno(file->stream)) != 0 ||
        rename(file->temporary, file->path) != 0) {
        const int reason = errno ? errno : EIO;
        safe_file_abandon(file);
        return error_set(e, "%s cannot be written: %s", file->path, strerror(reason));
    }
    fclose(file->stream); // everything is on disk; ends the lock
    file->stream = NULL;
    sync_folder(file->path);
    return true;
}

bool safe_file_write(const char *path, const void *bytes, size_t size, error_line *e) {
    safe_file file;
    if (!safe_file_begin(&file, path, e)) return false;
    fwrite(bytes, 1, size, file.stream); // what fails shows at the end
    return safe_file_commit(&file, e);
}

// Removed while it is still locked: the next one to write makes its own.
void safe_file_abandon(safe_file *file) {
    if (!file->stream) return;
    unlink(file->temporary);
    fclose(file->stream);
    file->stream = NULL;
}

// From the beginning, which is looked at before more is asked for. A file may grow meanwhile.
static char *read_stream(FILE *stream, size_t expected, const char *path, file_check *check,
                         size_t *size, error_line *e) {
    size_t room = expected + FILE_BEGINNING + 1, used = 0;
    char beginning[FILE_BEGINNING], *bytes = NULL;
    const size_t begun = fread(beginning, 1, sizeof beginning, stream);
    if (check && !ferror(stream) && !check(beginning, begun, expected, path, e)) return NULL;
    bytes = malloc(room);
    if (bytes) memcpy(bytes, beginning, used = begun);
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
        error_unread(e, "%s cannot be read: %s", path, strerror(errno));
        free(bytes);
        return NULL;
    }
    bytes[used] = '\0';
    *size = used;
    return bytes;
}

char *safe_stream_read(FILE *stream, const char *path, size_t *size, error_line *e) {
    return read_stream(stream, 0, path, NULL, size, e);
}

bool check_regular(const struct stat *status, const char *path, error_line *e) {
    const mode_t mode = status->st_mode;
    if (S_ISREG(mode)) return true;
    return error_set(e, "%s is %s, not a regular file", path,
                     S_ISDIR(mode)    ? "a directory"
                     : S_ISFIFO(mode) ? "a pipe"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device");
}

// NULL for what is no regular file: a pipe or a terminal would be waited for, a device may never
// end. O_NONBLOCK, because opening a pipe waits too.
static FILE *open_regular(const char *path, size_t *size, error_line *e) {
    struct stat status;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    FILE *stream = fd >= 0 ? fdopen(fd, "rb") : NULL;
    if (!stream || fstat(fd, &status) != 0)
        error_unread(e, "%s cannot be opened: %s", path, strerror(errno));
    else if (check_regular(&status, path, e)) {
        *size = (size_t)status.st_size;
        return stream;
    }
    if (stream)
        fclose(stream);
    else if (fd >= 0)
        close(fd);
    return NULL;
}

char *safe_file_read_if(const char *path, file_check *check, size_t *size, error_line *e) {
    size_t expected;
    FILE *stream = open_regular(path, &expected, e);
    if (!stream) return NULL;
    char *bytes = read_stream(stream, expected, path, check, size, e);
    fclose(stream);
    return bytes;
}

char *safe_file_read(const char *path, size_t *size, error_line *e) {
    return safe_file_read_if(path, NULL, size, e);
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

static bool same_status(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool same_inode(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && same_status(&x, &y);
}

bool same_file(const char *a, const char *b) {
    char folder_a[PATH_MAX], folder_b[PATH_MAX];
    if (same_inode(a, b)) return true;
    const char *name_a = name_folder(a, folder_a), *name_b = name_folder(b, folder_b);
    return strcmp(name_a, name_b) == 0 && same_inode(folder_a, folder_b);
}

// The innermost folder of a path that is there.
static void existing_folder(const char *path, char folder[PATH_MAX]) {
    struct stat status;
    char *slash;
    snprintf(folder, PATH_MAX, "%s", path);
    do {
        slash = strrchr(folder, '/');
        if (slash)
            slash[slash == folder] = '\0'; // the root keeps its own
        else
            snprintf(folder, PATH_MAX, ".");
    } while (slash && stat(folder, &status) != 0);
}

bool lies_below(const char *path, const char *folder) {
    struct stat wanted, here, above;
    char place[PATH_MAX];
    existing_folder(path, place);
    if (stat(folder, &wanted) != 0 || stat(place, &here) != 0) return false;
    while (!same_status(&here, &wanted)) {
        const size_t length = strlen(place);
        if (length + sizeof "/.." > sizeof place) return false;
        memcpy(place + length, "/..", sizeof "/..");
        if (stat(place, &above) != 0 || same_status(&above, &here)) return false; // the root
        here = above;
    }
    return true;
}

bool check_writable(const char *path, error_line *e) {
    safe_file file;
    if (!safe_file_begin(&file, path, e)) return false;
    safe_file_abandon(&file);
    return true;
}
