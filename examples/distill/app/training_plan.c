#include "app/training_plan.h"

#include "app/option_file.h"
#include "base/json_file.h"
#include "base/safe_file.h"
#include "net/weights.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool name_file(char path[PATH_MAX], const char *stem, const char *ending, error_line *e) {
    return snprintf(path, PATH_MAX, "%s%s", stem, ending) < PATH_MAX ||
           error_set(e, "%s%s: the path is too long", stem, ending);
}

bool plan_files(run_files *f, const char *stem, error_line *e) {
    return name_file(f->weights, stem, ".safetensors", e) && name_file(f->log, stem, ".csv", e) &&
           name_file(f->checkpoint, stem, ".checkpoint", e) &&
           name_file(f->logits, stem, ".logits.npy", e) &&
           name_file(f->teacher_logits, stem, ".teacher.npy", e) &&
           name_file(f->facts, stem, RUN_FACTS_ENDING, e) &&
           name_file(f->config, stem, ".config.json", e) && name_file(f->lock, stem, ".lock", e);
}

// CIFAR's files end anywhere: one that was cut between two records looks like a small set.
static void tell_incomplete(const settings *s, const char *part, const image_set *set) {
    if (!s->quiet && !s->limit && set->count && set->whole && set->count != set->whole)
        note_line("%s has %zu %s images, where the whole set has %zu", s->data, set->count, part,
                  set->whole);
}

bool plan_data(const settings *s, unsigned parts, dataset *d, error_line *e) {
    if (!dataset_open(d, s->data, parts, (size_t)s->limit, s->image_size, e)) return false;
    tell_incomplete(s, "training", &d->train);
    tell_incomplete(s, "test", &d->test);
    if (!s->quiet && d->passed_over)
        note_line("%s: %zu file%s passed over as no image by its name, %s the first", s->data,
                  d->passed_over, d->passed_over == 1 ? "" : "s", d->first_passed_over);
    return true;
}

bool plan_test_teacher(model *teacher, const dataset *d, int batch, const char *npy,
                       accuracy *result, error_line *e) {
    if (evaluate_alone(teacher, d, DATASET_TEST, batch, npy, result, e)) return true;
    return e->status == EXIT_INTERRUPTED
               ? error_interrupted(
                     e,
                     "interrupted in the teacher's test: go on with the same command and --resume")
               : false;
}

training plan_training(const settings *s, const dataset *d) {
    training t = {.data = d,
                  .model = s->model,
                  .loss = s->loss,
                  .rate = {(schedule_kind)s->schedule, s->epochs, s->lr, s->lr_min},
                  .momentum = s->momentum,
                  .weight_decay = s->weight_decay,
                  .batch = s->batch,
                  .seed = s->seed,
                  .resume = s->resume,
                  .augment = !s->teacher_logits, // they are those of the images as they are
                  .quiet = s->quiet};
    criterion_defaults(&t.loss, s->epochs, d->classes);
    return t;
}

static void describe_teacher(const training *t, const settings *s, char *text, size_t size) {
    text[0] = '\0';
    if (t->teacher_logits)
        snprintf(text, size, ", teacher logits (checksum %08lx)", t->teacher_logits->checksum);
    else if (t->teacher)
        snprintf(text, size, ", teacher %s %08lx", s->teacher_model, weights_checksum(t->teacher));
}

void plan_recipe(const training *t, const settings *s, char *text, size_t size) {
    char loss[256], teacher[64];
    criterion_describe(&t->loss, loss, sizeof loss);
    describe_teacher(t, s, teacher, sizeof teacher);
    snprintf(text, size,
             "%zu images%s, %s (%s), %d epochs, batch %d, lr %.9g to %.9g %s, momentum %.9g, "
             "weight decay "
             "%.9g, seed %" PRIu64 "%s%s",
             t->data->train.count, t->data->detail, loss_names[t->loss.kind], loss, t->rate.epochs,
             t->batch, t->rate.lr, t->rate.lr_min,
             t->rate.kind == SCHEDULE_COSINE ? "cosine" : "step", t->momentum, t->weight_decay,
             t->seed, teacher, t->augment ? "" : ", no augmentation");
}

