#include "net/weights.h"

#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char *tensor_dtype(const tensor *t) {
    return t->steps ? "I64" : "F32";
}

static void *tensor_data(const tensor *t) {
    return t->steps ? (void *)t->steps : t->data;
}

static size_t tensor_bytes(const tensor *t) {
    return t->count * (t->steps ? sizeof *t->steps : sizeof *t->data);
}

// --- Numbers of other types ----------------------------------------------------------------------

static float from_f32(const void *at) {
    float value; // the file does not promise alignment
    memcpy(&value, at, sizeof value);
    return value;
}

static float from_f64(const void *at) {
    double value;
    memcpy(&value, at, sizeof value);
    return (float)value;
}

static float from_f16(const void *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return half_to_float(bits);
}

static float from_bf16(const void *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return bfloat16_to_float(bits);
}

// What a file may have in the place of F32: as PyTorch saves model.half(), .bfloat16(), .double().
typedef struct {
    const char *dtype;
    size_t bytes;
    float (*load)(const void *at);
} number_type;
static const number_type number_types[] = {
    {"F32", 4, from_f32}, {"F16", 2, from_f16}, {"BF16", 2, from_bf16}, {"F64", 8, from_f64}};

static const number_type *find_type(const char *dtype) {
    for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++)
        if (strcmp(number_types[i].dtype, dtype) == 0) return &number_types[i];
    return NULL;
}

static float number_at(const safetensors_entry *s, const number_type *type, size_t i) {
    return type->load((const char *)s->data + i * type->bytes);
}

// --- Does it fit? --------------------------------------------------------------------------------

static bool same_kind(const tensor *t, const safetensors_entry *s) {
    const bool readable = t->steps ? strcmp(s->dtype, "I64") == 0 : find_type(s->dtype) != NULL;
    if (!readable || t->dims != s->dims) return false;
    for (int i = 0; i < t->dims; i++)
        if (t->shape[i] != s->shape[i]) return false;
    return true;
}

// Whether names, dtypes and shapes agree. Both lists are short: a search per tensor is fine.
static bool fits(const model *m, const safetensors *s) {
    const tensor *tensors;
    const size_t count = model_tensors(m, &tensors);
    if (count != s->count) return false;
    for (size_t i = 0; i < count; i++) {
        const safetensors_entry *found = safetensors_find(s, tensors[i].name);
        if (!found || !same_kind(&tensors[i], found)) return false;
    }
    return true;
}

// The name of a model that the file would fit, or NULL. The first convolution and the classifier
// say how many channels and classes it has.
static const char *guess_model(const safetensors *s) {
    const safetensors_entry *first = safetensors_find(s, "conv1.weight");
    const safetensors_entry *last = safetensors_find(s, "fc.bias");
    if (!first || !last || first->dims != 4 || last->dims != 1 || first->shape[1] > 1024 ||
        last->shape[0] > 1000000 || first->shape[1] < 1 || last->shape[0] < 1)
        return NULL;
    const model_shape shape = {.channels = (int)first->shape[1],
                               .height = 32,
                               .width = 32,
                               .classes = (int)last->shape[0],
                               .max_batch = 1};
    for (const network *n = networks; n->name; n++) {
        const char *error;
        model *m = model_create(n->name, &shape, &error);
        const bool found = m && fits(m, s);
        model_free(m);
        if (found) return n->name;
    }
    return NULL;
}

