#include "run_facts.h"

#include "json_file.h"
#include "safe_file.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TEXT, WHOLE, REAL, CHOICE } fact_kind;
typedef enum {
    OPTIONAL = 1,
    OWN = 2,      // may differ between runs that are alike
    LOSS = 4,     // a setting of the loss
    TRAINING = 8, // a setting of the rest
} fact_flags;

typedef struct {
    const char *key;
    fact_kind kind;
    unsigned flags;
    size_t offset;
    const char *const *choices; // CHOICE: an int, the place among them
} fact;

#define AT(member) offsetof(run_facts, member)
static const fact facts[] = {
    {"name", TEXT, 0, AT(name), NULL},
    {"model", TEXT, TRAINING, AT(model), NULL},
    {"teacher-model", TEXT, OPTIONAL | TRAINING, AT(teacher_model), NULL},
    {"teacher-logits", TEXT, OPTIONAL | TRAINING, AT(teacher_logits), NULL},
    {"dataset", TEXT, TRAINING, AT(dataset), NULL},
    {"train-images", WHOLE, TRAINING, AT(train_images), NULL},
    {"temperature", REAL, LOSS, AT(loss.temperature), NULL},
    {"teacher-temperature", REAL, OPTIONAL | LOSS, AT(loss.teacher_temperature), NULL},
    {"kl", CHOICE, OPTIONAL | LOSS, AT(loss.kl), kl_names},
    {"k", WHOLE, LOSS, AT(loss.k), NULL},
    {"k-file", TEXT, OPTIONAL | LOSS, AT(loss.k_file), NULL},
    {"k-ratio", REAL, OPTIONAL | LOSS, AT(loss.k_ratio), NULL},
    {"k-max", WHOLE, OPTIONAL | LOSS, AT(loss.k_max), NULL},
    {"w0", REAL, LOSS, AT(loss.w0), NULL},
    {"w1", REAL, LOSS, AT(loss.w1), NULL},
    {"w2", REAL, LOSS, AT(loss.w2), NULL},
    {"alpha", REAL, LOSS, AT(loss.alpha), NULL},
    {"beta", REAL, LOSS, AT(loss.beta), NULL},
    {"gamma", REAL, OPTIONAL | LOSS, AT(loss.gamma), NULL},
    {"inter", REAL, OPTIONAL | LOSS, AT(loss.inter), NULL},
    {"intra", REAL, OPTIONAL | LOSS, AT(loss.intra), NULL},
    {"mass", CHOICE, OPTIONAL | LOSS, AT(loss.mass), mass_names},
    {"standardize", CHOICE, OPTIONAL | LOSS, AT(loss.standardize), standardize_names},
    {"class-weights", TEXT, OPTIONAL | LOSS, AT(loss.class_weights), NULL},
    {"groups", TEXT, OPTIONAL | LOSS, AT(loss.groups), NULL},
    {"warmup", REAL, LOSS, AT(loss.warmup), NULL},
    {"ce-weight", REAL, LOSS, AT(loss.ce_weight), NULL},
    {"kd-weight", REAL, LOSS, AT(loss.kd_weight), NULL},
    {"epochs", WHOLE, TRAINING, AT(epochs), NULL},
    {"batch", WHOLE, TRAINING, AT(batch), NULL},
    {"lr", REAL, TRAINING, AT(lr), NULL},
    {"lr-min", REAL, TRAINING, AT(lr_min), NULL},
    {"schedule", TEXT, TRAINING, AT(schedule), NULL},
    {"momentum", REAL, TRAINING, AT(momentum), NULL},
    {"weight-decay", REAL, TRAINING, AT(weight_decay), NULL},
    {"library", TEXT, OWN | TRAINING, AT(library), NULL},
    {"kernels", TEXT, OWN | TRAINING, AT(kernels), NULL},
    {"log", TEXT, OWN, AT(log), NULL},
    {"logits", TEXT, OWN, AT(logits), NULL},
    {"teacher-test-logits", TEXT, OPTIONAL | OWN, AT(teacher_test_logits), NULL},
    {"classes", WHOLE, 0, AT(classes), NULL},
};
enum { FACTS = sizeof facts / sizeof *facts };

