// Which signals ask for the end, which end the program, and which do neither. Every test is a
// process of its own (Check's), as is what it does to its signals.
#include "base/stop.h"
#include "test_suite.h"

#include <signal.h>
#include <stdlib.h>

static const int heard[] = {SIGINT, SIGTERM, SIGHUP};
enum { HEARD = sizeof heard / sizeof *heard };

// Whoever started the test may have had them ignored.
static void setup(void) {
    for (int i = 0; i < HEARD; i++) signal(heard[i], SIG_DFL);
}

START_TEST(a_signal_is_a_request) {
    stop_on_signals();
    ck_assert(!stop_requested());
    ck_assert_int_eq(raise(heard[_i]), 0);
    ck_assert(stop_requested());
}
END_TEST

START_TEST(ignored_signals_stay_ignored) {
    for (int i = 0; i < HEARD; i++) signal(heard[i], SIG_IGN);
    stop_on_signals();
    for (int i = 0; i < HEARD; i++) ck_assert_int_eq(raise(heard[i]), 0);
    ck_assert(!stop_requested());
}
END_TEST

START_TEST(the_others_are_heard_beside_an_ignored_one) {
    signal(heard[_i], SIG_IGN);
    stop_on_signals();
    raise(heard[(_i + 1) % HEARD]);
    ck_assert(stop_requested());
}
END_TEST

// Ends by the signal, which is what the suite expects of it.
START_TEST(a_second_signal_ends_the_program) {
    stop_on_signals();
    raise(SIGINT);
    ck_assert(stop_requested());
    raise(SIGINT);
    exit(1);
}
END_TEST

START_TEST(a_closed_terminal_may_say_so_twice) {
    stop_on_signals();
    raise(SIGHUP);
    raise(SIGHUP);
    ck_assert(stop_requested());
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stop");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_loop_test(all, a_signal_is_a_request, 0, HEARD);
    tcase_add_test(all, ignored_signals_stay_ignored);
    tcase_add_loop_test(all, the_others_are_heard_beside_an_ignored_one, 0, HEARD);
    tcase_add_test_raise_signal(all, a_second_signal_ends_the_program, SIGINT);
    tcase_add_test(all, a_closed_terminal_may_say_so_twice);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
