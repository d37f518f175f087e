// Every allocation is made to fail: nothing crashes, what is on disk stays whole, and the line says
// that memory was short, not that a file is damaged.
#include "app/commands.h"
#include "base/safe_file.h"
#include "base/safetensors.h"
#include "test_allocations.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_suite.h"

#include <fcntl.h>
#include <png.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

// LLVM's OpenMP library crashes when it has no memory: __kmpc_fork_call writes to what it could not
// have.
#if OWN_MALLOC && !defined(__clang__)

// A disk that is waited for would be most of the time; a clock of its own makes logs repeat.
int fsync(int fd) {
    (void)fd;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    static atomic_long now;
    (void)clock;
    *t = (struct timespec){.tv_sec = atomic_fetch_add(&now, 1) + 1};
    return 0;
}

// --- The writer of weights -----------------------------------------------------------------------

static const float numbers[6] = {1, 2, 3, -4, 5, 6};
static const safetensors_note notes[2] = {{"format", "pt"}, {"model", "resnet8"}};

static bool write_weights(error_line *e) {
    safetensors_entry entries[2] = {
        {.name = "w", .dtype = "F32", .dims = 2, .shape = {2, 2}, .count = 4, .bytes = 16},
        {.name = "b", .dtype = "F32", .dims = 1, .shape = {2}, .count = 2, .bytes = 8}};
    const safetensors s = {.count = 2, .entries = entries, .notes = 2, .metadata = notes};
    entries[0].data = numbers;
    entries[1].data = numbers + 4;
    return safetensors_write(&s, test_path("x.safetensors"), e);
}

// A writer that goes on without an item that it could not have would say that all is well.
START_TEST(weights_are_whole_or_the_old_ones) {
    char whole[1024], found[1024];
    error_line e = {0};
    ck_assert_msg(write_weights(&e), "%s", e.text);
    const size_t size = test_read("x.safetensors", whole, sizeof whole);
    long call = 1;
    for (bool reached = true; reached; call++) {
        test_write("x.safetensors", "old", 3);
        allocations_begin(call);
        const bool fine = write_weights(&e);
        reached = atomic_load(&allocation_calls) >= call;
        allocations_begin(0);
        const size_t got = test_read("x.safetensors", found, sizeof found);
        ck_assert_uint_eq(got, fine ? size : 3);
        ck_assert_mem_eq(found, fine ? whole : "old", got);
        ck_assert_int_eq(test_folder_count(), 1);
        if (!fine) ASSERT_SAYS(e, "memory");
        ck_assert(fine || reached);
    }
    ck_assert_int_gt(call,
                     50); // names, numbers and lists of a header, twice: as written and read back
}
END_TEST

// --- The files of a folder -----------------------------------------------------------------------

enum { MOST_FILES = 64 };

typedef struct {
    char *name, *bytes; // name: behind that of the folder
    size_t size;
} kept_file;

typedef struct {
    kept_file files[MOST_FILES];
    int count;
} folder_state;

static folder_state *being_read;

static int read_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    error_line e;
    (void)status, (void)place;
    if (kind != FTW_F) return 0;
    ck_assert_int_lt(being_read->count, MOST_FILES);
    kept_file *f = &being_read->files[being_read->count++];
    f->name = strdup(path + strlen(test_folder) + 1);
    f->bytes = safe_file_read(path, &f->size, &e);
    ck_assert_ptr_nonnull(f->bytes);
    return 0;
}

static folder_state read_state(void) {
    folder_state state = {.count = 0};
    being_read = &state;
    ck_assert_int_eq(nftw(test_folder, read_one, 8, FTW_PHYS), 0);
    being_read = NULL;
    return state;
}

static void free_state(folder_state *state) {
    for (int i = 0; i < state->count; i++) {
        free(state->files[i].name);
        free(state->files[i].bytes);
    }
    state->count = 0;
}

static const kept_file *find_file(const folder_state *state, const char *name) {
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->files[i].name, name) == 0) return &state->files[i];
    return NULL;
}

// A file that is in neither is the same in both.
static bool same_kept(const kept_file *a, const kept_file *b) {
    return a && b ? a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0 : a == b;
}

// Writes back what has changed.
static void restore(const folder_state *before, const folder_state *now) {
    for (int i = 0; i < now->count; i++)
        if (!find_file(before, now->files[i].name)) unlink(test_path(now->files[i].name));
    for (int i = 0; i < before->count; i++) {
        const kept_file *f = &before->files[i];
        if (!same_kept(f, find_file(now, f->name))) test_write(f->name, f->bytes, f->size);
    }
}

// --- Commands ------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    unsigned bit;
    bool slow; // a minute of failures or more: for GDKD_TEST_LONG alone
    bool (*run)(const settings *s, error_line *e);
    const char *words; // %s: the test's folder
} trial;

