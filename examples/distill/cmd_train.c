// train and distill: one run, one file of weights.
#include "commands.h"
#include "evaluate.h"
#include "safe_file.h"
#include "training_plan.h"
#include "weights.h"

#include <stdio.h>
#include <string.h>

// FILE.safetensors -> FILE, beside which the run's other files go; another name stays as it is.
static bool name_files(run_files *f, const settings *s, error_line *e) {
    static const char ending[] = ".safetensors";
    char stem[PATH_MAX];
    size_t length = strlen(s->out);
    if (length >= sizeof stem || (s->log && strlen(s->log) >= sizeof f->log))
        return error_set(e, "--out or --log: the path is too long");
    if (length > sizeof ending && strcmp(s->out + length - (sizeof ending - 1), ending) == 0)
        length -= sizeof ending - 1;
    snprintf(stem, sizeof stem, "%.*s", (int)length, s->out);
    if (!plan_files(f, stem, e)) return false;
    if (s->log) snprintf(f->log, sizeof f->log, "%s", s->log);
    return true;
}

static bool run(const settings *s, const dataset *d, model *teacher, error_line *e) {
    char recipe[PLAN_RECIPE];
    run_files files;
    run_facts facts;
    accuracy unused;
    if (!name_files(&files, s, e)) return false;
    training t = plan_training(s, d);
    t.label = teacher ? loss_names[s->loss.kind] : s->model;
    t.teacher = teacher;
    t.out = s->out;
    t.csv = files.log;
    t.checkpoint = files.checkpoint;
    plan_recipe(&t, s, recipe, sizeof recipe);
    t.recipe = recipe;
    plan_facts(&t, s, &files, loss_names[s->loss.kind], teacher ? s->teacher_model : NULL, &facts);
    if (!check_writable(t.out, e) || !check_writable(t.csv, e)) return false;
    if (teacher && !evaluate_alone(teacher, d, s->batch, files.teacher_logits, &unused, e))
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

bool command_train(const settings *s, error_line *e) {
    dataset d;
    model *teacher = NULL;
    if (!dataset_open(&d, s->data, DATASET_TRAIN | DATASET_TEST, (size_t)s->limit, e)) return false;
    bool fine = true;
    // A student of plain cross-entropy is told of a teacher too, but has no use for it.
    if (s->teacher && s->loss.kind != LOSS_CE) {
        teacher = model_for(s->teacher_model, &d, &d.train, s->batch, false, e);
        fine = teacher && weights_load(teacher, s->teacher_model, s->teacher, e);
    }
    fine = fine && run(s, &d, teacher, e);
    model_free(teacher);
    dataset_close(&d);
    return fine;
}
