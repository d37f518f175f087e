// The memory yardstick: a loop that reads two arrays and writes a third.
#include <stdint.h>

#include "target.h"
#include "yardstick.h"

// Below this the fork of the threads would cost more than the loop.
enum { LEAST_SHARED = 1 << 16 };

LOOP add_16(const uint16_t *restrict a, const uint16_t *restrict b, uint16_t *restrict c,
            int64_t n) {
    for (int64_t i = 0; i < n; i++) c[i] = (uint16_t)(a[i] + b[i]);
}
LOOP add_32(const float *restrict a, const float *restrict b, float *restrict c, int64_t n) {
    for (int64_t i = 0; i < n; i++) c[i] = a[i] + b[i];
}
LOOP add_64(const double *restrict a, const double *restrict b, double *restrict c, int64_t n) {
    for (int64_t i = 0; i < n; i++) c[i] = a[i] + b[i];
}

FOR_EACH_TARGET(stream_16, (const uint16_t *a, const uint16_t *b, uint16_t *c, int64_t n),
                (a, b, c, n), add_16(a, b, c, n))
FOR_EACH_TARGET(stream_32, (const float *a, const float *b, float *c, int64_t n), (a, b, c, n),
                add_32(a, b, c, n))
FOR_EACH_TARGET(stream_64, (const double *a, const double *b, double *c, int64_t n), (a, b, c, n),
                add_64(a, b, c, n))

static void stream_part(const stream_yardstick *s, int64_t from, int64_t to) {
    int64_t n = to - from;
    if (s->element_bytes == 2)
        stream_16((const uint16_t *)s->a + from, (const uint16_t *)s->b + from,
                  (uint16_t *)s->c + from, n);
    else if (s->element_bytes == 4)
        stream_32((const float *)s->a + from, (const float *)s->b + from, (float *)s->c + from, n);
    else
        stream_64((const double *)s->a + from, (const double *)s->b + from, (double *)s->c + from,
                  n);
}

void run_stream(void *stream) {
    const stream_yardstick *s = stream;
    if (s->threads == 1 || s->elements < LEAST_SHARED) {
        stream_part(s, 0, s->elements);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int part = 0; part < s->threads; part++)
        stream_part(s, s->elements * part / s->threads, s->elements * (part + 1) / s->threads);
}
