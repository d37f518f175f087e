// Objects made, set and read by the names of their fields, for languages that would rather not lay
// out structures.
#include "layouts.h"

#include <stdlib.h>
#include <string.h>

size_t gdkd_struct_size(int32_t structure) {
    const gdkd_layout *layout = gdkd_layout_of(structure);
    return layout ? layout->size : 0;
}

void *gdkd_new(int32_t structure) {
    const gdkd_layout *layout = gdkd_layout_of(structure);
    void *object = layout ? malloc(layout->size) : NULL;
    return object ? memcpy(object, layout->initial, layout->size) : NULL;
}

void gdkd_free(void *object) { free(object); }

// --- The table of fields -------------------------------------------------------------------------

static size_t element_size(const gdkd_field *field) {
    static const size_t sizes[] = {
        [GDKD_FIELD_INT32] = sizeof(int32_t),  [GDKD_FIELD_UINT32] = sizeof(uint32_t),
        [GDKD_FIELD_INT64] = sizeof(int64_t),  [GDKD_FIELD_DOUBLE] = sizeof(double),
        [GDKD_FIELD_POINTER] = sizeof(void *),
    };
    return sizes[field->type];
}

static const gdkd_field *field_at(int32_t structure, int32_t index) {
    const gdkd_layout *layout = gdkd_layout_of(structure);
    return layout && index >= 0 && index < layout->field_count ? &layout->fields[index] : NULL;
}

const char *gdkd_field_name(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->name : NULL;
}

int32_t gdkd_field_type(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->type : -1;
}

size_t gdkd_field_offset(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? field->offset : 0;
}

int32_t gdkd_field_elements(int32_t structure, int32_t index) {
    const gdkd_field *field = field_at(structure, index);
    return field ? (int32_t)(field->size / element_size(field)) : 0;
}

// --- Names ---------------------------------------------------------------------------------------

// A field's name without the index of an element.
static size_t name_length(const char *text) { return strcspn(text, "["); }

static const gdkd_field *find_field(int32_t structure, const char *text) {
    const size_t length = name_length(text);
    const gdkd_field *field = field_at(structure, 0);
    for (int32_t i = 1; field; field = field_at(structure, i++))
        if (strlen(field->name) == length && memcmp(field->name, text, length) == 0) return field;
    return NULL;
}

// What follows the name: nothing, or in an array "[3]". -1 for anything else.
static int32_t element_of(const char *suffix, int32_t elements) {
    if (elements == 1) return *suffix ? -1 : 0;
    if (*suffix != '[') return -1;
    int32_t index = 0;
    for (suffix++; *suffix != ']' || suffix[-1] == '['; suffix++) {
        if (*suffix < '0' || *suffix > '9') return -1;
        index = 10 * index + (*suffix - '0');
        if (index >= elements) return -1;
    }
    return suffix[1] ? -1 : index;
}

