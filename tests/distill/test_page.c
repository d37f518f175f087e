// Runs on disk, and the page about them. Every file is one that a test wrote itself.
#include "base/npy.h"
#include "report/report.h"
#include "report/run_set.h"
#include "test_files.h"
#include "test_suite.h"
#include "test_text.h"

#include <math.h>

enum { IMAGES = 8, CLASSES = 4, EPOCHS = 2 };
static const int64_t labels[IMAGES] = {0, 1, 2, 3, 0, 1, 2, 3};
static const char *class_names[CLASSES] = {"ant", "b<e", "cat", "dog"};
static error_line e;

// --- Files ---------------------------------------------------------------------------------------

static run_facts facts_of(const char *loss, uint64_t seed) {
    run_facts f = {.name = loss,
                   .model = "resnet8",
                   .teacher_model = "resnet20",
                   .dataset = "pets",
                   .schedule = "cosine",
                   .library = "0.1.0",
                   .kernels = "avx2",
                   .log = "a.csv",
                   .logits = "a.logits.npy",
                   .teacher_test_logits = "teacher.npy",
                   .lr = 0.05,
                   .momentum = 0.9,
                   .weight_decay = 5e-4,
                   .epochs = EPOCHS,
                   .batch = 64,
                   .train_images = 100,
                   .seed = seed,
                   .classes = CLASSES,
                   .class_names = class_names,
                   .images = IMAGES,
                   .labels = labels};
    f.loss = (loss_settings){.kind = LOSS_GDKD,
                             .temperature = 4,
                             .k = 2,
                             .w0 = 1,
                             .w1 = 1,
                             .w2 = 8,
                             .alpha = 1,
                             .beta = 8,
                             .warmup = 20,
                             .ce_weight = 1,
                             .kd_weight = 1};
    return f;
}

// The first `right` images get their own label's logit raised, the others that of the class behind.
static void write_logits(const char *name, int right) {
    FILE *file = fopen(test_path(name), "wb");
    ck_assert_ptr_nonnull(file);
    npy_write_header(file, IMAGES, CLASSES);
    for (int i = 0; i < IMAGES; i++) {
        float row[CLASSES] = {0.1F, 0.2F, 0.3F, 0.4F};
        row[i < right ? labels[i] : (labels[i] + 1) % CLASSES] = 3;
        fwrite(row, sizeof *row, CLASSES, file);
    }
    fclose(file);
}

static void write_log(const char *name, int epochs, double last) {
    epoch_record records[EPOCHS];
    for (int i = 0; i < EPOCHS; i++)
        records[i] = (epoch_record){.lr = 0.05,
                                    .terms = {3, 1, 2, 0.5, 0.25, 0.125},
                                    .train_top1 = 50,
                                    .test_top1 = i == epochs - 1 ? last : 12.5,
                                    .test_top5 = 100,
                                    .seconds = 2,
                                    .test_seconds = 1};
    const run_log log = {.count = epochs, .room = EPOCHS, .epochs = records};
    ck_assert(run_log_write(&log, test_path(name), &e));
}

// NAME.run.json, NAME.csv and NAME.logits.npy of a run that has `right` images right in the end.
static void write_run(const char *name, run_facts f, int right, int epochs) {
    char log[64], logits[64], facts[64];
    snprintf(log, sizeof log, "%s.csv", name);
    snprintf(logits, sizeof logits, "%s.logits.npy", name);
    snprintf(facts, sizeof facts, "%s" RUN_FACTS_ENDING, name);
    f.log = log;
    f.logits = logits;
    write_log(log, epochs, 100.0 * right / IMAGES);
    write_logits(logits, right);
    ck_assert_msg(run_facts_write(&f, test_path(facts), &e), "%s", e.text);
}

static bool read_folder(run_set *set) {
    const char *paths[] = {test_folder};
    e = (error_line){0};
    return run_set_read(set, paths, 1, &e);
}

static void assert_refused(const char *words) {
    run_set set;
    ck_assert_msg(!read_folder(&set), "accepted; expected '%s'", words);
    ASSERT_SAYS(e, words);
    ck_assert_int_eq(e.status, EXIT_RUNTIME);
    ck_assert_ptr_null(strchr(e.text, '\n'));
}

