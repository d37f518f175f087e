// NumPy's format: files written byte by byte as its description says, and what must be refused.
#include "base/npy.h"
#include "test_files.h"
#include "test_suite.h"

#include <math.h>
#include <stdint.h>

// A version 1.0 file with this dictionary, padded to 128 bytes, and these numbers.
static void write_npy(const char *dictionary, const void *numbers, size_t size) {
    static const char head[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, 0x76, 0};
    char file[1024];
    memcpy(file, head, sizeof head);
    snprintf(file + sizeof head, 119, "%-117s\n", dictionary);
    memcpy(file + 128, numbers, size);
    test_write("a.npy", file, 128 + size);
}

static const float six[6] = {1, -2.5F, 3, 4e9F, 0, 1e-3F};

START_TEST(float32_is_read) {
    error_line e;
    npy_matrix m;
    write_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, sizeof six);
    ck_assert_msg(npy_read(&m, test_path("a.npy"), &e), "%s", e.text);
    ck_assert_uint_eq(m.rows, 2);
    ck_assert_uint_eq(m.columns, 3);
    ck_assert(!m.half);
    ck_assert_mem_eq(m.values, six, sizeof six);
    ck_assert_float_eq(npy_value(&m, 1, 0), six[3]);
    free(m.values);
}
END_TEST

START_TEST(float16_is_read) {
    // 1, -2, the largest (65504), the smallest normal (2^-14), the smallest of all (2^-24),
    // infinity
    const uint16_t half[6] = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00};
    const float expected[6] = {1, -2, 65504, 0x1p-14F, 0x1p-24F, INFINITY};
    error_line e;
    npy_matrix m;
    write_npy("{'shape': (3, 2), 'descr': '<f2', 'fortran_order': False}", half, sizeof half);
    ck_assert_msg(npy_read(&m, test_path("a.npy"), &e), "%s", e.text);
    ck_assert_uint_eq(m.rows, 3);
    ck_assert(m.half);
    ck_assert_mem_eq(m.values, half, sizeof half); // as it is in the file
    ck_assert_uint_eq(npy_row_bytes(&m), 2 * sizeof *half);
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(npy_value(&m, i / 2, i % 2), expected[i]);
    free(m.values);
}
END_TEST

// The bits of a number that every type has exactly, low byte first; the exponents' biases by hand.
static size_t encode(const char *type, double value, unsigned char bytes[8]) {
    const float single = (float)value;
    uint64_t bits;
    uint32_t word;
    memcpy(&bits, &value, sizeof bits);
    memcpy(&word, &single, sizeof word);
    const uint64_t half = value == 0 || isinf(value)
                              ? (word >> 16 & 0x8000U) | (isinf(value) ? 0x7c00U : 0)
                              : (word >> 16 & 0x8000U) | (((word >> 23 & 255U) - 127 + 15) << 10) |
                                    (word >> 13 & 1023U);
    const size_t size = type[1] == '8' ? 8 : type[1] == '4' ? 4 : 2;
    if (size == 4) bits = word;
    if (size == 2) bits = type[0] == 'V' ? word >> 16 : half;
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(bits >> 8 * i);
    return size;
}

static const char *const type_names[][2] = {
    {"f2", "float16"}, {"f4", "float32"}, {"f8", "float64"}, {"V2", "bfloat16"}};

