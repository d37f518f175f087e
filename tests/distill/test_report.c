// What a run tells: the progress bar, the CSV, the facts and the table, against texts and numbers
// written by hand. The page: test_page.py.
#include "report/summary.h"
#include "test_files.h"
#include "test_suite.h"
#include "test_text.h"
#include "train/progress.h"
#include "train/run_facts.h"

#include <math.h>

// --- The progress bar ----------------------------------------------------------------------------

static const progress bar = {.label = "gdkd seed 2", .epochs = 4, .batches = 10};

// 15 of 40 batches took 30 s, so the other 25 take 50 s.
static void format_bar_at(int columns, char *text) {
    progress_format(&bar, 2, 5, 1.25, 62.5, 30, columns, text);
}

START_TEST(bar_fills_a_wide_terminal) {
    char text[161];
    format_bar_at(120, text);
    ck_assert_str_eq(text, "gdkd seed 2 epoch 2/4  [####################....................]"
                           "  loss 1.2500  acc 62.50 %  0:50 left");
}
END_TEST

START_TEST(bar_shrinks_with_the_terminal) {
    char text[161];
    format_bar_at(77, text);
    ck_assert_str_eq(
        text, "gdkd seed 2 epoch 2/4  [#######........]  loss 1.2500  acc 62.50 %  0:50 left");
    ck_assert_uint_eq(strlen(text), 77);
}
END_TEST

START_TEST(narrow_terminals_keep_loss_accuracy_and_time) {
    char text[161];
    format_bar_at(71, text); // a bar of 9 is no bar
    ck_assert_str_eq(text, "gdkd seed 2 epoch 2/4  loss 1.2500  acc 62.50 %  0:50 left");
    format_bar_at(58, text);
    ck_assert_str_eq(text, "gdkd seed 2 epoch 2/4  loss 1.2500  acc 62.50 %  0:50 left");
    format_bar_at(57, text);
    ck_assert_str_eq(text, "2/4  loss 1.2500  acc 62.50 %  0:50 left");
    format_bar_at(10, text);
    ck_assert_str_eq(text, "2/4  loss ");
}
END_TEST

START_TEST(hours_are_told_as_hours) {
    char text[161];
    progress_format(&bar, 1, 1, 1, 1, 3661.0 / 39, 80, text);
    ck_assert_msg(strstr(text, "1:01:01 left") != NULL, "%s", text);
}
END_TEST

START_TEST(resumed_epochs_took_no_time) {
    char text[161];
    progress p = bar;
    p.resumed = 10; // 5 batches took 30 s, so the other 25 take 150 s
    progress_format(&p, 2, 5, 1, 1, 30, 80, text);
    ck_assert_msg(strstr(text, "2:30 left") != NULL, "%s", text);
    p.resumed = 13; // 2 batches took 30 s
    progress_format(&p, 2, 5, 1, 1, 30, 80, text);
    ck_assert_msg(strstr(text, "6:15 left") != NULL, "%s", text);
}
END_TEST

// --- The log -------------------------------------------------------------------------------------

static epoch_record record(double top1) {
    epoch_record r = {.lr = 0.05,
                      .terms = {2.5, 1.5, 1, 0.25, NAN, 0.125},
                      .train_top1 = 50,
                      .test_top1 = top1,
                      .test_top5 = 90,
                      .seconds = 2,
                      .test_seconds = 0.5,
                      .library_share = 0.01};
    return r;
}

START_TEST(csv_has_every_term) {
    error_line e;
    run_log log;
    char text[512];
    test_folder_make();
    ck_assert(run_log_init(&log, 2, &e));
    log.epochs[log.count++] = record(60.25);
    ck_assert(run_log_write(&log, test_path("log.csv"), &e));
    run_log_free(&log);
    test_read("log.csv", text, sizeof text);
    ck_assert_str_eq(text, "epoch,lr,train_loss,train_ce,train_kd,train_high,train_top,train_other,"
                           "train_top1,test_top1,test_top5,seconds,test_seconds,libgdkd_share\n"
                           "1,0.05,2.500000,1.500000,1.000000,0.250000,,0.125000,"
                           "50.000,60.250,90.000,2.000,0.500,0.01000\n");
    test_folder_remove();
}
END_TEST

