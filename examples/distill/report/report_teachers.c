#include "report/html.h"
#include "report/report_parts.h"
#include "report/teacher_view.h"
#include "train/evaluate.h"

#include <math.h>

enum { MOST_TEMPERATURES = 4, BINS = 20, LINEAR_CLASSES = 20 };

// --- Figures -------------------------------------------------------------------------------------

// Fills in the lines: mean and median, and others behind them. The band goes with them.
static void write_profile(FILE *out, svg_plot plot, const profile *p, const svg_line *others,
                          int count) {
    svg_line lines[4] = {{"mean", 0, false, p->mean, p->count, p->x},
                         {"median", 1, false, p->median, p->count, p->x}};
    const svg_band band = {0, p->low, p->high, p->count, p->x};
    for (int i = 0; i < count; i++) lines[2 + i] = others[i];
    plot.lines = lines;
    plot.count = 2 + count;
    plot.band = &band;
    svg_plot_write(out, &plot);
}

static void write_rank_figures(FILE *out, const teacher_view *v) {
    const bool soft = v->temperature != 1, many = v->classes > LINEAR_CLASSES;
    svg_plot plot = {.title = "Probability by rank",
                     .x = {.label = "rank of the class, 1: the teacher's first",
                           .low = 1,
                           .high = v->classes,
                           .whole = true,
                           .log = many},
                     .y = {.label = "probability", .log = true},
                     .marks = v->marks,
                     .mark_count = v->mark_count,
                     .reference = NAN};
    svg_line others[] = {{"mean at T = 1", 2, false, v->plain_rank.mean, v->classes, NULL},
                         {"label among the top k", 3, false, v->label, v->classes, NULL}};
    write_profile(out, plot, &v->rank, others, soft);
    plot.title = "Mass of the top k classes";
    plot.x.label = "k";
    plot.y = (svg_axis){.label = "mass, %", .unit = " %", .low = 0, .high = 100};
    others[0].y = v->plain_mass.mean;
    write_profile(out, plot, &v->mass, others + !soft, 1 + soft);
}

static void write_adaptive_figures(FILE *out, const teacher_view *v) {
    const bool many = v->classes > LINEAR_CLASSES, one = v->mark_count == 1;
    char name[32] = "";
    if (one) snprintf(name, sizeof name, "the runs' k = %s", v->marks[0].label);
    svg_plot plot = {.title = "Adaptive k by ratio",
                     .x = {.label = "ratio", .low = 1, .high = v->classes, .log = true},
                     .y = {.label = "k", .log = many, .low = many ? 1 : 0, .high = v->classes},
                     .reference = one ? v->marks[0].x : NAN,
                     .reference_name = name};
    write_profile(out, plot, &v->by_ratio, NULL, 0);
    plot.title = "Adaptive k by mass";
    plot.x = (svg_axis){.label = "mass, %", .low = 50, .high = 100};
    write_profile(out, plot, &v->by_mass, NULL, 0);
}

// Percent of all images in each twentieth of [0, 1]; `right`: only those that the teacher has right
// (1) or wrong (0), or all (-1).
static void count_confidence(const teacher_view *v, const double *sorted, int right,
                             double bins[BINS]) {
    for (int b = 0; b < BINS; b++) bins[b] = 0;
    for (size_t i = 0; i < v->rows; i++) {
        const double first = sorted[i * (size_t)v->classes];
        const float *logits = npy_row(&v->teacher->logits, i);
        const bool hit = target_rank(logits, v->classes, v->labels[i]) == 0;
        if (right >= 0 && hit != right) continue;
        const int bin = (int)(first * BINS);
        bins[bin < BINS ? bin : BINS - 1] += 100 / (double)v->rows;
    }
}