static const void *place(const run_facts *f, const fact *one) {
    return (const char *)f + one->offset;
}

// A text of NULL, or a number of 0 where there might be none.
static bool missing(const run_facts *f, const fact *one) {
    if (!(one->flags & OPTIONAL)) return false;
    if (one->kind == TEXT) return !*(const char *const *)place(f, one);
    return one->kind == WHOLE && *(const int *)place(f, one) == 0;
}

// --- Writing -------------------------------------------------------------------------------------

static bool add_fact(cJSON *json, const run_facts *f, const fact *one) {
    const void *at = place(f, one);
    if (missing(f, one)) return true;
    if (one->kind == WHOLE) return cJSON_AddNumberToObject(json, one->key, *(const int *)at);
    if (one->kind == REAL) return cJSON_AddNumberToObject(json, one->key, *(const double *)at);
    const char *text =
        one->kind == CHOICE ? one->choices[*(const int *)at] : *(const char *const *)at;
    return cJSON_AddStringToObject(json, one->key, text);
}

static bool add_labels(cJSON *json, const run_facts *f) {
    int *labels = malloc((f->images + 1) * sizeof *labels);
    for (size_t i = 0; labels && i < f->images; i++) labels[i] = (int)f->labels[i];
    cJSON *array = labels ? cJSON_CreateIntArray(labels, (int)f->images) : NULL;
    free(labels);
    return cJSON_AddItemToObject(json, "labels", array);
}

// NULL when there is no memory.
static cJSON *to_json(const run_facts *f) {
    char seed[24];
    cJSON *json = cJSON_CreateObject();
    // A seed has 64 bits, a number of JSON 53.
    snprintf(seed, sizeof seed, "%" PRIu64, f->seed);
    bool fine = cJSON_AddStringToObject(json, "loss", loss_names[f->loss.kind]) &&
                cJSON_AddStringToObject(json, "seed", seed);
    for (int i = 0; fine && i < FACTS; i++) fine = add_fact(json, f, &facts[i]);
    if (fine && f->class_names)
        fine = cJSON_AddItemToObject(json, "class-names",
                                     cJSON_CreateStringArray(f->class_names, f->classes));
    if (fine && add_labels(json, f)) return json;
    cJSON_Delete(json);
    return NULL;
}

bool run_facts_write(const run_facts *f, const char *path, error_line *e) {
    return json_file_write(to_json(f), path, e);
}

// --- Reading -------------------------------------------------------------------------------------

static bool take_choice(void *at, const cJSON *item, const char *const *choices) {
    const char *text = cJSON_GetStringValue(item);
    int which = 0;
    while (text && choices[which] && strcmp(choices[which], text) != 0) which++;
    memcpy(at, &which, sizeof which);
    return text && choices[which];
}

// False when the fact is missing or is of another kind than it should be.
static bool take_fact(run_facts *f, const cJSON *json, const fact *one) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, one->key);
    void *at = (char *)f + one->offset;
    if (!item) return one->flags & OPTIONAL;
    if (one->kind == TEXT) {
        const char *text = cJSON_GetStringValue(item);
        memcpy(at, &text, sizeof text);
        return text && *text;
    }
    if (one->kind == CHOICE) return take_choice(at, item, one->choices);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    if (one->kind == REAL) {
        memcpy(at, &value, sizeof value);
        return isfinite(value) && value >= 0;
    }
    if (!(value >= 1 && value <= INT_MAX && value == floor(value))) return false;
    const int whole = (int)value;
    memcpy(at, &whole, sizeof whole);
    return true;
}

static bool take_loss(run_facts *f, const cJSON *json) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "loss"));
    f->loss.kind = 0;
    while (name && f->loss.kind < LOSS_KINDS && strcmp(name, loss_names[f->loss.kind]) != 0)
        f->loss.kind++;
    return name && f->loss.kind < LOSS_KINDS;
}

static bool take_seed(run_facts *f, const cJSON *json) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "seed"));
    char *end = NULL;
    if (!text || *text < '0' || *text > '9') return false;
    f->seed = strtoull(text, &end, 10);
    return *end == '\0';
}

