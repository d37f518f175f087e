#include "report_html.h"

#include "html.h"
#include "safe_file.h"
#include "svg_plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Colours after Okabe and Ito (2008), which stay apart for colour-blind eyes; darker on white,
// lighter on black where the original would be faint.
static const char head[] =
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<style>\n"
    ":root{--ink:#1d2025;--dim:#5b6270;--line:#dfe2e8;--page:#fff;--card:#f7f8fa;"
    "--c0:#0072b2;--c1:#c24e00;--c2:#007f5f;--c3:#a8478a;--c4:#8a6d00;--c5:#2b8cbe;--c6:#6b4fbb;--"
    "c7:#444}\n"
    "@media "
    "(prefers-color-scheme:dark){:root{--ink:#e8eaee;--dim:#a2a9b6;--line:#353a44;--page:#14161a;"
    "--card:#1c1f25;--c0:#56b4e9;--c1:#ff9a4d;--c2:#2fce9f;--c3:#e48bc4;--c4:#f0d34a;--c5:#9ad0f5;"
    "--c6:#b6a2ff;--c7:#ccc}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1240px;padding:20px 16px "
    "40px;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px}h2{font-size:1.15rem;margin:32px 0 10px}\n"
    "p{margin:6px 0;max-width:75ch}.dim{color:var(--dim);font-size:.9rem}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:6px 10px;border-bottom:1px solid "
    "var(--line);text-align:right;white-space:nowrap}\n"
    "th{color:var(--dim);font-weight:600;font-size:.85rem;vertical-align:bottom;white-space:normal;"
    "min-width:7ch}\n"
    "th:first-child,td:first-child{text-align:left;padding-left:0}\n"
    "td:first-child small{display:block;color:var(--dim);white-space:normal;min-width:15ch}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:10px 0}\n"
    ".legend "
    "span{display:inline-flex;align-items:center;gap:6px}.key{width:34px;height:15px;flex:none}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:"
    "14px}\n"
    "figure{margin:0;background:var(--card);border-radius:8px;padding:6px}\n"
    "figure svg{display:block;width:100%;height:auto}\n"
    "svg text{fill:var(--dim);font:12px system-ui,sans-serif}svg "
    ".title{fill:var(--ink);font-weight:600;"
    "font-size:13px}svg .end{text-anchor:end}svg .mid{text-anchor:middle}\n"
    ".grid{stroke:var(--line);fill:none}.reference{stroke:var(--dim);stroke-dasharray:5 "
    "4;fill:none}\n"
    ".line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}.faint{stroke-width:1;"
    "opacity:.4}\n"
    ".dot{fill:var(--c);stroke:var(--card);stroke-width:.8}.hit{fill:transparent}.hit:hover{fill:"
    "var(--line);"
    "fill-opacity:.6}\n"
    ".s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}.s4{--c:var(--c4)}"
    ".s5{--c:var(--c5)}.s6{--c:var(--c6)}.s7{--c:var(--c7)}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px "
    "16px;margin:0}dt{color:var(--dim)}"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    "@media (max-width:480px){th,td{padding:6px 7px}body{font-size:15px}}\n"
    "@media print{figure{break-inside:avoid}}\n"
    "</style>\n";

// --- Tables --------------------------------------------------------------------------------------

