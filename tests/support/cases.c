#include "cases.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    FILE *file;
    const char *path;
    long line;
    char *text;
    size_t capacity;
    char *error;
    size_t error_size;
} reader;

static int fail(reader *r, const char *what, const char *detail) {
    snprintf(r->error, r->error_size, "%s:%ld: %s%s%.60s", r->path, r->line, what,
             *detail ? ": " : "", detail);
    // A file of something else altogether must not write to the terminal.
    for (char *c = r->error; *c; c++) {
        if (!isprint((unsigned char)*c)) *c = '?';
    }
    return -1;
}

// The next line without its end; 1, 0 at the end of the file, -1 on an error.
static int next_line(reader *r) {
    errno = 0;
    const ssize_t length = getline(&r->text, &r->capacity, r->file);
    if (length < 0) {
        if (ferror(r->file)) return fail(r, "cannot read", strerror(errno));
        return 0;
    }
    r->line++;
    if (memchr(r->text, 0, (size_t)length)) return fail(r, "a zero byte in a text file", "");
    if (length > 0 && r->text[length - 1] == '\n') r->text[length - 1] = 0;
    return 1;
}

int parse_real(const char *text, double *out) {
    char *end;
    if (*text == 0 || *text == ' ' || *text == '\t') return -1;
    *out = strtod(text, &end);
    return *end == 0 && !isnan(*out) ? 0 : -1;
}

int parse_int(const char *text, int64_t *out) {
    char *end;
    if (*text == 0 || *text == ' ' || *text == '\t') return -1;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    *out = value;
    return *end == 0 && errno == 0 ? 0 : -1;
}

// Cuts the first field off; NULL when none is left. Fields are separated by single spaces.
static char *field(char **rest) {
    char *start = *rest;
    if (!start) return NULL;
    char *space = strchr(start, ' ');
    if (space) *space = 0;
    *rest = space ? space + 1 : NULL;
    return start;
}

// The line's `count` values. The text is counted before memory is taken, so that a wrong shape
// cannot ask for more than the file has.
static void *values(reader *r, const char *key, char *rest, int64_t count, int real) {
    int64_t found = rest != NULL;
    for (const char *s = rest; s && *s; s++) found += *s == ' ';
    if (found != count || count < 1) {
        char message[96];
        snprintf(message, sizeof message, "%.16s has %lld values, its shape asks for %lld", key,
                 (long long)found, (long long)count);
        fail(r, message, "");
        return NULL;
    }
    void *memory = malloc((size_t)count * 8);
    if (!memory) {
        fail(r, "out of memory", "");
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        const char *text = field(&rest);
        const int bad =
            real ? parse_real(text, (double *)memory + i) : parse_int(text, (int64_t *)memory + i);
        if (!bad) continue;
        fail(r, real ? "not a real number" : "not an integer", text);
        free(memory);
        return NULL;
    }
    return memory;
}

static int in_range(reader *r, const char *key, const int64_t *v, int64_t n, int64_t low,
                    int64_t high) {
    for (int64_t i = 0; i < n; i++) {
        if (v[i] >= low && v[i] <= high) continue;
        char message[96];
        snprintf(message, sizeof message, "%.16s %lld is outside [%lld, %lld]", key,
                 (long long)v[i], (long long)low, (long long)high);
        return fail(r, message, "");
    }
    return 0;
}

static int copy_key(reader *r, char *to, const char *key) {
    if (!key || *key == 0) return fail(r, "a key is missing", "");
    if (strlen(key) >= CASE_NAME) return fail(r, "a key is too long", key);
    memcpy(to, key, strlen(key) + 1);
    return 0;
}

static int read_shape(reader *r, ref_case *c, char *rest) {
    const char *rows = field(&rest);
    const char *classes = field(&rest);
    if (c->rows) return fail(r, "a second shape", "");
    if (!rows || !classes || rest || parse_int(rows, &c->rows) || parse_int(classes, &c->classes) ||
        c->rows < 1 || c->classes < 1 || c->rows > INT32_MAX || c->classes > INT32_MAX) {
        return fail(r, "shape needs two positive integers", "");
    }
    return 0;
}

static int read_param(reader *r, ref_case *c, char *rest) {
    const char *key = field(&rest);
    if (c->param_count == CASE_FIELDS) return fail(r, "too many param lines", "");
    ref_param *param = &c->params[c->param_count];
    if (copy_key(r, param->key, key)) return -1;
    if (case_param(c, key)) return fail(r, "a second param", key);
    if (!rest || *rest == 0) return fail(r, "a param without a value", key);
    param->value = strdup(rest);
    if (!param->value) return fail(r, "out of memory", "");
    c->param_count += 1;
    return 0;
}

static int read_term(reader *r, ref_case *c, char *rest) {
    const char *key = field(&rest);
    if (c->term_count == CASE_FIELDS) return fail(r, "too many term lines", "");
    ref_term *term = &c->terms[c->term_count];
    if (copy_key(r, term->key, key)) return -1;
    if (!rest || parse_real(rest, &term->value)) return fail(r, "a term without a real value", key);
    c->term_count += 1;
    return 0;
}

