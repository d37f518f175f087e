#include "base/json_file.h"

#include "base/escape.h"
#include "base/safe_file.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

// --- Reading -------------------------------------------------------------------------------------

// cJSON says neither of a failure whether the text was wrong or memory was short.
static _Thread_local bool memory_was_short;

static void *watched_malloc(size_t size) {
    void *memory = malloc(size);
    memory_was_short |= !memory;
    return memory;
}

static cJSON *parse(const char *text, const char **end) {
    cJSON_Hooks watched = {watched_malloc, free};
    memory_was_short = false;
    cJSON_InitHooks(&watched);
    cJSON *root = cJSON_ParseWithOpts(text, end, true);
    cJSON_InitHooks(NULL);
    return root;
}

// A backslash stands in strings alone, and takes what follows it along.
static const char *escaped_zero(const char *text) {
    for (const char *c = text; (c = strchr(c, '\\')) && c[1]; c += 2)
        if (strncmp(c, "\\u0000", 6) == 0) return c;
    return NULL;
}

cJSON *json_parse(const char *text, size_t size, json_fault *fault) {
    const char *end = text + strlen(text), *what = "there is a byte 0";
    cJSON *root = NULL;
    size_t line = 1;
    *fault = (json_fault){0};
    if (end == text + size) {
        what = "something is wrong";
        root = parse(text, &end);
    }
    const char *zero = root ? escaped_zero(text) : NULL;
    if (root && !zero) return root;
    if (zero) {
        what = "a byte 0 stands in a text";
        end = zero;
    }
    cJSON_Delete(root);
    for (const char *c = text; c < end; c++) line += *c == '\n';
    fault->memory = memory_was_short;
    snprintf(fault->text, sizeof fault->text, "%s in line %zu", what, line);
    return NULL;
}

// --- Writing -------------------------------------------------------------------------------------

cJSON *json_text(const char *text) {
    char *escaped = escaped_copy(text);
    cJSON *item = escaped ? cJSON_CreateString(escaped) : NULL;
    free(escaped);
    return item;
}

bool json_add(cJSON *object, const char *key, cJSON *item) {
    if (object && item && cJSON_AddItemToObject(object, key, item)) return true;
    cJSON_Delete(item);
    return false;
}

bool json_append(cJSON *list, cJSON *item) {
    if (list && item && cJSON_AddItemToArray(list, item)) return true;
    cJSON_Delete(item);
    return false;
}

bool json_add_text(cJSON *object, const char *key, const char *text) {
    return json_add(object, key, json_text(text));
}

bool json_add_number(cJSON *object, const char *key, double number) {
    return json_add(object, key, cJSON_CreateNumber(number));
}

bool json_file_write(cJSON *root, const char *path, error_line *e) {
    safe_file file;
    char *text = root ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    bool fine = (text || error_memory(e, path)) && safe_file_begin(&file, path, e);
    if (fine) {
        fprintf(file.stream, "%s\n", text);
        fine = safe_file_commit(&file, e);
    }
    cJSON_free(text);
    return fine;
}
