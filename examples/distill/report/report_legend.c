#include "report/html.h"
#include "report/report_parts.h"
#include "report/svg_plot.h"

static void begin_entry(FILE *out, int style) {
    fputs("<span>", out);
    svg_legend_marker(out, style);
}

void report_legend(FILE *out, const char *const *names, int count) {
    fputs("<div class=\"legend\">", out);
    for (int i = 0; i < count; i++) {
        begin_entry(out, i);
        html_text(out, names[i]);
        fputs("</span>", out);
    }
    fputs("</div>\n", out);
}

void report_legend_of_series(FILE *out, const run_set *set) {
    fputs("<div class=\"legend\">", out);
    for (int i = 0; i < set->series_count; i++) {
        begin_entry(out, i);
        html_text(out, set->series[i].name);
        fputs("</span>", out);
    }
    fputs("</div>\n", out);
}

void report_colours(FILE *out, const char *const *names, int count) {
    fputs("<div class=\"legend\">", out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "<span><i class=\"swatch s%d\"></i>", i);
        html_text(out, names[i]);
        fputs("</span>", out);
    }
    fputs("</div>\n", out);
}
