#include "report/svg_plot.h"

#include "report/html.h"

#include <math.h>

// In units of the viewBox; the page shows it about as wide as this, so that 12 is a readable font.
enum { WIDTH = 400, HEIGHT = 270, LEFT = 60, RIGHT = 12, TOP = 34, BOTTOM = 40, MAX_MARKED = 40 };
enum { LABEL_ROOM = 18 }; // from one label of a mark to the next

// --- Scales --------------------------------------------------------------------------------------

typedef struct {
    double low, high;
    double step;     // between ticks; log: of the exponent, 0 for 1, 2, 5, 10 ...
    double from, to; // where low and high lie in the picture
    bool log;
    int decimals;
} scale;

static double at(const scale *s, double value) {
    if (s->high <= s->low) return (s->from + s->to) / 2;
    const double part = s->log ? log(value / s->low) / log(s->high / s->low)
                               : (value - s->low) / (s->high - s->low);
    return s->from + (s->to - s->from) * part;
}

static bool visible(const scale *s, double value) {
    return isfinite(value) && (!s->log || value >= s->low);
}

// The smallest of 1, 2, 5 times a power of ten that is at least x.
static double round_step(double x) {
    const double power = pow(10, floor(log10(x)));
    if (x <= power) return power;
    if (x <= 2 * power) return 2 * power;
    return x <= 5 * power ? 5 * power : 10 * power;
}

static void set_ticks(scale *s, const svg_axis *axis, double wanted) {
    s->log = axis->log;
    if (axis->log) {
        const double decades = log10(s->high / s->low);
        s->step = decades < 2.5 ? 0 : ceil(decades / 7);
        return;
    }
    s->step = s->high > s->low ? round_step((s->high - s->low) / wanted) : 1;
    if (axis->whole) s->step = fmax(s->step, 1);
    s->decimals = s->step >= 1 ? 0 : (int)ceil(-log10(s->step) - 1e-9);
}

static scale x_scale(const svg_plot *plot) {
    scale s = {.low = plot->x.low, .high = plot->x.high, .from = LEFT, .to = WIDTH - RIGHT};
    set_ticks(&s, &plot->x, 7);
    return s;
}

static void stretch(scale *s, const double *values, int count, bool log) {
    for (int i = 0; i < count; i++) {
        if (!isfinite(values[i]) || (log && values[i] <= 0)) continue;
        s->low = fmin(s->low, values[i]);
        s->high = fmax(s->high, values[i]);
    }
}

static scale y_scale(const svg_plot *plot) {
    const svg_axis *axis = &plot->y;
    scale s = {.low = INFINITY, .high = -INFINITY, .from = HEIGHT - BOTTOM, .to = TOP};
    if (axis->low < axis->high) {
        s.low = axis->low;
        s.high = axis->high;
        set_ticks(&s, axis, 5);
        return s;
    }
    for (int i = 0; i < plot->count; i++)
        stretch(&s, plot->lines[i].y, plot->lines[i].count, axis->log);
    if (!isnan(plot->reference)) stretch(&s, &plot->reference, 1, axis->log);
    if (!(s.low <= s.high)) s.low = s.high = axis->log ? 1 : 0; // nothing to draw
    if (axis->log) {
        s.low = pow(10, floor(log10(s.low)));
        s.high = fmax(pow(10, ceil(log10(s.high))), 10 * s.low);
        set_ticks(&s, axis, 5);
        return s;
    }
    if (s.high - s.low < 1e-9 * fmax(fabs(s.high), 1e-3)) {
        const double room = fmax(fabs(s.high) * 0.05, 1e-3);
        s.low -= room;
        s.high += room;
    }
    set_ticks(&s, axis, 5);
    s.low = floor(s.low / s.step) * s.step;
    s.high = ceil(s.high / s.step) * s.step;
    return s;
}

// --- Axes ----------------------------------------------------------------------------------------

static void write_value(FILE *out, const scale *s, double value) {
    const double exponent = s->log ? round(log10(value)) : 0;
    if (!s->log)
        fprintf(out, "%.*f", s->decimals, fabs(value) < s->step / 2 ? 0.0 : value);
    else if (s->step == 0 || fabs(exponent) <= 3)
        fprintf(out, "%g", value);
    else
        fprintf(out, "10<tspan class=\"power\" dy=\"-5\">%s%.0f</tspan>", exponent < 0 ? "−" : "",
                fabs(exponent));
}

static void write_x_tick(FILE *out, const scale *s, double value) {
    fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">", at(s, value), HEIGHT - BOTTOM + 17);
    write_value(out, s, value);
    fputs("</text>\n", out);
}

static void write_y_tick(FILE *out, const scale *s, double value) {
    const double y = at(s, value);
    fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
    fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 6, y + 4);
    write_value(out, s, value);
    fputs("</text>\n", out);
}

static void write_ticks(FILE *out, const scale *s,
                        void (*write)(FILE *out, const scale *s, double value)) {
    const double slack = 1e-9;
    if (!s->log) {
        const long first = lround(ceil(s->low / s->step - slack)),
                   last = lround(floor(s->high / s->step + slack));
        for (long i = first; i <= last; i++) write(out, s, (double)i * s->step);
        return;
    }
    static const double between[] = {1, 2, 5};
    const int parts = s->step == 0 ? 3 : 1, every = (int)fmax(s->step, 1);
    for (int e = (int)floor(log10(s->low) + slack); pow(10, e) <= s->high * (1 + slack); e += every)
        for (int i = 0; i < parts; i++) {
            const double value = between[i] * pow(10, e);
            if (value >= s->low * (1 - slack) && value <= s->high * (1 + slack))
                write(out, s, value);
        }
}

