// No output may stand where the data set has its files, whatever the path to it is called; beside
// them it may.
#include "app/overwrite.h"
#include "test_files.h"
#include "test_suite.h"

#include <sys/stat.h>

static error_line e;

static void touch(const char *name) {
    test_write(name, "x", 1);
}

static void make(const char *name) {
    ck_assert_int_eq(mkdir(test_path(name), 0777), 0);
}

static void setup(void) {
    test_folder_make();
    make("set");
    ck_assert_int_eq(symlink("set", test_path("link")), 0);
}

static bool accepts(const char *kind, const char *output) {
    char data[128], path[384];
    settings s;
    settings_init(&s);
    snprintf(data, sizeof data, "%s:%s/set", kind, test_folder);
    snprintf(path, sizeof path, "%s/%s", test_folder, output);
    s.data = data;
    const bool fine = check_output(&s, path, "logits", &e);
    if (fine) return true;
    ck_assert_int_eq(e.status, EXIT_USAGE);
    ASSERT_SAYS(e, path);
    ASSERT_SAYS(e, "belongs to --data");
    ASSERT_SAYS(e, "give another --logits");
    return false;
}

static const struct {
    const char *kind, *file;
} files[] = {
    {"fashion-mnist", "train-images-idx3-ubyte"},
    {"fashion-mnist", "train-labels-idx1-ubyte"},
    {"fashion-mnist", "t10k-images-idx3-ubyte"},
    {"fashion-mnist", "t10k-labels-idx1-ubyte"},
    {"cifar10", "data_batch_1.bin"},
    {"cifar10", "data_batch_2.bin"},
    {"cifar10", "data_batch_3.bin"},
    {"cifar10", "data_batch_4.bin"},
    {"cifar10", "data_batch_5.bin"},
    {"cifar10", "test_batch.bin"},
    {"cifar10", "batches.meta.txt"},
    {"cifar100", "train.bin"},
    {"cifar100", "test.bin"},
    {"cifar100", "fine_label_names.txt"},
};

START_TEST(files_of_the_known_sets) {
    const char *kind = files[_i].kind;
    char inside[64], zipped[64], linked[64], around[96];
    snprintf(inside, sizeof inside, "set/%s", files[_i].file);
    snprintf(zipped, sizeof zipped, "set/%s.gz", files[_i].file);
    snprintf(linked, sizeof linked, "link/%s", files[_i].file);
    snprintf(around, sizeof around, "link/../set/./%s", files[_i].file);
    for (int there = 0; there < 2; there++) {
        ck_assert(!accepts(kind, inside));
        ck_assert(!accepts(kind, zipped));
        ck_assert(!accepts(kind, linked));
        ck_assert(!accepts(kind, around));
        ck_assert(accepts(kind, files[_i].file)); // outside
        touch(inside);
    }
    ck_assert_int_eq(link(test_path(inside), test_path("other-name")), 0);
    ck_assert(!accepts(kind, "other-name"));
}
END_TEST

START_TEST(files_beside_them) {
    touch("set/train.bin");
    ck_assert(accepts("cifar100", "set/w.safetensors"));
    ck_assert(accepts("cifar100", "set/train.bin.csv"));
    ck_assert(accepts("cifar100", "set/data_batch_1.bin"));
    ck_assert(accepts("images", "set/train.bin"));
    ck_assert(accepts("no-such-set", "set/train.bin"));
}
END_TEST

// Folders of classes, one of them elsewhere.
static void make_images(void) {
    make("set/train");
    make("set/train/red");
    make("set/train/red/old");
    make("set/test");
    make("set/test/red");
    make("pool");
    make("set/trainer");
    touch("set/train/red/1.png");
    ck_assert_int_eq(symlink("../../pool", test_path("set/test/blue")), 0);
}