// Every type, byte order and order of the numbers gives the same matrix.
START_TEST(every_layout_is_read) {
    static const double numbers[6] = {1, -2.5, 96, -INFINITY, 0, 0.15625};
    const bool columns = _i & 1, big = _i & 2;
    const char *type = type_names[_i / 4][0];
    unsigned char file[48];
    char dictionary[128];
    size_t used = 0;
    npy_matrix m;
    error_line e;
    for (size_t i = 0; i < 6; i++) { // 2 rows of 3; by columns: 0 3 1 4 2 5
        unsigned char bytes[8];
        const size_t size = encode(type, numbers[columns ? i % 2 * 3 + i / 2 : i], bytes);
        for (size_t j = 0; j < size; j++) file[used++] = bytes[big ? size - 1 - j : j];
    }
    snprintf(dictionary, sizeof dictionary,
             "{'descr': '%c%s', 'fortran_order': %s, 'shape': (2, 3), }", big ? '>' : '<', type,
             columns ? "True" : "False");
    write_npy(dictionary, file, used);
    ck_assert_msg(npy_read(&m, test_path("a.npy"), &e), "%s: %s", dictionary, e.text);
    ck_assert_str_eq(npy_type_name(&m), type_names[_i / 4][1]);
    ck_assert_uint_eq(npy_row_bytes(&m), 3 * (m.half ? 2 : sizeof(float)));
    for (size_t i = 0; i < 6; i++)
        ck_assert_msg(npy_value(&m, i / 3, i % 3) == (float)numbers[i], "%s: number %zu is %g",
                      dictionary, i, (double)npy_value(&m, i / 3, i % 3));
    free(m.values);
}
END_TEST

START_TEST(float64_is_rounded) {
    static const double numbers[2] = {1 + 0x1.8p-24, 1e300};
    npy_matrix m;
    error_line e;
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", numbers,
              sizeof numbers);
    ck_assert_msg(npy_read(&m, test_path("a.npy"), &e), "%s", e.text);
    ck_assert(npy_value(&m, 0, 0) == 1 + 0x1p-23F);
    ck_assert(isinf(npy_value(&m, 0, 1)));
    free(m.values);
}
END_TEST

START_TEST(what_is_written_is_read) {
    error_line e;
    npy_matrix m;
    FILE *out = fopen(test_path("a.npy"), "wb");
    ck_assert_ptr_nonnull(out);
    npy_write_header(out, 3, 2);
    ck_assert_int_eq(ftell(out) % 64, 0);
    fwrite(six, sizeof *six, 6, out);
    fclose(out);
    ck_assert_msg(npy_read(&m, test_path("a.npy"), &e), "%s", e.text);
    ck_assert_uint_eq(m.rows, 3);
    ck_assert_uint_eq(m.columns, 2);
    ck_assert_mem_eq(m.values, six, sizeof six);
    free(m.values);
}
END_TEST

static const struct {
    const char *dictionary;
    size_t size;
    const char *words;
} refused[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 23, "do not hold 2 x 3"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 24, "do not hold 2 x 2"},
    {"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", 24, "are not float32, float16"},
    {"{'descr': '<f16', 'fortran_order': False, 'shape': (1, 1), }", 16,
     "are not float32, float16"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1, 3), }", 24, "are not float32, float16"},
    {"{'descr': '|V4', 'fortran_order': False, 'shape': (2, 3), }", 24, "are not float32, float16"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 24, "do not hold 2 x 3"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", 24, "two dimensions"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", 24, "two dimensions"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0, "is empty"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 4), }", 0,
     "do not hold"},
    {"{'descr': '<f4', 'fortran_order': False}", 24, "does not name"},
};

START_TEST(the_rest_is_refused) {
    error_line e;
    npy_matrix m;
    write_npy(refused[_i].dictionary, six, refused[_i].size);
    ck_assert(!npy_read(&m, test_path("a.npy"), &e));
    ASSERT_SAYS(e, refused[_i].words);
    ASSERT_SAYS(e, "a.npy");
}
END_TEST

START_TEST(cut_files_are_refused) {
    error_line e;
    npy_matrix m;
    char bytes[256];
    write_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, sizeof six);
    FILE *file = fopen(test_path("a.npy"), "rb");
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 0; cut < size; cut++) {
        test_write("b.npy", bytes, cut);
        ck_assert(!npy_read(&m, test_path("b.npy"), &e));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("npy");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, float32_is_read);
    tcase_add_test(all, float16_is_read);
    tcase_add_test(all, what_is_written_is_read);
    tcase_add_loop_test(all, every_layout_is_read, 0, 16);
    tcase_add_test(all, float64_is_rounded);
    tcase_add_loop_test(all, the_rest_is_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(all, cut_files_are_refused);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
