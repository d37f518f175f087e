// The table of all fields of the public structures. Name, type, place and number of elements all
// come from gdkd.h by the compiler, so that they cannot differ from it.
#ifndef GDKD_FIELDS_H
#define GDKD_FIELDS_H

#include "gdkd.h"

enum { FIELD_NAME_SIZE = 32 };

typedef struct {
    char name[FIELD_NAME_SIZE];
    int32_t type; // GDKD_FIELD_*
    size_t offset;
    size_t size;
} gdkd_field;

typedef struct {
    const gdkd_field *fields;
    int32_t count;
} gdkd_field_list;

// Without fields where `structure` is no GDKD_STRUCT_*.
gdkd_field_list gdkd_fields_of(int32_t structure);

size_t gdkd_element_size(const gdkd_field *field);

#endif
