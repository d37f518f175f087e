// Every allocation is made to fail: nothing crashes, what is on disk stays whole, and the line says that memory was
// short, not that a file is damaged.
#include "safetensors.h"
#include "test_allocations.h"
#include "test_files.h"
#include "test_suite.h"

#if OWN_MALLOC

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
        allocations_begin(call, false);
        const bool fine = write_weights(&e);
        reached = atomic_load(&allocation_calls) >= call;
        allocations_begin(0, false);
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

int main(void) {
    Suite *suite = suite_create("out_of_memory");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, test_folder_make, test_folder_remove);
    tcase_add_test(all, weights_are_whole_or_the_old_ones);
    suite_add_tcase(suite, all);
    return test_run(suite);
}

#else

int main(void) {
    puts("skipped: the allocator cannot be replaced here");
    return 0;
}

#endif