// The page, and no file beside it that was not there.
static char *page(void) {
    static char text[1 << 18];
    const char *paths[] = {test_folder};
    ck_assert_msg(report_runs(paths, 1, test_path("report.html"), &e), "%s", e.text);
    test_read("report.html", text, sizeof text);
    return text;
}

// --- Facts ---------------------------------------------------------------------------------------

START_TEST(facts_come_back) {
    run_facts f = facts_of("gdkd:k=2", UINT64_MAX), g;
    f.lr = 0.123456789012;
    f.loss.kind = LOSS_GDKD3;
    ck_assert(run_facts_write(&f, test_path("a.run.json"), &e));
    ck_assert_msg(run_facts_read(&g, test_path("a.run.json"), &e), "%s", e.text);
    ck_assert(run_facts_alike(&f, &g));
    ck_assert_str_eq(g.name, "gdkd:k=2");
    ck_assert_int_eq(g.loss.kind, LOSS_GDKD3);
    ck_assert_int_eq(g.loss.k, 2);
    ck_assert_double_eq(g.loss.w2, 8);
    ck_assert_double_eq(g.lr, 0.123456789012);
    ck_assert(g.seed == UINT64_MAX);
    ck_assert_uint_eq(g.images, IMAGES);
    ck_assert_mem_eq(g.labels, labels, sizeof labels);
    ck_assert_str_eq(g.class_names[1], "b<e");
    ck_assert_str_eq(g.teacher_test_logits, "teacher.npy");
    g.loss.w2 = 4;
    ck_assert(!run_facts_alike(&f, &g));
    g.loss.w2 = 8;
    g.seed = 1;
    g.kernels = "scalar";
    g.log = "b.csv";
    ck_assert(run_facts_alike(&f, &g));
    g.teacher_model = NULL;
    ck_assert(!run_facts_alike(&f, &g));
    run_facts_free(&g);
}
END_TEST

START_TEST(what_a_run_does_not_have_may_be_missing) {
    run_facts f = facts_of("ce", 1), g;
    f.class_names = NULL;
    f.teacher_model = f.teacher_test_logits = NULL;
    ck_assert(run_facts_write(&f, test_path("a.run.json"), &e));
    ck_assert_msg(run_facts_read(&g, test_path("a.run.json"), &e), "%s", e.text);
    ck_assert_ptr_null(g.class_names);
    ck_assert_ptr_null(g.teacher_model);
    ck_assert_ptr_null(g.teacher_logits);
    run_facts_free(&g);
}
END_TEST

static char *read_text(const char *name, size_t *size) {
    char *text = malloc(1 << 14);
    *size = test_read(name, text, 1 << 14);
    return text;
}

START_TEST(facts_cut_anywhere_are_refused) {
    const run_facts f = facts_of("gdkd", 1);
    run_facts g;
    size_t size;
    ck_assert(run_facts_write(&f, test_path("whole"), &e));
    char *text = read_text("whole", &size);
    for (size_t cut = 0; cut < size - 2; cut++) { // the last two are } and a newline
        test_write("cut", text, cut);
        ck_assert_msg(!run_facts_read(&g, test_path("cut"), &e), "cut at %zu", cut);
        ASSERT_SAYS(e, "train that run again");
    }
    free(text);
}
END_TEST

