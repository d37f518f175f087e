#include "report/report_html.h"

#include "base/safe_file.h"
#include "report/html.h"
#include "report/report_parts.h"
#include "report/report_style.h"

#include <stdlib.h>
#include <string.h>

// "resnet8 from resnet20 on fashion-mnist", as far as the runs agree.
static void make_title(const run_set *set, char *text, size_t size) {
    const run_facts *f = &set->runs[0].facts;
    const char *model = f->model, *teacher = NULL;
    bool one_teacher = set->teacher_count == 1;
    for (int i = 0; i < set->run_count; i++) {
        const run_facts *other = &set->runs[i].facts;
        if (strcmp(other->model, f->model) != 0) model = NULL;
        if (other->teacher_model) teacher = other->teacher_model;
        one_teacher = one_teacher && !other->teacher_logits;
    }
    one_teacher = one_teacher && teacher;
    if (!model)
        snprintf(text, size, "%d runs on %s", set->run_count, f->dataset);
    else
        snprintf(text, size, "%s%s%s on %s", model, one_teacher ? " from " : "",
                 one_teacher ? teacher : "", f->dataset);
}

static void write_head(FILE *out, const run_set *set) {
    char title[160];
    make_title(set, title, sizeof title);
    fprintf(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n%s<title>", report_head);
    html_text(out, title);
    fputs("</title>\n</head>\n<body>\n<h1>", out);
    html_text(out, title);
    fputs("</h1>\n", out);
    for (int i = 0; i < set->teacher_count; i++) {
        const recorded_teacher *t = &set->teachers[i];
        fputs("<p>", out);
        html_text(out, t->name);
        fprintf(out, ": top-1 %.2f&nbsp;%%, top-5 %.2f&nbsp;%% on the %zu test images.</p>\n",
                t->top1, t->top5, t->logits.rows);
    }
}

static void write_missing(FILE *out, const run_set *set) {
    int missing = 0;
    for (int i = 0; i < set->run_count; i++) missing += set->runs[i].logits.rows == 0;
    if (missing)
        fprintf(out,
                "<p class=\"dim\">%d of the %d runs have no logits any more: they are left out of "
                "the classes and of the comparison with the teacher.</p>\n",
                missing, set->run_count);
}

static bool write_page(FILE *out, const run_set *set, error_line *e) {
    write_head(out, set);
    fputs("<h2>Result</h2>\n", out);
    report_summary(out, set);
    write_missing(out, set);
    if (!report_curves(out, set, e) || !report_classes(out, set, e) ||
        !report_students(out, set, e) || !report_teachers(out, set, e))
        return false;
    fputs("<h2>Every run</h2>\n", out);
    report_every_run(out, set);
    fputs("<h2>Settings</h2>\n", out);
    report_settings(out, set);
    fputs("</body>\n</html>\n", out);
    return true;
}

// The file is taken when the page is there: others may want to write it meanwhile.
bool report_write(const run_set *set, const char *path, error_line *e) {
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);
    bool fine = out && write_page(out, set, e);
    if (out && fclose(out) != 0) out = NULL;
    if (!out) fine = error_memory(e, "the report");
    fine = fine && safe_file_write(path, page, size, e);
    free(page);
    return fine;
}