// --- The facts -----------------------------------------------------------------------------------

// What the page needs, and no key for what a run does not have. A seed of 64 bits is a text.
START_TEST(facts_have_every_setting) {
    static const int64_t labels[] = {0, 1, 1};
    static const char *names[] = {"a\"nt", "bee"};
    error_line e;
    char text[2048];
    const run_facts f = {.name = "gdkd:k=1",
                         .model = "resnet8",
                         .dataset = "pets",
                         .schedule = "cosine",
                         .library = "0.1.0",
                         .kernels = "avx2",
                         .log = "a.csv",
                         .logits = "a.logits.npy",
                         .loss = {.kind = LOSS_GDKD, .temperature = 4, .k = 1, .kl = 1, .w2 = 8},
                         .lr = 0.123456789012,
                         .epochs = 2,
                         .seed = UINT64_MAX,
                         .classes = 2,
                         .class_names = names,
                         .images = 3,
                         .labels = labels};
    static const char *const there[] = {"\"loss\":\t\"gdkd\"",
                                        "\"name\":\t\"gdkd:k=1\"",
                                        "\"lr\":\t0.123456789012",
                                        "\"seed\":\t\"18446744073709551615\"",
                                        "\"k\":\t1,",
                                        "\"w2\":\t8,",
                                        "\"logits\":\t\"a.logits.npy\"",
                                        "[\"a\\\"nt\", \"bee\"]",
                                        "\"labels\":\t[0, 1, 1]",
                                        "\"kl\":\t\"reverse\"",
                                        "\"classes\":\t2,"};
    test_folder_make();
    ck_assert_msg(run_facts_write(&f, test_path("a.run.json"), &e), "%s", e.text);
    test_read("a.run.json", text, sizeof text);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        ck_assert_msg(strstr(text, there[i]) != NULL, "no %s in %s", there[i], text);
    ck_assert_ptr_null(strstr(text, "teacher-model"));
    ck_assert_ptr_null(strstr(text, "teacher-logits"));
    ck_assert_ptr_null(strstr(text, "teacher-test-logits"));
    ck_assert_ptr_null(strstr(text, "k-file"));
    test_folder_remove();
}
END_TEST

START_TEST(best_epoch_is_the_first_of_equals) {
    epoch_record epochs[] = {record(50), record(70), record(70), record(60)};
    const run_log log = {.count = 4, .room = 4, .epochs = epochs};
    ck_assert_ptr_eq(run_log_best(&log), &epochs[1]);
    ck_assert_ptr_eq(run_log_last(&log), &epochs[3]);
}
END_TEST

// --- The summary ---------------------------------------------------------------------------------

enum { RUNS = 4 };
static epoch_record run_epochs[RUNS][2];
static run_log run_logs[RUNS];
static const uint64_t run_seeds[RUNS] = {1, 2, 3, 4};

// Last epochs 60, 62 and 67: mean 63, deviations -3, -1 and 4, variance 26 / 2 = 13. Best epochs
// 61, 62 and 67. A fourth run was interrupted.
static series three_runs(void) {
    static const double top1[RUNS][2] = {{61, 60}, {50, 62}, {40, 67}, {99, 0}};
    for (int i = 0; i < RUNS; i++) {
        run_epochs[i][0] = record(top1[i][0]);
        run_epochs[i][1] = record(top1[i][1]);
        run_logs[i] = (run_log){.count = i < 3 ? 2 : 1, .room = 2, .epochs = run_epochs[i]};
    }
    run_epochs[0][0].seconds = 5;
    run_epochs[0][0].library_share = 0.1;
    return (series){
        .name = "gdkd", .epochs = 2, .seeds = RUNS, .seed = run_seeds, .logs = run_logs};
}

