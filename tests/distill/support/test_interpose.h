// For a test that defines a function of a shared library itself: the library's own one, behind it.
#ifndef TEST_INTERPOSE_H
#define TEST_INTERPOSE_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// Into a pointer to a function.
static inline void find_original(const char *name, void *function) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    memcpy(function, &found, sizeof found);
}
#define FIND(name)                                                                                 \
    __typeof__(name) *original;                                                                    \
    find_original(#name, &original)

#endif