// Each value of the file is changed in turn to one that cannot be.
START_TEST(wrong_facts_are_named) {
    static const struct {
        const char *from, *to, *key;
    } faults[] = {{"\"gdkd\"", "\"gdke\"", "\"loss\""},
                  {"\"seed\":\t\"1\"", "\"seed\":\t\"-1\"", "\"seed\""},
                  {"\"model\":\t\"resnet8\"", "\"model\":\t8", "\"model\""},
                  {"\"temperature\":\t4", "\"temperature\":\tnull", "\"temperature\""},
                  {"\"k\":\t2", "\"k\":\t2.5", "\"k\""},
                  {"\"epochs\":\t2", "\"epochs\":\t0", "\"epochs\""},
                  {"\"epochs\":\t2", "\"epochs\":\t1e99", "\"epochs\""},
                  {"\"log\"", "\"lag\"", "\"log\""},
                  {"\"cat\"", "\"cat\", \"cow\"", "\"class-names\""},
                  {"\"cat\"", "7", "\"class-names\""},
                  {"[0, 1, 2, 3", "[0, 1, 2, 4", "\"labels\""},
                  {"[0, 1, 2, 3", "[0, 1, 2, -1", "\"labels\""},
                  {"\"labels\"", "\"lables\"", "\"labels\""}};
    run_facts f = facts_of("name", 1), g;
    size_t size;
    ck_assert(run_facts_write(&f, test_path("whole"), &e));
    char *text = read_text("whole", &size), changed[1 << 14];
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *at = strstr(text, faults[i].from);
        ck_assert_msg(at != NULL, "no %s in %s", faults[i].from, text);
        const int length = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text,
                                    faults[i].to, at + strlen(faults[i].from));
        test_write("changed", changed, (size_t)length);
        ck_assert_msg(!run_facts_read(&g, test_path("changed"), &e), "%s", faults[i].to);
        ASSERT_SAYS(e, faults[i].key);
    }
    free(text);
}
END_TEST

// --- Sets ----------------------------------------------------------------------------------------

// Two seeds of one loss with 4 and 6 of 8 right, one of another; files sorted by name would mix them.
static void write_three(void) {
    run_facts other = facts_of("gdkd:k=3", 1);
    other.loss.k = 3;
    write_logits("teacher.npy", 7);
    write_run("a", facts_of("gdkd", 1), 4, EPOCHS);
    write_run("b", other, 5, EPOCHS);
    write_run("c", facts_of("gdkd", 2), 6, EPOCHS);
}

START_TEST(runs_are_gathered_into_series) {
    run_set set;
    write_three();
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_int_eq(set.run_count, 3);
    ck_assert_int_eq(set.series_count, 2);
    ck_assert_str_eq(set.series[0].name, "gdkd");
    ck_assert_int_eq(set.series[0].seeds, 2);
    ck_assert(set.series[0].seed[1] == 2);
    ck_assert_double_eq(run_log_last(&set.series[0].logs[1])->test_top1, 75);
    ck_assert_int_eq(set.first[1], 2);
    const summary s = summarise(&set.series[0]); // 50 and 75
    ck_assert_double_eq_tol(s.last, 62.5, 1e-9);
    ck_assert_double_eq_tol(s.last_spread, 12.5 * sqrt(2), 1e-9);
    ck_assert_int_eq(set.teacher_count, 1); // one file
    ck_assert_double_eq_tol(set.teachers[0].top1, 87.5, 1e-9);
    ck_assert_str_eq(set.teachers[0].name, "teacher resnet20");
    run_set_free(&set);
}
END_TEST

START_TEST(series_of_one_name_are_told_apart) {
    run_set set;
    run_facts f = facts_of("gdkd", 1);
    write_logits("teacher.npy", 7);
    write_run("a", f, 4, EPOCHS);
    f.loss.k = 3;
    f.epochs = 5;
    write_run("b", f, 4, EPOCHS);
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_str_eq(set.series[0].name, "gdkd:k=2:epochs=2");
    ck_assert_str_eq(set.series[1].name, "gdkd:k=3:epochs=5");
    ck_assert_ptr_nonnull(strstr(set.series[0].detail, ", epochs 2"));
    ck_assert(!series_finished(&set.series[1], 0));
    run_set_free(&set);
}
END_TEST

START_TEST(teachers_are_told_apart_by_their_logits) {
    run_set set;
    run_facts f = facts_of("gdkd", 1);
    write_logits("teacher.npy", 7);
    write_logits("copy.npy", 7);
    write_logits("other.npy", 8);
    write_run("a", f, 4, EPOCHS);
    f.seed = 2;
    f.teacher_test_logits = "copy.npy";
    write_run("b", f, 4, EPOCHS);
    f.teacher_test_logits = "other.npy";
    write_run("c", f, 4, EPOCHS);
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_int_eq(set.teacher_count, 2);
    ck_assert_int_eq(set.series_count, 2);
    ck_assert_int_eq(set.series[0].seeds, 2);
    run_set_free(&set);
}
END_TEST

