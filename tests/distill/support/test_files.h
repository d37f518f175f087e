// A folder for a test's files.
#ifndef TEST_FILES_H
#define TEST_FILES_H

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder[64];

static inline void test_folder_make(void) {
    snprintf(test_folder, sizeof test_folder, "/tmp/gdkd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(test_folder));
}

// test_folder/name, in one of two buffers that take turns.
static inline const char *test_path(const char *name) {
    static char paths[2][384];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", test_folder, name);
    return paths[turn];
}

static inline int test_folder_count(void) {
    DIR *folder = opendir(test_folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static inline int test_remove_one(const char *path, const struct stat *status, int kind,
                                  struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static inline void test_folder_remove(void) {
    nftw(test_folder, test_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void test_write(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(test_path(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

// The whole file, with a byte 0 behind it; room counts that too.
static inline size_t test_read(const char *name, char *bytes, size_t room) {
    FILE *file = fopen(test_path(name), "rb");
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, room, file);
    fclose(file);
    ck_assert_uint_lt(size, room);
    bytes[size] = '\0';
    return size;
}

// The error line holds these words.
#define ASSERT_SAYS(e, words)                                                                      \
    ck_assert_msg(strstr((e).text, words) != NULL, "'%s' does not say '%s'", (e).text, words)

#endif
