// The table of fields against gdkd.h itself, read as text; and objects that are made, set and read
// by name alone.
#include "fixture.h"

#include <check.h>
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRUCTURES = 4 };

static const char *const structure_names[STRUCTURES] = {
    [GDKD_STRUCT_CONFIG] = "gdkd_config",
    [GDKD_STRUCT_BATCH] = "gdkd_batch",
    [GDKD_STRUCT_RESULT] = "gdkd_result",
    [GDKD_STRUCT_DIST_CONFIG] = "gdkd_dist_config",
};

// --- The table and the header --------------------------------------------------------------------

static char *header_text(void) {
    FILE *file = fopen("include/gdkd.h", "rb");
    ck_assert_msg(file != NULL, "include/gdkd.h: tests run in the repository's root");
    char *text = checked_calloc(1 << 18, 1);
    const size_t bytes = fread(text, 1, (1 << 18) - 1, file);
    fclose(file);
    ck_assert_uint_lt(bytes, (1 << 18) - 1);
    for (char *comment; (comment = strstr(text, "//")) != NULL;)
        memset(comment, ' ', strcspn(comment, "\n"));
    return text;
}

// Between the braces of "typedef struct NAME {".
static char *members_of(char *text, const char *name) {
    char start[64];
    snprintf(start, sizeof start, "typedef struct %s {", name);
    char *from = strstr(text, start);
    ck_assert_msg(from != NULL, "the header has no %s", name);
    from += strlen(start);
    *strchr(from, '}') = 0;
    return from;
}