// The first tensor that is missing, different or too much.
static bool explain_misfit(const model *m, const char *name, const char *path, const safetensors *s,
                           error_line *e) {
    char expected[128], found[128], hint[160] = "";
    const char *guess = guess_model(s);
    if (guess && strcmp(guess, name) != 0)
        snprintf(hint, sizeof hint, "; the file looks like a %s", guess);
    else if (guess)
        snprintf(hint, sizeof hint, "; the file is a %s for other images or classes", guess);
    const tensor *tensors;
    const size_t count = model_tensors(m, &tensors);
    for (size_t i = 0; i < count; i++) {
        const tensor *t = &tensors[i];
        const safetensors_entry *entry = safetensors_find(s, t->name);
        safetensors_describe(tensor_dtype(t), t->dims, t->shape, expected, sizeof expected);
        if (!entry)
            return error_set(e, "%s does not hold a %s: tensor %s %s is missing%s", path, name,
                             t->name, expected, hint);
        safetensors_describe(entry->dtype, entry->dims, entry->shape, found, sizeof found);
        if (!same_kind(t, entry))
            return error_set(e, "%s does not hold a %s: tensor %s should be %s and is %s%s", path,
                             name, t->name, expected, found, hint);
    }
    for (size_t i = 0; i < s->count; i++) {
        bool known = false;
        for (size_t j = 0; j < count && !known; j++)
            known = strcmp(tensors[j].name, s->entries[i].name) == 0;
        if (!known)
            return error_set(e, "%s does not hold a %s: it has no tensor %s%s", path, name,
                             s->entries[i].name, hint);
    }
    return error_set(e, "%s does not hold a %s%s", path, name, hint);
}

static bool check_values(const safetensors *s, const char *path, error_line *e) {
    for (size_t i = 0; i < s->count; i++) {
        const safetensors_entry *t = &s->entries[i];
        const bool variance = strstr(t->name, "running_var") != NULL;
        const number_type *type = find_type(t->dtype);
        for (size_t j = 0; type && j < t->count; j++) {
            const float value = number_at(t, type, j);
            if (!isfinite(value) || (variance && value < 0))
                return error_set(e, "%s: tensor %s holds %g at element %zu; expected %s numbers",
                                 path, t->name, (double)value, j,
                                 variance ? "finite, not negative" : "finite");
        }
    }
    return true;
}

static void copy_tensor(const tensor *t, const safetensors_entry *s) {
    const number_type *type = find_type(s->dtype);
    if (t->steps) memcpy(t->steps, s->data, tensor_bytes(t));
    for (size_t i = 0; !t->steps && i < t->count; i++) t->data[i] = number_at(s, type, i);
}

bool weights_load(model *m, const char *name, const char *path, error_line *e) {
    safetensors s;
    if (!safetensors_read(&s, path, e)) return false;
    const bool fine =
        (fits(m, &s) || explain_misfit(m, name, path, &s, e)) && check_values(&s, path, e);
    const tensor *tensors;
    const size_t count = fine ? model_tensors(m, &tensors) : 0;
    for (size_t i = 0; i < count; i++)
        copy_tensor(&tensors[i], safetensors_find(&s, tensors[i].name));
    safetensors_free(&s);
    return fine;
}

const char *weights_nonfinite(const model *m) {
    const tensor *tensors;
    const size_t count = model_tensors(m, &tensors);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; tensors[i].data && j < tensors[i].count; j++)
            if (!isfinite(tensors[i].data[j])) return tensors[i].name;
    return NULL;
}

unsigned long weights_checksum(const model *m) {
    const tensor *tensors;
    const size_t count = model_tensors(m, &tensors);
    unsigned long sum = crc32_z(0, NULL, 0);
    for (size_t i = 0; i < count; i++)
        sum = crc32_z(sum, tensor_data(&tensors[i]), tensor_bytes(&tensors[i]));
    return sum;
}

bool weights_save(const model *m, const char *path, const safetensors_note *notes, size_t count,
                  error_line *e) {
    const tensor *tensors;
    safetensors s = {.count = model_tensors(m, &tensors), .notes = count};
    s.entries = calloc(s.count, sizeof *s.entries);
    if (!s.entries) return error_memory(e, path);
    s.metadata = notes;
    for (size_t i = 0; i < s.count; i++) {
        const tensor *t = &tensors[i];
        safetensors_entry *entry = &s.entries[i];
        *entry = (safetensors_entry){.name = t->name,
                                     .dims = t->dims,
                                     .count = t->count,
                                     .bytes = tensor_bytes(t),
                                     .data = tensor_data(t)};
        snprintf(entry->dtype, sizeof entry->dtype, "%s", tensor_dtype(t));
        memcpy(entry->shape, t->shape, sizeof t->shape);
    }
    const bool fine = safetensors_write(&s, path, e);
    free(s.entries);
    return fine;
}
