#include "base/json_file.h"

#include "base/safe_file.h"

#include <cjson/cJSON.h>

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
