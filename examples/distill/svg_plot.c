#include "svg_plot.h"

#include "html.h"

#include <math.h>

// In units of the viewBox; the page shows it about as wide as this, so that 12 is a readable font.
enum { WIDTH = 400, HEIGHT = 270, LEFT = 60, RIGHT = 12, TOP = 34, BOTTOM = 40, MAX_MARKED = 40 };

typedef struct {
    double low, high, step; // of the y axis
    int decimals;
    int epochs;
} scale;

static double x_at(const scale *s, double epoch) {
    const double wide = WIDTH - LEFT - RIGHT;
    if (s->epochs == 1) return LEFT + wide / 2;
    return LEFT + wide * (epoch - 1) / (s->epochs - 1);
}

static double y_at(const scale *s, double y) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - s->low) / (s->high - s->low);
}

// The smallest of 1, 2, 5 times a power of ten that is at least x.
static double round_step(double x) {
    const double power = pow(10, floor(log10(x)));
    if (x <= power) return power;
    if (x <= 2 * power) return 2 * power;
    return x <= 5 * power ? 5 * power : 10 * power;
}

static scale make_scale(const svg_plot *plot) {
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < plot->count; i++) {
        for (int j = 0; j < plot->lines[i].count; j++) {
            const double y = plot->lines[i].y[j];
            if (!isfinite(y)) continue;
            low = fmin(low, y);
            high = fmax(high, y);
        }
    }
    if (!isnan(plot->reference)) {
        low = fmin(low, plot->reference);
        high = fmax(high, plot->reference);
    }
    if (!(low <= high)) low = high = 0; // nothing to draw
    if (high - low < 1e-9 * fmax(fabs(high), 1e-3)) {
        const double room = fmax(fabs(high) * 0.05, 1e-3);
        low -= room;
        high += room;
    }
    scale s = {.epochs = plot->epochs, .step = round_step((high - low) / 5)};
    s.low = floor(low / s.step) * s.step;
    s.high = ceil(high / s.step) * s.step;
    s.decimals = s.step >= 1 ? 0 : (int)ceil(-log10(s.step) - 1e-9);
    return s;
}

static void write_axes(FILE *out, const svg_plot *plot, const scale *s) {
    const int ticks = (int)lround((s->high - s->low) / s->step);
    for (int i = 0; i <= ticks; i++) {
        const double value = s->low + i * s->step, y = y_at(s, value);
        fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
        fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">%.*f</text>\n", LEFT - 6, y + 4,
                s->decimals, fabs(value) < s->step / 2 ? 0.0 : value);
    }
    const int every = s->epochs <= 8 ? 1 : (int)round_step((s->epochs - 1) / 7.0);
    for (int epoch = 1; epoch <= s->epochs; epoch++)
        if (s->epochs <= 8 || epoch % every == 0)
            fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">%d</text>\n", x_at(s, epoch),
                    HEIGHT - BOTTOM + 17, epoch);
    fprintf(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">epoch</text>\n", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 6);
    fprintf(out, "<text class=\"mid\" transform=\"translate(12 %d) rotate(-90)\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    html_text(out, plot->y_label);
    fputs("</text>\n", out);
}

static void write_curve(FILE *out, const svg_line *line, const scale *s) {
    bool pen_down = false;
    fprintf(out, "<path class=\"line%s s%d\" d=\"", line->faint ? " faint" : "",
            line->style % SVG_STYLES);
    for (int i = 0; i < line->count; i++) {
        const bool there = isfinite(line->y[i]);
        if (there)
            fprintf(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', x_at(s, i + 1), y_at(s, line->y[i]));
        pen_down = there;
    }
    fputs("\"/>\n", out);
}

// Styles differ in shape as well as in colour: circle, square, triangle, diamond.
static void write_marker(FILE *out, int style, double x, double y) {
    const int colour = style % SVG_STYLES;
    switch (style % 4) {
    case 0:
        fprintf(out, "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>", colour, x, y);
        break;
    case 1:
        fprintf(out, "<rect class=\"dot s%d\" x=\"%.1f\" y=\"%.1f\" width=\"6.4\" height=\"6.4\"/>",
                colour, x - 3.2, y - 3.2);
        break;
    case 2:
        fprintf(out, "<path class=\"dot s%d\" d=\"M%.1f %.1fl4.2 7.4h-8.4z\"/>", colour, x,
                y - 4.6);
        break;
    default:
        fprintf(out, "<path class=\"dot s%d\" d=\"M%.1f %.1fl4.4 4.4l-4.4 4.4l-4.4 -4.4z\"/>",
                colour, x, y - 4.4);
    }
}

// A marker with a larger invisible disc around it, which a pointer or a finger can hit.
static void write_points(FILE *out, const svg_plot *plot, const svg_line *line, const scale *s) {
    for (int i = 0; i < line->count; i++) {
        if (!isfinite(line->y[i])) continue;
        const double x = x_at(s, i + 1), y = y_at(s, line->y[i]);
        fputs("<g>", out);
        if (s->epochs <= MAX_MARKED) write_marker(out, line->style, x, y);
        fprintf(out, "<circle class=\"hit\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\"><title>", x, y);
        html_text(out, line->name);
        fprintf(out, ", epoch %d: %.*f", i + 1, s->decimals + 2, line->y[i]);
        html_text(out, plot->unit);
        fputs("</title></circle></g>\n", out);
    }
}

static void write_reference(FILE *out, const svg_plot *plot, const scale *s) {
    if (isnan(plot->reference)) return;
    const double y = y_at(s, plot->reference);
    fprintf(out, "<path class=\"reference\" d=\"M%d %.1fH%d\"><title>", LEFT, y, WIDTH - RIGHT);
    html_text(out, plot->reference_name);
    fputs("</title></path>", out);
    fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", WIDTH - RIGHT - 2,
            y + (y < TOP + 18 ? 14 : -5));
    html_text(out, plot->reference_name);
    fputs("</text>\n", out);
}

void svg_plot_write(FILE *out, const svg_plot *plot) {
    const scale s = make_scale(plot);
    fprintf(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_text(out, plot->title);
    fprintf(out, "\">\n<text class=\"title\" x=\"%d\" y=\"18\">", LEFT);
    html_text(out, plot->title);
    fputs("</text>\n", out);
    write_axes(out, plot, &s);
    write_reference(out, plot, &s);
    for (int i = 0; i < plot->count; i++) write_curve(out, &plot->lines[i], &s);
    for (int i = 0; i < plot->count; i++)
        if (!plot->lines[i].faint) write_points(out, plot, &plot->lines[i], &s);
    fputs("</svg></figure>\n", out);
}

void svg_legend_marker(FILE *out, int style) {
    fprintf(out,
            "<svg class=\"key\" viewBox=\"0 0 28 12\" aria-hidden=\"true\"><path class=\"line "
            "s%d\" d=\"M1 6H27\"/>",
            style % SVG_STYLES);
    write_marker(out, style, 14, 6);
    fputs("</svg>", out);
}
