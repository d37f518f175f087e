// For one file of a test program: malloc and its relatives, replaced by ones that count and may
// refuse. OWN_MALLOC is 0 where they cannot be.
#ifndef GDKD_TESTS_MALLOC_COUNTER_H
#define GDKD_TESTS_MALLOC_COUNTER_H

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define OWN_MALLOC 0 // the sanitizer has its own
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
        __has_feature(memory_sanitizer)
#        define OWN_MALLOC 0
#    endif
#endif
#if !defined(OWN_MALLOC) && !defined(__GLIBC__)
#    define OWN_MALLOC 0 // the names below are glibc's
#endif
#ifndef OWN_MALLOC
#    define OWN_MALLOC 1
#endif

// By a test that looks at one of them alone, or where OWN_MALLOC is 0.
#define MAY_BE_UNUSED __attribute__((unused))
static atomic_long allocated MAY_BE_UNUSED; // calls
static atomic_long freed MAY_BE_UNUSED;
static atomic_long bytes_asked MAY_BE_UNUSED;
static atomic_int refusing MAY_BE_UNUSED;

#if OWN_MALLOC
// glibc exports its allocator under these names for just this purpose.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static int refused(size_t bytes) {
    atomic_fetch_add(&allocated, 1);
    atomic_fetch_add(&bytes_asked, (long)bytes);
    if (!atomic_load(&refusing)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return refused(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return refused(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return refused(size) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return refused(size) ? NULL : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size) {
    return refused(size) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *memory = refused(size) ? NULL : __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory) {
    if (memory) atomic_fetch_add(&freed, 1);
    __libc_free(memory);
}
#endif

#endif
