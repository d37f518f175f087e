// The reader of reference cases refuses what is cut short or wrong, and says where and why.
#include "case_config.h"
#include "cases.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/gdkd-cases-XXXXXX";

static void make_file(void) {
    const int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void remove_file(void) {
    unlink(path);
}

static int read_text(const char *text, size_t length, ref_cases *out, char *error, size_t size) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    return cases_read(path, out, error, size);
}

#define HEAD "case kd\nshape 1 2\nparam T 0x1p+1\n"
#define DATA HEAD "student 1 2.5\nteacher -0x1p-1 0\n"
#define GOOD DATA "target 1\nloss 0.25\nterm high 1\ngrad 0.5 -0.5\nend\n"

START_TEST(good) {
    char error[256];
    ref_cases cases;
    ck_assert_int_eq(read_text(GOOD "\n" GOOD, strlen(GOOD "\n" GOOD), &cases, error, sizeof error),
                     0);
    ck_assert_int_eq(cases.count, 2);
    ck_assert_int_eq(cases.items[1].number, 2);
    ck_assert_int_eq(cases.items[1].line, 12);
    ck_assert_str_eq(cases.items[0].name, "kd");
    ck_assert_double_eq(cases.items[0].student[1], 2.5);
    ck_assert_double_eq(cases.items[0].teacher[0], -0.5);
    ck_assert_double_eq(cases.items[0].grad[1], -0.5);
    ck_assert_double_eq(cases.items[0].loss, 0.25);
    ck_assert_int_eq(cases.items[0].target[0], 1);
    ck_assert_str_eq(case_param(&cases.items[0], "T"), "0x1p+1");
    ck_assert_ptr_null(case_param(&cases.items[0], "k"));
    cases_free(&cases);
}
END_TEST

static const struct {
    const char *text;
    long line; // that the message must name
    const char *reason;
} bad[] = {
    {"", 0, "no cases"},
    {"hello\n", 1, "expected `case NAME`"},
    {"case \n", 1, "key is missing"},
    {"case kd\n", 1, "ends inside"},
    {DATA, 5, "ends inside"},
    {DATA "loss 1\ngrad 1 2\nen", 8, "unknown keyword: en"},
    {"case kd\nstudent 1 2\n", 2, "shape must come before"},
    {"case kd\nshape 1\n", 2, "two positive integers"},
    {"case kd\nshape 0 2\n", 2, "two positive integers"},
    {"case kd\nshape -1 2\n", 2, "two positive integers"},
    {"case kd\nshape 1 2 3\n", 2, "two positive integers"},
    {"case kd\nshape 1 99999999999999999999\n", 2, "two positive integers"},
    {"case kd\nshape 1 2\nshape 1 2\n", 3, "second shape"},
    {HEAD "student 1\n", 4, "student has 1 values, its shape asks for 2"},
    {HEAD "student 1 2 3\n", 4, "student has 3 values"},
    {HEAD "student 1 2 \n", 4, "student has 3 values"},
    {HEAD "student\n", 4, "student has 0 values"},
    {HEAD "student 1  2\n", 4, "student has 3 values"},
    {HEAD "student 1 x\n", 4, "not a real number: x"},
    {HEAD "student 1 0x1.8q\n", 4, "not a real number"},
    {HEAD "student 1 nan\n", 4, "not a real number: nan"},
    {HEAD "loss nan\n", 4, "loss needs one real"},
    {HEAD "term high nan\n", 4, "term without a real"},
    {HEAD "student 1 2\nstudent 1 2\n", 5, "second line of: student"},
    {HEAD "target 2\n", 4, "target 2 is outside [0, 1]"},
    {HEAD "target -1\n", 4, "outside"},
    {HEAD "target 1.5\n", 4, "not an integer"},
    {HEAD "row_k 0\n", 4, "outside"},
    {HEAD "mask 0 2\n", 4, "outside"},
    {HEAD "groups 0 8\n", 4, "outside"},
    {HEAD "colour 1\n", 4, "unknown keyword: colour"},
    {HEAD "loss\n", 4, "loss needs one real"},
    {HEAD "loss 1 2\n", 4, "loss needs one real"},
    {HEAD "param T 1\n", 4, "second param: T"},
    {HEAD "param k\n", 4, "param without a value"},
    {HEAD "term high\n", 4, "term without a real"},
    {HEAD "end\n", 4, "no student"},
    {DATA "end\n", 6, "no loss"},
    {DATA "loss 1\nend\n", 7, "no grad"},
    {"case kd\nend\n", 2, "no shape"},
};