// Of a teacher that is known by its logits of the training images alone, there is only the name.
START_TEST(files_of_training_logits_are_told_apart) {
    run_set set;
    run_facts f = facts_of("gdkd", 1);
    f.teacher_model = f.teacher_test_logits = NULL;
    f.teacher_logits = "soft.npy";
    write_run("a", f, 4, EPOCHS);
    f.teacher_logits = "softer.npy";
    write_run("b", f, 4, EPOCHS);
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_int_eq(set.teacher_count, 0);
    ck_assert_int_eq(set.series_count, 2);
    ck_assert_str_eq(set.series[1].name, "gdkd:teacher-logits=softer.npy");
    run_set_free(&set);
    write_logits("teacher.npy", 7);
    write_run("a", facts_of("gdkd", 1), 4, EPOCHS);
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_ptr_eq(run_set_teacher(&set, &set.runs[0]), set.teachers);
    ck_assert_ptr_null(run_set_teacher(&set, &set.runs[1])); // it had another
    ck_assert_str_eq(set.series[0].name, "gdkd:teacher-model=resnet20");
    ck_assert_str_eq(set.series[1].name, "gdkd:teacher-logits=softer.npy");
    run_set_free(&set);
}
END_TEST

// The baseline knows no teacher, but is held against the only one there is.
START_TEST(a_run_without_a_teacher_takes_the_only_one) {
    run_set set;
    run_facts f = facts_of("ce", 1);
    f.loss.kind = LOSS_CE;
    f.teacher_model = f.teacher_test_logits = NULL;
    write_three();
    write_run("d", f, 4, EPOCHS);
    ck_assert_msg(read_folder(&set), "%s", e.text);
    ck_assert_int_eq(set.runs[3].teacher, -1);
    ck_assert_ptr_eq(run_set_teacher(&set, &set.runs[3]), set.teachers);
    run_set_free(&set);
}
END_TEST

START_TEST(runs_that_do_not_fit_are_refused) {
    static const int64_t others[IMAGES] = {0, 1, 2, 3, 0, 1, 3, 2};
    run_facts f = facts_of("other", 1);
    write_three();
    f.dataset = "plants";
    write_run("d", f, 4, EPOCHS);
    assert_refused("is about pets and");
    f = facts_of("other", 1);
    f.images = 6;
    write_run("d", f, 4, EPOCHS);
    assert_refused("d.logits.npy holds 8 x 4 logits, but its run had 6 images");
    unlink(test_path("d.logits.npy"));
    assert_refused("was tested on 8 images and");
    f.images = IMAGES;
    f.labels = others;
    write_run("d", f, 4, EPOCHS);
    unlink(test_path("d.logits.npy"));
    assert_refused("were tested on different images");
    write_run("d", facts_of("gdkd", 2), 4, EPOCHS);
    assert_refused("are the same run");
}
END_TEST

START_TEST(damaged_files_are_refused) {
    size_t size;
    assert_refused("has no run to report");
    write_three();
    char *text = read_text("c.csv", &size);
    test_write("c.csv", text, size - 5);
    assert_refused("c.csv is cut off in line 3");
    test_write("c.csv", text, size);
    free(text);
    write_logits("c.logits.npy", 5);
    assert_refused("c.logits.npy is not of the last epoch of c.csv (top-1 62.50, not 75.00)");
    text = read_text("c.logits.npy", &size);
    test_write("c.logits.npy", text, size - 4);
    assert_refused("c.logits.npy is damaged");
    const float broken = NAN;
    memcpy(text + size - sizeof broken, &broken, sizeof broken);
    test_write("c.logits.npy", text, size);
    assert_refused("c.logits.npy cannot be used: a logit of image 7 is not finite");
    free(text);
    write_logits("c.logits.npy", 6);
    char *halves = read_text("teacher.npy", &size);
    strstr(halves + 10, "<f4")[2] = '2'; // behind the magic
    test_write("teacher.npy", halves, 128 + (size - 128) / 2);
    free(halves);
    assert_refused("teacher.npy holds float16");
    test_write("teacher.npy", "no", 2);
    assert_refused("teacher.npy cannot be used");
    write_logits("teacher.npy", 7);
    test_write("c.run.json", "{", 1);
    assert_refused("c.run.json is damaged");
    unlink(test_path("c.run.json"));
    unlink(test_path("a.csv"));
    assert_refused("a.csv cannot be opened");
}
END_TEST