// Levenshtein's distance between a known name and the first `length` characters of a text:
// insertions, deletions and substitutions of one character.
static size_t edit_distance(const char *known, const char *text, size_t length) {
    const size_t n = strlen(known);
    size_t row[FIELD_NAME_SIZE]; // row[j]: of known's first j characters to the text so far
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; i <= length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (known[j - 1] != text[i - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *gdkd_nearest_field(int32_t structure, const char *field) {
    const char *nearest = NULL, *name;
    size_t least = SIZE_MAX;
    for (int32_t i = 0; field && (name = gdkd_field_name(structure, i)); i++) {
        const size_t distance = edit_distance(name, field, name_length(field));
        if (distance >= least) continue;
        least = distance;
        nearest = name;
    }
    return nearest;
}

// --- Values --------------------------------------------------------------------------------------

// Where an element lies in an object.
typedef struct {
    const gdkd_field *field;
    size_t offset, size;
} place;

static gdkd_status locate(int32_t structure, const void *object, const char *text, place *at) {
    const gdkd_layout *layout = gdkd_layout_of(structure);
    uint32_t struct_size;
    if (!object || !text) return GDKD_ERROR_NULL;
    if (!layout) return GDKD_ERROR_ENUM;
    memcpy(&struct_size, object, sizeof struct_size);
    if (!gdkd_layout_known(layout, struct_size)) return GDKD_ERROR_STRUCT_SIZE;
    at->field = find_field(structure, text);
    if (!at->field || at->field->offset + at->field->size > struct_size) return GDKD_ERROR_FIELD;
    at->size = element_size(at->field);
    const int32_t element =
        element_of(text + name_length(text), (int32_t)(at->field->size / at->size));
    at->offset = at->field->offset + at->size * (size_t)element;
    return element < 0 ? GDKD_ERROR_FIELD : GDKD_OK;
}

static bool is_integer(const place *at) {
    return at->field->type == GDKD_FIELD_INT32 || at->field->type == GDKD_FIELD_UINT32 ||
           at->field->type == GDKD_FIELD_INT64;
}

gdkd_status gdkd_set_int(int32_t structure, void *object, const char *field, int64_t value) {
    place at;
    const gdkd_status status = locate(structure, object, field, &at);
    if (status != GDKD_OK) return status;
    if (!is_integer(&at)) return GDKD_ERROR_FIELD_TYPE;
    const int32_t narrow = (int32_t)value;
    const uint32_t natural = (uint32_t)value;
    const void *bytes = &value;
    bool fits = at.field->offset != 0; // struct_size is the library's
    if (at.field->type == GDKD_FIELD_INT32) bytes = &narrow, fits = fits && narrow == value;
    if (at.field->type == GDKD_FIELD_UINT32) bytes = &natural, fits = fits && natural == value;
    if (!fits) return GDKD_ERROR_FIELD_VALUE;
    memcpy((char *)object + at.offset, bytes, at.size);
    return GDKD_OK;
}

gdkd_status gdkd_get_int(int32_t structure, const void *object, const char *field, int64_t *value) {
    place at;
    if (!value) return GDKD_ERROR_NULL;
    const gdkd_status status = locate(structure, object, field, &at);
    if (status != GDKD_OK) return status;
    if (!is_integer(&at)) return GDKD_ERROR_FIELD_TYPE;
    int32_t narrow;
    uint32_t natural;
    const char *from = (const char *)object + at.offset;
    if (at.field->type == GDKD_FIELD_INT32)
        memcpy(&narrow, from, sizeof narrow), *value = narrow;
    else if (at.field->type == GDKD_FIELD_UINT32)
        memcpy(&natural, from, sizeof natural), *value = natural;
    else
        memcpy(value, from, sizeof *value);
    return GDKD_OK;
}

// Doubles and pointers lie in an object as they are given.
static gdkd_status locate_typed(int32_t structure, const void *object, const char *field,
                                int32_t type, place *at) {
    const gdkd_status status = locate(structure, object, field, at);
    return status == GDKD_OK && at->field->type != type ? GDKD_ERROR_FIELD_TYPE : status;
}

static gdkd_status set_typed(int32_t structure, void *object, const char *field, int32_t type,
                             const void *value) {
    place at;
    const gdkd_status status = locate_typed(structure, object, field, type, &at);
    if (status == GDKD_OK) memcpy((char *)object + at.offset, value, at.size);
    return status;
}

static gdkd_status get_typed(int32_t structure, const void *object, const char *field, int32_t type,
                             void *value) {
    place at;
    if (!value) return GDKD_ERROR_NULL;
    const gdkd_status status = locate_typed(structure, object, field, type, &at);
    if (status == GDKD_OK) memcpy(value, (const char *)object + at.offset, at.size);
    return status;
}

gdkd_status gdkd_set_double(int32_t structure, void *object, const char *field, double value) {
    return set_typed(structure, object, field, GDKD_FIELD_DOUBLE, &value);
}

gdkd_status gdkd_get_double(int32_t structure, const void *object, const char *field,
                            double *value) {
    return get_typed(structure, object, field, GDKD_FIELD_DOUBLE, value);
}

gdkd_status gdkd_set_pointer(int32_t structure, void *object, const char *field,
                             const void *value) {
    return set_typed(structure, object, field, GDKD_FIELD_POINTER, &value);
}

gdkd_status gdkd_get_pointer(int32_t structure, const void *object, const char *field,
                             void **value) {
    return get_typed(structure, object, field, GDKD_FIELD_POINTER, value);
}
