// What a run tells: the progress bar, the CSV, the table and the plots (the page itself: test_page.c), against texts and numbers
// written by hand.
#include "progress.h"
#include "summary.h"
#include "svg_plot.h"
#include "test_files.h"
#include "test_suite.h"
#include "test_text.h"

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

// Written by hand, with a loss that has no group.
#define HEAD                                                                                       \
    "epoch,lr,train_loss,train_ce,train_kd,train_high,train_top,train_other,train_top1,test_top1," \
    "test_top5,seconds,test_seconds,libgdkd_share\n"
#define ROW(epoch) epoch ",0.05,2.5,1.5,1.0,,,,50.000,60.250,90.000,2.000,0.500,0.01000"

static void assert_log_refused(const char *text, const char *words) {
    error_line e = {0};
    run_log log;
    test_write("log.csv", text, strlen(text));
    ck_assert_msg(!run_log_read(&log, 2, test_path("log.csv"), &e), "accepted: %s", text);
    ASSERT_SAYS(e, words);
}

START_TEST(csv_is_read) {
    error_line e;
    run_log log;
    const char *text = HEAD ROW("1") "\n" ROW("2") "\n";
    test_folder_make();
    test_write("log.csv", text, strlen(text));
    ck_assert_msg(run_log_read(&log, 3, test_path("log.csv"), &e), "%s", e.text);
    ck_assert_int_eq(log.count, 2);
    ck_assert_double_eq(log.epochs[1].lr, 0.05);
    ck_assert_double_eq(log.epochs[1].terms[TERM_KD], 1);
    ck_assert(isnan(log.epochs[1].terms[TERM_HIGH]) && isnan(log.epochs[1].terms[TERM_OTHER]));
    ck_assert_double_eq(log.epochs[1].test_top1, 60.25);
    ck_assert_double_eq(log.epochs[1].library_share, 0.01);
    run_log_free(&log);
    test_folder_remove();
}
END_TEST

START_TEST(damaged_csvs_are_refused) {
    test_folder_make();
    assert_log_refused("", "has no epoch");
    assert_log_refused(HEAD, "has no epoch");
    assert_log_refused("epoch,loss\n1,2\n", "is no log of a training run");
    assert_log_refused(HEAD ROW("1"), "is cut off in line 2");
    assert_log_refused(HEAD ROW("1") "\n2,0.05,2.", "is cut off in line 3");
    assert_log_refused(HEAD ROW("1") "\n2,0.05,2.\n", "is damaged in line 3");
    assert_log_refused(HEAD ROW("1") ",7\n", "is damaged in line 2");
    assert_log_refused(HEAD ROW("2") "\n", "is damaged in line 2");
    assert_log_refused(HEAD "1,0.05,2.5,1.5,1.0,,,,50.000,x,90.000,2.000,0.500,0.01\n",
                       "is damaged in line 2");
    assert_log_refused(HEAD "1,0.05,2.5,1.5,1.0,,,,50.000,,90.000,2.000,0.500,0.01\n",
                       "is damaged in line 2");
    assert_log_refused(HEAD ROW("1") "\n" ROW("2") "\n" ROW("3") "\n", "more epochs than the 2");
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

// --- The plots -----------------------------------------------------------------------------------

static char *plotted(const svg_plot *plot) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    svg_plot_write(out, plot);
    fclose(out);
    return text;
}

// Ticks of the y axis are the only numbers in elements of this kind.
static void assert_axis_ticks(const double *y, int count, bool log, const char *const *expected) {
    const svg_line line = {"line", 0, false, y, count, NULL};
    const svg_plot plot = {.title = "title",
                           .x = {.label = "epoch", .low = 1, .high = count, .whole = true},
                           .y = {.label = "y", .log = log},
                           .lines = &line,
                           .count = 1,
                           .reference = NAN};
    char *text = plotted(&plot);
    const char *at = text;
    for (; *expected; expected++) {
        char found[32] = "";
        at = strstr(at, "<text class=\"end\"");
        ck_assert_ptr_nonnull(at);
        at = strchr(at, '>') + 1;
        snprintf(found, sizeof found, "%.*s", (int)strcspn(at, "<"), at);
        ck_assert_str_eq(found, *expected);
    }
    ck_assert_ptr_null(strstr(at, "<text class=\"end\""));
    free(text);
}

static void assert_ticks(const double *y, int count, const char *const *expected) {
    assert_axis_ticks(y, count, false, expected);
}

START_TEST(ticks_are_round) {
    // (58.2 - 51.7) / 5 = 1.3, rounded up to 2; from the multiple below to the one above.
    assert_ticks((double[]){51.7, 58.2}, 2,
                 (const char *[]){"50", "52", "54", "56", "58", "60", NULL});
    // 0.4 / 5 = 0.08: steps of 0.1 with one decimal.
    assert_ticks((double[]){0.1, 0.5, NAN}, 3,
                 (const char *[]){"0.1", "0.2", "0.3", "0.4", "0.5", NULL});
    // A zero has no sign.
    assert_ticks((double[]){-1, 1}, 2, (const char *[]){"-1.0", "-0.5", "0.0", "0.5", "1.0", NULL});
}
END_TEST

START_TEST(equal_values_still_have_an_axis) {
    // 7 +- 5 %: 6.65 to 7.35, steps of 0.2.
    assert_ticks((double[]){7, 7}, 2, (const char *[]){"6.6", "6.8", "7.0", "7.2", "7.4", NULL});
}
END_TEST

