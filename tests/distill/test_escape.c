// Names as bytes and as text: what is no UTF-8 or no character is escaped, in messages and in
// files, and files are found again.
#include "app/option_file.h"
#include "app/settings.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/json_file.h"
#include "test_files.h"
#include "test_suite.h"
#include "train/run_facts.h"

#include <cjson/cJSON.h>

// The second column as Python says it: bytes.decode("utf-8", "backslashreplace"), and control
// characters besides.
static const char *const pairs[][2] = {
    {"plain \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80",
     "plain \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80"},
    {"caf\xe9", "caf\\xe9"},                      // Latin-1
    {"\xc3", "\\xc3"},                            // cut off
    {"\xe6\x97/", "\\xe6\\x97/"},                 // cut off before another character
    {"\xc0\xaf", "\\xc0\\xaf"},                   // longer than it has to be
    {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},          // the same
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          // a surrogate
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, // behind the last character
    {"\xff\x80", "\\xff\\x80"},                   // never in UTF-8
    {"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},        // control characters
    {"\xc2\x85", "\\xc2\\x85"},                   // one of two bytes
    {"\x1b[31m", "\\x1b[31m"},                    // colours of a terminal
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

START_TEST(bytes_become_text_and_bytes_again) {
    for (int i = 0; i < PAIRS; i++) {
        char *text = escaped_copy(pairs[i][0]), again[64];
        ck_assert_str_eq(text, pairs[i][1]);
        escape_text(again, sizeof again, text); // text stays what it is
        ck_assert_str_eq(again, text);
        unescape_text(text);
        ck_assert_str_eq(text, pairs[i][0]);
        free(text);
    }
    char ordinary[] = "\\x41\\x00\\xZZ\\xe";
    unescape_text(ordinary);
    ck_assert_str_eq(ordinary, "\\x41\\x00\\xZZ\\xe");
}
END_TEST

// Wherever the end of the room comes.
START_TEST(no_character_is_cut) {
    static const char from[] = "a\xe6\x97\xa5\xe9z";
    static const char *const expected[] = {"", "a", "a", "a", "a\xe6\x97\xa5"};
    for (size_t size = 1; size < 12; size++) {
        char text[16];
        escape_text(text, size, from);
        const size_t length = strlen(text);
        ck_assert_uint_lt(length, size);
        ck_assert(length == 0 || length == 1 || length == 4 || length == 8 || length == 9);
        if (size < 6) ck_assert_str_eq(text, expected[size - 1]);
    }
}
END_TEST

START_TEST(messages_are_text) {
    error_line e;
    error_set(&e, "%s is not there", "caf\xe9\n");
    ck_assert_str_eq(e.text, "caf\\xe9\\x0a is not there");
    error_prefix(&e, "\xff");
    ck_assert_str_eq(e.text, "\\xff: caf\\xe9\\x0a is not there");
    char said[64];
    fflush(stderr);
    const int before = dup(STDERR_FILENO);
    FILE *file = fopen(test_path("said"), "w");
    dup2(fileno(file), STDERR_FILENO);
    note_line("%s is passed over", "caf\xe9\n");
    dup2(before, STDERR_FILENO);
    close(before);
    fclose(file);
    test_read("said", said, sizeof said);
    ck_assert_str_eq(said, "caf\\xe9\\x0a is passed over\n");
}
END_TEST

// A path that is no UTF-8: the file of options is JSON, and leads to the same path.
START_TEST(options_come_back) {
    settings s, back;
    error_line e = {0};
    char bytes[4096], path[512];
    char name[] = "train", data[] = "--data=images:caf\xe9", network[] = "--model=resnet8",
         out[] = "--out=\xff\n.safetensors", config[] = "--config";
    char *given[] = {name, data, network, out}, *from_file[] = {name, config, path};
    option_parser first, parser;
    snprintf(path, sizeof path, "%s", test_path("c.json"));
    settings_init(&s);
    s.command = COMMAND_TRAIN;
    ck_assert_msg(settings_parse(&s, &first, 4, given, &e), "%s", e.text);
    ck_assert_msg(option_file_write(settings_options, COMMAND_TRAIN, &s, cJSON_CreateObject(),
                                    test_path("c.json"), &e),
                  "%s", e.text);
    test_read("c.json", bytes, sizeof bytes);
    for (const char *c = bytes; *c; c++) ck_assert_int_gt(*c, 0); // ASCII
    settings_init(&back);
    back.command = COMMAND_TRAIN;
    ck_assert_msg(settings_parse(&back, &parser, 3, from_file, &e), "%s", e.text);
    ck_assert_str_eq(back.data, s.data);
    ck_assert_str_eq(back.out, s.out);
    options_free(&parser);
    options_free(&first);
}
END_TEST

// Two names that differ behind a byte 0 would be one to C.
START_TEST(a_byte_0_is_no_text) {
    static const char *const bad[][2] = {
        {"{\"a\\u0000b\": 1}", "a byte 0 stands in a text in line 1"},
        {"{\n\"a\": \"\\\\\\u0000\"}", "a byte 0 stands in a text in line 2"},
        {"{\"a\": tru}", "something is wrong in line 1"}};
    static const char good[] = "{\"a\\\\u0000\": \"\\u0001\"}"; // a backslash, then digits
    json_fault fault;
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(json_parse(bad[i][0], strlen(bad[i][0]), &fault));
        ck_assert_str_eq(fault.text, bad[i][1]);
        ck_assert(!fault.memory);
    }
    ck_assert_ptr_null(json_parse("{}\0", 3, &fault));
    ck_assert_str_eq(fault.text, "there is a byte 0 in line 1");
    cJSON *root = json_parse(good, strlen(good), &fault);
    ck_assert_ptr_nonnull(root);
    cJSON_Delete(root);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("escape");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, bytes_become_text_and_bytes_again);
    tcase_add_test(all, no_character_is_cut);
    tcase_add_test(all, messages_are_text);
    tcase_add_test(all, options_come_back);
    tcase_add_test(all, a_byte_0_is_no_text);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
