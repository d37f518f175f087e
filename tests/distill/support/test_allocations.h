// For one file of a test program: malloc and its relatives, replaced by ones that refuse a chosen
// call, and that tell places in the program apart, so that each can be made to fail once without a
// try for every call. OWN_MALLOC is 0 where they cannot be replaced.
#ifndef TEST_ALLOCATIONS_H
#define TEST_ALLOCATIONS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define OWN_MALLOC 0 // the sanitizer has its own
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define OWN_MALLOC 0
#    endif
#endif
#if !defined(OWN_MALLOC) && !defined(__GLIBC__)
#    define OWN_MALLOC 0 // the names below are glibc's
#endif
#ifndef OWN_MALLOC
#    define OWN_MALLOC 1
#endif

#if OWN_MALLOC
#    include <execinfo.h>
#    include <sys/mman.h>

// glibc exports its allocator under these names for just this purpose.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

enum { CALLERS = 7, MAX_PLACES = 1 << 14, MAX_TRIES = 1 << 12 };

// Calls are counted from allocations_begin on.
static atomic_long allocation_calls;
static long refused_call; // which one, 0: none

// A place is a chain of callers. Shared with the processes that a test begins.
static struct {
    uint64_t known[MAX_PLACES]; // a hash table, 0: free
    long calls[MAX_TRIES];      // the first call of each new place
    int count;
} * places; // NULL: nobody asks

static uint64_t *find_place(uint64_t hash) {
    size_t at = hash % MAX_PLACES;
    while (places->known[at] && places->known[at] != hash) at = (at + 1) % MAX_PLACES;
    return &places->known[at];
}

static void note_place(long call) {
    static _Thread_local bool inside; // backtrace may allocate too
    void *callers[CALLERS];
    uint64_t hash = 14695981039346656037U; // FNV-1a
    if (inside) return;
    inside = true;
    const int depth = backtrace(callers, CALLERS);
    for (int i = 0; i < depth; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)callers[i]) * 1099511628211U;
    uint64_t *place = find_place(hash);
    if (!*place && places->count < MAX_TRIES) places->calls[places->count++] = call;
    *place = hash;
    inside = false;
}

static bool refused(void) {
    const long call = atomic_fetch_add(&allocation_calls, 1) + 1;
    if (places && !refused_call) note_place(call);
    if (call != refused_call) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return refused() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return refused() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *memory = refused() ? NULL : __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

// Of the calls from here on, the one of this number fails; 0: none.
static inline void allocations_begin(long fails) {
    atomic_store(&allocation_calls, 0);
    refused_call = fails;
}

// From here on, while nothing is refused, the first call of each place that is new goes into
// places->calls.
static inline void allocations_find(void) {
    void *caller;
    (void)backtrace(&caller, 1); // loads what it needs
    void *memory =
        mmap(NULL, sizeof *places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    places = memory;
}
#endif

#endif
