#include "report/distribution.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int descending(const void *a, const void *b) {
    return ascending(b, a);
}

// Between the two values next to it, as NumPy's default.
static double quantile(const double *values, size_t count, double part) {
    const double place = part * (double)(count - 1);
    const size_t below = (size_t)place;
    if (below + 1 >= count) return values[count - 1];
    return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}

spread spread_of(double *values, size_t count) {
    double sum = 0;
    qsort(values, count, sizeof *values, ascending);
    for (size_t i = 0; i < count; i++) sum += values[i];
    return (spread){sum / (double)count, quantile(values, count, 0.1), quantile(values, count, 0.5),
                    quantile(values, count, 0.9)};
}

double *sorted_softmax(const npy_matrix *logits, double temperature) {
    const size_t classes = logits->columns;
    double *all = malloc(logits->rows * classes * sizeof *all);
    for (size_t r = 0; all && r < logits->rows; r++) {
        const float *from = npy_row(logits, r);
        double *row = all + r * classes, sum = 0;
        for (size_t i = 0; i < classes; i++) row[i] = (double)from[i];
        qsort(row, classes, sizeof *row, descending);
        const double largest = row[0];
        for (size_t i = 0; i < classes; i++) sum += row[i] = exp((row[i] - largest) / temperature);
        for (size_t i = 0; i < classes; i++) row[i] /= sum;
    }
    return all;
}

int k_by_ratio(const double *sorted, int classes, double ratio) {
    double sum = 0;
    for (int j = 0; j < classes; j++) {
        const double v = sorted[classes - 1 - j];
        sum += v;
        if (v * (j + 1) >= ratio * sum) return classes - j;
    }
    return 1;
}

int k_by_mass(const double *sorted, int classes, double mass) {
    double sum = 0;
    for (int k = 1; k < classes; k++)
        if ((sum += sorted[k - 1]) >= mass) return k;
    return classes;
}
