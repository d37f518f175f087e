// The weights' format: a file written by hand, round trips, and everything that can be wrong with a
// file.
#include "base/safetensors.h"
#include "net/weights.h"
#include "test_files.h"
#include "test_suite.h"

#include <math.h>
#include <stdint.h>

static error_line e;

static void setup(void) {
    test_folder_make();
}

// The file of a header and its data.
static void write_file(const char *header, const void *data, size_t size) {
    const uint64_t length = strlen(header);
    FILE *file = fopen(test_path("x.safetensors"), "wb");
    fwrite(&length, sizeof length, 1, file);
    fputs(header, file);
    fwrite(data, 1, size, file);
    fclose(file);
}

static void refuses(const char *words) {
    safetensors s;
    ck_assert(!safetensors_read(&s, test_path("x.safetensors"), &e));
    ASSERT_SAYS(e, words);
    ASSERT_SAYS(e, "x.safetensors");
    ck_assert_ptr_null(s.entries);
}

// {"w": [[1, 2, 3], [-4, 5, 6]], "n": 7} as torch's safetensors would write it; every byte by hand.
static const unsigned char by_hand[] =
    "\x90\0\0\0\0\0\0\0"
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}}    "
    "\x07\0\0\0\0\0\0\0"
    "\0\0\x80\x3f"
    "\0\0\0\x40"
    "\0\0\x40\x40"
    "\0\0\x80\xc0"
    "\0\0\xa0\x40"
    "\0\0\xc0\x40";

static void check_by_hand(const safetensors *s) {
    const float expected[6] = {1, 2, 3, -4, 5, 6};
    const safetensors_entry *w = safetensors_find(s, "w"), *n = safetensors_find(s, "n");
    int64_t number;
    ck_assert_uint_eq(s->count, 2);
    ck_assert_ptr_nonnull(w);
    ck_assert_str_eq(w->dtype, "F32");
    ck_assert_int_eq(w->dims, 2);
    ck_assert_uint_eq(w->shape[0], 2);
    ck_assert_uint_eq(w->shape[1], 3);
    ck_assert_mem_eq(w->data, expected, sizeof expected);
    ck_assert_int_eq(n->dims, 0);
    memcpy(&number, n->data, sizeof number);
    ck_assert_int_eq(number, 7);
    ck_assert_str_eq(safetensors_metadata(s, "format"), "pt");
    ck_assert_ptr_null(safetensors_metadata(s, "model"));
}

START_TEST(a_file_by_hand_is_read) {
    safetensors s;
    test_write("x.safetensors", by_hand, sizeof by_hand - 1);
    ck_assert_msg(safetensors_read(&s, test_path("x.safetensors"), &e), "%s", e.text);
    check_by_hand(&s);
    safetensors_free(&s);
}
END_TEST

START_TEST(writing_gives_the_same_bytes) {
    safetensors s;
    char bytes[512];
    test_write("x.safetensors", by_hand, sizeof by_hand - 1);
    ck_assert(safetensors_read(&s, test_path("x.safetensors"), &e));
    ck_assert_msg(safetensors_write(&s, test_path("y.safetensors"), &e), "%s", e.text);
    safetensors_free(&s);
    ck_assert_uint_eq(test_read("y.safetensors", bytes, sizeof bytes), sizeof by_hand - 1);
    ck_assert_mem_eq(bytes, by_hand, sizeof by_hand - 1);
    ck_assert_int_eq(test_folder_count(), 2); // no temporary file is left
}
END_TEST

START_TEST(every_cut_is_refused) {
    safetensors s;
    for (size_t size = 0; size < sizeof by_hand - 1; size++) {
        test_write("x.safetensors", by_hand, size);
        ck_assert_msg(!safetensors_read(&s, test_path("x.safetensors"), &e), "%zu bytes", size);
        ck_assert_ptr_null(strchr(e.text, '\n'));
    }
}
END_TEST

