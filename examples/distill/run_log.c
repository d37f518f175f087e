#include "run_log.h"

#include "safe_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// --- Reading -------------------------------------------------------------------------------------

enum { COLUMNS = 1 + sizeof(epoch_record) / sizeof(double) };

// The line's numbers, an empty one as NaN. False when there are more or fewer, or other text.
static bool parse_row(const char *line, double values[COLUMNS]) {
    for (int i = 0; i < COLUMNS; i++) {
        char *end;
        values[i] = strtod(line, &end);
        if (end == line) values[i] = NAN;
        if (*end != (i < COLUMNS - 1 ? ',' : '\0')) return false;
        line = end + 1;
    }
    return true;
}

// Of a record, only terms may be missing.
static bool usable(const epoch_record *r) {
    return isfinite(r->lr) && isfinite(r->train_top1) && isfinite(r->test_top1) &&
           isfinite(r->test_top5) && r->seconds > 0 && isfinite(r->seconds) &&
           isfinite(r->test_seconds) && isfinite(r->library_share);
}

static bool read_head(const char *line, const char *path, error_line *e) {
    char *expected = NULL;
    size_t size;
    FILE *out = open_memstream(&expected, &size);
    bool complete = out != NULL;
    if (out) {
        write_head(out);
        complete = !ferror(out);
        complete = fclose(out) == 0 && complete && expected;
    }
    const bool same = complete && strncmp(line, expected, size - 1) == 0 && !line[size - 1];
    free(expected);
    if (!complete) return error_memory(e, path);
    return same || error_set(e, "%s is no log of a training run", path);
}

// `text` is changed: its lines are cut apart.
static bool read_rows(run_log *log, char *text, const char *path, error_line *e) {
    int number = 1;
    for (char *line = text, *end; *line; line = end + 1, number++) {
        double values[COLUMNS];
        end = strchr(line, '\n');
        if (!end) return error_set(e, "%s is cut off in line %d", path, number);
        *end = '\0';
        if (number == 1) {
            if (!read_head(line, path, e)) return false;
            continue;
        }
        if (log->count == log->room)
            return error_set(e, "%s has more epochs than the %d of its run", path, log->room);
        epoch_record *record = &log->epochs[log->count];
        const bool fine = parse_row(line, values);
        memcpy(record, values + 1, sizeof *record);
        if (!fine || values[0] != ++log->count || !usable(record))
            return error_set(e, "%s is damaged in line %d", path, number);
    }
    return log->count || error_set(e, "%s has no epoch", path);
}

bool run_log_read(run_log *log, int epochs, const char *path, error_line *e) {
    size_t size;
    *log = (run_log){0};
    char *text = safe_file_read(path, &size, e);
    if (!text) return false;
    const bool fine = run_log_init(log, epochs, e) && read_rows(log, text, path, e);
    free(text);
    if (!fine) run_log_free(log);
    return fine;
}
