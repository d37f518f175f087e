#include "train/run_log.h"

#include "base/safe_file.h"

#include <math.h>
#include <stdlib.h>

bool run_log_init(run_log *log, int epochs, error_line *e) {
    *log = (run_log){.room = epochs};
    log->epochs = calloc((size_t)epochs, sizeof *log->epochs);
    return log->epochs || error_memory(e, "the log");
}

void run_log_free(run_log *log) {
    free(log->epochs);
    *log = (run_log){0};
}

const epoch_record *run_log_last(const run_log *log) {
    return &log->epochs[log->count - 1];
}

const epoch_record *run_log_best(const run_log *log) {
    const epoch_record *best = log->epochs;
    for (int i = 1; i < log->count; i++)
        if (log->epochs[i].test_top1 > best->test_top1) best = &log->epochs[i];
    return best;
}

static void write_head(FILE *out) {
    fputs("epoch,lr", out);
    for (int i = 0; i < TERMS; i++) fprintf(out, ",train_%s", term_names[i]);
    fputs(",train_top1,test_top1,test_top5,seconds,test_seconds,libgdkd_share\n", out);
}

static void write_row(FILE *out, int epoch, const epoch_record *r) {
    fprintf(out, "%d,%.9g", epoch, r->lr);
    for (int i = 0; i < TERMS; i++) {
        if (isnan(r->terms[i]))
            fputc(',', out);
        else
            fprintf(out, ",%.6f", r->terms[i]);
    }
    fprintf(out, ",%.3f,%.3f,%.3f,%.3f,%.3f,%.5f\n", r->train_top1, r->test_top1, r->test_top5,
            r->seconds, r->test_seconds, r->library_share);
}

bool run_log_write(const run_log *log, const char *path, error_line *e) {
    safe_file file;
    if (!safe_file_begin(&file, path, e)) return false;
    write_head(file.stream);
    for (int i = 0; i < log->count; i++) write_row(file.stream, i + 1, &log->epochs[i]);
    return safe_file_commit(&file, e);
}
