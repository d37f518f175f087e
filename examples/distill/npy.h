// Matrices in NumPy's format: one array of two dimensions per file. Written as float32, read as
// float32 or float16 (into float32).
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#ifndef DISTILL_NPY_H
#define DISTILL_NPY_H

#include "error.h"

#include <stddef.h>
#include <stdio.h>

// The header of an array (rows, columns) of float32; the numbers follow it, row by row.
void npy_write_header(FILE *out, size_t rows, size_t columns);

typedef struct {
    size_t rows, columns;
    float *values; // [rows][columns], to be freed
} npy_matrix;

bool npy_read(npy_matrix *m, const char *path, error_line *e);

#endif
