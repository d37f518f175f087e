#include "train/run_facts.h"

#include "base/json_file.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { TEXT, WHOLE, REAL, CHOICE } fact_kind;
typedef struct {
    const char *key;
    fact_kind kind;
    size_t offset;
    const char *const *choices; // CHOICE: an int, the place among them
} fact;

#define AT(member) offsetof(run_facts, member)
static const fact facts[] = {
    {"name", TEXT, AT(name), NULL},
    {"model", TEXT, AT(model), NULL},
    {"teacher-model", TEXT, AT(teacher_model), NULL},
    {"teacher-logits", TEXT, AT(teacher_logits), NULL},
    {"dataset", TEXT, AT(dataset), NULL},
    {"train-images", WHOLE, AT(train_images), NULL},
    {"temperature", REAL, AT(loss.temperature), NULL},
    {"teacher-temperature", REAL, AT(loss.teacher_temperature), NULL},
    {"kl", CHOICE, AT(loss.kl), kl_names},
    {"k", WHOLE, AT(loss.k), NULL},
    {"k-file", TEXT, AT(loss.k_file), NULL},
    {"k-ratio", REAL, AT(loss.k_ratio), NULL},
    {"k-max", WHOLE, AT(loss.k_max), NULL},
    {"w0", REAL, AT(loss.w0), NULL},
    {"w1", REAL, AT(loss.w1), NULL},
    {"w2", REAL, AT(loss.w2), NULL},
    {"alpha", REAL, AT(loss.alpha), NULL},
    {"beta", REAL, AT(loss.beta), NULL},
    {"gamma", REAL, AT(loss.gamma), NULL},
    {"inter", REAL, AT(loss.inter), NULL},
    {"intra", REAL, AT(loss.intra), NULL},
    {"mass", CHOICE, AT(loss.mass), mass_names},
    {"standardize", CHOICE, AT(loss.standardize), standardize_names},
    {"class-weights", TEXT, AT(loss.class_weights), NULL},
    {"groups", TEXT, AT(loss.groups), NULL},
    {"warmup", REAL, AT(loss.warmup), NULL},
    {"ce-weight", REAL, AT(loss.ce_weight), NULL},
    {"kd-weight", REAL, AT(loss.kd_weight), NULL},
    {"epochs", WHOLE, AT(epochs), NULL},
    {"batch", WHOLE, AT(batch), NULL},
    {"lr", REAL, AT(lr), NULL},
    {"lr-min", REAL, AT(lr_min), NULL},
    {"schedule", TEXT, AT(schedule), NULL},
    {"momentum", REAL, AT(momentum), NULL},
    {"weight-decay", REAL, AT(weight_decay), NULL},
    {"library", TEXT, AT(library), NULL},
    {"kernels", TEXT, AT(kernels), NULL},
    {"log", TEXT, AT(log), NULL},
    {"logits", TEXT, AT(logits), NULL},
    {"teacher-test-logits", TEXT, AT(teacher_test_logits), NULL},
    {"classes", WHOLE, AT(classes), NULL},
};
enum { FACTS = sizeof facts / sizeof *facts };

static const void *place(const run_facts *f, const fact *one) {
    return (const char *)f + one->offset;
}

static bool add_fact(cJSON *json, const run_facts *f, const fact *one) {
    const void *at = place(f, one);
    if (one->kind == WHOLE) return json_add_number(json, one->key, *(const int *)at);
    if (one->kind == REAL) return json_add_number(json, one->key, *(const double *)at);
    const char *text = // NULL: nothing to tell
        one->kind == CHOICE ? one->choices[*(const int *)at] : *(const char *const *)at;
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
