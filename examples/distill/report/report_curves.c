#include "report/report_parts.h"
#include "report/svg_plot.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *title, *y_label, *unit;
    size_t offset; // of the value in an epoch_record
    bool with_teacher;
} quantity;

#define TERM(which) (offsetof(epoch_record, terms) + (which) * sizeof(double))
static const quantity accuracies[] = {
    {"Test top-1", "top-1, %", " %", offsetof(epoch_record, test_top1), true},
    {"Test top-5", "top-5, %", " %", offsetof(epoch_record, test_top5), false},
    {"Training top-1", "top-1, %", " %", offsetof(epoch_record, train_top1), false},
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
    int count, stride; // stride: values from one line to the next
} curves;

static void add_series(curves *c, const quantity *q, const series *s, int style) {
    double *mean = c->values + (size_t)c->count * (size_t)c->stride;
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
    *mean_line = (svg_line){c->names[mean_line - c->lines], style, false, mean, s->epochs, NULL};
    for (int j = 0; s->seeds > 1 && j < s->seeds; j++) {
        double *y = c->values + (size_t)c->count * (size_t)c->stride;
        for (int i = 0; i < s->logs[j].count; i++) y[i] = value_of(q, &s->logs[j].epochs[i]);
        c->lines[c->count++] = (svg_line){s->name, style, true, y, s->logs[j].count, NULL};
    }
}

static int longest(const run_set *set) {
    int epochs = 0;
    for (int i = 0; i < set->series_count; i++)
        if (set->series[i].epochs > epochs) epochs = set->series[i].epochs;
    return epochs;
}

static bool curves_make(curves *c, const run_set *set) {
    const size_t lines = (size_t)set->series_count + (size_t)set->run_count;
    c->count = 0;
    c->stride = longest(set);
    c->lines = calloc(lines, sizeof *c->lines);
    c->names = calloc(lines, sizeof *c->names);
    c->values = calloc(lines * (size_t)c->stride + 1, sizeof *c->values);
    return c->lines && c->names && c->values;
}

static void curves_free(curves *c) {
    free(c->lines);
    free(c->names);
    free(c->values);
}

static bool write_plot(FILE *out, const run_set *set, const quantity *q) {
    curves c;
    const bool fine = curves_make(&c, set), one = set->teacher_count == 1;
    for (int i = 0; fine && i < set->series_count; i++) add_series(&c, q, &set->series[i], i);
    if (fine && c.count) {
        const svg_plot plot = {.title = q->title,
                               .x = {.label = "epoch", .low = 1, .high = c.stride, .whole = true},
                               .y = {.label = q->y_label, .unit = q->unit},
                               .lines = c.lines,
                               .count = c.count,
                               .reference = q->with_teacher && one ? set->teachers[0].top1 : NAN,
                               .reference_name = one ? set->teachers[0].name : NULL};
        svg_plot_write(out, &plot);
    }
    curves_free(&c);
    return fine;
}

static bool write_plots(FILE *out, const run_set *set, const quantity *quantities, size_t count) {
    bool fine = true;
    report_legend_of_series(out, set);
    fputs("<div class=\"plots\">\n", out);
    for (size_t i = 0; i < count && fine; i++) fine = write_plot(out, set, &quantities[i]);
    fputs("</div>\n", out);
    return fine;
}

bool report_curves(FILE *out, const run_set *set, error_line *e) {
    fputs("<h2>Accuracy</h2>\n<p class=\"dim\">Thick lines: means over the seeds. Thin lines: "
          "single seeds.</p>\n",
          out);
    bool fine = write_plots(out, set, accuracies, sizeof accuracies / sizeof *accuracies);
    fputs("<h2>Terms of the loss</h2>\n<p class=\"dim\">Means over the training images of each "
          "epoch, before the weights; the distillation terms with the factor T².</p>\n",
          out);
    fine = fine && write_plots(out, set, terms, sizeof terms / sizeof *terms);
    return fine || error_memory(e, "the plots");
}