#    define DATA   " --data fashion-mnist:%1$s --batch 10 --threads 1 --quiet "
#    define SMALL  " --model resnet8 --epochs 1" DATA
#    define TAUGHT " --teacher-model resnet8 --teacher %1$s/t.safetensors --warmup 1 "

// In this order: later ones read what earlier ones leave. Each that writes has the files of a
// former run to lose.
static const trial trials[] = {
    {"train", COMMAND_TRAIN, true, command_train, "--seed 7 --out %1$s/t.safetensors" SMALL},
    {"train", COMMAND_TRAIN, false, command_train, "--out %1$s/t.safetensors" SMALL},
    {"train", COMMAND_TRAIN, false, command_train, "--resume --out %1$s/t.safetensors" SMALL},
    {"eval", COMMAND_EVAL, false, command_eval,
     "--model resnet8 --weights %1$s/t.safetensors --logits %1$s/l.npy --split train" DATA},
    {"distill", COMMAND_DISTILL, false, command_train,
     "--out %1$s/s.safetensors --config %1$s/c.json" SMALL TAUGHT},
    {"distill", COMMAND_DISTILL, false, command_train,
     "--out %1$s/s.safetensors --loss dkd --warmup 1 --teacher-logits %1$s/l.npy" SMALL},
    {"compare", COMMAND_COMPARE, true, command_compare,
     "--out-dir %1$s/out --losses ce,gdkd:k=2 --seeds 1 --warmup 1 --teacher-model resnet8" SMALL},
    {"compare", COMMAND_COMPARE, true, command_compare,
     "--out-dir %1$s/out --losses kd --seeds 2 --warmup 1 --teacher-model resnet8" SMALL},
    {"report", COMMAND_REPORT, false, command_report, "%1$s/out"},
    {"data", COMMAND_DATA, false, command_data, "--list --data images:%1$s"},
    {"data", COMMAND_DATA, false, command_data, "--data images:%1$s"},
    {"data", COMMAND_DATA, false, command_data, "--data cifar10:%1$s"},
    {"speed", COMMAND_SPEED, false, command_speed, "--model resnet8 --batch 2 --threads 1"},
};

typedef struct {
    int status; // as waitpid has it
    char text[1024];
} result;

static bool run_trial(const trial *t, char *words, error_line *e) {
    enum { MOST_WORDS = 40 };
    char name[16], *argv[MOST_WORDS] = {name}, *rest = NULL;
    int argc = 1;
    settings s;
    option_parser parser;
    snprintf(name, sizeof name, "%s", t->name);
    for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) argv[argc++] = w;
    settings_init(&s);
    s.command = t->bit;
    s.command_name = t->name;
    const bool fine =
        settings_parse(&s, &parser, argc, argv, e) && settings_check(&s, e) && t->run(&s, e);
    options_free(&parser);
    return fine;
}

// In a process of its own, in which call `fails` finds no memory; 0: none.
static result try_trial(const trial *t, long fails) {
    char words[1024];
    result r = {0};
    int ends[2];
    snprintf(words, sizeof words, t->words, test_folder);
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        error_line e = {0};
        const int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        allocations_begin(fails);
        const bool fine = run_trial(t, words, &e);
        const ssize_t sent = write(ends[1], e.text, strlen(e.text));
        _exit(fine || sent < 0 ? 0 : e.status);
    }
    close(ends[1]);
    for (ssize_t got, used = 0; used < (ssize_t)sizeof r.text - 1; used += got)
        if ((got = read(ends[0], r.text + used, sizeof r.text - 1 - (size_t)used)) <= 0) break;
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &r.status, 0), child);
    return r;
}

// What is there while a command works.
static bool passing(const char *name) {
    const char *ending = strrchr(name, '.');
    return ending && (strcmp(ending, ".part") == 0 || strcmp(ending, ".lock") == 0);
}

// Another process makes the page; the summary is of the runs that have finished.
static bool is_about_runs(const char *name, bool fine) {
    return strstr(name, ".html") || (!fine && strstr(name, "summary.txt"));
}

static void check_left(const folder_state *now) {
    for (int i = 0; i < now->count; i++)
        ck_assert_msg(!passing(now->files[i].name), "%s is left", now->files[i].name);
}