START_TEST(damaged_headers_are_refused) {
    static const char *const bad[][2] = {
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", "not a JSON object"},
        {"{\"w\":3}", "tensor w: its dtype"},
        {"{\"w\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         "dtype is missing or unknown"},
        {"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", "tensor w: its shape"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
         "tensor w: its shape"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}",
         "tensor w: its shape"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,9007199254740992],\"data_offsets\":"
         "[0,8]}}",
         "tensor w: its shape"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
         "do not fit its shape"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "not two offsets"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "beyond the end"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "leaves a gap"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         "4 bytes behind the last tensor"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"v\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "tensor v overlaps"},
        {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "tensor w stands twice"},
        {"{\"w\\u0000v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         "a byte 0 stands in a text"},
        {"{\"__metadata__\":3,\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         "more than strings"},
        {"{\"__metadata__\":{\"a\":1},\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"
         "}}",
         "more than strings"},
    };
    const float data[2] = {1, 2};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(bad[i][0], data, sizeof data);
        refuses(bad[i][1]);
    }
}
END_TEST

// As if it were not there, which is how the format's own library writes and reads it.
START_TEST(no_metadata_may_be_null) {
    const float data[2] = {1, 2};
    safetensors s;
    write_file(
        "{\"__metadata__\":null,\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        data, sizeof data);
    ck_assert_msg(safetensors_read(&s, test_path("x.safetensors"), &e), "%s", e.text);
    ck_assert_uint_eq(s.count, 1);
    ck_assert_uint_eq(s.notes, 0);
    safetensors_free(&s);
}
END_TEST

// Empty tensors a0, a1 ...; the names begin anew when there are no more.
static void write_many(int tensors, int names) {
    enum { ROOM = 64 };
    char *header = malloc((size_t)tensors * ROOM + 2), *at = header;
    ck_assert_ptr_nonnull(header);
    for (int i = 0; i < tensors; i++)
        at +=
            snprintf(at, ROOM, "%c\"a%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                     i ? ',' : '{', i % names);
    memcpy(at, "}", 2);
    write_file(header, "", 0);
    free(header);
}

// To compare each name with each would take minutes: then the time limit ends the test.
START_TEST(many_names_take_no_time) {
    enum { MANY = 200000 };
    safetensors s;
    write_many(MANY, MANY);
    ck_assert_msg(safetensors_read(&s, test_path("x.safetensors"), &e), "%s", e.text);
    ck_assert_uint_eq(s.count, MANY);
    safetensors_free(&s);
    write_many(MANY, MANY - 1);
    refuses("tensor a0 stands twice");
}
END_TEST

START_TEST(other_files_are_refused) {
    static const char zip[] = "PK\3\4 this is a zip file, is it not";
    test_write("x.safetensors", zip, sizeof zip);
    refuses("not a safetensors file");
    unlink(test_path("x.safetensors"));
    refuses("cannot be opened");
}
END_TEST

// --- Weights of a model --------------------------------------------------------------------------

static model *make_model(const char *name, int classes) {
    const model_shape shape = {
        .channels = 3, .height = 8, .width = 8, .classes = classes, .max_batch = 2};
    const char *fault;
    model *m = model_create(name, &shape, &fault);
    ck_assert_ptr_nonnull(m);
    model_init(m, 1);
    return m;
}

static void save(const model *m) {
    const safetensors_note note = {"model", "any"};
    ck_assert_msg(weights_save(m, test_path("w.safetensors"), &note, 1, &e), "%s", e.text);
}

static bool same_tensors(const model *a, const model *b) {
    const tensor *s, *t;
    const size_t count = model_tensors(a, &s);
    ck_assert_uint_eq(model_tensors(b, &t), count);
    for (size_t i = 0; i < count; i++) {
        if (s[i].steps ? *s[i].steps != *t[i].steps
                       : memcmp(s[i].data, t[i].data, s[i].count * sizeof(float)) != 0)
            return false;
    }
    return true;
}

START_TEST(weights_come_back_bit_for_bit) {
    model *m = make_model("resnet8", 7), *other = make_model("resnet8", 7);
    const tensor *t;
    for (size_t i = 0, count = model_tensors(m, &t); i < count; i++)
        if (t[i].steps) *t[i].steps = 1000 + (int64_t)i;
    model_init(other, 2);
    ck_assert(!same_tensors(m, other));
    save(m);
    ck_assert_msg(weights_load(other, "resnet8", test_path("w.safetensors"), &e), "%s", e.text);
    ck_assert(same_tensors(m, other));
    model_free(m);
    model_free(other);
}
END_TEST

// Numbers that every type has exactly: 0 to 255 / 64.
static const char *const float_types[] = {"F16", "BF16", "F64", "F32"};

static size_t encode(const char *type, float value, unsigned char *at) {
    const double wide = value;
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    const uint16_t half =
        value == 0 ? 0 : (uint16_t)(((word >> 23) - 127 + 15) << 10 | (word >> 13 & 1023));
    const uint16_t brain = (uint16_t)(word >> 16);
    if (strcmp(type, "F64") == 0) memcpy(at, &wide, 8);
    if (strcmp(type, "F32") == 0) memcpy(at, &value, 4);
    if (strcmp(type, "F16") == 0) memcpy(at, &half, 2);
    if (strcmp(type, "BF16") == 0) memcpy(at, &brain, 2);
    return type[1] == '6' ? 8 : type[1] == '3' ? 4 : 2;
}

static void save_as(const model *m, const char *type) {
    static unsigned char data[1 << 20];
    safetensors_entry entries[128] = {0};
    const tensor *t;
    safetensors s = {.count = model_tensors(m, &t), .entries = entries};
    size_t used = 0;
    for (size_t i = 0; i < s.count; i++) {
        safetensors_entry *x = &entries[i];
        *x = (safetensors_entry){.name = t[i].name, .dims = t[i].dims, .count = t[i].count};
        snprintf(x->dtype, sizeof x->dtype, "%s", t[i].steps ? "I64" : type);
        memcpy(x->shape, t[i].shape, sizeof t[i].shape);
        x->data = t[i].steps ? (void *)t[i].steps : data + used;
        for (size_t j = 0; !t[i].steps && j < t[i].count; j++)
            x->bytes += encode(type, t[i].data[j], data + used + x->bytes);
        if (t[i].steps) x->bytes = sizeof *t[i].steps;
        used += t[i].steps ? 0 : x->bytes;
    }
    ck_assert_msg(safetensors_write(&s, test_path("w.safetensors"), &e), "%s", e.text);
}

START_TEST(other_types_are_converted) {
    model *m = make_model("resnet8", 7), *other = make_model("resnet8", 7);
    const tensor *t;
    for (size_t i = 0, count = model_tensors(m, &t); i < count; i++)
        for (size_t j = 0; t[i].data && j < t[i].count; j++)
            t[i].data[j] = (float)((i + 37 * j) % 256) / 64;
    save_as(m, float_types[_i]);
    ck_assert_msg(weights_load(other, "resnet8", test_path("w.safetensors"), &e), "%s", e.text);
    ck_assert(same_tensors(m, other));
    model_free(m);
    model_free(other);
}
END_TEST

// Whole numbers are no weights, and a double may be too large for a float.
START_TEST(what_does_not_convert_is_refused) {
    const double large = 1e300;
    model *m = make_model("resnet8", 7);
    char bytes[1 << 20], *fc;
    save_as(m, "F32");
    size_t size = test_read("w.safetensors", bytes, sizeof bytes);
    fc = strstr(bytes + 8, "\"fc.bias\":{\"dtype\":\"F32\"");
    ck_assert_ptr_nonnull(fc);
    *strstr(fc, "F32") = 'I';
    test_write("w.safetensors", bytes, size);
    ck_assert(!weights_load(m, "resnet8", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "tensor fc.bias should be F32 [7] and is I32 [7]");
    save_as(m, "F64");
    size = test_read("w.safetensors", bytes, sizeof bytes);
    memcpy(bytes + size - sizeof large, &large, sizeof large);
    test_write("w.safetensors", bytes, size);
    ck_assert(!weights_load(m, "resnet8", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "tensor fc.bias holds inf at element 6");
    model_free(m);
}
END_TEST

START_TEST(the_wrong_model_is_named) {
    model *m = make_model("resnet8", 7), *other = make_model("resnet14", 7),
          *untouched = make_model("resnet14", 7);
    save(m);
    ck_assert(!weights_load(other, "resnet14", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "does not hold a resnet14");
    ASSERT_SAYS(e, "tensor layer1.1.conv1.weight F32 [16, 16, 3, 3] is missing");
    ASSERT_SAYS(e, "looks like a resnet8");
    ck_assert(same_tensors(other, untouched));
    save(untouched);
    ck_assert(!weights_load(m, "resnet8", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "it has no tensor layer1.1.conv1.weight");
    model_free(m);
    model_free(other);
    model_free(untouched);
}
END_TEST

START_TEST(other_classes_are_named) {
    model *m = make_model("resnet8", 7), *other = make_model("resnet8", 10);
    save(m);
    ck_assert(!weights_load(other, "resnet8", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "tensor fc.weight should be F32 [10, 64] and is F32 [7, 64]");
    ASSERT_SAYS(e, "for other images or classes");
    model_free(m);
    model_free(other);
}
END_TEST

START_TEST(nonfinite_weights_are_refused) {
    model *m = make_model("resnet8", 7);
    const tensor *t;
    model_tensors(m, &t);
    t[0].data[5] = NAN;
    save(m);
    ck_assert(!weights_load(m, "resnet8", test_path("w.safetensors"), &e));
    ASSERT_SAYS(e, "tensor conv1.weight holds");
    ASSERT_SAYS(e, "at element 5");
    model_free(m);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named) {
    model *m = make_model("resnet8", 7);
    ck_assert(!weights_save(m, test_path("no/w.safetensors"), NULL, 0, &e));
    ASSERT_SAYS(e, "no/w.safetensors cannot be written");
    model_free(m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("safetensors");
    TCase *format = tcase_create("format"), *weights = tcase_create("weights");
    tcase_add_checked_fixture(format, setup, test_folder_remove);
    tcase_add_checked_fixture(weights, setup, test_folder_remove);
    tcase_add_test(format, a_file_by_hand_is_read);
    tcase_add_test(format, writing_gives_the_same_bytes);
    tcase_add_test(format, every_cut_is_refused);
    tcase_add_test(format, damaged_headers_are_refused);
    tcase_add_test(format, no_metadata_may_be_null);
    tcase_add_test(format, many_names_take_no_time);
    tcase_add_test(format, other_files_are_refused);
    tcase_add_test(weights, weights_come_back_bit_for_bit);
    tcase_add_loop_test(weights, other_types_are_converted, 0, 4);
    tcase_add_test(weights, what_does_not_convert_is_refused);
    tcase_add_test(weights, the_wrong_model_is_named);
    tcase_add_test(weights, other_classes_are_named);
    tcase_add_test(weights, nonfinite_weights_are_refused);
    tcase_add_test(weights, a_folder_that_is_not_there_is_named);
    suite_add_tcase(suite, format);
    suite_add_tcase(suite, weights);
    return test_run(suite);
}