static int32_t type_of(const char *declaration) {
    static const struct {
        const char *word;
        int32_t type;
    } words[] = {{"*", GDKD_FIELD_POINTER},
                 {"uint32_t ", GDKD_FIELD_UINT32},
                 {"int32_t ", GDKD_FIELD_INT32},
                 {"int64_t ", GDKD_FIELD_INT64},
                 {"double ", GDKD_FIELD_DOUBLE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(declaration, words[i].word)) return words[i].type;
    return -1;
}

// The declaration's last word into name, and how many elements it has.
static int32_t read_member(char *declaration, char **name) {
    char *bracket = strchr(declaration, '[');
    if (bracket) *bracket = 0;
    char *end = declaration + strlen(declaration);
    while (end > declaration && isspace((unsigned char)end[-1])) *--end = 0;
    *name = end;
    while (isalnum((unsigned char)(*name)[-1]) || (*name)[-1] == '_') --*name;
    return bracket ? GDKD_MAX_GROUPS : 1; // the only length that the header has
}

static size_t size_of_type(int32_t type) {
    return type == GDKD_FIELD_INT32 || type == GDKD_FIELD_UINT32 ? 4 : 8;
}

START_TEST(table_is_the_header) {
    char *text = header_text();
    char *members = members_of(text, structure_names[_i]);
    size_t end = 0;
    int32_t index = 0;
    for (char *member = strtok(members, ";"); member; member = strtok(NULL, ";")) {
        if (strspn(member, " \n") == strlen(member)) continue;
        char *name;
        const int32_t type = type_of(member), elements = read_member(member, &name);
        const char *known = gdkd_field_name(_i, index);
        ck_assert_msg(known && strcmp(known, name) == 0, "%s.%s is %s in the table",
                      structure_names[_i], name, known ? known : "not");
        ck_assert_msg(gdkd_field_type(_i, index) == type, "%s has another type", name);
        ck_assert_msg(gdkd_field_elements(_i, index) == elements, "%s: elements", name);
        const size_t size = size_of_type(type);
        end =
            (end + size - 1) / size * size; // where the compiler puts it, on all systems of 64 bits
        ck_assert_msg(gdkd_field_offset(_i, index) == end, "%s: offset", name);
        end += size * (size_t)elements;
        index++;
    }
    ck_assert_int_gt(index, 5);
    ck_assert_ptr_null(gdkd_field_name(_i, index));
    ck_assert_uint_eq(gdkd_struct_size(_i), (end + 7) / 8 * 8);
    free(text);
}
END_TEST

START_TEST(what_is_not_in_the_table) {
    static const int32_t none[] = {-1, STRUCTURES, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        double value;
        ck_assert_uint_eq(gdkd_struct_size(none[i]), 0);
        ck_assert_ptr_null(gdkd_new(none[i]));
        ck_assert_ptr_null(gdkd_nearest_field(none[i], "k"));
        gdkd_config config;
        gdkd_config_init(&config);
        ck_assert_int_eq(gdkd_set_int(none[i], &config, "k", 1), GDKD_ERROR_ENUM);
        ck_assert_int_eq(gdkd_get_double(none[i], &config, "w_high", &value), GDKD_ERROR_ENUM);
        for (int j = 0; j < 8; j++) { // neither such a structure nor such an index
            const int32_t structure = j < 4 ? none[i] : j - 4, index = j < 4 ? 0 : none[i];
            const int32_t at = index == STRUCTURES ? 1000 : index;
            ck_assert_ptr_null(gdkd_field_name(structure, at));
            ck_assert_int_eq(gdkd_field_type(structure, at), -1);
            ck_assert_uint_eq(gdkd_field_offset(structure, at), 0);
            ck_assert_int_eq(gdkd_field_elements(structure, at), 0);
        }
    }
}
END_TEST

// --- Setting and reading -------------------------------------------------------------------------

static const int64_t integers[] = {0,
                                   1,
                                   -1,
                                   INT32_MAX,
                                   INT32_MIN,
                                   INT64_MAX,
                                   INT64_MIN,
                                   UINT32_MAX,
                                   (int64_t)INT32_MAX + 1,
                                   (int64_t)INT32_MIN - 1,
                                   (int64_t)UINT32_MAX + 1};

static int fits(int32_t type, int64_t value) {
    if (type == GDKD_FIELD_INT32) return value >= INT32_MIN && value <= INT32_MAX;
    if (type == GDKD_FIELD_UINT32) return value >= 0 && value <= UINT32_MAX;
    return 1;
}

static int64_t stored_integer(int32_t type, const void *place) {
    int32_t narrow;
    uint32_t natural;
    int64_t wide;
    memcpy(&narrow, place, sizeof narrow);
    memcpy(&natural, place, sizeof natural);
    if (type == GDKD_FIELD_INT32) return narrow;
    if (type == GDKD_FIELD_UINT32) return natural;
    memcpy(&wide, place, sizeof wide);
    return wide;
}

// One element: what is set stands there, and nowhere else, and is read again.
static void check_integers(int32_t structure, unsigned char *object, const char *name, int32_t type,
                           size_t offset) {
    const size_t size = gdkd_struct_size(structure);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        unsigned char before[1024];
        int64_t value = 0;
        memcpy(before, object, size);
        const gdkd_status expected = fits(type, integers[i]) ? GDKD_OK : GDKD_ERROR_FIELD_VALUE;
        ck_assert_msg(gdkd_set_int(structure, object, name, integers[i]) == expected, "%s = %lld",
                      name, (long long)integers[i]);
        if (expected == GDKD_OK) {
            ck_assert_int_eq(gdkd_get_int(structure, object, name, &value), GDKD_OK);
            ck_assert_int_eq(value, integers[i]);
            ck_assert_int_eq(stored_integer(type, object + offset), integers[i]);
            memcpy(before + offset, object + offset, size_of_type(type));
        }
        ck_assert(same_bytes(before, object, size));
    }
}

static void check_double(int32_t structure, unsigned char *object, const char *name,
                         size_t offset) {
    static const double values[] = {0.0, -0.0, 4.5, (double)INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double value = 1.0;
        ck_assert_int_eq(gdkd_set_double(structure, object, name, values[i]), GDKD_OK);
        ck_assert(same_bytes(object + offset, &values[i], sizeof value));
        ck_assert_int_eq(gdkd_get_double(structure, object, name, &value), GDKD_OK);
        ck_assert(same_bytes(&value, &values[i], sizeof value));
    }
}

static void check_pointer(int32_t structure, unsigned char *object, const char *name,
                          size_t offset) {
    void *value = NULL;
    const void *const given = name;
    ck_assert_int_eq(gdkd_set_pointer(structure, object, name, given), GDKD_OK);
    ck_assert(same_bytes(object + offset, &given, sizeof given));
    ck_assert_int_eq(gdkd_get_pointer(structure, object, name, &value), GDKD_OK);
    ck_assert_ptr_eq(value, given);
}

