#include "agreement.h"
#include "html.h"
#include "report_parts.h"
#include "teacher_view.h"
#include "term_shares.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// --- Agreement -----------------------------------------------------------------------------------

static const struct {
    const char *head;
    size_t offset; // in an agreement
} columns[] = {
    {"same class&nbsp;%", offsetof(agreement, agree)},
    {"where the teacher is right&nbsp;%", offsetof(agreement, agree_right)},
    {"where it is wrong&nbsp;%", offsetof(agreement, agree_wrong)},
    {"student alone right&nbsp;%", offsetof(agreement, student_only)},
    {"teacher alone right&nbsp;%", offsetof(agreement, teacher_only)},
    {"KL at T&nbsp;=&nbsp;1, nats", offsetof(agreement, divergence)},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void write_agreement(FILE *out, const run_set *set, int which) {
    statistic cells[COLUMNS] = {0};
    for (int j = 0; j < set->series[which].seeds; j++) {
        const recorded_run *r = &set->runs[set->first[which] + j];
        const recorded_teacher *t = run_set_teacher(set, r);
        if (!t) continue;
        const agreement a = agreement_of(&r->logits, &t->logits, r->facts.labels);
        for (int i = 0; i < COLUMNS; i++) {
            double value;
            memcpy(&value, (const char *)&a + columns[i].offset, sizeof value);
            statistic_add(&cells[i], value);
        }
    }
    if (!cells[0].count) return;
    fputs("<tr><td>", out);
    html_text(out, set->series[which].name);
    for (int i = 0; i < COLUMNS; i++) {
        char text[32] = "–";
        if (cells[i].count)
            summary_format(cells[i].mean, statistic_spread(&cells[i]), cells[i].count, text,
                           sizeof text);
        fprintf(out, "<td>%s", text);
    }
    fputc('\n', out);
}

static void write_agreements(FILE *out, const run_set *set) {
    fputs("<h2>Student and teacher</h2>\n<div class=\"scroll\"><table><thead><tr><th>loss", out);
    for (int i = 0; i < COLUMNS; i++) fprintf(out, "<th>%s", columns[i].head);
    fputs("</thead><tbody>\n", out);
    for (int i = 0; i < set->series_count; i++) write_agreement(out, set, i);
    fputs("</tbody></table></div>\n<p class=\"dim\">On the test images, after the last epoch. Same "
          "class: both name it, of all images, of those that the teacher has right, of those that "
          "it has wrong. KL: of the teacher's distribution to the student's.</p>\n",
          out);
}

// --- Shares --------------------------------------------------------------------------------------

static const loss_term parts[] = {TERM_CE, TERM_KD, TERM_HIGH, TERM_TOP, TERM_OTHER};
enum { PARTS = sizeof parts / sizeof *parts };

static bool shares_of_series(const run_set *set, int which, statistic loss[PARTS],
                             statistic largest[PARTS], error_line *e) {
    for (int j = 0; j < set->series[which].seeds; j++) {
        const recorded_run *r = &set->runs[set->first[which] + j];
        const recorded_teacher *t = run_set_teacher(set, r);
        term_shares shares;
        if (!t || !criterion_needs_teacher(&r->facts.loss) || !criterion_by_rows(&r->facts.loss))
            continue;
        if (!term_shares_of(&r->facts.loss, &r->logits, &t->logits, r->facts.labels, &shares, e))
            return error_prefix(e, r->path);
        for (int i = 0; i < PARTS; i++) {
            statistic_add(&loss[i], shares.loss[parts[i]]);
            statistic_add(&largest[i], shares.largest[parts[i]]);
        }
    }
    return true;
}

static void write_share(FILE *out, const char *name, const char *what,
                        const statistic shares[PARTS]) {
    fputs("<tr><td>", out);
    html_text(out, name);
    fprintf(out, "<small>%s</small><td><div class=\"bar\">", what);
    for (int i = 0; i < PARTS; i++)
        if (shares[i].count)
            fprintf(out, "<i class=\"s%d\" style=\"flex:%.3f 0 0\" title=\"%s %.1f %%\"></i>", i,
                    shares[i].mean, term_names[parts[i]], shares[i].mean);
    fputs("</div>", out);
    for (int i = 0; i < PARTS; i++) report_cell(out, 1, shares[i].count ? shares[i].mean : NAN);
    fputc('\n', out);
}

static bool write_shares(FILE *out, const run_set *set, error_line *e) {
    const char *names[PARTS];
    for (int i = 0; i < PARTS; i++) names[i] = term_names[parts[i]];
    fputs("<h2>What the weights come to</h2>\n<p class=\"dim\">Of each finished loss on the test "
          "images, weights included, after the warm-up: the share of every term in its mean, and "
          "the share of the images in which a term is the largest. A term that is next to nothing "
          "teaches next to nothing; one that drowns the others may weigh too much.</p>\n",
          out);
    report_colours(out, names, PARTS);
    fputs("<div class=\"scroll\"><table><thead><tr><th>loss<th class=\"wide\">", out);
    for (int i = 0; i < PARTS; i++) fprintf(out, "<th>%s&nbsp;%%", names[i]);
    fputs("</thead><tbody>\n", out);
    for (int i = 0; i < set->series_count; i++) {
        statistic loss[PARTS] = {0}, largest[PARTS] = {0};
        if (!shares_of_series(set, i, loss, largest, e)) return false;
        if (!loss[0].count && !loss[1].count && !loss[2].count) continue;
        write_share(out, set->series[i].name, "share of the loss", loss);
        write_share(out, set->series[i].name, "images where it is the largest", largest);
    }
    fputs("</tbody></table></div>\n", out);
    return true;
}

// --- Terms by k ----------------------------------------------------------------------------------

enum { MOST_K = 40, LINEAR_CLASSES = 20 };

// Every k below the classes, or about equal steps of its logarithm where there are many.
static int choose_k(int classes, int *k) {
    int count = 0;
    for (int next = 1; next < classes && count < MOST_K;
         next = classes <= LINEAR_CLASSES ? next + 1 : next + 1 + next / 6)
        k[count++] = next;
    return count;
}

static bool write_terms_by_k(FILE *out, const run_set *set, int which, error_line *e) {
    const recorded_run *r = &set->runs[set->first[which]];
    const recorded_teacher *t = run_set_teacher(set, r);
    static const char *const names[] = {"high", "top", "other"};
    double terms[MOST_K][TERMS], x[MOST_K], y[3][MOST_K], temperature = r->facts.loss.temperature;
    int k[MOST_K];
    char title[128], mark[16];
    if (!t) return true;
    if (r->facts.loss.kind == LOSS_CE) runs_temperatures(set, t, &temperature, 1);
    const int count = choose_k(r->facts.classes, k);
    if (count == 0) return true;
    if (!terms_by_k(temperature, &r->logits, &t->logits, r->facts.labels, k, count, terms, e))
        return error_prefix(e, r->path);
    svg_line lines[3];
    for (int line = 0; line < 3; line++) {
        for (int i = 0; i < count; i++) {
            x[i] = k[i];
            y[line][i] = terms[i][TERM_HIGH + line];
            if (y[line][i] <= 0) y[line][i] = NAN; // a group of one class has no term of its own
        }
        lines[line] = (svg_line){names[line], line, false, y[line], count, x};
    }
    const bool has_k = r->facts.loss.kind == LOSS_GDKD;
    snprintf(mark, sizeof mark, "%d", r->facts.loss.k);
    const svg_mark own = {r->facts.loss.k, mark};
    snprintf(title, sizeof title, "%s, T = %g", set->series[which].name, temperature);
    const svg_plot plot = {.title = title,
                           .x = {.label = "k",
                                 .low = 1,
                                 .high = k[count - 1],
                                 .whole = true,
                                 .log = r->facts.classes > LINEAR_CLASSES},
                           .y = {.label = "T² · nats", .log = true},
                           .lines = lines,
                           .count = 3,
                           .marks = &own,
                           .mark_count = has_k && r->facts.loss.k <= k[count - 1],
                           .reference = NAN};
    svg_plot_write(out, &plot);
    return true;
}

static bool write_all_terms_by_k(FILE *out, const run_set *set, error_line *e) {
    static const char *const names[] = {"high: between the groups", "top: among the top k",
                                        "other: among the other classes"};
    bool fine = true;
    if (set->runs[0].facts.classes < 3) return true;
    fputs("<h3>GDKD's terms by k</h3>\n<p class=\"dim\">What is left between each student (its "
          "first seed) and its teacher on the test images, split at every k, before the weights: "
          "where a term is, and how large its weight must be to count. Dashed: the run's own "
          "k.</p>\n",
          out);
    report_legend(out, names, 3);
    fputs("<div class=\"plots\">\n", out);
    for (int i = 0; fine && i < set->series_count; i++) fine = write_terms_by_k(out, set, i, e);
    fputs("</div>\n", out);
    return fine;
}

bool report_students(FILE *out, const run_set *set, error_line *e) {
    bool any = false;
    for (int i = 0; i < set->run_count; i++) any = any || run_set_teacher(set, &set->runs[i]);
    if (!any) return true;
    write_agreements(out, set);
    return write_shares(out, set, e) && write_all_terms_by_k(out, set, e);
}
