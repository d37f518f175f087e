#include "base/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t requested;

static void request(int signal_number) {
    (void)signal_number;
    requested = 1;
}

// Not where the caller has it ignored: nohup and a script's background jobs are to go on.
static void listen_for(int signal_number, int flags) {
    struct sigaction old, action = {.sa_handler = request, .sa_flags = flags | SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(signal_number, &action, NULL);
}

void stop_on_signals(void) {
    // SA_RESETHAND: the second signal has its usual effect.
    listen_for(SIGINT, (int)SA_RESETHAND);
    listen_for(SIGTERM, (int)SA_RESETHAND);
    // A terminal that closes says so twice, by its shell and by the kernel: no second request.
    listen_for(SIGHUP, 0);
}

bool stop_requested(void) {
    return requested != 0;
}
