// The structures of gdkd.h as of today and of earlier versions. A caller may have been compiled for
// either; the library works on today's.
#ifndef GDKD_LAYOUTS_H
#define GDKD_LAYOUTS_H

#include "gdkd.h"

#include <stdbool.h>

extern const gdkd_config gdkd_initial_config;

enum { FIELD_NAME_SIZE = 32 };

typedef struct {
    char name[FIELD_NAME_SIZE];
    int32_t type; // GDKD_FIELD_*
    size_t offset, size;
} gdkd_field;

typedef struct {
    const void *initial;   // as the _init function leaves it; its struct_size is today's
    size_t size;           // today's
    const size_t *earlier; // sizes of earlier versions that differ, up to a 0
    const gdkd_field *fields;
    int32_t field_count;
} gdkd_layout;

// NULL where `structure` is no GDKD_STRUCT_*.
const gdkd_layout *gdkd_layout_of(int32_t structure);

bool gdkd_layout_known(const gdkd_layout *layout, size_t size);

// The caller's structure as of today: fields that it does not have are as the _init function leaves
// them. GDKD_ERROR_NULL, GDKD_ERROR_STRUCT_SIZE.
gdkd_status gdkd_adopt(int32_t structure, const void *from, void *today);

// One of today's into the caller's, of struct_size bytes. GDKD_ERROR_NULL, GDKD_ERROR_STRUCT_SIZE:
// nothing is written.
gdkd_status gdkd_hand_out(int32_t structure, const void *today, size_t struct_size, void *to);

// Out of a call's result of today into the caller's: what it reports, or with a status other than
// GDKD_OK error_row alone.
void gdkd_hand_back(gdkd_status status, const gdkd_result *today, gdkd_result *to);

#endif
