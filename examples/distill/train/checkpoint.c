// The file is a safetensors file: the state_dict, "momentum.NAME" for each parameter, "log", a row
// of float64 for each finished epoch, and "begun", the sums of the next one. A checksum of the data
// stands in the header: numbers that are damaged are still numbers, and would train on.
#include "train/checkpoint.h"

#include "base/safetensors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD = sizeof(epoch_record) / sizeof(double),
    TALLY = sizeof(epoch_tally) / sizeof(double),
    NAME = 64,
    CHECKSUM = 9, // 8 hexadecimal digits
};
_Static_assert(sizeof(epoch_record) == RECORD * sizeof(double), "a record is doubles only");
_Static_assert(sizeof(epoch_tally) == TALLY * sizeof(double), "a tally is doubles only");
static const char version[] = "2";

// What a checkpoint consists of, pointing into model and log: for each part the entry's shape and
// where the data lives.
typedef struct {
    safetensors_entry *entries;
    void **places;
    char (*names)[NAME];
    size_t count;
} parts;

static void add_part(parts *p, const char *prefix, const tensor *t, const char *dtype, size_t bytes,
                     void *place) {
    safetensors_entry *entry = &p->entries[p->count];
    snprintf(p->names[p->count], NAME, "%s%s", prefix, t->name);
    *entry = (safetensors_entry){.name = p->names[p->count],
                                 .dims = t->dims,
                                 .count = t->count,
                                 .bytes = bytes,
                                 .data = place};
    snprintf(entry->dtype, sizeof entry->dtype, "%s", dtype);
    memcpy(entry->shape, t->shape, sizeof t->shape);
    p->places[p->count++] = place;
}

static bool parts_make(parts *p, const model *m, run_log *log, error_line *e) {
    const tensor *tensors;
    const size_t count = model_tensors(m, &tensors), room = 2 * count + 2;
    const tensor records = {
        "", 2, {(size_t)log->count, RECORD}, (size_t)log->count * RECORD, NULL, NULL, NULL, NULL};
    const tensor begun = {"", 1, {TALLY}, TALLY, NULL, NULL, NULL, NULL};
    p->count = 0;
    p->entries = calloc(room, sizeof *p->entries);
    p->places = calloc(room, sizeof *p->places);
    p->names = calloc(room, sizeof *p->names);
    if (!p->entries || !p->places || !p->names) return error_memory(e, "the checkpoint");
    for (size_t i = 0; i < count; i++) {
        const tensor *t = &tensors[i];
        const size_t bytes = t->count * (t->steps ? sizeof *t->steps : sizeof *t->data);
        add_part(p, "", t, t->steps ? "I64" : "F32", bytes,
                 t->steps ? (void *)t->steps : (void *)t->data);
        if (t->momentum) add_part(p, "momentum.", t, "F32", bytes, t->momentum);
    }
    add_part(p, "log", &records, "F64", records.count * sizeof(double), log->epochs);
    add_part(p, "begun", &begun, "F64", sizeof log->begun, &log->begun);
    return true;
}

static void parts_free(parts *p) {
    free(p->entries);
    free(p->places);
    free(p->names);
}

static void print_checksum(const safetensors *file, char text[CHECKSUM]) {
    snprintf(text, CHECKSUM, "%08lx", safetensors_checksum(file));
}

bool checkpoint_save(const model *m, run_log *log, const char *recipe, const char *path,
                     error_line *e) {
    char checksum[CHECKSUM];
    const safetensors_note notes[] = {
        {"checkpoint", version}, {"training", recipe}, {"crc32", checksum}};
    parts p;
    bool fine = parts_make(&p, m, log, e);
    if (fine) {
        const safetensors file = {
            .count = p.count, .entries = p.entries, .notes = 3, .metadata = notes};
        print_checksum(&file, checksum);
        fine = safetensors_write(&file, path, e);
    }
    parts_free(&p);
    return fine;
}

// --- Loading -------------------------------------------------------------------------------------

static bool check_notes(const safetensors *file, const char *recipe, const char *path,
                        error_line *e) {
    char checksum[CHECKSUM];
    const char *form = safetensors_metadata(file, "checkpoint");
    const char *found = safetensors_metadata(file, "training");
    const char *sum = safetensors_metadata(file, "crc32");
    if (!form || strcmp(form, version) != 0 || !found || !sum)
        return error_set(e, "%s is not a checkpoint of this version", path);
    if (strcmp(found, recipe) != 0)
        return error_set(e,
                         "%s belongs to another run (%s); remove it, or go on without --resume, or "
                         "with that run's options",
                         path, found);
    print_checksum(file, checksum);
    return strcmp(sum, checksum) == 0 ||
           error_set(e, "%s is damaged: its checksum is %s, its data's is %s", path, sum, checksum);
}

// The epochs that the log of the file holds, or -1.
static int log_rows(const safetensors *file, int room) {
    const safetensors_entry *log = safetensors_find(file, "log");
    if (!log || strcmp(log->dtype, "F64") != 0 || log->dims != 2 || log->shape[1] != RECORD ||
        log->shape[0] > (size_t)room)
        return -1;
    return (int)log->shape[0];
}

bool checkpoint_check(const char *recipe, const char *path, int *epochs, double *batches,
                      error_line *e) {
    safetensors file;
    epoch_tally begun = {0};
    if (!safetensors_read(&file, path, e)) return false;
    const bool fine = check_notes(&file, recipe, path, e);
    const safetensors_entry *tally = safetensors_find(&file, "begun");
    if (tally && tally->bytes == sizeof begun) memcpy(&begun, tally->data, sizeof begun);
    *epochs = log_rows(&file, INT_MAX);
    *batches = begun.batches;
    safetensors_free(&file);
    return fine;
}

static bool same_kind(const safetensors_entry *a, const safetensors_entry *b) {
    return b && strcmp(a->dtype, b->dtype) == 0 && a->dims == b->dims && a->bytes == b->bytes &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

static bool copy_parts(const parts *p, const safetensors *file, const char *path, error_line *e) {
    for (size_t i = 0; i < p->count; i++)
        if (!same_kind(&p->entries[i], safetensors_find(file, p->entries[i].name)))
            return error_set(e, "%s does not fit this run: %s is missing or of another shape", path,
                             p->entries[i].name);
    for (size_t i = 0; i < p->count; i++)
        memcpy(p->places[i], safetensors_find(file, p->entries[i].name)->data, p->entries[i].bytes);
    return true;
}

bool checkpoint_load(model *m, run_log *log, const char *recipe, const char *path, error_line *e) {
    safetensors file;
    parts p = {0};
    if (!safetensors_read(&file, path, e)) return false;
    bool fine = check_notes(&file, recipe, path, e);
    const int epochs = log_rows(&file, log->room);
    if (fine && epochs < 0) fine = error_set(e, "%s is damaged: its log cannot be used", path);
    if (fine) log->count = epochs;
    fine = fine && parts_make(&p, m, log, e) && copy_parts(&p, &file, path, e);
    if (!fine) log->count = 0;
    parts_free(&p);
    safetensors_free(&file);
    return fine;
}
