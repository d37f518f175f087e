// Reading and writing JSON, with every allocation looked at.
#ifndef DISTILL_JSON_FILE_H
#define DISTILL_JSON_FILE_H

#include "base/error.h"

#include <stddef.h>

struct cJSON;

typedef struct {
    bool memory;   // there was none for it: the text may be good
    char text[64]; // "something is wrong in line 3"
} json_fault;

// The value that a text of `size` bytes holds, with a byte 0 behind it; NULL and *fault otherwise.
// Names and texts with a byte 0 are refused, written as an escape too: C would take them for
// others.
struct cJSON *json_parse(const char *text, size_t size, json_fault *fault);

// A string of JSON, which is UTF-8: other bytes are escaped (escape.h). NULL when there is no
// memory.
struct cJSON *json_text(const char *text);

// Takes `item`, which is NULL when there was no memory for it, into an object or a list. On failure
// it is deleted. An object may be NULL too, so that a chain of calls needs one look at its end.
bool json_add(struct cJSON *object, const char *key, struct cJSON *item);
bool json_append(struct cJSON *list, struct cJSON *item);
bool json_add_text(struct cJSON *object, const char *key, const char *text);
bool json_add_number(struct cJSON *object, const char *key, double number);

// Writes and deletes `root`, which is NULL when there was no memory for all of it.
bool json_file_write(struct cJSON *root, const char *path, error_line *e);

#endif
