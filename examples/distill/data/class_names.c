#include "data/class_names.h"

#include "base/escape.h"
#include "base/safe_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Each name has at most `longest` times the bytes that it had.
static char **copy_names(const char *const *names, int count, size_t longest) {
    size_t bytes = (size_t)count * sizeof(char *) + 1; // at least one
    for (int i = 0; i < count; i++) bytes += longest * strlen(names[i]) + 1;
    char **copy = malloc(bytes);
    char *text = copy ? (char *)(copy + count) : NULL;
    for (int i = 0; copy && i < count; i++) {
        const size_t room = longest * strlen(names[i]) + 1;
        copy[i] = text;
        if (longest > 1)
            escape_text(text, room, names[i]);
        else
            memcpy(text, names[i], room);
        text += room;
    }
    return copy;
}

char **names_copy(const char *const *names, int count) {
    return copy_names(names, count, 1);
}

char **names_escaped(const char *const *names, int count) {
    return copy_names(names, count, 4);
}

// Into *names, which stays NULL where the text does not have as many lines.
static bool copy_lines(char ***names, char *text, int count) {
    char *rest = NULL;
    int found = 0;
    const char **lines = calloc((size_t)count + 1, sizeof *lines);
    if (!lines) return false;
    for (char *line = strtok_r(text, "\r\n", &rest); line && found <= count;
         line = strtok_r(NULL, "\r\n", &rest))
        lines[found++] = line;
    if (found == count) *names = names_escaped(lines, count);
    free(lines);
    return found != count || *names;
}

bool class_names_read(char ***names, const char *directory, const char *file, int count,
                      error_line *e) {
    char path[PATH_MAX];
    size_t size;
    *names = NULL;
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path ||
        access(path, F_OK) != 0)
        return true;
    char *text = safe_file_read(path, &size, e);
    if (!text) return !e->unread;
    const bool fine = copy_lines(names, text, count) || error_memory(e, path);
    free(text);
    return fine;
}
