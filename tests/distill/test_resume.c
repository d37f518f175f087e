// A run that is killed where it writes, or stopped where it trains, and resumed gives the same
// bytes as one in one piece. The C library's functions that write are replaced by ones that count:
// at a given count they do half of their work and end the process as SIGKILL does.
#include "app/commands.h"
#include "base/rng.h"
#include "base/safe_file.h"
#include "base/safetensors.h"
#include "base/threads.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_interpose.h"
#include "test_process.h"
#include "test_suite.h"

#include <time.h>

enum { TRAIN_IMAGES = 20, TEST_IMAGES = 10, EPOCHS = 2, RUN_FILES = 6 };

// --- The replaced functions ----------------------------------------------------------------------

static int writes;      // so far
static int kill_at = 0; // the write that is cut short
static int clocks;      // readings of the clock: several a batch
static int stop_at = 0;

static bool end_here(void) {
    return ++writes == kill_at;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    FIND(fwrite);
    if (end_here()) {
        setvbuf(stream, NULL, _IONBF, 0);
        original(data, 1, size * count / 2, stream);
        raise(SIGKILL);
    }
    return original(data, size, count, stream);
}

int fflush(FILE *stream) {
    FIND(fflush);
    if (end_here()) raise(SIGKILL);
    return original(stream);
}

int fsync(int fd) {
    (void)fd; // the tests' files need not outlive a power cut
    if (end_here()) raise(SIGKILL);
    return 0;
}

int rename(const char *from, const char *to) {
    FIND(rename);
    if (end_here()) raise(SIGKILL);
    return original(from, to);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    FIND(clock_gettime);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    if (++clocks == stop_at) raise(signals[stop_at % 3]);
    return original(id, now);
}

// --- Runs ----------------------------------------------------------------------------------------

typedef struct {
    const char *out;
    int killed_at, stopped_at;
    bool afresh; // without --resume
} plan;

static bool train(const void *argument, error_line *e) {
    const plan *p = argument;
    char data[128], path[384];
    settings s;
    snprintf(data, sizeof data, "--data=fashion-mnist:%s", test_folder);
    snprintf(path, sizeof path, "--out=%s", test_path(p->out));
    char *arguments[] = {"train",     data,          path,      "--model=resnet8", "--epochs=2",
                         "--batch=8", "--threads=2", "--quiet", "--resume",        NULL};
    const int count = p->afresh ? 8 : 9;
    option_parser parser;
    kill_at = p->killed_at;
    stop_at = p->stopped_at;
    writes = clocks = 0;
    settings_init(&s);
    s.command = COMMAND_TRAIN;
    s.command_name = "train";
    const bool fine = settings_parse(&s, &parser, count, arguments, e) && command_train(&s, e);
    options_free(&parser);
    return fine;
}

static outcome run(const char *out, int killed_at, int stopped_at) {
    const plan p = {out, killed_at, stopped_at, false};
    return test_process(train, &p);
}

static char *content(const char *name, size_t *size) {
    error_line e;
    char *bytes = safe_file_read(test_path(name), size, &e);
    ck_assert_msg(bytes != NULL, "%s", e.text);
    return bytes;
}

static void check_same_bytes(const char *a, const char *b) {
    size_t size, other_size;
    char *bytes = content(a, &size), *other = content(b, &other_size);
    ck_assert_uint_eq(size, other_size);
    ck_assert_msg(memcmp(bytes, other, size) == 0, "%s and %s differ", a, b);
    free(bytes);
    free(other);
}

// But for the last three columns, which are times.
static void check_same_csv(const char *a, const char *b) {
    size_t size;
    char *text = content(a, &size), *other = content(b, &size);
    char *rows, *other_rows, *row = strtok_r(text, "\n", &rows);
    char *other_row = strtok_r(other, "\n", &other_rows);
    int count = 0;
    for (; row && other_row; count++) {
        for (int i = 0; i < 3; i++) *strrchr(row, ',') = *strrchr(other_row, ',') = '\0';
        ck_assert_str_eq(row, other_row);
        row = strtok_r(NULL, "\n", &rows);
        other_row = strtok_r(NULL, "\n", &other_rows);
    }
    ck_assert(!row && !other_row);
    ck_assert_int_eq(count, 1 + EPOCHS);
    free(text);
    free(other);
}

// What has its name is whole.
static void check_whole(const char *name) {
    error_line e;
    safetensors s;
    if (access(test_path(name), F_OK) != 0) return;
    ck_assert_msg(safetensors_read(&s, test_path(name), &e), "%s", e.text);
    safetensors_free(&s);
}

// Without a finished epoch there are no weights, and going on leaves alone what an earlier run may
// have left there.
static void check_not_begun(bool finished_one) {
    size_t size;
    if (finished_one) return;
    ck_assert(access(test_path("b.safetensors"), F_OK) != 0);
    ck_assert(access(test_path("b.csv"), F_OK) != 0);
    test_write("b.safetensors", "old", 3);
    const outcome o = run("b.safetensors", 0, 2);
    ck_assert_msg(strstr(o.text, "interrupted in epoch 1") != NULL, "%s", o.text);
    char *bytes = content("b.safetensors", &size);
    ck_assert_str_eq(bytes, "old");
    free(bytes);
    ck_assert(access(test_path("b.csv"), F_OK) != 0);
    ck_assert_int_eq(unlink(test_path("b.safetensors")), 0);
}

