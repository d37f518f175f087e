#include "report/page.h"

#include "base/stop.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "gdkd-report"

extern char **environ;

// Beside this program, where `make` puts it; otherwise the shell's path is searched for the bare name.
static void find_program(char path[PATH_MAX]) {
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof "/" PROGRAM);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) strcpy(slash + 1, PROGRAM);
    if (!slash || access(path, X_OK) != 0) strcpy(path, PROGRAM);
}

// Starts the program with both its outputs in a pipe. 0, or why it does not run.
static int start(char **arguments, pid_t *child, FILE **output) {
    char program[PATH_MAX];
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return errno;
    find_program(program);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    const int fault = posix_spawnp(child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *output = fault ? NULL : fdopen(ends[0], "r");
    if (!*output) close(ends[0]);
    return fault;
}

// The last line that the program says is its result, or what went wrong.
static void read_last_line(FILE *output, char *text, size_t size) {
    char line[PATH_MAX];
    *text = '\0';
    while (output && fgets(line, sizeof line, output)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(text, size, "%s", line);
    }
    if (output) fclose(output);
}

static const char *behind(const char *text, const char *prefix) {
    const size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : text;
}

// The exit status, 128 and more for a signal.
static int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return EXIT_RUNTIME;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool run(char **arguments, char *made, error_line *e) {
    char said[PATH_MAX];
    pid_t child;
    FILE *output;
    const int fault = start(arguments, &child, &output);
    if (fault) {
        error_set(e, PROGRAM " does not run here: %s; it needs python3 and python3-matplotlib",
                  strerror(fault));
        e->status = PAGE_UNAVAILABLE;
        return false;
    }
    read_last_line(output, said, sizeof said);
    const int status = wait_for(child);
    if (status == 0) {
        if (made) snprintf(made, PATH_MAX, "%s", behind(said, "report: "));
        return true;
    }
    if (stop_requested()) return error_interrupted(e, "stopped while the page was made");
    error_set(e, "%s", *said ? behind(said, PROGRAM ": ") : PROGRAM " ended without a word");
    if (status == EXIT_USAGE || status == PAGE_UNAVAILABLE) e->status = status;
    return false;
}

// posix_spawn's arguments are not const, though nobody writes to them.
static char *argument(const char *text) {
    return (char *)(uintptr_t)text;
}

bool page_make(const char *const *paths, int count, const char *out, char *made, error_line *e) {
    char **arguments = calloc((size_t)count + 5, sizeof *arguments), **next = arguments;
    if (!arguments) return error_memory(e, "the page");
    *next++ = argument(PROGRAM);
    if (out) *next++ = argument("--out");
    if (out) *next++ = argument(out);
    *next++ = argument("--"); // a folder's name may begin with a dash
    for (int i = 0; i < count; i++) *next++ = argument(paths[i]);
    const bool fine = run(arguments, made, e);
    free(arguments);
    return fine;
}
