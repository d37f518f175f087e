#include "base/npy.h"

#include "base/safe_file.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// "\x93NUMPY", version 1.0, the length of the dictionary in two bytes.
static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, PREFIX = 10, HEADER = 128 };

void npy_write_header(FILE *out, size_t rows, size_t columns) {
    char header[HEADER + 1];
    memcpy(header, magic, MAGIC);
    header[MAGIC] = 1;
    header[MAGIC + 1] = 0;
    header[MAGIC + 2] = (char)(HEADER - PREFIX);
    header[MAGIC + 3] = 0;
    const int used =
        snprintf(header + PREFIX, HEADER - PREFIX,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, columns);
    memset(header + PREFIX + used, ' ', HEADER - PREFIX - (size_t)used);
    header[HEADER - 1] = '\n'; // the data begins at a multiple of 64
    fwrite(header, 1, HEADER, out);
}

// --- Reading -------------------------------------------------------------------------------------

static float from_half(uint16_t h) {
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = (float)fraction * 0x1p-24F;
    else
        value = ldexpf((float)(1024 + fraction), exponent - 25);
    return h >> 15 ? -value : value;
}

static bool parse_count(const char **at, size_t *count) {
    char *end;
    errno = 0;
    while (**at == ' ') ++*at;
    if (**at < '0' || **at > '9') return false;
    const unsigned long long value = strtoull(*at, &end, 10);
    *at = end;
    *count = (size_t)value;
    return errno == 0;
}

// The dictionary is what Python prints: its keys in any order. NULL, or what is wrong with it.
static const char *parse_dictionary(npy_matrix *m, const char *text) {
    const char *type = strstr(text, "'descr':"), *order = strstr(text, "'fortran_order':");
    const char *shape = strstr(text, "'shape':");
    if (!type || !order || !shape) return "its header does not name descr, fortran_order and shape";
    m->half = strncmp(type, "'descr': '<f2'", 14) == 0;
    if (strncmp(type, "'descr': '>f", 12) == 0)
        return "its numbers are big-endian; save it with astype('<f4')";
    if (!m->half && strncmp(type, "'descr': '<f4'", 14) != 0)
        return "its numbers are neither float32 nor float16";
    if (strncmp(order, "'fortran_order': False", 22) != 0)
        return "it is stored column by column; save it with numpy.ascontiguousarray";
    shape = strchr(shape, '(');
    if (!shape) return "its shape cannot be read";
    shape++;
    if (!parse_count(&shape, &m->rows) || *shape++ != ',' || !parse_count(&shape, &m->columns) ||
        *shape != ')')
        return "it does not have two dimensions";
    return m->rows && m->columns ? NULL : "it is empty";
}

// Where the numbers begin, or 0 and *fault.
static size_t parse_header(npy_matrix *m, char *bytes, size_t size, const char **fault) {
    *fault = "it does not begin with NumPy's magic";
    if (size < PREFIX + 2 || memcmp(bytes, magic, MAGIC) != 0) return 0;
    const unsigned char *b = (const unsigned char *)bytes;
    const bool first = b[MAGIC] == 1;
    size_t length = b[8] | (size_t)b[9] << 8, begin = PREFIX;
    if (!first) { // versions 2 and 3: four bytes
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
        begin += 2;
    }
    *fault = "its header is cut off";
    if (length == 0 || length > size - begin) return 0;
    bytes[begin + length - 1] = '\0'; // in the place of the newline
    *fault = parse_dictionary(m, bytes + begin);
    return *fault ? 0 : begin + length;
}

bool npy_read(npy_matrix *m, const char *path, error_line *e) {
    size_t size, bytes;
    const char *fault;
    *m = (npy_matrix){0};
    char *file = safe_file_read(path, &size, e);
    if (!file) return false;
    const size_t begin = parse_header(m, file, size, &fault);
    bool fine = begin != 0 || error_set(e, "%s cannot be used: %s", path, fault);
    if (fine &&
        (__builtin_mul_overflow(m->rows, m->columns, &bytes) ||
         __builtin_mul_overflow(bytes, m->half ? sizeof(uint16_t) : sizeof(float), &bytes) ||
         bytes != size - begin))
        fine = error_set(e, "%s is damaged: %zu bytes do not hold %zu x %zu numbers", path,
                         size - begin, m->rows, m->columns);
    if (fine) m->values = memmove(file, file + begin, bytes); // aligned, and no second copy
    if (!fine) free(file);
    return fine;
}

size_t npy_row_bytes(const npy_matrix *m) {
    return m->columns * (m->half ? sizeof(uint16_t) : sizeof(float));
}

const float *npy_row(const npy_matrix *m, size_t row) {
    return (const float *)m->values + row * m->columns;
}

float npy_value(const npy_matrix *m, size_t row, size_t column) {
    return m->half ? from_half(((const uint16_t *)m->values)[row * m->columns + column])
                   : npy_row(m, row)[column];
}
