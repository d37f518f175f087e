#include "base/safetensors.h"

#include "base/safe_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the data of the format is little-endian");

// The format's own bound on the header.
#define MAX_HEADER 100000000U

typedef enum { OWNED_FILE, OWNED_ENTRIES, OWNED_NOTES, OWNED_JSON } owned_part;

// Bytes of an element, 0 for a type that is not known.
static size_t dtype_size(const char *dtype) {
    static const struct {
        const char *name;
        size_t size;
    } known[] = {{"F32", 4}, {"I64", 8}, {"F64", 8}, {"F16", 2},  {"BF16", 2},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"BOOL", 1}, {"U8", 1},
                 {"U16", 2}, {"U32", 4}, {"U64", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, dtype) == 0) return known[i].size;
    return 0;
}

void safetensors_describe(const char *dtype, int dims, const size_t *shape, char *text,
                          size_t size) {
    size_t used = (size_t)snprintf(text, size, "%s [", dtype);
    for (int i = 0; i < dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i ? ", " : "", shape[i]);
    if (used < size) snprintf(text + used, size - used, "]");
}

const safetensors_entry *safetensors_find(const safetensors *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entries[i].name, name) == 0) return &s->entries[i];
    return NULL;
}

const char *safetensors_metadata(const safetensors *s, const char *key) {
    for (size_t i = 0; i < s->notes; i++)
        if (strcmp(s->metadata[i].key, key) == 0) return s->metadata[i].value;
    return NULL;
}

unsigned long safetensors_checksum(const safetensors *s) {
    unsigned long sum = crc32_z(0, NULL, 0);
    for (size_t i = 0; i < s->count; i++)
        sum = crc32_z(sum, s->entries[i].data, s->entries[i].bytes);
    return sum;
}

// --- Reading -------------------------------------------------------------------------------------

// A whole number that a double holds exactly.
static bool json_size(const cJSON *item, size_t *value) {
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 0x1p53 ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *value = (size_t)item->valuedouble;
    return true;
}

static bool parse_shape(safetensors_entry *t, const cJSON *shape) {
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > SAFETENSORS_MAX_DIMS) return false;
    t->count = 1;
    const cJSON *side;
    cJSON_ArrayForEach(side, shape) {
        size_t *size = &t->shape[t->dims++];
        if (!json_size(side, size) || __builtin_mul_overflow(t->count, *size, &t->count))
            return false;
    }
    return true;
}

// What is wrong with it, or NULL. Offsets are turned into pointers into data.
static const char *parse_entry(safetensors_entry *t, const cJSON *item, const char *data,
                               size_t data_bytes) {
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    size_t begin, end, bytes;
    t->name = item->string;
    if (!cJSON_IsString(dtype) || dtype_size(dtype->valuestring) == 0)
        return "its dtype is missing or unknown";
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype->valuestring);
    if (!parse_shape(t, cJSON_GetObjectItemCaseSensitive(item, "shape")))
        return "its shape is missing or not a list of sizes";
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !json_size(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !json_size(cJSON_GetArrayItem(offsets, 1), &end) || begin > end)
        return "its data_offsets are missing or not two offsets";
    if (end > data_bytes) return "its data lies beyond the end of the file; the file is cut off";
    if (__builtin_mul_overflow(t->count, dtype_size(t->dtype), &bytes) || bytes != end - begin)
        return "its data_offsets do not fit its shape";
    t->bytes = bytes;
    t->data = data + begin;
    return NULL;
}

static bool parse_metadata(safetensors *s, safetensors_note *notes, const cJSON *metadata) {
    if (!cJSON_IsObject(metadata)) return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, metadata) {
        if (!cJSON_IsString(item)) return false;
        notes[s->notes++] = (safetensors_note){item->string, item->valuestring};
    }
    return true;
}

static int by_data(const void *a, const void *b) {
    const safetensors_entry *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); // empty tensors first
}