// The functions of the other types leave the field alone.
static void check_other_types(int32_t structure, void *object, const char *name, int32_t type) {
    double real = 7.0;
    int64_t integer = 7;
    void *pointer = &real;
    const int is_integer = type <= GDKD_FIELD_INT64;
    if (!is_integer) {
        ck_assert_int_eq(gdkd_set_int(structure, object, name, 0), GDKD_ERROR_FIELD_TYPE);
        ck_assert_int_eq(gdkd_get_int(structure, object, name, &integer), GDKD_ERROR_FIELD_TYPE);
    }
    if (type != GDKD_FIELD_DOUBLE) {
        ck_assert_int_eq(gdkd_set_double(structure, object, name, NAN), GDKD_ERROR_FIELD_TYPE);
        ck_assert_int_eq(gdkd_get_double(structure, object, name, &real), GDKD_ERROR_FIELD_TYPE);
    }
    if (type != GDKD_FIELD_POINTER) {
        ck_assert_int_eq(gdkd_set_pointer(structure, object, name, NULL), GDKD_ERROR_FIELD_TYPE);
        ck_assert_int_eq(gdkd_get_pointer(structure, object, name, &pointer),
                         GDKD_ERROR_FIELD_TYPE);
    }
    ck_assert(real == 7.0 && integer == 7 && pointer == &real);
}

START_TEST(every_field_is_set_and_read) {
    unsigned char *object = gdkd_new(_i);
    ck_assert_ptr_nonnull(object);
    for (int32_t index = 1; gdkd_field_name(_i, index); index++) {
        const int32_t type = gdkd_field_type(_i, index), elements = gdkd_field_elements(_i, index);
        for (int32_t e = 0; e < elements; e++) {
            char name[64];
            snprintf(name, sizeof name, elements > 1 ? "%s[%d]" : "%s", gdkd_field_name(_i, index),
                     e);
            const size_t at = gdkd_field_offset(_i, index) + size_of_type(type) * (size_t)e;
            if (type <= GDKD_FIELD_INT64) check_integers(_i, object, name, type, at);
            if (type == GDKD_FIELD_DOUBLE) check_double(_i, object, name, at);
            if (type == GDKD_FIELD_POINTER) check_pointer(_i, object, name, at);
            unsigned char before[1024];
            memcpy(before, object, gdkd_struct_size(_i));
            check_other_types(_i, object, name, type);
            ck_assert(same_bytes(before, object, gdkd_struct_size(_i)));
        }
    }
    gdkd_free(object);
}
END_TEST

START_TEST(the_size_is_read_only) {
    void *object = gdkd_new(_i);
    int64_t size = 0;
    ck_assert_int_eq(gdkd_get_int(_i, object, "struct_size", &size), GDKD_OK);
    ck_assert_uint_eq((size_t)size, gdkd_struct_size(_i));
    ck_assert_int_eq(gdkd_set_int(_i, object, "struct_size", size), GDKD_ERROR_FIELD_VALUE);
    ck_assert_int_eq(gdkd_set_int(_i, object, "struct_size", 8), GDKD_ERROR_FIELD_VALUE);
    ck_assert_int_eq(gdkd_set_double(_i, object, "struct_size", 8), GDKD_ERROR_FIELD_TYPE);
    ck_assert_int_eq(gdkd_get_int(_i, object, "struct_size", &size), GDKD_OK);
    ck_assert_uint_eq((size_t)size, gdkd_struct_size(_i));
    gdkd_free(object);
}
END_TEST

START_TEST(new_objects_are_initial) {
    gdkd_config c;
    gdkd_batch b;
    gdkd_result r;
    gdkd_dist_config d;
    const void *const initial[STRUCTURES] = {&c, &b, &r, &d};
    gdkd_config_init(&c);
    gdkd_batch_init(&b);
    gdkd_result_init(&r);
    gdkd_dist_config_init(&d);
    void *object = gdkd_new(_i);
    ck_assert(same_bytes(object, initial[_i], gdkd_struct_size(_i)));
    gdkd_free(object);
    gdkd_free(NULL);
}
END_TEST

