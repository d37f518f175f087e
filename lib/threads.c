#include "threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>

// libgomp keeps its team for the next call. A child of fork inherits the team without its threads
// and would wait for them for ever. Whoever shares the run-time may have made the team: any fork
// counts, since the library was loaded.
//
// A handler rather than a remembered process id: an id would cost a system call each time, and in a
// namespace of processes of its own the child may have its parent's. The store is
// async-signal-safe. A child's children inherit the mark. A child of vfork shares its parent's
// memory, runs no handlers and so leaves no mark on its parent.
static atomic_int forked;

static void mark_child(void) { atomic_store_explicit(&forked, 1, memory_order_relaxed); }

// While the library is loaded: in the first call it would come too late for a fork before that, and
// might allocate. Without memory for the handler, the child is as it would be without a handler.
__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(NULL, NULL, mark_child);
}

int gdkd_default_threads(void) {
    return atomic_load_explicit(&forked, memory_order_relaxed) ? 1 : omp_get_max_threads();
}
