// Matrices in NumPy's format: one array of two dimensions per file. Written as float32, read as
// float32 or float16.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#ifndef DISTILL_NPY_H
#define DISTILL_NPY_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

// The header of an array (rows, columns) of float32; the numbers follow it, row by row.
void npy_write_header(FILE *out, size_t rows, size_t columns);

typedef struct {
    size_t rows, columns;
    bool half;    // float16 (IEEE binary16), otherwise float32
    void *values; // [rows][columns], to be freed
} npy_matrix;

bool npy_read(npy_matrix *m, const char *path, error_line *e);

size_t npy_row_bytes(const npy_matrix *m);

// A row of a matrix of float32.
const float *npy_row(const npy_matrix *m, size_t row);

// One of the numbers, whatever their type.
float npy_value(const npy_matrix *m, size_t row, size_t column);

#endif
