#include "net/blas_check.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct {
    int rows;
    int columns;
    int depth;
    float beta;
} product;

// Shapes that reach different kernels: small matrices, whole blocks, edges in every direction, and
// the linear layer's own.
static const product products[] = {
    {1, 1, 1, 0},      {3, 5, 7, 1},     {16, 1024, 27, 0},  {64, 64, 576, 1}, {17, 33, 65, 0},
    {64, 100, 64, 1},  {100, 64, 64, 0}, {64, 64, 100, 0},   {1, 100, 256, 1}, {63, 31, 129, 1},
    {128, 128, 64, 0}, {48, 96, 192, 1}, {256, 200, 300, 0},
};
enum { PRODUCTS = sizeof products / sizeof *products, MOST = 256 * 300 };

typedef struct {
    float a[MOST];
    float b[MOST];
    float start[MOST];
    float c[MOST];
} matrices;

// Numbers in [-1, 1) with no pattern: Knuth's linear congruence.
static void fill(float *x, int count, unsigned *state) {
    for (int i = 0; i < count; i++) {
        *state = *state * 1664525U + 1013904223U;
        x[i] = (float)(*state >> 8) * 0x1p-23F - 1;
    }
}

static float at(const float *x, bool transposed, int rows, int columns, int i, int j) {
    return transposed ? x[j * rows + i] : x[i * columns + j];
}

// Any order of summation stays below the bound; a wrong kernel does not.
static bool right(const matrices *m, const product *p, bool ta, bool tb) {
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < p->columns; j++) {
            double sum = (double)p->beta * m->start[i * p->columns + j];
            for (int k = 0; k < p->depth; k++)
                sum += (double)at(m->a, ta, p->rows, p->depth, i, k) *
                       at(m->b, tb, p->depth, p->columns, k, j);
            const double bound = (p->depth + 2) * (p->depth + 2.0) * 0x1p-24;
            if (!(fabs(m->c[i * p->columns + j] - sum) <= bound)) return false;
        }
    return true;
}

static bool check(matrices *m, const product *p, bool ta, bool tb, unsigned *state) {
    fill(m->a, p->rows * p->depth, state);
    fill(m->b, p->depth * p->columns, state);
    fill(m->start, p->rows * p->columns, state);
    for (int i = 0; i < p->rows * p->columns; i++) m->c[i] = m->start[i];
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                p->rows, p->columns, p->depth, 1, m->a, ta ? p->rows : p->depth, m->b,
                tb ? p->depth : p->columns, p->beta, m->c, p->columns);
    return right(m, p, ta, tb);
}

const char *blas_check(void) {
    matrices *m = calloc(1, sizeof *m);
    if (!m) return "not enough memory to check the BLAS";
    unsigned state = 1;
    bool good = true;
    for (int i = 0; good && i < PRODUCTS; i++)
        for (int t = 0; good && t < 4; t++)
            good = check(m, &products[i], (t & 1) != 0, (t & 2) != 0, &state);
    free(m);
    return good ? NULL
                : "the BLAS of this machine multiplies matrices wrong (an old OpenBLAS on a newer "
                  "processor does that); set OPENBLAS_CORETYPE=Haswell and try again";
}

// The header of OpenBLAS names its version; other libraries have neither function.
#ifdef OPENBLAS_VERSION
const char *blas_core(void) {
    return openblas_get_corename();
}
void blas_single_thread(void) {
    openblas_set_num_threads(1);
}
#else
const char *blas_core(void) {
    return "unknown";
}
void blas_single_thread(void) {}
#endif
