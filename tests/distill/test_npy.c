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
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (1, 3), }", 12, "big-endian; save it with"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", 24, "neither float32 nor"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24, "column by column"},
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
    tcase_add_loop_test(all, the_rest_is_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(all, cut_files_are_refused);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