static void write_axes(FILE *out, const svg_plot *plot, const scale *x, const scale *y) {
    write_ticks(out, y, write_y_tick);
    write_ticks(out, x, write_x_tick);
    fprintf(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    html_text(out, plot->x.label);
    fprintf(out, "</text>\n<text class=\"mid\" transform=\"translate(12 %d) rotate(-90)\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    html_text(out, plot->y.label);
    fputs("</text>\n", out);
}

static void write_reference(FILE *out, const svg_plot *plot, const scale *s) {
    if (isnan(plot->reference)) return;
    const double y = at(s, plot->reference);
    fprintf(out, "<path class=\"reference\" d=\"M%d %.1fH%d\"><title>", LEFT, y, WIDTH - RIGHT);
    html_text(out, plot->reference_name);
    fputs("</title></path>", out);
    fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", WIDTH - RIGHT - 2,
            y + (y < TOP + 18 ? 14 : -5));
    html_text(out, plot->reference_name);
    fputs("</text>\n", out);
}

// Labels that would touch the one before are left to the tooltip.
static void write_marks(FILE *out, const svg_plot *plot, const scale *s) {
    double last = -LABEL_ROOM;
    for (int i = 0; i < plot->mark_count; i++) {
        const double x = at(s, plot->marks[i].x);
        fprintf(out, "<path class=\"reference\" d=\"M%.1f %dV%d\"><title>", x, HEIGHT - BOTTOM,
                TOP);
        html_text(out, plot->marks[i].label);
        fputs("</title></path>", out);
        if (x - last < LABEL_ROOM) continue;
        last = x;
        fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">", x, TOP - 3);
        html_text(out, plot->marks[i].label);
        fputs("</text>\n", out);
    }
}

// --- Curves --------------------------------------------------------------------------------------

static double x_of(const double *x, int i) {
    return x ? x[i] : i + 1;
}

static void write_curve(FILE *out, const svg_line *line, const scale *x, const scale *y) {
    bool pen_down = false;
    fprintf(out, "<path class=\"line%s s%d\" d=\"", line->faint ? " faint" : "",
            line->style % SVG_STYLES);
    for (int i = 0; i < line->count; i++) {
        const bool there = visible(y, line->y[i]);
        if (there)
            fprintf(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', at(x, x_of(line->x, i)),
                    at(y, line->y[i]));
        pen_down = there;
    }
    fputs("\"/>\n", out);
}

// There along the upper edge, back along the lower one, which never falls below the axis.
static void write_band(FILE *out, const svg_band *band, const scale *x, const scale *y) {
    fprintf(out, "<path class=\"band s%d\" d=\"", band->style % SVG_STYLES);
    for (int i = 0; i < 2 * band->count; i++) {
        const bool back = i >= band->count;
        const int place = back ? 2 * band->count - 1 - i : i;
        const double value = back ? band->low[place] : band->high[place];
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', at(x, x_of(band->x, place)),
                at(y, fmax(value, y->low)));
    }
    fputs("Z\"/>\n", out);
}

void svg_marker(FILE *out, int style, double x, double y) {
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
static void write_points(FILE *out, const svg_plot *plot, const svg_line *line, const scale *xs,
                         const scale *ys) {
    for (int i = 0; i < line->count; i++) {
        if (!visible(ys, line->y[i])) continue;
        const double x = at(xs, x_of(line->x, i)), y = at(ys, line->y[i]);
        fputs("<g>", out);
        if (line->count <= MAX_MARKED) svg_marker(out, line->style, x, y);
        fprintf(out, "<circle class=\"hit\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\"><title>", x, y);
        html_text(out, line->name);
        fputs(", ", out);
        html_text(out, plot->x.label);
        fprintf(out, " %.4g: ", x_of(line->x, i));
        fprintf(out, ys->log ? "%.*g" : "%.*f", ys->log ? 3 : ys->decimals + 2, line->y[i]);
        if (plot->y.unit) html_text(out, plot->y.unit);
        fputs("</title></circle></g>\n", out);
    }
}

void svg_plot_write(FILE *out, const svg_plot *plot) {
    const scale x = x_scale(plot), y = y_scale(plot);
    fprintf(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_text(out, plot->title);
    fprintf(out, "\">\n<text class=\"title\" x=\"%d\" y=\"16\">", LEFT);
    html_text(out, plot->title);
    fputs("</text>\n", out);
    if (plot->band) write_band(out, plot->band, &x, &y);
    write_axes(out, plot, &x, &y);
    write_reference(out, plot, &y);
    write_marks(out, plot, &x);
    for (int i = 0; i < plot->count; i++) write_curve(out, &plot->lines[i], &x, &y);
    for (int i = 0; i < plot->count; i++)
        if (!plot->lines[i].faint) write_points(out, plot, &plot->lines[i], &x, &y);
    fputs("</svg></figure>\n", out);
}

void svg_legend_marker(FILE *out, int style) {
    fprintf(out,
            "<svg class=\"key\" viewBox=\"0 0 28 12\" aria-hidden=\"true\"><path class=\"line "
            "s%d\" d=\"M1 6H27\"/>",
            style % SVG_STYLES);
    svg_marker(out, style, 14, 6);
    fputs("</svg>", out);
}