// With status 0, all that the command writes is there; otherwise each file is the old one or the
// new one.
static void check_files(const trial *t, long call, bool fine, const folder_state *before,
                        const folder_state *after, const folder_state *now) {
    for (int i = 0; i < now->count; i++) {
        if (passing(now->files[i].name) || is_about_runs(now->files[i].name, fine)) continue;
        const kept_file *f = &now->files[i], *made = find_file(after, f->name);
        ck_assert_msg(same_kept(f, made) || (!fine && same_kept(f, find_file(before, f->name))),
                      "%s %s, call %ld: %s is neither the old nor the new file", t->name, t->words,
                      call, f->name);
    }
    for (int i = 0; i < after->count; i++) {
        const char *name = after->files[i].name;
        ck_assert_msg(find_file(now, name) || (!fine && !find_file(before, name)),
                      "%s %s, call %ld: %s is not there", t->name, t->words, call, name);
    }
}

// A stream that lacked memory only says that it failed.
static bool tells_of_memory(const char *text) {
    const bool tells = strstr(text, "memory") || strstr(text, "cannot be written");
    return tells && !strstr(text, "damaged") && !strstr(text, "train that run");
}

static void fail_once(const trial *t, long call, const folder_state *before,
                      const folder_state *after) {
    const result r = try_trial(t, call);
    folder_state now = read_state();
    ck_assert_msg(WIFEXITED(r.status), "%s %s, call %ld: killed by signal %d", t->name, t->words,
                  call, WTERMSIG(r.status));
    const bool fine = WEXITSTATUS(r.status) == 0;
    check_files(t, call, fine, before, after, &now);
    // OpenMP's library says it by itself and ends the program: as if it had been killed.
    const bool killed = !fine && !*r.text;
    if (!killed) check_left(&now);
    ck_assert_msg(fine || killed || tells_of_memory(r.text), "%s %s, call %ld: '%s'", t->name,
                  t->words, call, r.text);
    restore(before, &now);
    free_state(&now);
}

static void write_images(void) {
    static const char *const names[] = {"train/a/1.png", "train/b/1.png", "test/a/1.png",
                                        "test/b/1.png"};
    static const char *const folders[] = {"train",   "test",   "train/a",
                                          "train/b", "test/a", "test/b"};
    uint8_t rgb[48 * 48 * 3] = {0};
    png_image png = {
        .version = PNG_IMAGE_VERSION, .width = 48, .height = 48, .format = PNG_FORMAT_RGB};
    for (int i = 0; i < 6; i++) ck_assert_int_eq(mkdir(test_path(folders[i]), 0777), 0);
    for (int i = 0; i < 4; i++) {
        memset(rgb, 50 * i, sizeof rgb / 2);
        ck_assert(png_image_write_to_file(&png, test_path(names[i]), 0, rgb, 0, NULL));
    }
}

static void write_cifar(void) {
    static const char batches[] = "data_batch_1.bin data_batch_2.bin data_batch_3.bin "
                                  "data_batch_4.bin data_batch_5.bin test_batch.bin";
    static const uint8_t record[3073] = {3};
    static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    char words[sizeof batches], *rest = NULL;
    memcpy(words, batches, sizeof batches);
    for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        test_write(w, record, sizeof record);
    test_write("batches.meta.txt", names, sizeof names - 1);
}

// In place of the program that makes the page, which is another process and takes its time.
static void write_page_program(void) {
    static const char program[] = "#!/bin/sh\necho '<!doctype html>'\n";
    test_write("gdkd-report", program, sizeof program - 1);
    ck_assert_int_eq(chmod(test_path("gdkd-report"), 0755), 0);
    ck_assert_int_eq(setenv("PATH", test_folder, 1), 0);
}

// Every place where a command allocates and none before it did.
START_TEST(every_command_survives) {
    static const char config[] = "{\"loss\": \"gdkd\", \"k\": 3}";
    long tries = 0;
    idx_write("train", 20);
    idx_write("t10k", 10);
    write_images();
    write_cifar();
    write_page_program();
    test_write("c.json", config, sizeof config - 1);
    allocations_find();
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        folder_state before = read_state();
        places->count = 0;
        const result whole = try_trial(&trials[i], 0);
        ck_assert_msg(whole.status == 0, "%s: %s", trials[i].name, whole.text);
        folder_state after = read_state();
        restore(&before, &after);
        const int count = trials[i].slow && !getenv("GDKD_TEST_LONG") ? 0 : places->count;
        for (int j = 0; j < count; j++) fail_once(&trials[i], places->calls[j], &before, &after);
        tries += count;
        restore(&after, &before);
        free_state(&before);
        free_state(&after);
    }
    ck_assert_int_gt(tries, 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("out_of_memory");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, weights_are_whole_or_the_old_ones);
    tcase_set_timeout(all, 600);
    tcase_add_test(all, every_command_survives);
    suite_add_tcase(suite, all);
    return test_run(suite);
}

#else

int main(void) {
    puts("skipped: the allocator cannot be replaced here, or OpenMP's library does not bear it");
    return 0;
}

#endif