START_TEST(names_that_are_none) {
    static const char *const names[] = {"",
                                        "temperatur",
                                        "temperature ",
                                        " temperature",
                                        "temperature[0]",
                                        "Temperature",
                                        "w_low",
                                        "w_low[8]",
                                        "w_low[-1]",
                                        "w_low[]",
                                        "w_low[",
                                        "w_low[1",
                                        "w_low[1]x",
                                        "w_low[1][1]",
                                        "w_low[ 1]",
                                        "w_low[1 ]",
                                        "w_low[0x1]",
                                        "w_low[99999999999]",
                                        "w_low[4294967296]",
                                        "[0]",
                                        "[",
                                        "]",
                                        "w_low]",
                                        "w_low[[1]]",
                                        "k\n",
                                        "total"};
    gdkd_config *config = gdkd_new(GDKD_STRUCT_CONFIG);
    gdkd_config before;
    memcpy(&before, config, sizeof before);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double value = 3.0;
        ck_assert_msg(gdkd_set_double(GDKD_STRUCT_CONFIG, config, names[i], 2.0) ==
                          GDKD_ERROR_FIELD,
                      "\"%s\" was set", names[i]);
        ck_assert_int_eq(gdkd_get_double(GDKD_STRUCT_CONFIG, config, names[i], &value),
                         GDKD_ERROR_FIELD);
        ck_assert(value == 3.0);
    }
    ck_assert(same_bytes(&before, config, sizeof before));
    gdkd_free(config);
}
END_TEST

START_TEST(null_and_other_sizes) {
    gdkd_result r;
    int64_t value = 5;
    gdkd_result_init(&r);
    ck_assert_int_eq(gdkd_set_int(GDKD_STRUCT_RESULT, NULL, "accumulate", 1), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_set_int(GDKD_STRUCT_RESULT, &r, NULL, 1), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_get_int(GDKD_STRUCT_RESULT, &r, "accumulate", NULL), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_get_double(GDKD_STRUCT_RESULT, &r, "total", NULL), GDKD_ERROR_NULL);
    ck_assert_int_eq(gdkd_get_pointer(GDKD_STRUCT_RESULT, &r, "grad", NULL), GDKD_ERROR_NULL);
    r.struct_size -= 4;
    ck_assert_int_eq(gdkd_set_int(GDKD_STRUCT_RESULT, &r, "accumulate", 1), GDKD_ERROR_STRUCT_SIZE);
    // A structure of 0.1 has all fields but those that came later.
    ck_assert_int_eq(gdkd_result_init_sized(&r, offsetof(gdkd_result, grad_nonfinite)), GDKD_OK);
    ck_assert_int_eq(gdkd_set_int(GDKD_STRUCT_RESULT, &r, "error_row", 1), GDKD_OK);
    ck_assert_int_eq(gdkd_set_int(GDKD_STRUCT_RESULT, &r, "grad_nonfinite", 1), GDKD_ERROR_FIELD);
    ck_assert_int_eq(gdkd_get_int(GDKD_STRUCT_RESULT, &r, "grad_nonfinite", &value),
                     GDKD_ERROR_FIELD);
    ck_assert_int_eq(value, 5);
}
END_TEST

