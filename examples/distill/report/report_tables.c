#include "report/html.h"
#include "report/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void report_cell(FILE *out, int decimals, double value) {
    if (isfinite(value))
        fprintf(out, "<td>%.*f", decimals, value);
    else
        fputs("<td>–", out);
}

void report_summary(FILE *out, const run_set *set) {
    char text[32];
    fputs(
        "<div class=\"scroll\"><table><thead><tr><th>loss<th>top-1 last&nbsp;%<th>top-1 best&nbsp;%"
        "<th>runs<th>s/epoch<th>time in<br>libgdkd</thead><tbody>\n",
        out);
    for (int i = 0; i < set->series_count; i++) {
        const series *s = &set->series[i];
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
    fputs("</tbody></table></div>\n<p class=\"dim\">Mean ± standard deviation over the seeds, of "
          "the last epoch and of each run's best one. The best epoch is chosen by the test images, "
          "so it flatters. s/epoch: training alone; where losses share what a teacher said "
          "(--teacher-memory), the first of them bears its time.</p>\n",
          out);
}

void report_every_run(FILE *out, const run_set *set) {
    fputs("<div class=\"scroll\"><table><thead><tr><th>run<th>epochs<th>top-1 last&nbsp;%"
          "<th>top-1 best&nbsp;%<th>best epoch<th>top-5 last&nbsp;%</thead><tbody>\n",
          out);
    for (int i = 0; i < set->series_count; i++) {
        const series *s = &set->series[i];
        for (int j = 0; j < s->seeds; j++) {
            const epoch_record *last = run_log_last(&s->logs[j]), *best = run_log_best(&s->logs[j]);
            fputs("<tr><td>", out);
            html_text(out, s->name);
            fprintf(out, ", seed %" PRIu64 "<td>%d", s->seed[j], s->logs[j].count);
            if (!series_finished(s, j)) fprintf(out, " of %d", s->epochs);
            fprintf(out, "<td>%.2f<td>%.2f<td>%d<td>%.2f\n", last->test_top1, best->test_top1,
                    (int)(best - s->logs[j].epochs) + 1, last->test_top5);
        }
    }
    fputs("</tbody></table></div>\n", out);
}

// The values that the runs have for one setting, each once.
static void write_values(FILE *out, const run_set *set, int setting) {
    char own[128], before[128];
    bool any = false;
    for (int i = 0; i < set->run_count; i++) {
        bool known = !run_facts_tell(&set->runs[i].facts, setting, own, sizeof own);
        for (int j = 0; j < i && !known; j++)
            known = run_facts_tell(&set->runs[j].facts, setting, before, sizeof before) &&
                    strcmp(own, before) == 0;
        if (known) continue;
        if (!any) {
            fputs("<dt>", out);
            html_text(out, run_facts_key(setting));
        }
        fputs(any ? ", " : "<dd>", out);
        html_text(out, own);
        any = true;
    }
    if (any) fputc('\n', out);
}

void report_settings(FILE *out, const run_set *set) {
    fputs("<dl>\n", out);
    for (int i = 0; run_facts_key(i); i++)
        if (run_facts_of_training(i)) write_values(out, set, i);
    fprintf(out, "<dt>test-images<dd>%zu\n</dl>\n", set->runs[0].facts.images);
}
