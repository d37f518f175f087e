// Matrices in NumPy's format: one array of two dimensions per file. Written as float32; read from
// float32, float16, bfloat16 (ml_dtypes) and float64, of either byte order, by rows or by columns.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#ifndef DISTILL_NPY_H
#define DISTILL_NPY_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

// The header of an array (rows, columns) of float32; the numbers follow it, row by row.
void npy_write_header(FILE *out, size_t rows, size_t columns);

typedef enum { NPY_F32, NPY_F16, NPY_F64, NPY_BF16 } npy_type; // in the order of npy.c's table

typedef struct {
    size_t rows, columns;
    bool half; // the values are float16 (IEEE binary16), otherwise float32
    npy_type
        stored;   // what they are in the file: all but float16 become float32, float64 is rounded
    void *values; // [rows][columns], to be freed
} npy_matrix;

bool npy_read(npy_matrix *m, const char *path, error_line *e);

const char *npy_type_name(const npy_matrix *m); // of the file: "float64"

size_t npy_row_bytes(const npy_matrix *m);

// A row of a matrix of float32.
const float *npy_row(const npy_matrix *m, size_t row);

// One of the numbers, whatever their type.
float npy_value(const npy_matrix *m, size_t row, size_t column);

#endif
