#include "base/run_lock.h"

#include "base/safe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// For those who are refused. In words: a lock does not tell its holder on every file system.
static void sign(int fd) {
    char host[128] = "", begun[32] = "";
    struct tm parts;
    const time_t now = time(NULL);
    gethostname(host, sizeof host - 1);
    if (localtime_r(&now, &parts)) strftime(begun, sizeof begun, "%Y-%m-%d %H:%M:%S", &parts);
    dprintf(fd, "process %ld on %s, since %s", (long)getpid(), host, begun);
}

static void read_holder(const char *path, char *text, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) close(fd);
}

bool run_lock_take(run_lock *lock, const char *path, error_line *e) {
    char holder[256];
    snprintf(lock->path, sizeof lock->path, "%s", path);
    lock->fd = open_locked(path);
    lock->held = lock->fd >= 0;
    if (lock->held) {
        sign(lock->fd);
        return true;
    }
    if (errno != EBUSY) return error_set(e, "%s cannot be written: %s", path, strerror(errno));
    read_holder(path, holder, sizeof holder);
    return error_set(e,
                     "another program writes the files of this run: %s holds %s; wait for it, or "
                     "write elsewhere",
                     *holder ? holder : "it", path);
}

// Removed while it is still locked: the next one makes its own.
void run_lock_release(run_lock *lock) {
    if (!lock->held) return;
    unlink(lock->path);
    close(lock->fd);
    lock->held = false;
}