static void write_confidence(FILE *out, const teacher_view *v) {
    double x[BINS], y[3][BINS];
    char soft[32];
    snprintf(soft, sizeof soft, "all, T = %g", v->temperature);
    const char *names[] = {"right answers, T = 1", "wrong answers, T = 1", soft};
    const int count = v->temperature == 1 ? 2 : 3;
    svg_line lines[3];
    for (int b = 0; b < BINS; b++) x[b] = (b + 0.5) / BINS;
    count_confidence(v, v->plain, 1, y[0]);
    count_confidence(v, v->plain, 0, y[1]);
    count_confidence(v, v->sorted, -1, y[2]);
    for (int i = 0; i < 3; i++) lines[i] = (svg_line){names[i], i, false, y[i], BINS, x};
    const svg_plot plot = {.title = "Confidence: probability of the first class",
                           .x = {.label = "probability, in steps of 0.05", .low = 0, .high = 1},
                           .y = {.label = "% of the images", .unit = " %"},
                           .lines = lines,
                           .count = count,
                           .reference = NAN};
    report_legend(out, names, count);
    fputs("<div class=\"plots\">\n", out);
    svg_plot_write(out, &plot);
    fputs("</div>\n", out);
}

// --- Table ---------------------------------------------------------------------------------------

static void write_row(FILE *out, const teacher_view *v, int k, bool own) {
    fprintf(out, "<tr%s><td>%d<td>%.2f<td>%.2f<td>%.2f", own ? " class=\"own\"" : "", k,
            v->mass.mean[k - 1], v->mass.low[k - 1], v->mass.high[k - 1]);
    if (v->temperature != 1) fprintf(out, "<td>%.2f", v->plain_mass.mean[k - 1]);
    fprintf(out, "<td>%.2f\n", v->label[k - 1]);
}

static void write_table(FILE *out, const teacher_view *v) {
    static const int usual[] = {1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50};
    fprintf(out,
            "<div class=\"scroll\"><table><thead><tr><th>k<th>mass of the top&nbsp;k, mean&nbsp;%%"
            "<th>10th percentile&nbsp;%%<th>90th percentile&nbsp;%%%s<th>label "
            "among the top&nbsp;k&nbsp;%%</thead><tbody>\n",
            v->temperature != 1 ? "<th>mean at T&nbsp;=&nbsp;1&nbsp;%" : "");
    int mark = 0;
    for (size_t i = 0; i <= sizeof usual / sizeof *usual; i++) {
        const int next = i < sizeof usual / sizeof *usual ? usual[i] : v->classes;
        for (; mark < v->mark_count && v->marks[mark].x < next; mark++)
            write_row(out, v, (int)v->marks[mark].x, true);
        if (next >= v->classes) break;
        const bool own = mark < v->mark_count && v->marks[mark].x == next;
        write_row(out, v, next, own);
        mark += own;
    }
    fputs("</tbody></table></div>\n", out);
}

// --- The section ---------------------------------------------------------------------------------

static void write_view(FILE *out, const teacher_view *v) {
    const char *names[] = {"mean", "median", "mean at T = 1", "label among the top k"};
    fputs("<h3>", out);
    html_text(out, v->teacher->name);
    fprintf(out, " at T = %g</h3>\n", v->temperature);
    report_legend(out, names, 4);
    fputs("<div class=\"plots\">\n", out);
    write_rank_figures(out, v);
    write_adaptive_figures(out, v);
    fputs("</div>\n", out);
    write_table(out, v);
    write_confidence(out, v);
}

static bool write_teacher(FILE *out, const run_set *set, const recorded_teacher *t, error_line *e) {
    double temperatures[MOST_TEMPERATURES] = {1};
    int count = runs_temperatures(set, t, temperatures, MOST_TEMPERATURES);
    if (count == 0) count = 1; // nobody distils: as it is
    for (int i = 0; i < count; i++) {
        teacher_view v;
        const bool fine = teacher_view_make(&v, set, t, temperatures[i]);
        if (fine) write_view(out, &v);
        teacher_view_free(&v);
        if (!fine) return error_memory(e, "the teacher's distribution");
    }
    return true;
}

bool report_teachers(FILE *out, const run_set *set, error_line *e) {
    if (set->teacher_count == 0) return true;
    fputs(
        "<h2>What the teacher knows, and at which k it splits</h2>\n"
        "<p class=\"dim\">The teacher's softmax of the test images, classes sorted from its first "
        "choice down. A good k takes the classes that are still told apart from the noise of the "
        "rest: look for the bend of the ranks. Shaded: from the 10th to the 90th percentile of the "
        "images. "
        "Dashed, and bold in the table: the runs' k. Adaptive k: as libgdkd finds it for each "
        "image, without an upper bound.</p>\n",
        out);
    for (int i = 0; i < set->teacher_count; i++)
        if (!write_teacher(out, set, &set->teachers[i], e)) return false;
    return true;
}
