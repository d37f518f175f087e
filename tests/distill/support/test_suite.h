// The end of every main().
#ifndef TEST_SUITE_H
#define TEST_SUITE_H

#include <check.h>

// Runs the suite, prints its summary and returns the program's exit status.
static inline int test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
