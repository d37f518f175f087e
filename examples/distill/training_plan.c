#include "training_plan.h"

#include <inttypes.h>
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
           name_file(f->facts, stem, RUN_FACTS_ENDING, e);
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
                  .quiet = s->quiet};
    criterion_defaults(&t.loss);
    return t;
}

void plan_recipe(const training *t, const settings *s, char *text, size_t size) {
    char loss[160];
    criterion_describe(&t->loss, loss, sizeof loss);
    snprintf(text, size,
             "%zu images, %s (%s), %d epochs, batch %d, lr %g to %g %s, momentum %g, weight decay "
             "%g, seed %" PRIu64 "%s%s",
             t->data->train.count, loss_names[t->loss.kind], loss, t->rate.epochs, t->batch,
             t->rate.lr, t->rate.lr_min, t->rate.kind == SCHEDULE_COSINE ? "cosine" : "step",
             t->momentum, t->weight_decay, t->seed, t->teacher ? ", teacher " : "",
             t->teacher ? s->teacher_model : "");
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
    *facts =
        (run_facts){.name = name,
                    .model = t->model,
                    .teacher_model = teacher_model,
                    .dataset = t->data->name,
                    .schedule = t->rate.kind == SCHEDULE_COSINE ? "cosine" : "step",
                    .library = criterion_library_version(),
                    .kernels = criterion_library_isa(),
                    .log = name_from(f->facts, f->log),
                    .logits = name_from(f->facts, f->logits),
                    .teacher_logits = teacher_model ? name_from(f->facts, f->teacher_logits) : NULL,
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
    t->logits = f->logits;
    t->facts = facts;
    t->facts_file = f->facts;
}