START_TEST(folders_of_images) {
    static const char *const owned[] = {
        "set/train/red/1.png",        "set/test/red/not-there.png", "set/train/w.safetensors",
        "set/train/green/w.csv",      "set/test/red/a/b/c/w.csv",   "link/train/red/2.png",
        "set/trainer/../train/1.png", "set/test/blue/1.png",        "pool/1.png",
        "pool/deeper/1.png",          "set/train/red/old/1.png",
    };
    static const char *const free_places[] = {
        "set/w.safetensors", "set/trainer/w.csv", "set/training",  "w.safetensors",
        "set/no/w.csv",      "set/test.csv",      "other/train/1",
    };
    make_images();
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        ck_assert_msg(!accepts("images", owned[i]), "%s", owned[i]);
    for (size_t i = 0; i < sizeof free_places / sizeof *free_places; i++)
        ck_assert_msg(accepts("images", free_places[i]), "%s", free_places[i]);
}
END_TEST

START_TEST(paths_from_within) {
    settings s;
    settings_init(&s);
    make_images();
    ck_assert_int_eq(chdir(test_path("set/train")), 0);
    s.data = "images:..";
    ck_assert(!check_output(&s, "w", "out", &e));
    ck_assert(check_output(&s, "../w", "out", &e));
    ck_assert_int_eq(chdir("red"), 0);
    s.data = "images:../..";
    ck_assert(!check_output(&s, "w", "out", &e));
    ck_assert(!check_output(&s, "../w", "out", &e));
    ck_assert(!check_output(&s, "./new/w", "out", &e));
    ck_assert(check_output(&s, "../../w", "out", &e));
    ck_assert(check_output(&s, "/w", "out", &e));
    ck_assert(check_output(&s, "/no/such/folder/w", "out", &e));
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

// What is read may have the name that a file has while it is written.
START_TEST(inputs_with_a_temporary_name) {
    char weights[384], out[384];
    settings s;
    settings_init(&s);
    touch("t.npy.part");
    snprintf(weights, sizeof weights, "%s/t.npy.part", test_folder);
    snprintf(out, sizeof out, "%s/t.npy", test_folder);
    s.weights = weights;
    ck_assert(!check_output(&s, out, "logits", &e));
    ASSERT_SAYS(e, "t.npy.part would be overwritten; give another --logits");
}
END_TEST

// A given teacher has no log: the name "" means no file of the folder that the program is in.
START_TEST(files_that_a_run_does_not_have) {
    settings s;
    run_files f = {.log = ""};
    settings_init(&s);
    make_images();
    ck_assert_int_eq(chdir(test_path("set/train")), 0);
    s.command = COMMAND_COMPARE;
    s.data = "images:..";
    ck_assert_msg(check_run_files(&s, &f, &e), "%s", e.text);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

// Every file of a run, and the option that chose it is the one that is told.
START_TEST(files_of_a_run) {
    char data[128], log[384], stem[384];
    settings s;
    run_files f;
    settings_init(&s);
    s.command = COMMAND_TRAIN;
    snprintf(data, sizeof data, "cifar100:%s/set", test_folder);
    snprintf(log, sizeof log, "%s/set/test.bin", test_folder);
    snprintf(stem, sizeof stem, "%s/set/train", test_folder);
    s.data = data;
    ck_assert(plan_files(&f, stem, &e));
    ck_assert_msg(check_run_files(&s, &f, &e), "%s", e.text);
    snprintf(f.weights, sizeof f.weights, "%s.bin", stem);
    ck_assert(!check_run_files(&s, &f, &e));
    ASSERT_SAYS(e, "train.bin belongs to --data");
    ASSERT_SAYS(e, "give another --out");
    ck_assert(plan_files(&f, stem, &e));
    s.log = log;
    snprintf(f.log, sizeof f.log, "%s", log);
    ck_assert(!check_run_files(&s, &f, &e));
    ASSERT_SAYS(e, "test.bin belongs to --data");
    ASSERT_SAYS(e, "give another --log");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("overwrite");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_add_loop_test(all, files_of_the_known_sets, 0, sizeof files / sizeof *files);
    tcase_add_test(all, files_beside_them);
    tcase_add_test(all, folders_of_images);
    tcase_add_test(all, paths_from_within);
    tcase_add_test(all, inputs_with_a_temporary_name);
    tcase_add_test(all, files_that_a_run_does_not_have);
    tcase_add_test(all, files_of_a_run);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