// --- The page ------------------------------------------------------------------------------------

// Of the teacher that write_logits(.., 7) makes: the mean mass of its k largest classes, percent.
static double mass_of_top(int k, double temperature) {
    double sum = 0;
    for (int i = 0; i < IMAGES; i++) {
        double weights[CLASSES] = {0.1, 0.2, 0.3, 0.4}, all = 0, top = 0;
        weights[i < 7 ? labels[i] : (labels[i] + 1) % CLASSES] = 3;
        for (int c = 0; c < CLASSES; c++) all += weights[c] = exp(weights[c] / temperature);
        for (int taken = 0; taken < k; taken++) {
            int largest = 0;
            for (int c = 1; c < CLASSES; c++)
                if (weights[c] > weights[largest]) largest = c;
            top += weights[largest];
            weights[largest] = 0;
        }
        sum += 100 * top / all;
    }
    return sum / IMAGES;
}

// A row of the table of k: mean mass, two percentiles, mean mass at T = 1, label among the top k.
static void assert_row(const char *text, const char *begin, int k, double label) {
    enum { MEAN, LOW, HIGH, PLAIN, LABEL, CELLS };
    double cells[CELLS];
    const char *at = strstr(text, begin);
    ck_assert_msg(at != NULL, "no %s", begin);
    at += strlen(begin);
    for (int i = 0; i < CELLS; i++) {
        char *end;
        if (i > 0) ck_assert(strncmp(at, "<td>", 4) == 0);
        if (i > 0) at += 4;
        cells[i] = strtod(at, &end);
        ck_assert(end > at);
        at = end;
    }
    ck_assert_double_eq_tol(cells[MEAN], mass_of_top(k, 4), 0.006);
    ck_assert_double_eq_tol(cells[PLAIN], mass_of_top(k, 1), 0.006);
    ck_assert_double_eq_tol(cells[LABEL], label, 1e-9);
    ck_assert(cells[LOW] <= cells[MEAN] && cells[MEAN] <= cells[HIGH]);
}

START_TEST(the_page_has_every_section) {
    write_three();
    const char *text = page();
    ck_assert_ptr_nonnull(strstr(text, "<h1>resnet8 from resnet20 on pets</h1>"));
    ck_assert_ptr_nonnull(strstr(text, "teacher resnet20: top-1 87.50&nbsp;%"));
    ck_assert_ptr_nonnull(strstr(text, "62.50 ± 17.68")); // 12.5 times the root of 2
    ck_assert_ptr_nonnull(strstr(text, "gdkd:k=3"));
    ck_assert_ptr_nonnull(strstr(text, "Accuracy by class, hardest first"));
    // Images 0 to 3, 0 to 5: of the class b<e (images 1 and 5) one of two, then both.
    ck_assert_ptr_nonnull(strstr(text, "<title>gdkd, b&lt;e: 75.00 %</title>"));
    ck_assert_int_eq(occurrences(text, "b<e"), 0);
    // Of 8 images the teacher has 7 right. With 4 and 6 right, student and teacher say the same on
    // 5 and 7 of them: where it is wrong, the student is too, and in the same way.
    ck_assert_ptr_nonnull(strstr(text, "<td>gdkd<td>75.00 ± 17.68<td>71.43 ± 20.20<td>100.00 ± "
                                       "0.00<td>0.00 ± 0.00<td>25.00 ± 17.68<td>"));
    ck_assert_ptr_nonnull(strstr(text, "teacher resnet20 at T = 4"));
    assert_row(text, "<tr><td>1<td>", 1, 87.5);
    assert_row(text, "<tr class=\"own\"><td>2<td>", 2, 100); // the wrong image's label is second
    assert_row(text, "<tr class=\"own\"><td>3<td>", 3, 100);
    ck_assert_int_eq(occurrences(text, "<tr class=\"own\">"), 2); // each k once
    ck_assert_ptr_nonnull(strstr(text, "</html>"));
    ck_assert_int_eq(occurrences(text, "nan"), 0);
    ck_assert_int_eq(occurrences(text, "inf\""), 0);
    ck_assert_int_eq(occurrences(text, "http"), 0);
    ck_assert_int_eq(occurrences(text, "<div"), occurrences(text, "</div>"));
}
END_TEST

