// train and distill: one run, one file of weights.
#include "commands.h"
#include "safe_file.h"
#include "training_plan.h"
#include "weights.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

// FILE.safetensors -> FILE.csv; another name gets .csv behind it.
static void beside(const char *out, const char *suffix, char *path, size_t size) {
    static const char ending[] = ".safetensors";
    size_t length = strlen(out);
    if (length > sizeof ending && strcmp(out + length - (sizeof ending - 1), ending) == 0)
        length -= sizeof ending - 1;
    snprintf(path, size, "%.*s%s", (int)length, out, suffix);
}

static bool run(const settings *s, const dataset *d, model *teacher, error_line *e) {
    char csv[PATH_MAX], checkpoint[PATH_MAX], recipe[PLAN_RECIPE];
    training t = plan_training(s, d);
    beside(s->out, ".csv", csv, sizeof csv);
    beside(s->out, ".checkpoint", checkpoint, sizeof checkpoint);
    t.label = teacher ? loss_names[s->loss.kind] : s->model;
    t.teacher = teacher;
    t.out = s->out;
    t.csv = s->log ? s->log : csv;
    t.checkpoint = checkpoint;
    plan_recipe(&t, s, recipe, sizeof recipe);
    t.recipe = recipe;
    if (!check_writable(t.out, e) || !check_writable(t.csv, e) || !check_writable(t.checkpoint, e))
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
