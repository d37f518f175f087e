#include "base/safetensors.h"

#include "base/json_file.h"
#include "base/safe_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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

// What is wrong with it, or NULL.
static const char *parse_entry(safetensors_entry *t, const cJSON *item, size_t data_bytes) {
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    size_t end, bytes;
    t->name = item->string;
    if (!cJSON_IsString(dtype) || dtype_size(dtype->valuestring) == 0)
        return "its dtype is missing or unknown";
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype->valuestring);
    if (!parse_shape(t, cJSON_GetObjectItemCaseSensitive(item, "shape")))
        return "its shape is missing or not a list of sizes";
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !json_size(cJSON_GetArrayItem(offsets, 0), &t->begin) ||
        !json_size(cJSON_GetArrayItem(offsets, 1), &end) || t->begin > end)
        return "its data_offsets are missing or not two offsets";
    if (end > data_bytes) return "its data lies beyond the end of the file; the file is cut off";
    if (__builtin_mul_overflow(t->count, dtype_size(t->dtype), &bytes) || bytes != end - t->begin)
        return "its data_offsets do not fit its shape";
    t->bytes = bytes;
    return NULL;
}

static bool parse_metadata(safetensors *s, safetensors_note *notes, const cJSON *metadata) {
    if (cJSON_IsNull(metadata)) return true; // as if it were not there
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
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
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

static bool check_layout(const safetensors *s, const char *path, size_t data_bytes, error_line *e) {
    size_t end = 0;
    for (size_t i = 0; i < s->count; i++) {
        const safetensors_entry *t = &s->entries[i];
        if (t->begin != end)
            return error_set(e, "%s is damaged: the data of tensor %s %s", path, t->name,
                             t->begin < end ? "overlaps that of another"
                                            : "leaves a gap before it");
        end += t->bytes;
    }
    return end == data_bytes ||
           error_set(e, "%s is damaged: %zu bytes behind the last tensor", path, data_bytes - end);
}

static cJSON *parse_json(const char *path, const char *header, size_t length, error_line *e) {
    json_fault fault;
    cJSON *json = json_parse(header, length, &fault);
    if (!json && fault.memory)
        error_memory(e, path);
    else if (!json)
        error_set(e, "%s is damaged: its header is not a JSON object: %s", path, fault.text);
    return json;
}

static bool parse_header(safetensors *s, const char *path, const char *header, size_t length,
                         size_t data_bytes, error_line *e) {
    cJSON *json = s->owned[OWNED_JSON] = parse_json(path, header, length, e);
    if (!json) return false;
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
        const char *fault = parse_entry(&s->entries[s->count++], item, data_bytes);
        if (fault) return error_set(e, "%s is damaged: tensor %s: %s", path, item->string, fault);
    }
    if (!check_names(s, path, e)) return false;
    qsort(s->entries, s->count, sizeof *s->entries, by_data);
    return check_layout(s, path, data_bytes, e);
}

static bool check_beginning(const char *bytes, size_t count, size_t size, const char *path,
                            error_line *e) {
    uint64_t length = 0;
    if (count <= sizeof length)
        return error_set(e, "%s is not a safetensors file: %zu bytes", path, count);
    memcpy(&length, bytes, sizeof length);
    if (length < 2 || length > MAX_HEADER || bytes[sizeof length] != '{')
        return error_set(e, "%s is not a safetensors file: it does not begin with its header",
                         path);
    return length <= size - sizeof length ||
           error_set(e, "%s is cut off: %zu of %llu bytes of its header are there", path,
                     size - sizeof length, (unsigned long long)length);
}

static bool parse_file(safetensors *s, const char *path, char *bytes, size_t size, error_line *e) {
    uint64_t length;
    if (!check_beginning(bytes, size, size, path, e)) return false; // the file may have changed
    memcpy(&length, bytes, sizeof length);
    // The header as a string of its own: the data follows it without a 0 between.
    char *header = malloc(length + 1), *data = bytes + sizeof length + length;
    if (!header) return error_memory(e, path);
    memcpy(header, bytes + sizeof length, length);
    header[length] = '\0';
    const bool fine = parse_header(s, path, header, length, size - (size_t)(data - bytes), e);
    for (size_t i = 0; fine && i < s->count; i++) s->entries[i].data = data + s->entries[i].begin;
    free(header);
    return fine;
}

bool safetensors_read(safetensors *s, const char *path, error_line *e) {
    size_t size;
    *s = (safetensors){0};
    char *bytes = s->owned[OWNED_FILE] = safe_file_read_if(path, check_beginning, &size, e);
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
    bool fine = list != NULL;
    for (int i = 0; fine && i < count; i++)
        fine = json_append(list, cJSON_CreateNumber((double)values[i]));
    if (fine) return list;
    cJSON_Delete(list);
    return NULL;
}

