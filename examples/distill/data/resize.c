#include "data/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The pixels of the old line that make one pixel of the new line.
typedef struct {
    int first;
    int count;
    double *weights; // they add up to 1
} taps;

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// In units of which an old pixel has `out` and a new one `in`, both lines are equally long, and
// every border is a whole number: an old pixel counts by what the new one covers of it.
static void area(taps *t, int in, int out, int place) {
    const int64_t from = (int64_t)place * in, to = from + in;
    t->first = (int)(from / out);
    t->count = 0;
    for (int64_t at = from; at < to;) {
        const int64_t next = smaller((at / out + 1) * out, to);
        t->weights[t->count++] = (double)(next - at) / in;
        at = next;
    }
}

// Between the centres of the two nearest pixels; the edge goes on outside.
static void linear(taps *t, int in, int out, int place) {
    double at = (place + 0.5) * in / out - 0.5;
    at = fmin(fmax(at, 0), in - 1);
    t->first = (int)at;
    t->count = t->first + 1 < in ? 2 : 1;
    t->weights[1] = at - t->first;
    t->weights[0] = 1 - t->weights[1];
}

static void find_taps(taps *t, int in, int out, int place) {
    if (in > out)
        area(t, in, out, place);
    else
        linear(t, in, out, place);
}

typedef struct {
    taps *across;    // [side]
    double *weights; // what their weights and those of `down` point into
    taps down;
    double *line; // [side][RGB]
} resizer;

static bool resizer_make(resizer *r, int width, int height, int side) {
    const size_t across = width > side ? (size_t)width / (size_t)side + 2 : 2;
    const size_t down = height > side ? (size_t)height / (size_t)side + 2 : 2;
    r->across = malloc((size_t)side * sizeof *r->across);
    r->weights = malloc(((size_t)side * across + down) * sizeof *r->weights);
    r->line = malloc((size_t)side * RGB * sizeof *r->line);
    if (!r->across || !r->weights || !r->line) return false;
    for (int x = 0; x < side; x++) {
        r->across[x].weights = r->weights + (size_t)x * across;
        find_taps(&r->across[x], width, side, x);
    }
    r->down.weights = r->weights + (size_t)side * across;
    return true;
}

// Adds a row of the old image, made as long as the new one, to the line.
static void add_row(const resizer *r, const uint8_t *row, int side, double weight) {
    for (int x = 0; x < side; x++) {
        const taps *t = &r->across[x];
        const uint8_t *from = row + (size_t)t->first * RGB;
        double *to = r->line + (size_t)x * RGB;
        for (int i = 0; i < t->count; i++)
            for (int c = 0; c < RGB; c++) to[c] += weight * t->weights[i] * *from++;
    }
}

static void store_line(const resizer *r, int side, int y, uint8_t *planes) {
    const size_t plane = (size_t)side * (size_t)side;
    uint8_t *to = planes + (size_t)y * (size_t)side;
    for (size_t x = 0; x < (size_t)side; x++)
        for (size_t c = 0; c < RGB; c++)
            to[c * plane + x] = (uint8_t)(r->line[x * RGB + c] + 0.5); // to the nearest
}

bool resize_to_planes(const uint8_t *rgb, int width, int height, int side, uint8_t *planes,
                      error_line *e) {
    resizer r = {0};
    const bool fine = resizer_make(&r, width, height, side);
    for (int y = 0; fine && y < side; y++) {
        memset(r.line, 0, (size_t)side * RGB * sizeof *r.line);
        find_taps(&r.down, height, side, y);
        for (int i = 0; i < r.down.count; i++)
            add_row(&r, rgb + (size_t)(r.down.first + i) * (size_t)width * RGB, side,
                    r.down.weights[i]);
        store_line(&r, side, y, planes);
    }
    free(r.across);
    free(r.weights);
    free(r.line);
    return fine || error_memory(e, "an image");
}