static void check_result(int files) {
    const outcome last = run("b.safetensors", 0, 0);
    ck_assert_msg(finished(last), "%s", last.text);
    check_same_bytes("a.safetensors", "b.safetensors");
    check_same_bytes("a.logits.npy", "b.logits.npy");
    check_same_csv("a.csv", "b.csv");
    ck_assert_int_eq(test_folder_count(), files); // no temporary file is left
}

static void forget(void) {
    static const char *const endings[RUN_FILES] = {"safetensors", "csv",      "checkpoint",
                                                   "logits.npy",  "run.json", "config.json"};
    for (int i = 0; i < RUN_FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "b.%s", endings[i]);
        unlink(test_path(name));
    }
}

static int step(int quick) {
    return getenv("GDKD_TEST_LONG") ? 1 : quick;
}

static void setup(void) {
    test_folder_make();
    idx_write("train", TRAIN_IMAGES);
    idx_write("t10k", TEST_IMAGES);
    ck_assert(finished(run("a.safetensors", 0, 0)));
}
enum { FILES = 4 + 2 * RUN_FILES }; // data, run a, run b

// --- Tests ---------------------------------------------------------------------------------------

START_TEST(killed_at_any_write) {
    int places = 0;
    for (int at = 1;; at += step(13), places++) {
        const outcome o = run("b.safetensors", at, 0);
        if (!killed(o)) {
            ck_assert(finished(o));
            break;
        }
        check_whole("b.safetensors");
        check_whole("b.checkpoint");
        check_result(FILES);
        forget();
    }
    ck_assert_int_gt(places, 200 / step(13)); // two epochs of three files, 100 tensors and more
}
END_TEST

// Attempts that are killed too, at a random write. A whole one has less than 400.
START_TEST(killed_again_and_again) {
    rng dice;
    int kills = 0;
    rng_seed(&dice, 1);
    for (int rounds = 24 / step(6); rounds-- > 0;) {
        while (killed(run("b.safetensors", 1 + (int)rng_below(&dice, 600), 0))) kills++;
        check_result(FILES);
        forget();
    }
    ck_assert_int_ge(kills, 1);
}
END_TEST

START_TEST(stopped_at_any_moment) {
    int places = 0;
    for (int at = 1;; at += step(3), places++) {
        const outcome o = run("b.safetensors", 0, at);
        if (finished(o)) break;
        ck_assert_int_eq(WIFEXITED(o.status) ? WEXITSTATUS(o.status) : -1, EXIT_INTERRUPTED);
        ck_assert_msg(strstr(o.text, "--resume") != NULL, "%s", o.text);
        ck_assert_ptr_null(strchr(o.text, '\n'));
        check_not_begun(strstr(o.text, "the weights after epoch") != NULL);
        check_result(FILES);
        forget();
    }
    ck_assert_int_gt(places, EPOCHS * 3 * 2 / step(3)); // three batches, two readings in each
}
END_TEST

// A batch that was trained before the stop is not trained again: stopped after every single one,
// which is at the fourth reading of the clock, the run still comes to its end. Every other attempt
// gets twice as far, past the test of an epoch.
START_TEST(stopped_after_every_batch) {
    int stops = 0;
    for (;; stops++) {
        const outcome o = run("b.safetensors", 0, 4 + stops % 2 * 4);
        if (finished(o)) break;
        ck_assert_int_eq(WEXITSTATUS(o.status), EXIT_INTERRUPTED);
        ck_assert_int_lt(stops, 50);
    }
    ck_assert_int_ge(stops, EPOCHS);
    check_result(FILES);
}
END_TEST

// Who forgets --resume is told, and loses nothing.
START_TEST(an_unfinished_run_is_not_thrown_away) {
    size_t size, after;
    plan p = {"b.safetensors", 0, 0, true};
    int at = 2;
    do {
        forget();
        at += 2;
        ck_assert_int_lt(at, 60);
    } while (strstr(run("b.safetensors", 0, at).text, "the weights after epoch 1") == NULL);
    char *before = content("b.checkpoint", &size);
    const outcome o = test_process(train, &p);
    ck_assert_msg(strstr(o.text, "b.checkpoint holds 1 of 2 epochs of this very run") != NULL, "%s",
                  o.text);
    ck_assert_ptr_nonnull(strstr(o.text, "--resume"));
    char *now = content("b.checkpoint", &after);
    ck_assert(size == after && memcmp(before, now, size) == 0);
    free(before);
    free(now);
    check_result(FILES);
    ck_assert(finished(test_process(train, &p))); // finished, it may be run again
    check_same_bytes("a.safetensors", "b.safetensors");
}
END_TEST

START_TEST(a_damaged_csv_is_written_anew) {
    test_write("a.csv", "epoch,what\n1,2", 14);
    ck_assert(finished(run("a.safetensors", 0, 0)));
    ck_assert(finished(run("b.safetensors", 0, 0)));
    check_same_csv("a.csv", "b.csv");
}
END_TEST

int main(int argc, char **argv) {
    (void)argc;
    threads_wait_passively(argv);
    Suite *suite = suite_create("resume");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_set_timeout(all, 1800);
    tcase_add_test(all, killed_at_any_write);
    tcase_add_test(all, killed_again_and_again);
    tcase_add_test(all, stopped_at_any_moment);
    tcase_add_test(all, stopped_after_every_batch);
    tcase_add_test(all, an_unfinished_run_is_not_thrown_away);
    tcase_add_test(all, a_damaged_csv_is_written_anew);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