static int by_name(const void *a, const void *b) {
    const safetensors_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

// Sorts the entries: a header has room for a million names, too many to compare all with all.
static bool check_names(safetensors *s, const char *path, error_line *e) {
    qsort(s->entries, s->count, sizeof *s->entries, by_name);
    for (size_t i = 1; i < s->count; i++)
        if (by_name(&s->entries[i - 1], &s->entries[i]) == 0)
            return error_set(e, "%s is damaged: tensor %s stands twice", path, s->entries[i].name);
    return true;
}

static bool check_layout(const safetensors *s, const char *path, const char *data,
                         size_t data_bytes, error_line *e) {
    const char *end = data;
    for (size_t i = 0; i < s->count; i++) {
        const safetensors_entry *t = &s->entries[i];
        if ((const char *)t->data != end)
            return error_set(e, "%s is damaged: the data of tensor %s %s", path, t->name,
                             (const char *)t->data < end ? "overlaps that of another"
                                                         : "leaves a gap before it");
        end += t->bytes;
    }
    return end == data + data_bytes ||
           error_set(e, "%s is damaged: %zu bytes behind the last tensor", path,
                     (size_t)(data + data_bytes - end));
}

static bool parse_header(safetensors *s, const char *path, const char *header, const char *data,
                         size_t data_bytes, error_line *e) {
    cJSON *json = s->owned[OWNED_JSON] = cJSON_ParseWithOpts(header, NULL, true);
    if (!cJSON_IsObject(json))
        return error_set(e, "%s is not a safetensors file: its header is not a JSON object", path);
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "__metadata__");
    const size_t tensors = (size_t)cJSON_GetArraySize(json);
    s->entries = s->owned[OWNED_ENTRIES] = calloc(tensors + 1, sizeof *s->entries);
    safetensors_note *notes = s->owned[OWNED_NOTES] =
        calloc((size_t)cJSON_GetArraySize(metadata) + 1, sizeof *notes);
    s->metadata = notes;
    if (!s->entries || !notes) return error_memory(e, path);
    if (metadata && !parse_metadata(s, notes, metadata))
        return error_set(e, "%s is damaged: its __metadata__ holds more than strings", path);
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        if (item == metadata) continue;
        const char *fault = parse_entry(&s->entries[s->count++], item, data, data_bytes);
        if (fault) return error_set(e, "%s is damaged: tensor %s: %s", path, item->string, fault);
    }
    if (!check_names(s, path, e)) return false;
    qsort(s->entries, s->count, sizeof *s->entries, by_data);
    return check_layout(s, path, data, data_bytes, e);
}

static bool parse_file(safetensors *s, const char *path, char *bytes, size_t size, error_line *e) {
    uint64_t length;
    if (size < 8) return error_set(e, "%s is not a safetensors file: %zu bytes", path, size);
    memcpy(&length, bytes, 8);
    if (length < 2 || length > MAX_HEADER || bytes[8] != '{')
        return error_set(e, "%s is not a safetensors file: it does not begin with its header",
                         path);
    if (length > size - 8)
        return error_set(e, "%s is cut off: %zu of %llu bytes of its header are there", path,
                         size - 8, (unsigned long long)length);
    // The header as a string of its own: the data follows it without a 0 between.
    char *header = malloc(length + 1);
    if (!header) return error_memory(e, path);
    memcpy(header, bytes + 8, length);
    header[length] = '\0';
    bool fine =
        strlen(header) == length || error_set(e, "%s is damaged: its header holds a byte 0", path);
    fine = fine && parse_header(s, path, header, bytes + 8 + length, size - 8 - length, e);
    free(header);
    return fine;
}

bool safetensors_read(safetensors *s, const char *path, error_line *e) {
    size_t size;
    *s = (safetensors){0};
    char *bytes = s->owned[OWNED_FILE] = safe_file_read(path, &size, e);
    if (bytes && parse_file(s, path, bytes, size, e)) return true;
    safetensors_free(s);
    return false;
}

void safetensors_free(safetensors *s) {
    free(s->owned[OWNED_FILE]);
    free(s->owned[OWNED_ENTRIES]);
    cJSON_Delete(s->owned[OWNED_JSON]);
    free(s->owned[OWNED_NOTES]);
    *s = (safetensors){0};
}

// --- Writing -------------------------------------------------------------------------------------

static cJSON *number_list(const size_t *values, int count) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)values[i]));
    return list;
}

// The header's text, padded with spaces to a multiple of 8 so that the data is aligned.
static char *print_header(const safetensors *s) {
    cJSON *json = cJSON_CreateObject();
    cJSON *metadata = s->notes ? cJSON_AddObjectToObject(json, "__metadata__") : NULL;
    for (size_t i = 0; i < s->notes; i++)
        cJSON_AddStringToObject(metadata, s->metadata[i].key, s->metadata[i].value);
    size_t offset = 0;
    for (size_t i = 0; i < s->count; i++) {
        const safetensors_entry *t = &s->entries[i];
        const size_t offsets[2] = {offset, offset + t->bytes};
        cJSON *item = cJSON_AddObjectToObject(json, t->name);
        cJSON_AddStringToObject(item, "dtype", t->dtype);
        cJSON_AddItemToObject(item, "shape", number_list(t->shape, t->dims));
        cJSON_AddItemToObject(item, "data_offsets", number_list(offsets, 2));
        offset = offsets[1];
    }
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    if (!text) return NULL;
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    char *header = malloc(padded + 1);
    if (header) snprintf(header, padded + 1, "%-*s", (int)padded, text);
    cJSON_free(text);
    return header;
}

bool safetensors_write(const safetensors *s, const char *path, error_line *e) {
    char *header = print_header(s);
    if (!header) return error_memory(e, path);
    const uint64_t length = strlen(header);
    safe_file file;
    bool fine = safe_file_begin(&file, path, e);
    if (fine) {
        fwrite(&length, sizeof length, 1, file.stream);
        fwrite(header, 1, length, file.stream);
        for (size_t i = 0; i < s->count; i++)
            fwrite(s->entries[i].data, 1, s->entries[i].bytes, file.stream);
        fine = safe_file_commit(&file, e); // asks the stream whether every write went well
    }
    free(header);
    return fine;
}