START_TEST(unfinished_runs_are_shown_but_not_counted) {
    write_three();
    write_run("c", facts_of("gdkd", 2), 6, 1);
    run_facts f = facts_of("k<3", 1);
    write_run("d", f, 3, 1);
    const char *text = page();
    ck_assert_ptr_nonnull(strstr(text, "<td>50.00<td>50.00<td>1<td>")); // gdkd's seed 1 alone
    ck_assert_ptr_nonnull(strstr(text, "gdkd, seed 2<td>1 of 2<td>75.00"));
    ck_assert_ptr_nonnull(strstr(text, "no run has finished yet"));
    ck_assert_ptr_nonnull(strstr(text, "k&lt;3"));
}
END_TEST

START_TEST(a_page_without_logits_has_the_rest) {
    write_three();
    unlink(test_path("a.logits.npy"));
    const char *text = page();
    ck_assert_ptr_nonnull(strstr(text, "1 of the 3 runs have no logits any more"));
    ck_assert_ptr_nonnull(strstr(text, "<td>gdkd<td>87.50<td>")); // seed 2 alone: 7 of 8 alike
    unlink(test_path("b.logits.npy"));
    unlink(test_path("c.logits.npy"));
    unlink(test_path("teacher.npy"));
    text = page();
    ck_assert_ptr_nonnull(strstr(text, "62.50 ± 17.68"));
    ck_assert_ptr_null(strstr(text, "<h2>Classes"));
    ck_assert_ptr_null(strstr(text, "<h2>Student and teacher"));
    ck_assert_ptr_null(strstr(text, "<h2>What the teacher knows"));
    ck_assert_ptr_nonnull(strstr(text, "</html>"));
}
END_TEST

START_TEST(a_failure_leaves_the_old_page) {
    write_three();
    test_write("report.html", "old", 3);
    test_write("c.csv", "x", 1);
    const int files = test_folder_count();
    const char *paths[] = {test_folder};
    ck_assert(!report_runs(paths, 1, test_path("report.html"), &e));
    size_t size;
    char *text = read_text("report.html", &size);
    ck_assert_str_eq(text, "old");
    free(text);
    ck_assert_int_eq(test_folder_count(), files);
    // A failure after the page was begun: a loss that the library refuses.
    run_facts f = facts_of("gdkd", 2);
    f.loss.temperature = 1e40;
    write_run("c", f, 6, EPOCHS);
    ck_assert(!report_runs(paths, 1, test_path("report.html"), &e));
    ASSERT_SAYS(e, "c.run.json: libgdkd refuses");
    text = read_text("report.html", &size);
    ck_assert_str_eq(text, "old");
    free(text);
    ck_assert_int_eq(test_folder_count(), files);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("page");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, facts_come_back);
    tcase_add_test(all, what_a_run_does_not_have_may_be_missing);
    tcase_add_test(all, facts_cut_anywhere_are_refused);
    tcase_add_test(all, wrong_facts_are_named);
    tcase_add_test(all, runs_are_gathered_into_series);
    tcase_add_test(all, series_of_one_name_are_told_apart);
    tcase_add_test(all, teachers_are_told_apart_by_their_logits);
    tcase_add_test(all, files_of_training_logits_are_told_apart);
    tcase_add_test(all, a_run_without_a_teacher_takes_the_only_one);
    tcase_add_test(all, runs_that_do_not_fit_are_refused);
    tcase_add_test(all, damaged_files_are_refused);
    tcase_add_test(all, the_page_has_every_section);
    tcase_add_test(all, unfinished_runs_are_shown_but_not_counted);
    tcase_add_test(all, a_page_without_logits_has_the_rest);
    tcase_add_test(all, a_failure_leaves_the_old_page);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