START_TEST(each_fault_is_named) {
    char error[256] = "";
    char where[64];
    ref_cases cases;
    const char *text = bad[_i].text;
    snprintf(where, sizeof where, "%s:%ld: ", path, bad[_i].line);
    ck_assert_int_eq(read_text(text, strlen(text), &cases, error, sizeof error), -1);
    ck_assert_msg(strncmp(error, where, strlen(where)) == 0, "%s (should begin with %s)", error,
                  where);
    ck_assert_msg(strstr(error, bad[_i].reason) != NULL, "%s (should say %s)", error,
                  bad[_i].reason);
    ck_assert_ptr_null(cases.items);
}
END_TEST

// Wherever the file is cut, it is refused, but for the cut that takes the last line's end alone.
START_TEST(cut_anywhere) {
    char error[256];
    ref_cases cases;
    const size_t length = strlen(GOOD);
    for (size_t cut = 0; cut < length - 1; cut++) {
        ck_assert_msg(read_text(GOOD, cut, &cases, error, sizeof error) == -1, "cut at %zu", cut);
        ck_assert_uint_gt(strlen(error), strlen(path));
    }
    ck_assert_int_eq(read_text(GOOD, length - 1, &cases, error, sizeof error), 0);
    cases_free(&cases);
}
END_TEST

START_TEST(not_text) {
    char error[256];
    ref_cases cases;
    const char zeros[] = "case kd\nshape 1 2\nparam \0\0\n";
    ck_assert_int_eq(read_text(zeros, sizeof zeros, &cases, error, sizeof error), -1);
    ck_assert_ptr_nonnull(strstr(error, ":3: a zero byte"));
    ck_assert_int_eq(read_text("\033[2J\a\n", 6, &cases, error, sizeof error), -1);
    ck_assert_ptr_null(strchr(error, '\033'));
    ck_assert_int_eq(cases_read("/nonexistent/file", &cases, error, sizeof error), -1);
    ck_assert_str_eq(error, "/nonexistent/file: cannot open: No such file or directory");
    ck_assert_int_eq(cases_read("/", &cases, error, sizeof error), -1);
}
END_TEST

// A case of right form that cannot be a call.
START_TEST(unfit_cases) {
    static const struct {
        const char *head;
        const char *reason;
    } unfit[] = {
        {"case unheard\nshape 1 2\nparam T 1\n", "unknown loss"},
        {"case kd\nshape 1 2\n", "has no param T"},
        {"case kd\nshape 1 2\nparam T warm\n", "needs a real for param T"},
        {"case gdkd\nshape 1 2\nparam T 1\nparam w0 1\nparam w1 1\nparam w2 1\n", "has no param k"},
        {"case dkd\nshape 1 2\nparam T 1\nparam alpha 1\nparam beta 1\n", "has no line target"},
        {"case skd\nshape 1 2\nparam T 1\nparam kl sideways\n", "unknown value for param kl"},
        {"case adkd\nshape 1 2\nparam T 1\nparam alpha 1\nparam gamma 1\nparam beta 1,2,3\ntarget "
         "0\n",
         "one real per class"},
    };
    for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
        char text[512];
        char error[256] = "";
        double unused;
        ref_cases cases;
        problem p;
        snprintf(text, sizeof text, "%sstudent 1 2\nteacher 1 2\nloss 1\ngrad 1 2\nend\n",
                 unfit[i].head);
        ck_assert_msg(read_text(text, strlen(text), &cases, error, sizeof error) == 0, "%s", error);
        ck_assert_int_eq(case_problem(&cases.items[0], &p, &unused, &unused, error, sizeof error),
                         -1);
        ck_assert_msg(strstr(error, unfit[i].reason) != NULL, "%s (should say %s)", error,
                      unfit[i].reason);
        cases_free(&cases);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("case files");
    TCase *tcase = tcase_create("cases");
    tcase_add_unchecked_fixture(tcase, make_file, remove_file);
    tcase_add_test(tcase, good);
    tcase_add_loop_test(tcase, each_fault_is_named, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, cut_anywhere);
    tcase_add_test(tcase, not_text);
    tcase_add_test(tcase, unfit_cases);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
