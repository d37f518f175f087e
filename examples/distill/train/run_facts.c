#include "train/run_facts.h"

#include "base/json_file.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { TEXT, WHOLE, REAL } fact_kind;
typedef struct {
    const char *key;
    fact_kind kind;
    size_t offset;
} fact;

#define AT(member) offsetof(run_facts, member)
static const fact facts[] = {
    {"name", TEXT, AT(name)},
    {"model", TEXT, AT(model)},
    {"teacher-model", TEXT, AT(teacher_model)},
    {"teacher-logits", TEXT, AT(teacher_logits)},
    {"dataset", TEXT, AT(dataset)},
    {"train-images", WHOLE, AT(train_images)},
    {"temperature", REAL, AT(loss.temperature)},
    {"k", WHOLE, AT(loss.k)},
    {"w0", REAL, AT(loss.w0)},
    {"w1", REAL, AT(loss.w1)},
    {"w2", REAL, AT(loss.w2)},
    {"alpha", REAL, AT(loss.alpha)},
    {"beta", REAL, AT(loss.beta)},
    {"warmup", REAL, AT(loss.warmup)},
    {"ce-weight", REAL, AT(loss.ce_weight)},
    {"kd-weight", REAL, AT(loss.kd_weight)},
    {"epochs", WHOLE, AT(epochs)},
    {"batch", WHOLE, AT(batch)},
    {"lr", REAL, AT(lr)},
    {"lr-min", REAL, AT(lr_min)},
    {"schedule", TEXT, AT(schedule)},
    {"momentum", REAL, AT(momentum)},
    {"weight-decay", REAL, AT(weight_decay)},
    {"library", TEXT, AT(library)},
    {"kernels", TEXT, AT(kernels)},
    {"log", TEXT, AT(log)},
    {"logits", TEXT, AT(logits)},
    {"teacher-test-logits", TEXT, AT(teacher_test_logits)},
    {"classes", WHOLE, AT(classes)},
};
enum { FACTS = sizeof facts / sizeof *facts };

static const void *place(const run_facts *f, const fact *one) {
    return (const char *)f + one->offset;
}

static bool add_fact(cJSON *json, const run_facts *f, const fact *one) {
    const void *at = place(f, one);
    if (one->kind == WHOLE) return cJSON_AddNumberToObject(json, one->key, *(const int *)at);
    if (one->kind == REAL) return cJSON_AddNumberToObject(json, one->key, *(const double *)at);
    const char *text = *(const char *const *)at; // NULL: nothing to tell
    return !text || cJSON_AddStringToObject(json, one->key, text);
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