static void write_summary(FILE *out, const report *r) {
    char text[32];
    fputs(
        "<div class=\"scroll\"><table><thead><tr><th>loss<th>top-1 last&nbsp;%<th>top-1 best&nbsp;%"
        "<th>runs<th>s/epoch<th>time in<br>libgdkd</thead><tbody>\n",
        out);
    for (int i = 0; i < r->series_count; i++) {
        const series *s = &r->series[i];
        const summary m = summarise(s);
        fputs("<tr><td>", out);
        html_text(out, s->name);
        fputs("<small>", out);
        html_text(out, s->detail);
        fputs("</small>", out);
        if (m.runs == 0) {
            fputs("<td colspan=\"5\">no run has finished yet\n", out);
            continue;
        }
        summary_format(m.last, m.last_spread, m.runs, text, sizeof text);
        fprintf(out, "<td>%s", text);
        summary_format(m.best, m.best_spread, m.runs, text, sizeof text);
        fprintf(out, "<td>%s<td>%d<td>%.1f<td>%.2f&nbsp;%%\n", text, m.runs, m.seconds,
                100 * m.library_share);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_runs(FILE *out, const report *r) {
    fputs(
        "<div class=\"scroll\"><table><thead><tr><th>run<th>top-1 last&nbsp;%<th>top-1 best&nbsp;%"
        "<th>best epoch<th>top-5 last&nbsp;%</thead><tbody>\n",
        out);
    for (int i = 0; i < r->series_count; i++) {
        const series *s = &r->series[i];
        for (int j = 0; j < s->seeds; j++) {
            if (!series_finished(s, j)) continue;
            const epoch_record *last = run_log_last(&s->logs[j]), *best = run_log_best(&s->logs[j]);
            fputs("<tr><td>", out);
            html_text(out, s->name);
            fprintf(out, ", seed %" PRIu64 "<td>%.2f<td>%.2f<td>%d<td>%.2f\n", s->seed[j],
                    last->test_top1, best->test_top1, (int)(best - s->logs[j].epochs) + 1,
                    last->test_top5);
        }
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_facts(FILE *out, const report *r) {
    fputs("<dl>\n", out);
    for (int i = 0; i < r->fact_count; i++) {
        fputs("<dt>", out);
        html_text(out, r->facts[i].label);
        fputs("<dd>", out);
        html_text(out, r->facts[i].value);
        fputc('\n', out);
    }
    fputs("</dl>\n", out);
}

// --- Plots ---------------------------------------------------------------------------------------

typedef struct {
    const char *title, *y_label, *unit;
    size_t offset; // of the value in an epoch_record
    bool with_teacher;
} quantity;

#define TERM(which) (offsetof(epoch_record, terms) + (which) * sizeof(double))
static const quantity accuracies[] = {
    {"Test top-1", "top-1, %", " %", offsetof(epoch_record, test_top1), true},
    {"Test top-5", "top-5, %", " %", offsetof(epoch_record, test_top5), false},
    {"Training top-1 (augmented images)", "top-1, %", " %", offsetof(epoch_record, train_top1),
     false},
};
static const quantity terms[] = {
    {"loss: the weighted sum", "weighted", "", TERM(TERM_TOTAL), false},
    {"ce: cross-entropy with the labels", "nats", "", TERM(TERM_CE), false},
    {"kd: the whole distillation term", "T² · nats", "", TERM(TERM_KD), false},
    {"high: between the groups", "T² · nats", "", TERM(TERM_HIGH), false},
    {"top: among the top classes", "T² · nats", "", TERM(TERM_TOP), false},
    {"other: among the other classes", "T² · nats", "", TERM(TERM_OTHER), false},
};

static double value_of(const quantity *q, const epoch_record *record) {
    double value;
    memcpy(&value, (const char *)record + q->offset, sizeof value);
    return value;
}

// The lines of a plot and their values: a faint one per seed, then a strong one for the mean. All
// seeds that got as far as an epoch count in its mean.
typedef struct {
    svg_line *lines;
    char (*names)[96];
    double *values;
    int count;
} curves;

static void add_series(curves *c, const quantity *q, const series *s, int style) {
    double *mean = c->values + (size_t)c->count * (size_t)s->epochs;
    svg_line *mean_line = &c->lines[c->count];
    bool there = false;
    c->count++;
    for (int i = 0; i < s->epochs; i++) {
        int runs = 0;
        mean[i] = 0;
        for (int j = 0; j < s->seeds; j++) {
            if (i >= s->logs[j].count) continue;
            mean[i] += value_of(q, &s->logs[j].epochs[i]);
            runs++;
        }
        mean[i] = runs ? mean[i] / runs : NAN;
        there = there || isfinite(mean[i]);
    }
    if (!there) { // a term that this loss does not have
        c->count--;
        return;
    }
    snprintf(c->names[mean_line - c->lines], sizeof *c->names, "%s%s", s->name,
             s->seeds > 1 ? ", mean" : "");
    *mean_line = (svg_line){c->names[mean_line - c->lines], style, false, mean, s->epochs};
    for (int j = 0; s->seeds > 1 && j < s->seeds; j++) {
        double *y = c->values + (size_t)c->count * (size_t)s->epochs;
        for (int i = 0; i < s->logs[j].count; i++) y[i] = value_of(q, &s->logs[j].epochs[i]);
        c->lines[c->count++] = (svg_line){s->name, style, true, y, s->logs[j].count};
    }
}

static bool curves_make(curves *c, const report *r) {
    size_t lines = 1;
    for (int i = 0; i < r->series_count; i++) lines += 1 + (size_t)r->series[i].seeds;
    c->count = 0;
    c->lines = calloc(lines, sizeof *c->lines);
    c->names = calloc(lines, sizeof *c->names);
    c->values = calloc(lines * (size_t)r->series[0].epochs, sizeof *c->values);
    return c->lines && c->names && c->values;
}

static void curves_free(curves *c) {
    free(c->lines);
    free(c->names);
    free(c->values);
}

static bool write_plot(FILE *out, const report *r, const quantity *q) {
    curves c;
    const bool fine = curves_make(&c, r);
    for (int i = 0; fine && i < r->series_count; i++) add_series(&c, q, &r->series[i], i);
    if (fine && c.count) {
        const svg_plot plot = {.title = q->title,
                               .y_label = q->y_label,
                               .unit = q->unit,
                               .epochs = r->series[0].epochs,
                               .lines = c.lines,
                               .count = c.count,
                               .reference = q->with_teacher ? r->teacher_top1 : NAN,
                               .reference_name = r->teacher};
        svg_plot_write(out, &plot);
    }
    curves_free(&c);
    return fine;
}

static bool write_plots(FILE *out, const report *r, const quantity *quantities, size_t count) {
    bool fine = true;
    fputs("<div class=\"legend\">", out);
    for (int i = 0; i < r->series_count; i++) {
        fputs("<span>", out);
        svg_legend_marker(out, i);
        html_text(out, r->series[i].name);
        fputs("</span>", out);
    }
    fputs("</div>\n<div class=\"plots\">\n", out);
    for (size_t i = 0; i < count && fine; i++) fine = write_plot(out, r, &quantities[i]);
    fputs("</div>\n", out);
    return fine;
}

// --- The page ------------------------------------------------------------------------------------

static bool write_page(FILE *out, const report *r) {
    fprintf(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n%s<title>", head);
    html_text(out, r->title);
    fputs("</title>\n</head>\n<body>\n<h1>", out);
    html_text(out, r->title);
    fputs("</h1>\n<p>", out);
    html_text(out, r->teacher);
    if (!isnan(r->teacher_top1))
        fprintf(out, ": top-1 %.2f&nbsp;%% on the test images", r->teacher_top1);
    fputs(".</p>\n", out);
    fputs("<h2>Result</h2>\n", out);
    write_summary(out, r);
    fputs("<p class=\"dim\">Mean ± standard deviation over the seeds, of the last epoch and of "
          "each run's best one. The best "
          "epoch is chosen by the test images, so it flatters. s/epoch: training alone.</p>\n"
          "<h2>Accuracy</h2>\n",
          out);
    bool fine = write_plots(out, r, accuracies, sizeof accuracies / sizeof *accuracies);
    fputs("<h2>Terms of the loss</h2>\n<p class=\"dim\">Means over the training images of each "
          "epoch, before the "
          "weights; the distillation terms with the factor T². Thin lines: single seeds.</p>\n",
          out);
    fine = fine && write_plots(out, r, terms, sizeof terms / sizeof *terms);
    fputs("<h2>Every run</h2>\n", out);
    write_runs(out, r);
    fputs("<h2>Settings</h2>\n", out);
    write_facts(out, r);
    fputs("</body>\n</html>\n", out);
    return fine;
}

bool report_write(const report *r, const char *path, error_line *e) {
    safe_file file;
    if (!safe_file_begin(&file, path, e)) return false;
    const bool fine = write_page(file.stream, r);
    return safe_file_commit(&file, e) && (fine || error_memory(e, path));
}
