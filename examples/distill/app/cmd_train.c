// train and distill: one run, one file of weights.
#include "app/commands.h"
#include "app/overwrite.h"
#include "app/training_plan.h"
#include "base/run_lock.h"
#include "base/safe_file.h"
#include "net/weights.h"

#include <stdio.h>
#include <string.h>

// FILE.safetensors -> FILE, beside which the run's other files go; another name stays as it is.
static bool name_files(run_files *f, const settings *s, error_line *e) {
    static const char ending[] = ".safetensors";
    const size_t ending_length = sizeof ending - 1;
    char stem[PATH_MAX];
    size_t length = strlen(s->out);
    if (length >= sizeof stem || (s->log && strlen(s->log) >= sizeof f->log))
        return error_set(e, "--out or --log: the path is too long");
    if (length > ending_length && strcmp(s->out + length - ending_length, ending) == 0)
        length -= ending_length;
    snprintf(stem, sizeof stem, "%.*s", (int)length, s->out);
    if (!plan_files(f, stem, e)) return false;
    snprintf(f->weights, sizeof f->weights, "%s", s->out);
    if (s->log) snprintf(f->log, sizeof f->log, "%s", s->log);
    if (!s->teacher) f->teacher_logits[0] = '\0';
    return true;
}

// One of the two, or neither.
typedef struct {
    model *network;
    teacher_logits logits;
} teacher;

static bool run(const settings *s, run_files *files, const dataset *d, const teacher *from,
                error_line *e) {
    char recipe[PLAN_RECIPE];
    run_facts facts;
    accuracy unused;
    const loss_kind loss = (loss_kind)s->loss.kind;
    training t = plan_training(s, d);
    t.label = s->command == COMMAND_DISTILL ? loss_names[s->loss.kind] : s->model;
    t.teacher = from->network;
    t.teacher_logits = s->teacher_logits && criterion_needs_teacher(&t.loss) ? &from->logits : NULL;
    t.out = files->weights;
    t.csv = files->log;
    t.checkpoint = files->checkpoint;
    plan_recipe(&t, s, recipe, sizeof recipe);
    t.recipe = recipe;
    plan_facts(&t, s, files, loss_names[s->loss.kind], from->network ? s->teacher_model : NULL,
               &facts);
    if (!check_writable(t.out, e) || !check_writable(t.csv, e) ||
        !check_writable(t.checkpoint, e) ||
        !(plan_keeps_config(s, files->config, files->checkpoint) ||
          plan_write_config(s, &loss, 1, d, files->config, e)))
        return false;
    if (from->network &&
        !plan_test_teacher(from->network, d, s->batch, files->teacher_logits, &unused, e))
        return false;
    run_log log;
    if (!run_log_init(&log, s->epochs, e)) return false;
    const bool fine = training_run(&t, &log, e);
    if (fine)
        printf("top1 %.2f\ntop5 %.2f\n", run_log_last(&log)->test_top1,
               run_log_last(&log)->test_top5);
    run_log_free(&log);
    return fine;
}

// A student of plain cross-entropy is told of a teacher too, but has no use for it.
static bool find_teacher(const settings *s, const dataset *d, teacher *from, error_line *e) {
    if (s->teacher_logits)
        return teacher_logits_read(&from->logits, s->teacher_logits, d, s->quiet, e);
    if (!s->teacher || s->loss.kind == LOSS_CE) return true;
    from->network = model_for(s->teacher_model, d, &d->train, s->batch, false, e);
    return from->network && weights_load(from->network, s->teacher_model, s->teacher, e);
}

bool command_train(const settings *s, error_line *e) {
    dataset d;
    run_files files;
    teacher from = {0};
    run_lock lock = {0};
    const loss_kind loss = (loss_kind)s->loss.kind;
    if (s->command == COMMAND_DISTILL && !s->quiet) settings_tell_unused(s, &loss, 1);
    if (!name_files(&files, s, e) || !check_run_files(s, &files, e) ||
        !plan_data(s, DATASET_TRAIN | DATASET_TEST, &d, e))
        return false;
    const bool fine = run_lock_take(&lock, files.lock, e) && find_teacher(s, &d, &from, e) &&
                      run(s, &files, &d, &from, e);
    run_lock_release(&lock);
    model_free(from.network);
    teacher_logits_free(&from.logits);
    dataset_close(&d);
    return fine;
}
