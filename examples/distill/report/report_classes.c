#include "report/agreement.h"
#include "report/html.h"
#include "report/report_parts.h"
#include "report/svg_dots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_IN_FIGURE = 25 };

typedef struct {
    int classes, series;
    double *value, *low, *high; // [classes][series]: mean, least and most over the seeds
    double *teacher;            // [classes], all NaN without one
    double *one_run;            // [classes]
    const char **names;         // [series]
    char (*numbers)[24];        // [classes]: names of classes that have none
    dots_row *rows;             // [classes], hardest first
    void *block[6];
} class_table;

static bool table_make(class_table *t, const run_set *set) {
    const size_t classes = (size_t)set->runs[0].facts.classes, columns = (size_t)set->series_count;
    t->classes = (int)classes;
    t->series = (int)columns;
    t->block[0] = t->value = calloc(3 * classes * columns, sizeof *t->value);
    t->block[1] = t->teacher = calloc(2 * classes, sizeof *t->teacher);
    t->block[2] = t->names = calloc(columns, sizeof *t->names);
    t->block[3] = t->numbers = calloc(classes, sizeof *t->numbers);
    t->block[4] = t->rows = calloc(classes, sizeof *t->rows);
    if (!t->value || !t->teacher || !t->names || !t->numbers || !t->rows) return false;
    t->low = t->value + classes * columns;
    t->high = t->low + classes * columns;
    t->one_run = t->teacher + classes;
    return true;
}

static void table_free(class_table *t) {
    for (size_t i = 0; i < sizeof t->block / sizeof *t->block; i++) free(t->block[i]);
}

static void fill_series(class_table *t, const run_set *set, int which) {
    int runs = 0;
    t->names[which] = set->series[which].name;
    for (int c = 0; c < t->classes; c++) t->value[c * t->series + which] = NAN;
    for (int j = 0; j < set->series[which].seeds; j++) {
        const recorded_run *r = &set->runs[set->first[which] + j];
        if (!r->logits.rows) continue;
        class_accuracies(&r->logits, r->facts.labels, t->one_run);
        runs++;
        for (int c = 0; c < t->classes; c++) {
            const int at = c * t->series + which;
            const double own = t->one_run[c];
            t->value[at] = runs == 1 ? own : t->value[at] + (own - t->value[at]) / runs;
            t->low[at] = runs == 1 ? own : fmin(t->low[at], own);
            t->high[at] = runs == 1 ? own : fmax(t->high[at], own);
        }
    }
}

static double difficulty(const dots_row *row, int columns) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < columns; i++) {
        if (isnan(row->value[i])) continue;
        sum += row->value[i];
        count++;
    }
    return count ? sum / count : INFINITY;
}

// Insertion: there are as many rows as classes, and no other place for the number of series.
static void sort_rows(class_table *t) {
    for (int i = 1; i < t->classes; i++) {
        const dots_row row = t->rows[i];
        const double own = difficulty(&row, t->series);
        int to = i;
        for (; to > 0 && difficulty(&t->rows[to - 1], t->series) > own; to--)
            t->rows[to] = t->rows[to - 1];
        t->rows[to] = row;
    }
}

static void fill(class_table *t, const run_set *set) {
    const run_facts *f = &set->runs[0].facts;
    for (int i = 0; i < t->series; i++) fill_series(t, set, i);
    for (int c = 0; c < t->classes; c++) t->teacher[c] = NAN;
    if (set->teacher_count == 1) class_accuracies(&set->teachers[0].logits, f->labels, t->teacher);
    for (int c = 0; c < t->classes; c++) {
        const int at = c * t->series;
        snprintf(t->numbers[c], sizeof *t->numbers, "class %d", c);
        t->rows[c] = (dots_row){f->class_names ? f->class_names[c] : t->numbers[c], t->teacher[c],
                                t->value + at, t->low + at, t->high + at};
    }
    sort_rows(t);
}

static double least(const class_table *t) {
    double low = 100;
    for (int c = 0; c < t->classes; c++) {
        low = fmin(low, t->teacher[c]); // fmin leaves a NaN out
        for (int i = 0; i < t->series; i++) low = fmin(low, t->rows[c].low[i]);
    }
    return fmin(floor(low / 10) * 10, 90);
}

static void write_figure(FILE *out, const class_table *t, const run_set *set, int begin, int end) {
    char title[64] = "Accuracy by class, hardest first";
    if (end - begin < t->classes)
        snprintf(title, sizeof title, "Classes %d to %d of %d, hardest first", begin + 1, end,
                 t->classes);
    const svg_dots dots = {.title = title,
                           .x_label = "right, % of the class's test images",
                           .reference_name = set->teacher_count ? set->teachers[0].name : NULL,
                           .low = least(t),
                           .high = 100,
                           .names = t->names,
                           .series = t->series,
                           .rows = t->rows + begin,
                           .count = end - begin};
    svg_dots_write(out, &dots);
}

static void write_table(FILE *out, const class_table *t, const run_set *set) {
    const bool teacher = set->teacher_count == 1;
    fputs("<div class=\"scroll\"><table><thead><tr><th>class, right&nbsp;%", out);
    if (teacher) fputs("<th>teacher", out);
    for (int i = 0; i < t->series; i++) {
        fputs("<th>", out);
        html_text(out, t->names[i]);
    }
    fputs("</thead><tbody>\n", out);
    for (int c = 0; c < t->classes; c++) {
        fputs("<tr><td>", out);
        html_text(out, t->rows[c].name);
        if (teacher) report_cell(out, 2, t->rows[c].reference);
        for (int i = 0; i < t->series; i++) report_cell(out, 2, t->rows[c].value[i]);
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}

// The hardest classes are shown; the others, and the numbers, on demand.
static void write_classes(FILE *out, const class_table *t, const run_set *set) {
    const int figures = (t->classes + ROWS_IN_FIGURE - 1) / ROWS_IN_FIGURE;
    fprintf(out,
            "<h2>Classes</h2>\n<p class=\"dim\">After the last epoch. Dots: means over the seeds, "
            "on a line from the least to the most.%s</p>\n",
            set->teacher_count == 1 ? " Grey ticks: the teacher." : "");
    report_legend_of_series(out, set);
    for (int i = 0; i < figures; i++) {
        if (i == 0) fputs("<div class=\"plots\">\n", out);
        if (i == 1)
            fputs("</div>\n<details><summary>The other classes</summary>\n<div "
                  "class=\"plots\">\n",
                  out);
        write_figure(out, t, set, t->classes * i / figures, t->classes * (i + 1) / figures);
    }
    fprintf(out, "</div>\n%s<details><summary>The numbers</summary>\n",
            figures > 1 ? "</details>\n" : "");
    write_table(out, t, set);
    fputs("</details>\n", out);
}

bool report_classes(FILE *out, const run_set *set, error_line *e) {
    class_table t = {0};
    bool any = false;
    for (int i = 0; i < set->run_count; i++) any = any || set->runs[i].logits.rows;
    if (!any) return true;
    const bool fine = table_make(&t, set);
    if (fine) {
        fill(&t, set);
        write_classes(out, &t, set);
    }
    table_free(&t);
    return fine || error_memory(e, "the classes");
}