START_TEST(means_and_spreads) {
    const series s = three_runs();
    const summary r = summarise(&s);
    ck_assert_int_eq(r.runs, 3);
    ck_assert_double_eq_tol(r.last, 63, 1e-12);
    ck_assert_double_eq_tol(r.last_spread, sqrt(13), 1e-12);
    ck_assert_double_eq_tol(r.best, 190.0 / 3, 1e-12);
    // 61, 62, 67 about 63 1/3: (49 + 16 + 121) / 9 / 2 = 31/3
    ck_assert_double_eq_tol(r.best_spread, sqrt(31.0 / 3), 1e-12);
    ck_assert_double_eq_tol(r.seconds, (5 + 5 * 2) / 6.0, 1e-12);
    ck_assert_double_eq_tol(r.library_share, (0.1 * 5 + 0.01 * 10) / 15, 1e-12);
}
END_TEST

START_TEST(one_run_has_no_spread) {
    char text[32];
    series s = three_runs();
    s.seeds = 1;
    const summary r = summarise(&s);
    ck_assert_double_eq(r.last_spread, 0);
    summary_format(r.last, r.last_spread, r.runs, text, sizeof text);
    ck_assert_str_eq(text, "60.00");
    summary_format(63, sqrt(13), 3, text, sizeof text);
    ck_assert_str_eq(text, "63.00 ± 3.61");
}
END_TEST

static char *printed(const series *all, int count) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    summary_print(all, count, out);
    fclose(out);
    return text;
}

static series of_runs(const char *name, int place, double a, double b) {
    static epoch_record epochs[3][2];
    static run_log logs[3][2];
    epochs[place][0] = record(a);
    epochs[place][1] = record(b);
    for (int i = 0; i < 2; i++)
        logs[place][i] = (run_log){.count = 1, .room = 1, .epochs = &epochs[place][i]};
    return (series){.name = name, .epochs = 1, .seeds = 2, .seed = run_seeds, .logs = logs[place]};
}

static char *told(const series *all, int count) {
    static char text[512];
    FILE *out = fmemopen(text, sizeof text, "w");
    text[0] = '\0';
    summary_tell(all, count, out);
    fclose(out);
    return text;
}

// ce 70 and 72: 71, deviation 1.41; kd 73 and 75: 74; gdkd 74.2 and 75.2: 74.7, deviation 0.71.
START_TEST(the_sentence_tells_leads_from_noise) {
    series all[] = {of_runs("ce", 0, 70, 72), of_runs("gdkd", 1, 74.2, 75.2),
                    of_runs("kd", 2, 73, 75)};
    ck_assert_str_eq(told(all, 3),
                     "Seen on the test images, in points of top-1: gdkd and kd are 0.70 apart, "
                     "within their spread of 1.41; gdkd is 3.70 above ce (spread 1.41).\n");
    ck_assert_str_eq(told(all, 1), "");
    all[1].epochs = 2; // not finished
    ck_assert_str_eq(told(all, 3),
                     "Seen on the test images, in points of top-1: kd is 3.00 above ce "
                     "(spread 1.41).\n");
    all[0].seeds = 1;
    ck_assert_str_eq(told(all, 3),
                     "Seen on the test images, in points of top-1: kd is 4.00 above ce "
                     "(one seed tells no spread).\n");
}
END_TEST

START_TEST(table_is_aligned) {
    series all[] = {three_runs(), {.name = "nothing", .epochs = 2}};
    char *text = printed(all, 2);
    ck_assert_str_eq(text, "\nloss     runs   top-1 last %   top-1 best %  s/epoch  libgdkd\n"
                           "gdkd        3   63.00 ± 3.61   63.33 ± 3.21      2.5   4.00 %\n");
    free(text);
    text = printed(&all[1], 1);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *all = tcase_create("all");
    tcase_add_test(all, bar_fills_a_wide_terminal);
    tcase_add_test(all, bar_shrinks_with_the_terminal);
    tcase_add_test(all, narrow_terminals_keep_loss_accuracy_and_time);
    tcase_add_test(all, hours_are_told_as_hours);
    tcase_add_test(all, resumed_epochs_took_no_time);
    tcase_add_test(all, csv_has_every_term);
    tcase_add_test(all, facts_have_every_setting);
    tcase_add_test(all, best_epoch_is_the_first_of_equals);
    tcase_add_test(all, means_and_spreads);
    tcase_add_test(all, one_run_has_no_spread);
    tcase_add_test(all, table_is_aligned);
    tcase_add_test(all, the_sentence_tells_leads_from_noise);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
