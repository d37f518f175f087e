// The safetensors format: 8 bytes with the header's length (little-endian), the header in JSON, the
// data. https://huggingface.co/docs/safetensors: names to {dtype, shape, data_offsets}, and
// "__metadata__" with strings only.
#ifndef DISTILL_SAFETENSORS_H
#define DISTILL_SAFETENSORS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_MAX_DIMS = 8, SAFETENSORS_DTYPE = 12 };

typedef struct {
    const char *name;
    char dtype[SAFETENSORS_DTYPE]; // "F32", "I64" ...
    int dims;
    size_t shape[SAFETENSORS_MAX_DIMS];
    size_t count; // elements
    size_t bytes;
    size_t begin; // of the data, behind the header; writing finds it itself
    const void *data;
} safetensors_entry;

typedef struct {
    const char *key, *value;
} safetensors_note; // of __metadata__

typedef struct {
    size_t count;
    safetensors_entry *entries; // in the order of their data
    size_t notes;
    const safetensors_note *metadata;
    void *owned[4]; // what the pointers above point into, when the content was read from a file
} safetensors;

// Reads and checks a whole file: the header's syntax, and that the tensors fill the data without
// gap or overlap.
bool safetensors_read(safetensors *s, const char *path, error_line *e);
void safetensors_free(safetensors *s);

// Writes to a temporary name beside `path`, reads the header back, then renames: the file is whole
// and says what was meant, or it is not there.
bool safetensors_write(const safetensors *s, const char *path, error_line *e);

const safetensors_entry *safetensors_find(const safetensors *s, const char *name);
const char *safetensors_metadata(const safetensors *s,
                                 const char *key); // NULL when it is not there

// CRC-32 over all data, in the order of the entries.
unsigned long safetensors_checksum(const safetensors *s);

// "F32 [16, 3, 3, 3]", for messages.
void safetensors_describe(const char *dtype, int dims, const size_t *shape, char *text,
                          size_t size);

#endif
