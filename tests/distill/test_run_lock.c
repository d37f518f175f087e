// Two runs with the same name: the second one is refused before it writes, and told who is first.
#include "app/commands.h"
#include "base/run_lock.h"
#include "test_idx.h"
#include "test_process.h"
#include "test_suite.h"

static error_line e;

// A command whose words come in one line; %1$s: the test's folder.
typedef struct {
    const char *name;
    unsigned bit;
    bool (*run)(const settings *s, error_line *e);
    const char *words;
    const char *lock;
} call;

#define DATA " --model resnet8 --data fashion-mnist:%1$s --batch 10 --epochs 1 --threads 1 --quiet"
static const call calls[] = {
    {"train", COMMAND_TRAIN, command_train, "--out %1$s/x.safetensors" DATA, "x.lock"},
    {"train", COMMAND_TRAIN, command_train, "--out %1$s/x" DATA, "x.lock"},
    {"compare", COMMAND_COMPARE, command_compare,
     "--out-dir %1$s --losses ce,kd --seeds 1 --warmup 1 --teacher-model resnet8" DATA,
     "compare.lock"},
    {"compare", COMMAND_COMPARE, command_compare,
     "--out-dir %1$s --losses ce,kd --seeds 1 --warmup 1 --teacher-model resnet8" DATA,
     "ce-seed1.lock"},
};

static const char *watched; // the lock of the command that runs
static int renames;

// Every file gets its name here.
int rename(const char *from, const char *to) {
    if (watched && access(test_path(watched), F_OK) != 0) abort();
    renames++;
    return link(from, to) == 0 || (unlink(to) == 0 && link(from, to) == 0) ? unlink(from) : -1;
}

static bool run_call(const void *argument, error_line *own) {
    enum { MOST_WORDS = 40 };
    const call *c = argument;
    char name[16], words[1024], *argv[MOST_WORDS] = {name}, *rest = NULL;
    int argc = 1;
    settings s;
    option_parser parser;
    snprintf(name, sizeof name, "%s", c->name);
    snprintf(words, sizeof words, c->words, test_folder);
    for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) argv[argc++] = w;
    settings_init(&s);
    s.command = c->bit;
    s.command_name = c->name;
    const bool fine = settings_parse(&s, &parser, argc, argv, own) && c->run(&s, own);
    options_free(&parser);
    return fine;
}

static void setup(void) {
    test_folder_make();
    idx_write("train", 20);
    idx_write("t10k", 10);
}

START_TEST(the_second_run_is_refused) {
    run_lock lock = {0};
    char holder[64];
    const call *c = &calls[_i];
    const int before = test_folder_count();
    ck_assert_msg(run_lock_take(&lock, test_path(c->lock), &e), "%s", e.text);
    const outcome o = test_process(run_call, c);
    ck_assert(WIFEXITED(o.status) && WEXITSTATUS(o.status) == EXIT_RUNTIME);
    snprintf(holder, sizeof holder, "process %ld on ", (long)getpid());
    ck_assert_msg(strstr(o.text, holder) && strstr(o.text, c->lock), "%s", o.text);
    ck_assert(access(test_path("x.config.json"), F_OK) != 0);
    ck_assert(access(test_path("ce-seed1.safetensors"), F_OK) != 0);
    run_lock_release(&lock);
    run_lock_release(&lock);
    if (c->bit == COMMAND_TRAIN) ck_assert_int_eq(test_folder_count(), before);
}
END_TEST

static bool run_watched(const void *argument, error_line *own) {
    const call *c = argument;
    watched = c->lock;
    return run_call(argument, own) && renames > 3;
}

START_TEST(the_lock_is_there_until_the_end) {
    test_write(calls[_i].lock, "left by one that was killed", 27);
    const outcome o = test_process(run_watched, &calls[_i]);
    ck_assert_msg(finished(o), "%s", o.text);
    ck_assert(access(test_path(calls[_i].lock), F_OK) != 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("run_lock");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_add_loop_test(all, the_second_run_is_refused, 0, sizeof calls / sizeof *calls);
    tcase_add_loop_test(all, the_lock_is_there_until_the_end, 0, 3);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
