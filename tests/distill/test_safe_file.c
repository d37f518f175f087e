// Writing aside and renaming: what is on disk when, one temporary name, two writers.
#include "base/safe_file.h"
#include "test_files.h"
#include "test_interpose.h"
#include "test_suite.h"

#include <errno.h>

#include <sys/stat.h>
#include <sys/wait.h>

static error_line e;

// The calls that bring a file to disk, in their order: the C library's functions are replaced.
static char calls[64];

static void note(const char *call) {
    const size_t used = strlen(calls);
    snprintf(calls + used, sizeof calls - used, " %s", call);
}

int fsync(int fd) {
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    note(S_ISDIR(status.st_mode) ? "folder" : status.st_size == 5 ? "file" : "part");
    return 0;
}

int rename(const char *from, const char *to) {
    note("name");
    return link(from, to) == 0 ? unlink(from) : -1;
}

static bool no_stream; // as where there is no memory for it

FILE *fdopen(int fd, const char *mode) {
    FIND(fdopen);
    errno = ENOMEM;
    return no_stream ? NULL : original(fd, mode);
}

static void write_five(void) {
    safe_file file;
    ck_assert_msg(safe_file_begin(&file, test_path("x"), &e), "%s", e.text);
    fputs("12345", file.stream);
    ck_assert_msg(safe_file_commit(&file, &e), "%s", e.text);
}

START_TEST(the_content_is_on_disk_before_the_name) {
    write_five();
    ck_assert_str_eq(calls, " file name folder");
    ck_assert_int_eq(test_folder_count(), 1);
}
END_TEST

START_TEST(what_a_killed_writer_left_is_used_again) {
    size_t size;
    test_write("x.part", "something longer than that", 26);
    write_five();
    char *bytes = safe_file_read(test_path("x"), &size, &e);
    ck_assert_str_eq(bytes, "12345");
    free(bytes);
    ck_assert_int_eq(test_folder_count(), 1);
}
END_TEST

// The other one in a process of its own: locks are a process's.
START_TEST(a_second_writer_is_refused) {
    safe_file file;
    int status;
    ck_assert(safe_file_begin(&file, test_path("x"), &e));
    const pid_t other = fork();
    if (other == 0) {
        safe_file second;
        const bool refused = !safe_file_begin(&second, test_path("x"), &e) &&
                             strstr(e.text, "is being written by another program");
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    ck_assert_int_eq(status, 0);
    fputs("12345", file.stream);
    ck_assert_msg(safe_file_commit(&file, &e), "%s", e.text);
    ck_assert_int_eq(test_folder_count(), 1);
}
END_TEST

START_TEST(nothing_is_left_of_an_abandoned_file) {
    safe_file file;
    test_write("x", "old", 3);
    ck_assert(safe_file_begin(&file, test_path("x"), &e));
    fputs("new", file.stream);
    safe_file_abandon(&file);
    safe_file_abandon(&file);
    ck_assert_int_eq(test_folder_count(), 1);
    size_t size;
    char *bytes = safe_file_read(test_path("x"), &size, &e);
    ck_assert_str_eq(bytes, "old");
    free(bytes);
}
END_TEST

// Neither the temporary file, nor a descriptor, with which the lock would stay.
START_TEST(nothing_is_left_without_a_stream) {
    safe_file file;
    const int before = dup(0);
    close(before);
    no_stream = true;
    ck_assert(!safe_file_begin(&file, test_path("x"), &e));
    no_stream = false;
    ASSERT_SAYS(e, "x cannot be written: Cannot allocate memory");
    ck_assert_int_eq(test_folder_count(), 0);
    const int after = dup(0);
    close(after);
    ck_assert_int_eq(after, before);
    safe_file_abandon(&file);
    write_five();
}
END_TEST

START_TEST(a_link_is_not_replaced) {
    safe_file file;
    struct stat status;
    test_write("x", "old", 3);
    ck_assert_int_eq(symlink("x", test_path("link")), 0);
    ck_assert(!safe_file_begin(&file, test_path("link"), &e));
    ASSERT_SAYS(e, "link is not a regular file; name another");
    ck_assert_int_eq(lstat(test_path("link"), &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(test_folder_count(), 2);
}
END_TEST

// Nor is what has the temporary name followed, or waited for.
START_TEST(the_temporary_name_leads_nowhere) {
    safe_file file;
    size_t size;
    test_write("precious", "old", 3);
    for (int pipe = 0; pipe < 2; pipe++) {
        ck_assert_int_eq(
            pipe ? mkfifo(test_path("x.part"), 0600) : symlink("precious", test_path("x.part")), 0);
        ck_assert(!safe_file_begin(&file, test_path("x"), &e));
        ASSERT_SAYS(e, "x.part, which is to become");
        ASSERT_SAYS(e, "is not a regular file; remove it");
        ck_assert_int_eq(unlink(test_path("x.part")), 0);
    }
    char *bytes = safe_file_read(test_path("precious"), &size, &e);
    ck_assert_str_eq(bytes, "old");
    free(bytes);
}
END_TEST

// A pipe without a writer would be waited for, /dev/zero read for ever.
START_TEST(only_a_regular_file_is_read) {
    size_t size;
    ck_assert_int_eq(mkfifo(test_path("pipe"), 0600), 0);
    const struct {
        const char *path, *words;
    } others[] = {{test_path("pipe"), "pipe is a pipe, not a regular file"},
                  {test_folder, " is a directory, not a regular file"},
                  {"/dev/zero", "/dev/zero is a device, not a regular file"},
                  {"/nowhere", "/nowhere cannot be opened: No such file"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_ptr_null(safe_file_read(others[i].path, &size, &e));
        ASSERT_SAYS(e, others[i].words);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("safe_file");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, the_content_is_on_disk_before_the_name);
    tcase_add_test(all, what_a_killed_writer_left_is_used_again);
    tcase_add_test(all, a_second_writer_is_refused);
    tcase_add_test(all, nothing_is_left_of_an_abandoned_file);
    tcase_add_test(all, nothing_is_left_without_a_stream);
    tcase_add_test(all, a_link_is_not_replaced);
    tcase_add_test(all, the_temporary_name_leads_nowhere);
    tcase_add_test(all, only_a_regular_file_is_read);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
