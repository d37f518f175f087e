#include "run_facts.h"

#include "json_file.h"
#include "safe_file.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TEXT, WHOLE, REAL } fact_kind;
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
} fact;

#define AT(member) offsetof(run_facts, member)
static const fact facts[] = {
    {"name", TEXT, 0, AT(name)},
    {"model", TEXT, TRAINING, AT(model)},
    {"teacher-model", TEXT, OPTIONAL | TRAINING, AT(teacher_model)},
    {"teacher-logits", TEXT, OPTIONAL | TRAINING, AT(teacher_logits)},
    {"dataset", TEXT, TRAINING, AT(dataset)},
    {"train-images", WHOLE, TRAINING, AT(train_images)},
    {"temperature", REAL, LOSS, AT(loss.temperature)},
    {"k", WHOLE, LOSS, AT(loss.k)},
    {"w0", REAL, LOSS, AT(loss.w0)},
    {"w1", REAL, LOSS, AT(loss.w1)},
    {"w2", REAL, LOSS, AT(loss.w2)},
    {"alpha", REAL, LOSS, AT(loss.alpha)},
    {"beta", REAL, LOSS, AT(loss.beta)},
    {"warmup", REAL, LOSS, AT(loss.warmup)},
    {"ce-weight", REAL, LOSS, AT(loss.ce_weight)},
    {"kd-weight", REAL, LOSS, AT(loss.kd_weight)},
    {"epochs", WHOLE, TRAINING, AT(epochs)},
    {"batch", WHOLE, TRAINING, AT(batch)},
    {"lr", REAL, TRAINING, AT(lr)},
    {"lr-min", REAL, TRAINING, AT(lr_min)},
    {"schedule", TEXT, TRAINING, AT(schedule)},
    {"momentum", REAL, TRAINING, AT(momentum)},
    {"weight-decay", REAL, TRAINING, AT(weight_decay)},
    {"library", TEXT, OWN | TRAINING, AT(library)},
    {"kernels", TEXT, OWN | TRAINING, AT(kernels)},
    {"log", TEXT, OWN, AT(log)},
    {"logits", TEXT, OWN, AT(logits)},
    {"teacher-test-logits", TEXT, OPTIONAL | OWN, AT(teacher_test_logits)},
    {"classes", WHOLE, 0, AT(classes)},
};
enum { FACTS = sizeof facts / sizeof *facts };

static const void *place(const run_facts *f, const fact *one) {
    return (const char *)f + one->offset;
}

// --- Writing -------------------------------------------------------------------------------------

static bool add_fact(cJSON *json, const run_facts *f, const fact *one) {
    const void *at = place(f, one);
    if (one->kind == WHOLE) return json_add_number(json, one->key, *(const int *)at);
    if (one->kind == REAL) return json_add_number(json, one->key, *(const double *)at);
    const char *text = *(const char *const *)at;
    return !text || json_add_text(json, one->key, text);
}

static bool add_labels(cJSON *json, const run_facts *f) {
    int *labels = malloc((f->images + 1) * sizeof *labels);
    for (size_t i = 0; labels && i < f->images; i++) labels[i] = (int)f->labels[i];
    cJSON *array = labels ? cJSON_CreateIntArray(labels, (int)f->images) : NULL;
    free(labels);
    return json_add(json, "labels", array);
}

// NULL when there is no memory.
static cJSON *to_json(const run_facts *f) {
    char seed[24];
    cJSON *json = cJSON_CreateObject();
    // A seed has 64 bits, a number of JSON 53.
    snprintf(seed, sizeof seed, "%" PRIu64, f->seed);
    bool fine =
        json_add_text(json, "loss", loss_names[f->loss.kind]) && json_add_text(json, "seed", seed);
    for (int i = 0; fine && i < FACTS; i++) fine = add_fact(json, f, &facts[i]);
    if (fine && f->class_names)
        fine = json_add(json, "class-names", cJSON_CreateStringArray(f->class_names, f->classes));
    if (fine && add_labels(json, f)) return json;
    cJSON_Delete(json);
    return NULL;
}

bool run_facts_write(const run_facts *f, const char *path, error_line *e) {
    return json_file_write(to_json(f), path, e);
}

// --- Reading -------------------------------------------------------------------------------------

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
    const char **names = f->owned[1];
    if (!array) return true;
    if (cJSON_GetArraySize(array) != f->classes) return false;
    f->class_names = names;
    cJSON_ArrayForEach(item, array) {
        if (!cJSON_IsString(item)) return false;
        *names++ = item->valuestring;
    }
    return true;
}

static bool take_labels(run_facts *f, const cJSON *json) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, "labels"), *item;
    int64_t *labels = f->owned[2];
    f->images = (size_t)cJSON_GetArraySize(array);
    f->labels = labels;
    cJSON_ArrayForEach(item, array) {
        const double label = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(label >= 0 && label < f->classes && label == floor(label))) return false;
        *labels++ = (int64_t)label;
    }
    return f->images > 0;
}

// For as many names and labels as the lists have, whatever else is wrong with them.
static bool make_room(run_facts *f, const cJSON *json) {
    static const char *const lists[] = {"class-names", "labels"};
    for (int i = 0; i < 2; i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, lists[i]);
        f->owned[i + 1] = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(int64_t));
        if (!f->owned[i + 1]) return false;
    }
    return true;
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

static bool parse_facts(run_facts *f, const char *path, const char *text, size_t size,
                        error_line *e) {
    json_fault wrong = {0};
    cJSON *json = f->owned[0] = json_parse(text, size, &wrong);
    if (wrong.memory || !make_room(f, json)) return error_memory(e, path);
    if (!cJSON_IsObject(json))
        return error_set(e, "%s is damaged: it is no JSON object%s%s; train that run again", path,
                         json ? "" : ": ", wrong.text);
    const char *fault = take_all(f, json);
    return !fault || error_set(e,
                               "%s cannot be used: \"%s\" is missing or wrong; train that run "
                               "again",
                               path, fault);
}

bool run_facts_read(run_facts *f, const char *path, error_line *e) {
    size_t size;
    *f = (run_facts){0};
    char *text = safe_file_read(path, &size, e);
    const bool fine = text && parse_facts(f, path, text, size, e);
    free(text);
    if (!fine) run_facts_free(f);
    return fine;
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
    if (one->kind == WHOLE) return *(const int *)left == *(const int *)right;
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
    const void *at = place(f, &facts[i]);
    if (facts[i].kind == WHOLE) {
        snprintf(text, size, "%d", *(const int *)at);
    } else if (facts[i].kind == REAL) {
        snprintf(text, size, "%g", *(const double *)at);
    } else {
        const char *word = *(const char *const *)at;
        snprintf(text, size, "%s", word ? word : "");
        return word;
    }
    return true;
}
