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
    if (length >= sizeof ending && strcmp(out + length - (sizeof ending - 1), ending) == 0)
        length -= sizeof ending - 1;
    snprintf(path, size, "%.*s%s", (int)length, out, suffix);
}

// One of the two, or neither.
typedef struct {
    model *network;
    teacher_logits logits;
} teacher;

static bool run(const settings *s, const dataset *d, const teacher *from, error_line *e) {
    char csv[PATH_MAX], checkpoint[PATH_MAX], config[PATH_MAX], recipe[PLAN_RECIPE];
    training t = plan_training(s, d);
    beside(s->out, ".csv", csv, sizeof csv);
    beside(s->out, ".checkpoint", checkpoint, sizeof checkpoint);
    beside(s->out, ".config.json", config, sizeof config);
    t.label = s->command == COMMAND_DISTILL ? loss_names[s->loss.kind] : s->model;
    t.teacher = from->network;
    t.logits = s->teacher_logits && criterion_needs_teacher(&t.loss) ? &from->logits : NULL;
    t.out = s->out;
    t.csv = s->log ? s->log : csv;
    t.checkpoint = checkpoint;
    plan_recipe(&t, s, recipe, sizeof recipe);
    t.recipe = recipe;
    if (!check_writable(t.out, e) || !check_writable(t.csv, e) ||
        !plan_write_config(s, d, config, e))
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
    teacher from = {0};
    if (!plan_data(s, DATASET_TRAIN | DATASET_TEST, &d, e)) return false;
    const bool fine = find_teacher(s, &d, &from, e) && run(s, &d, &from, e);
    model_free(from.network);
    teacher_logits_free(&from.logits);
    dataset_close(&d);
    return fine;
}
