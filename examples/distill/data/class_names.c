#include "data/class_names.h"

#include "base/safe_file.h"

#include <stdlib.h>
#include <string.h>

char **names_copy(const char *const *names, int count) {
    size_t bytes = (size_t)count * sizeof(char *) + 1; // at least one
    for (int i = 0; i < count; i++) bytes += strlen(names[i]) + 1;
    char **copy = malloc(bytes);
    char *text = copy ? (char *)(copy + count) : NULL;
    for (int i = 0; copy && i < count; i++) {
        const size_t length = strlen(names[i]) + 1;
        copy[i] = memcpy(text, names[i], length);
        text += length;
    }
    return copy;
}

char **class_names_read(const char *directory, const char *file, int count) {
    char path[PATH_MAX], **copy = NULL;
    error_line ignored;
    size_t size;
    int found = 0;
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path) return NULL;
    char *text = safe_file_read(path, &size, &ignored), *rest = NULL;
    const char **names = calloc((size_t)count + 1, sizeof *names);
    for (char *line = text ? strtok_r(text, "\r\n", &rest) : NULL; line && names && found <= count;
         line = strtok_r(NULL, "\r\n", &rest))
        names[found++] = line;
    if (found == count && names) copy = names_copy(names, count);
    free(names);
    free(text);
    return copy;
}