START_TEST(nearest_names) {
    static const struct {
        int32_t structure;
        const char *given, *nearest;
    } cases[] = {
        {GDKD_STRUCT_CONFIG, "temperatur", "temperature"},
        {GDKD_STRUCT_CONFIG, "temprature", "temperature"},
        {GDKD_STRUCT_CONFIG, "temperature_sqared", "temperature_squared"},
        {GDKD_STRUCT_CONFIG, "Temperature", "temperature"},
        {GDKD_STRUCT_CONFIG, "divergenc", "divergence"},
        {GDKD_STRUCT_CONFIG, "low_wieght_index", "low_weight_index"},
        {GDKD_STRUCT_CONFIG, "w_lo[2]", "w_low"},
        {GDKD_STRUCT_CONFIG, "w_low[9]", "w_low"},
        {GDKD_STRUCT_CONFIG, "kmax", "k_max"},
        {GDKD_STRUCT_CONFIG, "", "k"}, // the shortest
        {GDKD_STRUCT_BATCH, "class", "classes"},
        {GDKD_STRUCT_BATCH, "teachers", "teacher"},
        {GDKD_STRUCT_RESULT, "distinter", "dist_inter"},
        {GDKD_STRUCT_RESULT, "dist_int", "dist_inter"}, // dist_intra is as near, and later
        {GDKD_STRUCT_CONFIG, "k[123456789]", "k"},
        {GDKD_STRUCT_RESULT, "rows_nonfinit", "rows_nonfinite"},
        {GDKD_STRUCT_RESULT, "grad_norms_low", "grad_norm_low"},
        {GDKD_STRUCT_DIST_CONFIG, "betta", "beta"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(gdkd_nearest_field(cases[i].structure, cases[i].given), cases[i].nearest);
    ck_assert_ptr_null(gdkd_nearest_field(GDKD_STRUCT_CONFIG, NULL));
    char *endless = checked_calloc(100001, 1);
    memset(endless, 'x', 100000);
    ck_assert_ptr_nonnull(gdkd_nearest_field(GDKD_STRUCT_CONFIG, endless));
    free(endless);
}
END_TEST

// Every name of the table is nearest to itself: distance 0 is the least.
START_TEST(nearest_to_itself) {
    for (int32_t index = 0; gdkd_field_name(_i, index); index++) {
        const char *name = gdkd_field_name(_i, index);
        ck_assert_ptr_eq(gdkd_nearest_field(_i, name), name);
    }
}
END_TEST

// --- A call by names alone -----------------------------------------------------------------------

static void set_int(int32_t structure, void *object, const char *field, int64_t value) {
    ck_assert_int_eq(gdkd_set_int(structure, object, field, value), GDKD_OK);
}

static void set_pointer(int32_t structure, void *object, const char *field, const void *value) {
    ck_assert_int_eq(gdkd_set_pointer(structure, object, field, value), GDKD_OK);
}

static void *config_by_name(void) {
    void *config = gdkd_new(GDKD_STRUCT_CONFIG);
    set_int(GDKD_STRUCT_CONFIG, config, "partition", GDKD_PARTITION_TOP);
    set_int(GDKD_STRUCT_CONFIG, config, "k", 2);
    ck_assert_int_eq(gdkd_set_double(GDKD_STRUCT_CONFIG, config, "temperature", 4), GDKD_OK);
    ck_assert_int_eq(gdkd_set_double(GDKD_STRUCT_CONFIG, config, "w_low[1]", 8), GDKD_OK);
    return config;
}

static void *batch_by_name(const fixture *f) {
    void *batch = gdkd_new(GDKD_STRUCT_BATCH);
    set_int(GDKD_STRUCT_BATCH, batch, "outer", OUTER);
    set_int(GDKD_STRUCT_BATCH, batch, "classes", CLASSES);
    set_int(GDKD_STRUCT_BATCH, batch, "inner", INNER);
    set_pointer(GDKD_STRUCT_BATCH, batch, "student", f->student);
    set_pointer(GDKD_STRUCT_BATCH, batch, "teacher", f->teacher);
    return batch;
}

START_TEST(a_loss_by_names_alone) {
    static fixture f;
    float grad[COUNT];
    double total = 0, low = 0;
    fixture_init(&f);
    void *config = config_by_name(), *batch = batch_by_name(&f);
    void *result = gdkd_new(GDKD_STRUCT_RESULT);
    set_pointer(GDKD_STRUCT_RESULT, result, "grad", grad);
    ck_assert_int_eq(gdkd_loss(config, batch, result, NULL, 0), GDKD_OK);
    ck_assert_int_eq(gdkd_get_double(GDKD_STRUCT_RESULT, result, "total", &total), GDKD_OK);
    ck_assert_int_eq(gdkd_get_double(GDKD_STRUCT_RESULT, result, "low[1]", &low), GDKD_OK);

    gdkd_config_gdkd(&f.config, 4, 2, 1, 1, 8);
    f.batch.target = NULL;
    f.batch.low_weight = f.batch.row_weight = NULL;
    ck_assert_int_eq(fixture_run(&f), GDKD_OK);
    ck_assert_double_gt(total, 0);
    ck_assert_double_eq(total, f.result.total);
    ck_assert_double_eq(low, f.result.low[1]);
    ck_assert(same_bytes(grad, f.grad, sizeof grad));
    gdkd_free(config);
    gdkd_free(batch);
    gdkd_free(result);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fields");
    TCase *tcase = tcase_create("fields");
    tcase_add_loop_test(tcase, table_is_the_header, 0, STRUCTURES);
    tcase_add_test(tcase, what_is_not_in_the_table);
    tcase_add_loop_test(tcase, every_field_is_set_and_read, 0, STRUCTURES);
    tcase_add_loop_test(tcase, the_size_is_read_only, 0, STRUCTURES);
    tcase_add_loop_test(tcase, new_objects_are_initial, 0, STRUCTURES);
    tcase_add_test(tcase, names_that_are_none);
    tcase_add_test(tcase, null_and_other_sizes);
    tcase_add_test(tcase, nearest_names);
    tcase_add_loop_test(tcase, nearest_to_itself, 0, STRUCTURES);
    tcase_add_test(tcase, a_loss_by_names_alone);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
