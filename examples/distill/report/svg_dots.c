#include "report/svg_dots.h"

#include "report/html.h"
#include "report/svg_plot.h"

#include <math.h>

enum { WIDTH = 400, LEFT = 106, RIGHT = 14, TOP = 28, BOTTOM = 38, NAME_LENGTH = 15 };

typedef struct {
    double low, high, row_height;
    int bottom;
} frame;

static double x_at(const frame *f, double value) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - f->low) / (f->high - f->low);
}

static void write_axis(FILE *out, const svg_dots *dots, const frame *f) {
    const int step = dots->high - dots->low > 50 ? 20 : 10;
    for (int value = (int)ceil(dots->low / step) * step; value <= dots->high; value += step) {
        fprintf(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x_at(f, value), TOP, f->bottom);
        fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">%d</text>\n", x_at(f, value),
                f->bottom + 16, value);
    }
    fprintf(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2,
            f->bottom + 32);
    html_text(out, dots->x_label);
    fputs("</text>\n", out);
}

// Cut between characters, never within one: the bytes behind the first have the bits 10.
static void write_name(FILE *out, const char *name) {
    char text[4 * NAME_LENGTH + 8];
    int used = 0, characters = 0;
    for (; name[used] && used < 4 * NAME_LENGTH; used++) {
        characters += ((unsigned char)name[used] & 0xc0) != 0x80;
        if (characters > NAME_LENGTH) break;
    }
    snprintf(text, sizeof text, "%.*s%s", used, name, name[used] ? "…" : "");
    html_text(out, text);
}

static void write_tooltip(FILE *out, const char *name, const char *row, double value) {
    fputs("<title>", out);
    html_text(out, name);
    fputs(", ", out);
    html_text(out, row);
    fprintf(out, ": %.2f %%</title>", value);
}

static void write_row(FILE *out, const svg_dots *dots, const frame *f, int which) {
    const dots_row *row = &dots->rows[which];
    const double top = TOP + which * f->row_height, middle = top + f->row_height / 2;
    fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, top, WIDTH - RIGHT);
    fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 8, middle + 4);
    write_name(out, row->name);
    fputs("</text>\n", out);
    if (isfinite(row->reference)) {
        fprintf(out, "<path class=\"tick\" d=\"M%.1f %.1fV%.1f\">", x_at(f, row->reference),
                top + 2, top + f->row_height - 2);
        write_tooltip(out, dots->reference_name, row->name, row->reference);
        fputs("</path>\n", out);
    }
    for (int i = 0; i < dots->series; i++) {
        const double y = top + f->row_height * (i + 1) / (dots->series + 1);
        if (!isfinite(row->value[i])) continue;
        fprintf(out, "<g><path class=\"line faint s%d\" d=\"M%.1f %.1fH%.1f\"/>", i % SVG_STYLES,
                x_at(f, row->low[i]), y, x_at(f, row->high[i]));
        svg_marker(out, i, x_at(f, row->value[i]), y);
        write_tooltip(out, dots->names[i], row->name, row->value[i]);
        fputs("</g>\n", out);
    }
}

void svg_dots_write(FILE *out, const svg_dots *dots) {
    frame f = {.low = dots->low, .high = dots->high, .row_height = 12 + 6 * dots->series};
    f.bottom = TOP + (int)(dots->count * f.row_height);
    fprintf(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            f.bottom + BOTTOM);
    html_text(out, dots->title);
    fprintf(out, "\">\n<text class=\"title\" x=\"%d\" y=\"18\">", LEFT);
    html_text(out, dots->title);
    fputs("</text>\n", out);
    write_axis(out, dots, &f);
    for (int i = 0; i < dots->count; i++) write_row(out, dots, &f, i);
    fputs("</svg></figure>\n", out);
}