START_TEST(points_lie_where_they_belong) {
    // The plot area of 400 x 270 is x 60 to 388, y 230 (0) to 34 (10).
    const double y[] = {0, 10, NAN, 5};
    const svg_line line = {"line", 0, false, y, 4, NULL};
    const svg_plot plot = {.title = "",
                           .x = {.label = "epoch", .low = 1, .high = 5, .whole = true},
                           .y = {.label = "", .unit = " %"},
                           .lines = &line,
                           .count = 1,
                           .reference = NAN};
    char *text = plotted(&plot);
    ck_assert_ptr_nonnull(strstr(text, "d=\"M60.0 230.0L142.0 34.0M306.0 132.0\""));
    ck_assert_int_eq(occurrences(text, "class=\"hit\""), 3);
    ck_assert_ptr_nonnull(strstr(text, "<title>line, epoch 2: 10"));
    free(text);
}
END_TEST

START_TEST(logarithmic_axes_have_round_ticks) {
    // From the power of ten below to the one above; 1, 2, 5 where there are one or two decades.
    assert_axis_ticks((double[]){0.03, 2}, 2, true,
                      (const char *[]){"0.01", "0.1", "1", "10", NULL});
    assert_axis_ticks((double[]){0.3, 4}, 2, true,
                      (const char *[]){"0.1", "0.2", "0.5", "1", "2", "5", "10", NULL});
    assert_axis_ticks((double[]){2e-4, 9e-4}, 2, true,
                      (const char *[]){"0.0001", "0.0002", "0.0005", "0.001", NULL});
    // What is not above 0 has no place on it, nor any say in its range.
    assert_axis_ticks((double[]){0, 0.3, -5, 0.2}, 4, true,
                      (const char *[]){"0.1", "0.2", "0.5", "1", NULL});
}
END_TEST

START_TEST(marks_bands_and_x_values_lie_where_they_belong) {
    // x: 10 at 60, 1000 at 388, so 100 at 224; y: 0 at 230, 100 at 34.
    const double x[] = {10, 100, 1000}, y[] = {0, 50, 100}, low[] = {0, 0, 50},
                 high[] = {50, 100, 100};
    const svg_line line = {"line", 0, false, y, 3, x};
    const svg_band band = {0, low, high, 3, x};
    const svg_mark marks[] = {{100, "hundred"}, {105, "near"}};
    const svg_plot plot = {.title = "",
                           .x = {.label = "k", .low = 10, .high = 1000, .log = true},
                           .y = {.label = "", .low = 0, .high = 100},
                           .lines = &line,
                           .count = 1,
                           .band = &band,
                           .marks = marks,
                           .mark_count = 2,
                           .reference = NAN};
    char *text = plotted(&plot);
    ck_assert_ptr_nonnull(strstr(text, "d=\"M60.0 230.0L224.0 132.0L388.0 34.0\""));
    ck_assert_ptr_nonnull(strstr(
        text, "d=\"M60.0 132.0L224.0 34.0L388.0 34.0L388.0 132.0L224.0 230.0L60.0 230.0Z\""));
    ck_assert_ptr_nonnull(strstr(text, "d=\"M224.0 230V34\"><title>hundred</title>"));
    ck_assert_ptr_nonnull(strstr(text, ">hundred</text>"));
    ck_assert_ptr_null(strstr(text, ">near</text>")); // it would stand on the other one
    free(text);
}
END_TEST

START_TEST(names_are_escaped) {
    const double y[] = {1, 2};
    const svg_line line = {"<b>&\"'", 0, false, y, 2, NULL};
    const svg_plot plot = {.title = "a<b",
                           .x = {.label = "x<y", .low = 1, .high = 2, .whole = true},
                           .y = {.label = "c<d", .unit = "<u>"},
                           .lines = &line,
                           .count = 1,
                           .reference = 1.5,
                           .reference_name = "r<s"};
    char *text = plotted(&plot);
    ck_assert_ptr_nonnull(strstr(text, "<title>&lt;b&gt;&amp;&quot;&#39;, x&lt;y 1"));
    ck_assert_int_eq(occurrences(text, "a&lt;b"), 2); // title and aria-label
    ck_assert_int_eq(occurrences(text, "c&lt;d"), 1);
    ck_assert_int_eq(occurrences(text, "r&lt;s"), 2);
    ck_assert_int_eq(occurrences(text, "&lt;u&gt;"), 2);
    ck_assert_ptr_null(strstr(text, "<b>"));
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
    tcase_add_test(all, csv_is_read);
    tcase_add_test(all, damaged_csvs_are_refused);
    tcase_add_test(all, best_epoch_is_the_first_of_equals);
    tcase_add_test(all, means_and_spreads);
    tcase_add_test(all, one_run_has_no_spread);
    tcase_add_test(all, table_is_aligned);
    tcase_add_test(all, the_sentence_tells_leads_from_noise);
    tcase_add_test(all, ticks_are_round);
    tcase_add_test(all, equal_values_still_have_an_axis);
    tcase_add_test(all, points_lie_where_they_belong);
    tcase_add_test(all, names_are_escaped);
    tcase_add_test(all, logarithmic_axes_have_round_ticks);
    tcase_add_test(all, marks_bands_and_x_values_lie_where_they_belong);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
