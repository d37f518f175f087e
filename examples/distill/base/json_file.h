// Writing JSON.
#ifndef DISTILL_JSON_FILE_H
#define DISTILL_JSON_FILE_H

#include "base/error.h"

struct cJSON;

// Writes and deletes `root`, which is NULL when there was no memory for all of it.
bool json_file_write(struct cJSON *root, const char *path, error_line *e);

#endif
