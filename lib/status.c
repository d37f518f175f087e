// Words for numbers: statuses and the version.
#include "gdkd.h"

#define TEXT_OF(x)                        #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *gdkd_version_string(void) {
    return VERSION_TEXT(GDKD_VERSION_MAJOR, GDKD_VERSION_MINOR, GDKD_VERSION_PATCH);
}

const char *gdkd_status_string(gdkd_status status) {
    static const char *const sentences[] = {
        [GDKD_OK] = "success",
        [GDKD_ERROR_NULL] = "a pointer that this loss needs is NULL",
        [GDKD_ERROR_STRUCT_SIZE] = "a struct_size that this library does not know",
        [GDKD_ERROR_ENUM] = "an enumeration has a value that it does not define",
        [GDKD_ERROR_SIZE] = "outer, classes or inner is negative, or classes is 0 or too large",
        [GDKD_ERROR_OVERFLOW] = "the sizes or strides describe more memory than there can be",
        [GDKD_ERROR_STRIDE] = "a stride is shorter than classes * inner",
        [GDKD_ERROR_TEMPERATURE] = "a temperature is not in [1e-30, 1e6]",
        [GDKD_ERROR_K] = "k, k_max or an entry of k_table is below 1",
        [GDKD_ERROR_ADAPTIVE] =
            "k_ratio is not a finite number above 0, or k_mass is not in (0, 1]",
        [GDKD_ERROR_WEIGHT] =
            "a weight, scale or divisor is not finite, or negative in the wrong place",
        [GDKD_ERROR_LABEL_SMOOTHING] = "label_smoothing is not in [0, 1]",
        [GDKD_ERROR_TARGET] = "a target is neither in [0, classes) nor ignore_index",
        [GDKD_ERROR_GROUP] = "a class is in a group above GDKD_MAX_GROUPS - 1",
        [GDKD_ERROR_ALIAS] =
            "the gradient overlaps an input other than as the student's own buffer",
        [GDKD_ERROR_WORKSPACE] = "the workspace is smaller than gdkd_workspace_size says",
        [GDKD_ERROR_MEMORY] = "out of memory",
        [GDKD_ERROR_THREADS] = "num_threads is negative",
        [GDKD_ERROR_FIELD] = "the structure has no field of this name, or no such element of it",
        [GDKD_ERROR_FIELD_TYPE] = "the field is of another type",
        [GDKD_ERROR_FIELD_VALUE] = "the field cannot hold this value",
    };
    const int32_t count = (int32_t)(sizeof sentences / sizeof *sentences);
    return status >= 0 && status < count ? sentences[status] : "unknown status";
}
