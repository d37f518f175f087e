#include "report/page.h"

#include "base/safe_file.h"
#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "gdkd-report"

extern char **environ;

// The program's outputs, to be read: the page and what went wrong.
typedef struct {
    pid_t id;
    FILE *page, *words;
} child;

// Beside this program, where `make` puts it; otherwise the shell's path is searched for the bare
// name.
static void find_program(char path[PATH_MAX]) {
    char own[PATH_MAX - sizeof "/" PROGRAM];
    const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    const char *slash = strrchr(own, '/');
    snprintf(path, PATH_MAX, "%.*s/" PROGRAM, slash ? (int)(slash - own) : 0, own);
    if (!slash || access(path, X_OK) != 0) snprintf(path, PATH_MAX, PROGRAM);
}

// 0, or why the program does not run. ends: of two pipes, [0] to read from.
static int spawn(pid_t *id, char **arguments, int page[2], int words[2]) {
    char program[PATH_MAX];
    posix_spawn_file_actions_t actions;
    find_program(program);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, page[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, words[1], STDERR_FILENO);
    const int fault = posix_spawnp(id, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

// A pipe whose ends the child has as its outputs alone.
static bool open_pipe(int ends[2]) {
    return pipe(ends) == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

static bool start(child *c, char **arguments, error_line *e) {
    int page[2], words[2];
    if (!open_pipe(page) || !open_pipe(words))
        return error_set(e, "no pipe for the page: %s", strerror(errno));
    const int fault = spawn(&c->id, arguments, page, words);
    close(page[1]);
    close(words[1]);
    c->page = fdopen(page[0], "r");
    c->words = fdopen(words[0], "r");
    if (!fault) return (c->page && c->words) || error_memory(e, "the page");
    error_set(e,
              PROGRAM
              " does not run here: %s; it needs python3, python3-matplotlib and python3-jinja2",
              strerror(fault));
    e->status = PAGE_UNAVAILABLE;
    return false;
}

// The last line says what went wrong.
static void read_words(FILE *words, char *text, size_t size) {
    char line[1024];
    *text = '\0';
    while (fgets(line, sizeof line, words)) {
        line[strcspn(line, "\n")] = '\0';
        const size_t prefix =
            strncmp(line, PROGRAM ": ", sizeof PROGRAM + 1) ? 0 : sizeof PROGRAM + 1;
        snprintf(text, size, "%s", line + prefix);
    }
}

static bool has_ended_well(pid_t id, const char *words, error_line *e) {
    int status = 0;
    while (waitpid(id, &status, 0) < 0)
        if (errno != EINTR) return error_set(e, PROGRAM " is lost: %s", strerror(errno));
    if (status == 0) return true;
    if (stop_requested()) return error_interrupted(e, "stopped while the page was made");
    error_set(e, "%s", *words ? words : PROGRAM " ended without a word");
    if (WIFEXITED(status) && WEXITSTATUS(status) == PAGE_UNAVAILABLE) e->status = PAGE_UNAVAILABLE;
    return false;
}

// The page of these runs, to be freed, or NULL.
static char *make(char **arguments, size_t *size, error_line *e) {
    child c = {0};
    char words[1024], *page = NULL;
    bool fine = start(&c, arguments, e);
    if (fine) {
        page = safe_stream_read(c.page, "the page", size, e);
        if (page) read_words(c.words, words, sizeof words);
        fine = page && has_ended_well(c.id, words, e);
    }
    if (c.page) fclose(c.page);
    if (c.words) fclose(c.words);
    if (!fine) free(page);
    return fine ? page : NULL;
}

// --out may be mistyped: results and data are not to be lost to a page.
static bool may_become_page(const char *path, error_line *e) {
    static const char begin[] = "<!doctype html>";
    char found[sizeof begin] = "";
    struct stat status;
    const bool file_there = stat(path, &status) == 0 && S_ISREG(status.st_mode);
    FILE *file = file_there ? fopen(path, "rb") : NULL;
    if (!file) return true; // what cannot be written shows when it is
    const size_t size = fread(found, 1, sizeof begin - 1, file);
    fclose(file);
    return size == 0 || strcmp(found, begin) == 0 ||
           error_usage(e, "%s is no page and would be overwritten; give another --out", path);
}

// posix_spawn's arguments are not const, though nobody writes to them.
static char *argument(const char *text) {
    const union {
        const char *text;
        char *argument;
    } same = {text};
    return same.argument;
}

bool page_make(const char *const *paths, int count, const char *out, error_line *e) {
    char **arguments = calloc((size_t)count + 3, sizeof *arguments), *page = NULL;
    size_t size;
    if (!arguments) return error_memory(e, "the page");
    arguments[0] = argument(PROGRAM);
    arguments[1] = argument("--"); // a folder's name may begin with a dash
    for (int i = 0; i < count; i++) arguments[2 + i] = argument(paths[i]);
    const bool fine = may_become_page(out, e) && (page = make(arguments, &size, e)) &&
                      safe_file_write(out, page, size, e);
    free(page);
    free(arguments);
    return fine;
}
