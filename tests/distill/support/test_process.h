// A piece of a test in a process of its own: one that signals may stop or kill.
#ifndef TEST_PROCESS_H
#define TEST_PROCESS_H

#include "base/error.h"
#include "base/stop.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What the piece leaves in the error line is seen by the test, also on success.
typedef bool test_piece(const void *argument, error_line *e);

typedef struct {
    int status; // as waitpid has it
    char text[1024];
} outcome;

static inline outcome test_process(test_piece *piece, const void *argument) {
    outcome o = {0};
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        error_line e = {0};
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        signal(SIGINT, SIG_DFL); // ignored where the tests run in the background
        stop_on_signals();
        const bool fine = piece(argument, &e);
        const ssize_t sent = write(ends[1], e.text, strlen(e.text));
        _exit(fine || sent < 0 ? 0 : e.status);
    }
    close(ends[1]);
    for (size_t used = 0; used < sizeof o.text - 1;) {
        const ssize_t got = read(ends[0], o.text + used, sizeof o.text - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &o.status, 0), child);
    return o;
}

static inline bool killed(outcome o) {
    return WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGKILL;
}

static inline bool finished(outcome o) {
    return WIFEXITED(o.status) && WEXITSTATUS(o.status) == 0;
}

#endif
