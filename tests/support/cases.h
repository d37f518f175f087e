// Reference cases: a strict reader of the text format that tests/data/README.md describes.
#ifndef GDKD_TESTS_CASES_H
#define GDKD_TESTS_CASES_H

#include <stddef.h>
#include <stdint.h>

enum { CASE_NAME = 32, CASE_FIELDS = 24 };

typedef struct ref_param {
    char key[CASE_NAME];
    char *value;
} ref_param;

typedef struct ref_term {
    char key[CASE_NAME];
    double value;
} ref_term;

typedef struct ref_case {
    char name[CASE_NAME];
    long number; // from 1, in the file
    long line;   // where it begins
    int64_t rows, classes;
    ref_param params[CASE_FIELDS];
    int param_count;
    ref_term terms[CASE_FIELDS];
    int term_count;
    double *student, *teacher, *grad; // [rows][classes]
    int64_t *target, *row_k;          // [rows]
    int64_t *mask, *groups;           // [rows][classes]
    double loss;
    int has_loss;
} ref_case;

typedef struct ref_cases {
    ref_case *items;
    long count;
} ref_cases;

// 0, or -1 with "FILE:LINE: reason" in error. An unfinished result is freed.
int cases_read(const char *path, ref_cases *out, char *error, size_t error_size);
void cases_free(ref_cases *cases);

const char *case_param(const ref_case *c, const char *key); // NULL where there is none

// Reals and integers that fill their text completely; 0, or -1.
int parse_real(const char *text, double *out);
int parse_int(const char *text, int64_t *out);

#endif
