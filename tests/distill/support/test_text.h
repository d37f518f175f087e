// Looking into text.
#ifndef TEST_TEXT_H
#define TEST_TEXT_H

#include <string.h>

static inline int occurrences(const char *text, const char *word) {
    int count = 0;
    for (; (text = strstr(text, word)); text++) count++;
    return count;
}

#endif