static bool add_notes(cJSON *json, const safetensors *s) {
    cJSON *metadata = s->notes ? cJSON_CreateObject() : NULL;
    bool fine = !s->notes || metadata;
    for (size_t i = 0; fine && i < s->notes; i++)
        fine = json_add_text(metadata, s->metadata[i].key, s->metadata[i].value);
    if (fine) return !metadata || json_add(json, "__metadata__", metadata);
    cJSON_Delete(metadata);
    return false;
}

static bool add_entry(cJSON *json, const safetensors_entry *t, size_t offset) {
    const size_t offsets[2] = {offset, offset + t->bytes};
    cJSON *item = cJSON_CreateObject();
    if (json_add_text(item, "dtype", t->dtype) &&
        json_add(item, "shape", number_list(t->shape, t->dims)) &&
        json_add(item, "data_offsets", number_list(offsets, 2)))
        return json_add(json, t->name, item);
    cJSON_Delete(item);
    return false;
}

// NULL when there is no memory for all of it.
static char *header_text(const safetensors *s) {
    size_t offset = 0;
    cJSON *json = cJSON_CreateObject();
    bool fine = json && add_notes(json, s);
    for (size_t i = 0; fine && i < s->count; offset += s->entries[i++].bytes)
        fine = add_entry(json, &s->entries[i], offset);
    char *text = fine ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return text;
}

// The header's text, padded with spaces to a multiple of 8 so that the data is aligned.
static char *print_header(const safetensors *s) {
    char *text = header_text(s);
    if (!text) return NULL;
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    char *header = malloc(padded + 1);
    if (header) snprintf(header, padded + 1, "%-*s", (int)padded, text);
    cJSON_free(text);
    return header;
}

// --- Reading back --------------------------------------------------------------------------------

// Where its data were put, in their order, and what was said about them.
static bool same_entry(const safetensors_entry *t, const safetensors_entry *back, size_t begin) {
    return back && strcmp(t->dtype, back->dtype) == 0 && t->dims == back->dims &&
           memcmp(t->shape, back->shape, (size_t)t->dims * sizeof *t->shape) == 0 &&
           t->bytes == back->bytes && back->begin == begin;
}

static bool same_content(const safetensors *s, const safetensors *back) {
    size_t begin = 0;
    bool same = s->count == back->count && s->notes == back->notes;
    for (size_t i = 0; same && i < s->count; begin += s->entries[i++].bytes)
        same = same_entry(&s->entries[i], safetensors_find(back, s->entries[i].name), begin);
    for (size_t i = 0; same && i < s->notes; i++) {
        const char *value = safetensors_metadata(back, s->metadata[i].key);
        same = value && strcmp(value, s->metadata[i].value) == 0;
    }
    return same;
}

static size_t data_size(const safetensors *s) {
    size_t size = 0;
    for (size_t i = 0; i < s->count; i++) size += s->entries[i].bytes;
    return size;
}

// What a reader would make of the file, before it takes the place of a good one: its header as it
// lies there, and its length. The data are not read: nothing has to be understood in them.
static bool check_written(const safetensors *s, const safe_file *file, size_t length,
                          error_line *e) {
    struct stat status;
    safetensors back = {0};
    const int fd = fileno(file->stream);
    const size_t size = data_size(s);
    // safe_file_commit has the words for that.
    if (ferror(file->stream) || fflush(file->stream) != 0) return true;
    char *header = calloc(length + 1, 1);
    if (!header) return error_memory(e, file->path);
    bool fine = fstat(fd, &status) == 0 &&
                (size_t)status.st_size == sizeof(uint64_t) + length + size &&
                pread(fd, header, length, sizeof(uint64_t)) == (ssize_t)length;
    if (!fine) error_set(e, "%s cannot be written: it does not hold what was written", file->path);
    fine = fine && parse_header(&back, file->path, header, length, size, e) &&
           (same_content(s, &back) ||
            error_set(e, "%s cannot be written: its header would not be read as it was meant",
                      file->path));
    safetensors_free(&back);
    free(header);
    return fine;
}

bool safetensors_write(const safetensors *s, const char *path, error_line *e) {
    safe_file file;
    char *header = print_header(s);
    if (!header) return error_memory(e, path);
    const uint64_t length = strlen(header);
    bool fine = safe_file_begin(&file, path, e);
    if (fine) {
        fwrite(&length, sizeof length, 1, file.stream);
        fwrite(header, 1, length, file.stream);
        for (size_t i = 0; i < s->count; i++)
            fwrite(s->entries[i].data, 1, s->entries[i].bytes, file.stream);
        fine = check_written(s, &file, length, e);
        if (fine)
            fine = safe_file_commit(&file, e); // asks the stream whether every write went well
        else
            safe_file_abandon(&file);
    }
    free(header);
    return fine;
}