static int read_reals(reader *r, const char *key, char *rest, int64_t count, double **out) {
    if (*out) return fail(r, "a second line of", key);
    *out = values(r, key, rest, count, 1);
    return *out ? 0 : -1;
}

static int read_ints(reader *r, const char *key, char *rest, int64_t count, int64_t low,
                     int64_t high, int64_t **out) {
    if (*out) return fail(r, "a second line of", key);
    *out = values(r, key, rest, count, 0);
    return *out ? in_range(r, key, *out, count, low, high) : -1;
}

static int read_field(reader *r, ref_case *c, char *rest) {
    const char *key = field(&rest);
    if (strcmp(key, "shape") == 0) return read_shape(r, c, rest);
    if (strcmp(key, "param") == 0) return read_param(r, c, rest);
    if (strcmp(key, "term") == 0) return read_term(r, c, rest);
    if (strcmp(key, "loss") == 0) {
        if (c->has_loss) return fail(r, "a second loss", "");
        c->has_loss = 1;
        return !rest || parse_real(rest, &c->loss) ? fail(r, "loss needs one real", "") : 0;
    }
    if (!c->rows) return fail(r, "shape must come before", key);
    const int64_t n = c->rows;
    const int64_t all = c->rows * c->classes;
    if (strcmp(key, "student") == 0) return read_reals(r, key, rest, all, &c->student);
    if (strcmp(key, "teacher") == 0) return read_reals(r, key, rest, all, &c->teacher);
    if (strcmp(key, "grad") == 0) return read_reals(r, key, rest, all, &c->grad);
    if (strcmp(key, "target") == 0) {
        return read_ints(r, key, rest, n, 0, c->classes - 1, &c->target);
    }
    if (strcmp(key, "row_k") == 0) return read_ints(r, key, rest, n, 1, c->classes, &c->row_k);
    if (strcmp(key, "mask") == 0) return read_ints(r, key, rest, all, 0, 1, &c->mask);
    if (strcmp(key, "groups") == 0) return read_ints(r, key, rest, all, 0, 7, &c->groups);
    return fail(r, "unknown keyword", key);
}

static int finished(reader *r, const ref_case *c) {
    if (!c->rows) return fail(r, "the case has no shape", c->name);
    if (!c->student) return fail(r, "the case has no student", c->name);
    if (!c->teacher) return fail(r, "the case has no teacher", c->name);
    if (!c->has_loss) return fail(r, "the case has no loss", c->name);
    if (!c->grad) return fail(r, "the case has no grad", c->name);
    return 0;
}

static int read_case(reader *r, ref_case *c, char *rest) {
    c->line = r->line;
    if (copy_key(r, c->name, rest)) return -1;
    for (;;) {
        const int status = next_line(r);
        if (status < 0) return -1;
        if (status == 0) return fail(r, "the file ends inside the case", c->name);
        if (strcmp(r->text, "end") == 0) return finished(r, c);
        if (read_field(r, c, r->text)) return -1;
    }
}

static int read_all(reader *r, ref_cases *out) {
    for (;;) {
        const int status = next_line(r);
        if (status < 0) return -1;
        if (status == 0) break;
        if (*r->text == 0) continue;
        if (strncmp(r->text, "case ", 5) != 0) return fail(r, "expected `case NAME`", r->text);
        ref_case *grown = realloc(out->items, (size_t)(out->count + 1) * sizeof *grown);
        if (!grown) return fail(r, "out of memory", "");
        out->items = grown;
        ref_case *c = &out->items[out->count++];
        memset(c, 0, sizeof *c);
        c->number = out->count;
        if (read_case(r, c, r->text + 5)) return -1;
    }
    return out->count > 0 ? 0 : fail(r, "the file has no cases", "");
}

int cases_read(const char *path, ref_cases *out, char *error, size_t error_size) {
    reader r = {NULL, path, 0, NULL, 0, error, error_size};
    memset(out, 0, sizeof *out);
    r.file = fopen(path, "r");
    if (!r.file) {
        snprintf(error, error_size, "%s: cannot open: %s", path, strerror(errno));
        return -1;
    }
    const int status = read_all(&r, out);
    fclose(r.file);
    free(r.text);
    if (status) cases_free(out);
    return status;
}

void cases_free(ref_cases *cases) {
    for (long i = 0; i < cases->count; i++) {
        ref_case *c = &cases->items[i];
        for (int k = 0; k < c->param_count; k++) free(c->params[k].value);
        free(c->student);
        free(c->teacher);
        free(c->grad);
        free(c->target);
        free(c->row_k);
        free(c->mask);
        free(c->groups);
    }
    free(cases->items);
    memset(cases, 0, sizeof *cases);
}

const char *case_param(const ref_case *c, const char *key) {
    for (int k = 0; k < c->param_count; k++) {
        if (strcmp(c->params[k].key, key) == 0) return c->params[k].value;
    }
    return NULL;
}
