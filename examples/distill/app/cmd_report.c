// report: a page about runs that lie on disk.
#include "app/commands.h"
#include "report/page.h"

#include <limits.h>
#include <stdio.h>

bool command_report(const settings *s, error_line *e) {
    char made[PATH_MAX];
    if (s->runs.count == 0)
        return error_usage(e, "report wants folders of runs; see gdkd-distill report --help");
    if (!page_make(s->runs.words, s->runs.count, s->report, made, e)) {
        if (e->status == PAGE_UNAVAILABLE) e->status = EXIT_RUNTIME;
        return false;
    }
    printf("report: %s\n", made);
    return true;
}