// NULL when there is no memory for all of it.
static cJSON *about(const settings *s, const dataset *d) {
    const image_set *images = &d->train;
    const int channels = images->channels, shape[] = {channels, images->height, images->width};
    cJSON *root = cJSON_CreateObject();
    if (json_add_text(root, "command", s->command_name) &&
        json_add_text(root, "version", criterion_library_version()) &&
        json_add_text(root, "isa", criterion_library_isa()) &&
        json_add_text(root, "dataset", d->name) && json_add_number(root, "classes", d->classes) &&
        json_add_number(root, "training_images", (double)d->train.count) &&
        json_add_number(root, "test_images", (double)d->test.count) &&
        json_add(root, "image", cJSON_CreateIntArray(shape, 3)) &&
        json_add(root, "mean", cJSON_CreateFloatArray(d->mean, channels)) &&
        json_add(root, "deviation", cJSON_CreateFloatArray(d->deviation, channels)))
        return root;
    cJSON_Delete(root);
    return NULL;
}

bool plan_keeps_config(const settings *s, const char *config, const char *checkpoint) {
    return s->resume && ((s->config && same_file(s->config, config)) ||
                         (access(checkpoint, F_OK) == 0 && access(config, F_OK) == 0));
}

bool plan_write_config(const settings *s, const loss_kind *losses, int count, const dataset *d,
                       const char *path, error_line *e) {
    settings known = *s;
    known.resume = false;                                  // of this call, not of the run
    if (d->train.names) known.image_size = d->train.width; // its default too
    // Of one loss all defaults are known; compare has several, each with its own.
    if (s->command == COMMAND_DISTILL) criterion_defaults(&known.loss, s->epochs, d->classes);
    settings_forget_unused(&known, losses, count);
    if (s->teacher) known.teacher_epochs = 0;          // nobody trained it here
    if (s->teacher_logits) known.teacher_memory = NAN; // nobody is asked
    return option_file_write(settings_options, s->command, &known, about(s, d), path, e);
}

static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

// How a file in the folder of `from` would name `path`: by its bare name where it lies there too,
// by its full path otherwise. Changes `path` to the latter.
static const char *name_from(const char *from, char path[PATH_MAX]) {
    char folder[PATH_MAX], relative[PATH_MAX];
    const size_t length = folder_length(path);
    if (folder_length(from) == length && memcmp(from, path, length) == 0) return path + length;
    if (*path == '/' || !getcwd(folder, sizeof folder)) return path;
    memcpy(relative, path, strlen(path) + 1);
    if (snprintf(path, PATH_MAX, "%s/%s", folder, relative) >= PATH_MAX)
        memcpy(path, relative, strlen(relative) + 1);
    return path;
}

void plan_facts(training *t, const settings *s, run_files *f, const char *name,
                const char *teacher_model, run_facts *facts) {
    *facts = (run_facts){.name = name,
                         .model = t->model,
                         .teacher_model = teacher_model,
                         .teacher_logits = s->teacher_logits,
                         .dataset = t->data->name,
                         .schedule = t->rate.kind == SCHEDULE_COSINE ? "cosine" : "step",
                         .library = criterion_library_version(),
                         .kernels = criterion_library_isa(),
                         .log = name_from(f->facts, f->log),
                         .logits = name_from(f->facts, f->logits),
                         .teacher_test_logits =
                             teacher_model ? name_from(f->facts, f->teacher_logits) : NULL,
                         .loss = t->loss,
                         .lr = s->lr,
                         .lr_min = s->lr_min,
                         .momentum = s->momentum,
                         .weight_decay = s->weight_decay,
                         .epochs = t->rate.epochs,
                         .batch = t->batch,
                         .train_images = (int)t->data->train.count,
                         .seed = t->seed,
                         .classes = t->data->classes,
                         .class_names = (const char **)t->data->class_names,
                         .images = t->data->test.count,
                         .labels = t->data->test.labels};
    t->test_logits = f->logits;
    t->facts = facts;
    t->facts_file = f->facts;
}
