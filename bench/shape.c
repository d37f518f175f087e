#include "shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// 2^34 elements: more than any machine has room for three times over, and no product overflows.
static const int64_t MOST_ELEMENTS = INT64_C(1) << 34U;

int parse_shape(const char *text, bench_shape *shape) {
    int64_t size[3] = {1, 1, 1};
    int64_t elements = 1;
    int sizes = 0;
    if (strlen(text) >= sizeof shape->name) return 0;
    for (const char *at = text;; at++) {
        char *end;
        if (*at < '1' || *at > '9') return 0;
        int64_t n = strtoll(at, &end, 10);
        if (n > MOST_ELEMENTS / elements) return 0;
        elements *= n;
        size[sizes < 2 ? sizes : 2] *= n; // the third and all later ones are inner
        sizes++;
        at = end;
        if (*at == '\0') break;
        if (*at != 'x') return 0;
    }
    if (sizes < 2) return 0;
    *shape = (bench_shape){.outer = size[0], .classes = size[1], .inner = size[2]};
    snprintf(shape->name, sizeof shape->name, "%s", text);
    return 1;
}

bench_shape matrix_shape(int64_t rows, int64_t classes) {
    bench_shape shape = {.outer = rows, .classes = classes, .inner = 1};
    snprintf(shape.name, sizeof shape.name, "%" PRId64 "x%" PRId64, rows, classes);
    return shape;
}

int64_t shape_elements(const bench_shape *shape) {
    return shape->outer * shape->classes * shape->inner;
}
