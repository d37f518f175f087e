#include "base/npy.h"

#include "base/half.h"
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

// --- Element types -------------------------------------------------------------------------------

// How a file spells them. bfloat16 is not NumPy's own: ml_dtypes writes it as two bytes without a
// meaning.
static const struct {
    const char *descr, *name;
    npy_type type;
    size_t bytes;
} types[] = {{"f4", "float32", NPY_F32, 4},
             {"f2", "float16", NPY_F16, 2},
             {"f8", "float64", NPY_F64, 8},
             {"V2", "bfloat16", NPY_BF16, 2}};
enum { TYPES = sizeof types / sizeof *types };

static size_t type_bytes(npy_type type) {
    return types[type].bytes;
}

const char *npy_type_name(const npy_matrix *m) {
    return types[m->stored].name;
}

static uint64_t load(const unsigned char *at, size_t bytes, bool big_endian) {
    uint64_t bits = 0;
    for (size_t i = 0; i < bytes; i++)
        bits |= (uint64_t)at[big_endian ? bytes - 1 - i : i] << 8 * i;
    return bits;
}

// A number in the file as float32: exact but for float64, which is rounded to nearest.
static float from_bits(npy_type type, uint64_t bits) {
    const uint32_t word = (uint32_t)bits;
    float single;
    double value;
    if (type == NPY_F16) return half_to_float((uint16_t)bits);
    if (type == NPY_BF16) return bfloat16_to_float((uint16_t)bits);
    memcpy(&value, &bits, sizeof value);
    memcpy(&single, &word, sizeof single);
    return type == NPY_F64 ? (float)value : single;
}

// --- Reading -------------------------------------------------------------------------------------

// What the header says.
typedef struct {
    npy_type type;
    bool big_endian, by_columns;
    size_t rows, columns;
} layout;

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

// "'<f4'"
static bool parse_type(layout *l, const char *text) {
    l->big_endian = text[1] == '>';
    if (text[0] != '\'' || !strchr("<>|=", text[1])) return false;
    for (int i = 0; i < TYPES; i++) {
        l->type = types[i].type;
        if (strncmp(text + 2, types[i].descr, 2) == 0 && text[4] == '\'') return true;
    }
    return false;
}

static const char *value_of(const char *text, const char *key) {
    const char *found = strstr(text, key);
    return found ? found + strlen(key) + strspn(found + strlen(key), " ") : NULL;
}

// The dictionary is what Python prints: its keys in any order. NULL, or what is wrong with it.
static const char *parse_dictionary(layout *l, const char *text) {
    const char *type = value_of(text, "'descr':"), *order = value_of(text, "'fortran_order':");
    const char *shape = value_of(text, "'shape':");
    if (!type || !order || !shape) return "its header does not name descr, fortran_order and shape";
    if (!parse_type(l, type)) return "its numbers are not float32, float16, bfloat16 or float64";
    l->by_columns = strncmp(order, "True", 4) == 0;
    if (*shape++ != '(') return "its shape cannot be read";
    if (!parse_count(&shape, &l->rows) || *shape++ != ',' || !parse_count(&shape, &l->columns) ||
        *shape != ')')
        return "it does not have two dimensions";
    return l->rows && l->columns ? NULL : "it is empty";
}

// Where the numbers begin, or 0 and *fault.
static size_t parse_header(layout *l, char *bytes, size_t size, const char **fault) {
    const unsigned char *b = (const unsigned char *)bytes;
    *fault = "its header is cut off";
    if (size < PREFIX + 2) return 0;
    const bool first = b[MAGIC] == 1;
    size_t length = b[8] | (size_t)b[9] << 8, begin = PREFIX;
    if (!first) { // versions 2 and 3: four bytes
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
        begin += 2;
    }
    if (length == 0 || length > size - begin) return 0;
    bytes[begin + length - 1] = '\0'; // in the place of the newline
    *fault = parse_dictionary(l, bytes + begin);
    return *fault ? 0 : begin + length;
}

static bool check_beginning(const char *bytes, size_t count, size_t size, const char *path,
                            error_line *e) {
    (void)size;
    return (count >= MAGIC && memcmp(bytes, magic, MAGIC) == 0) ||
           error_set(e, "%s cannot be used: it does not begin with NumPy's magic", path);
}

// Row by row, as float32.
static float *convert(const layout *l, const unsigned char *numbers) {
    const size_t bytes = type_bytes(l->type);
    float *values = malloc(l->rows * l->columns * sizeof *values);
    for (size_t i = 0; values && i < l->rows; i++)
        for (size_t j = 0; j < l->columns; j++) {
            const size_t at = l->by_columns ? j * l->rows + i : i * l->columns + j;
            values[i * l->columns + j] =
                from_bits(l->type, load(numbers + at * bytes, bytes, l->big_endian));
        }
    return values;
}

// float32 and float16 row by row stay as they are. `file` becomes the matrix's, or is freed.
static bool take_numbers(npy_matrix *m, const layout *l, char *file, size_t begin, size_t bytes) {
    const bool kept =
        !l->big_endian && !l->by_columns && (l->type == NPY_F32 || l->type == NPY_F16);
    *m = (npy_matrix){.rows = l->rows,
                      .columns = l->columns,
                      .half = kept && l->type == NPY_F16,
                      .stored = l->type};
    if (kept) {
        m->values = memmove(file, file + begin, bytes); // aligned, and no second copy
        return true;
    }
    m->values = convert(l, (const unsigned char *)file + begin);
    free(file);
    return m->values;
}

bool npy_read(npy_matrix *m, const char *path, error_line *e) {
    size_t size, bytes = 0;
    const char *fault;
    layout l = {0};
    *m = (npy_matrix){0};
    char *file = safe_file_read_if(path, check_beginning, &size, e);
    if (!file) return false;
    const size_t begin = parse_header(&l, file, size, &fault);
    bool fine = begin != 0 || error_set(e, "%s cannot be used: %s", path, fault);
    if (fine &&
        (__builtin_mul_overflow(l.rows, l.columns, &bytes) ||
         __builtin_mul_overflow(bytes, type_bytes(l.type), &bytes) || bytes != size - begin))
        fine = error_set(e, "%s is damaged: %zu bytes do not hold %zu x %zu numbers", path,
                         size - begin, l.rows, l.columns);
    if (fine) return take_numbers(m, &l, file, begin, bytes) || error_memory(e, path);
    free(file);
    return false;
}

size_t npy_row_bytes(const npy_matrix *m) {
    return m->columns * (m->half ? sizeof(uint16_t) : sizeof(float));
}

const float *npy_row(const npy_matrix *m, size_t row) {
    return (const float *)m->values + row * m->columns;
}

float npy_value(const npy_matrix *m, size_t row, size_t column) {
    return m->half ? half_to_float(((const uint16_t *)m->values)[row * m->columns + column])
                   : npy_row(m, row)[column];
}
