// report: a page about runs that lie on disk.
#include "app/commands.h"
#include "report/page.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// In the first folder; beside the run when that was named itself.
static bool default_path(const char *first, char path[PATH_MAX], error_line *e) {
    struct stat status;
    const bool folder = stat(first, &status) == 0 && S_ISDIR(status.st_mode);
    const char *slash = strrchr(first, '/');
    const int length = folder ? (int)strlen(first) : slash ? (int)(slash - first) : 0;
    return snprintf(path, PATH_MAX, "%.*s%sreport.html", length, first, length ? "/" : "") <
               PATH_MAX ||
           error_set(e, "%s: the path is too long", first);
}

bool command_report(const settings *s, error_line *e) {
    char path[PATH_MAX];
    if (s->runs.count == 0)
        return error_usage(e, "report wants folders of runs; see gdkd-distill report --help");
    if (!s->report && !default_path(s->runs.words[0], path, e)) return false;
    const char *out = s->report ? s->report : path;
    if (!page_make(s->runs.words, s->runs.count, out, e)) {
        if (e->status == PAGE_UNAVAILABLE) e->status = EXIT_RUNTIME;
        return false;
    }
    printf("report: %s\n", out);
    return true;
}