static bool take_class_names(run_facts *f, const cJSON *json) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, "class-names"), *item;
    if (!array) return true;
    if (cJSON_GetArraySize(array) != f->classes) return false;
    const char **names = calloc((size_t)f->classes, sizeof *names);
    f->owned[1] = names;
    f->class_names = names;
    cJSON_ArrayForEach(item, array) {
        if (!names || !cJSON_IsString(item)) return false;
        *names++ = item->valuestring;
    }
    return true;
}

static bool take_labels(run_facts *f, const cJSON *json) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, "labels"), *item;
    f->images = (size_t)cJSON_GetArraySize(array);
    int64_t *labels = calloc(f->images + 1, sizeof *labels);
    f->owned[2] = labels;
    f->labels = labels;
    cJSON_ArrayForEach(item, array) {
        const double label = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!labels || !(label >= 0 && label < f->classes && label == floor(label))) return false;
        *labels++ = (int64_t)label;
    }
    return f->images > 0;
}

// The key of the first fact that cannot be used, or NULL.
static const char *take_all(run_facts *f, const cJSON *json) {
    for (int i = 0; i < FACTS; i++)
        if (!take_fact(f, json, &facts[i])) return facts[i].key;
    if (!take_loss(f, json)) return "loss";
    if (!take_seed(f, json)) return "seed";
    if (!take_class_names(f, json)) return "class-names";
    return take_labels(f, json) ? NULL : "labels";
}

bool run_facts_read(run_facts *f, const char *path, error_line *e) {
    size_t size;
    *f = (run_facts){0};
    char *text = safe_file_read(path, &size, e);
    if (!text) return false;
    cJSON *json = cJSON_ParseWithLength(text, size);
    free(text);
    f->owned[0] = json;
    if (!cJSON_IsObject(json)) {
        run_facts_free(f);
        return error_set(e, "%s is damaged: it is no JSON object; train that run again", path);
    }
    const char *fault = take_all(f, json);
    if (!fault) return true;
    run_facts_free(f);
    return error_set(e, "%s cannot be used: \"%s\" is missing or wrong; train that run again", path,
                     fault);
}

void run_facts_free(run_facts *f) {
    cJSON_Delete(f->owned[0]);
    free(f->owned[1]);
    free(f->owned[2]);
    *f = (run_facts){0};
}

// --- Comparing -----------------------------------------------------------------------------------

static bool same_fact(const run_facts *a, const run_facts *b, const fact *one) {
    const void *left = place(a, one), *right = place(b, one);
    if (one->kind == WHOLE || one->kind == CHOICE) return *(const int *)left == *(const int *)right;
    if (one->kind == REAL) return *(const double *)left == *(const double *)right;
    const char *x = *(const char *const *)left, *y = *(const char *const *)right;
    return x && y ? strcmp(x, y) == 0 : x == y;
}

bool run_facts_alike(const run_facts *a, const run_facts *b) {
    bool alike = a->loss.kind == b->loss.kind;
    for (int i = 0; alike && i < FACTS; i++)
        alike = (facts[i].flags & OWN) || same_fact(a, b, &facts[i]);
    return alike;
}

// --- Telling -------------------------------------------------------------------------------------

const char *run_facts_key(int i) {
    return i < FACTS ? facts[i].key : NULL;
}

bool run_facts_of_loss(int i) {
    return facts[i].flags & LOSS;
}

bool run_facts_of_training(int i) {
    return facts[i].flags & TRAINING;
}

bool run_facts_tell(const run_facts *f, int i, char *text, size_t size) {
    const fact *one = &facts[i];
    const void *at = place(f, one);
    text[0] = '\0';
    if (missing(f, one)) return false;
    if (one->kind == WHOLE) snprintf(text, size, "%d", *(const int *)at);
    if (one->kind == REAL) snprintf(text, size, "%g", *(const double *)at);
    if (one->kind == CHOICE) snprintf(text, size, "%s", one->choices[*(const int *)at]);
    if (one->kind == TEXT) snprintf(text, size, "%s", *(const char *const *)at);
    return true;
}
