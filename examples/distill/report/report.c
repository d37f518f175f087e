#include "report/report.h"

#include "report/report_html.h"

bool report_runs(const char *const *paths, int count, const char *out, error_line *e) {
    run_set set;
    if (!run_set_read(&set, paths, count, e)) return false;
    const bool fine =
        run_set_reads(&set, out)
            ? error_usage(e, "%s belongs to a run and would be overwritten; give another --out",
                          out)
            : report_write(&set, out, e);
    run_set_free(&set);
    return fine;
}
