// compare: one teacher, a student for each loss and seed, a table and a report.
#include "commands.h"
#include "compare_list.h"
#include "evaluate.h"
#include "loader.h"
#include "report_html.h"
#include "safe_file.h"
#include "stop.h"
#include "training_plan.h"
#include "weights.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const settings *s;
    dataset data;
    model *teacher;
    accuracy teacher_accuracy;
    variant variants[MAX_VARIANTS];
    uint64_t seeds[MAX_SEEDS];
    series results[MAX_VARIANTS];
    int variant_count, seed_count;
} comparison;

static bool path_in(const comparison *c, char path[PATH_MAX], const char *name, const char *ending,
                    error_line *e) {
    if (snprintf(path, PATH_MAX, "%s/%s%s", c->s->out_dir, name, ending) < PATH_MAX) return true;
    return error_usage(e, "--out-dir %s: the path is too long", c->s->out_dir);
}

// --- The teacher ---------------------------------------------------------------------------------

// Whether the file was trained to its end by the very run that `t` describes.
static bool trained_alike(const training *t) {
    error_line ignored;
    safetensors file;
    char expected[PLAN_RECIPE + 64];
    if (!safetensors_read(&file, t->out, &ignored)) return false;
    training_fingerprint(t->recipe, t->rate.epochs, expected, sizeof expected);
    const char *model_name = safetensors_metadata(&file, "model");
    const char *data_name = safetensors_metadata(&file, "dataset");
    const char *found = safetensors_metadata(&file, "training");
    const bool alike = model_name && data_name && found && strcmp(model_name, t->model) == 0 &&
                       strcmp(data_name, t->data->name) == 0 && strcmp(found, expected) == 0;
    safetensors_free(&file);
    return alike;
}

// The teacher of --out-dir is this program's own: trained when it is not there, or when it is
// another one.
static bool train_teacher(const comparison *c, const char *path, error_line *e) {
    char csv[PATH_MAX], checkpoint[PATH_MAX], recipe[PLAN_RECIPE];
    settings s = *c->s;
    s.model = s.teacher_model;
    s.epochs = s.teacher_epochs ? s.teacher_epochs : s.epochs;
    s.loss.kind = LOSS_CE;
    s.loss.ce_weight = 1;
    training t = plan_training(&s, &c->data);
    plan_recipe(&t, &s, recipe, sizeof recipe);
    t.label = "teacher";
    t.out = path;
    t.csv = csv;
    t.checkpoint = checkpoint;
    t.recipe = recipe;
    if (!path_in(c, csv, "teacher", ".csv", e) ||
        !path_in(c, checkpoint, "teacher", ".checkpoint", e))
        return false;
    if (access(path, F_OK) == 0) {
        const bool alike = trained_alike(&t);
        if (!s.quiet && (alike || !s.resume))
            fprintf(stderr,
                    alike ? "teacher: %s is reused\n"
                          : "teacher: %s is another one; training afresh\n",
                    path);
        if (alike) return true;
    }
    run_log log;
    if (!run_log_init(&log, s.epochs, e)) return false;
    const bool fine = training_run(&t, &log, e);
    run_log_free(&log);
    return fine;
}

static bool test_teacher(comparison *c, error_line *e) {
    loader *images = loader_create(&c->data, DATASET_TEST, c->s->batch, 0, e);
    float *logits = malloc((size_t)c->s->batch * (size_t)c->data.classes * sizeof *logits);
    const bool fine = images && (logits || error_memory(e, "the logits"));
    if (fine) c->teacher_accuracy = evaluate(c->teacher, images, c->data.classes, logits, NULL);
    free(logits);
    loader_free(images);
    return fine &&
           (!stop_requested() ||
            error_interrupted(
                e,
                "interrupted before the first student: go on with the same command and --resume"));
}

static bool find_teacher(comparison *c, error_line *e) {
    char path[PATH_MAX];
    const settings *s = c->s;
    if (s->teacher)
        snprintf(path, sizeof path, "%s", s->teacher);
    else if (!path_in(c, path, "teacher", ".safetensors", e) || !train_teacher(c, path, e))
        return false;
    c->teacher = model_for(s->teacher_model, &c->data, &c->data.train, s->batch, false, e);
    return c->teacher && weights_load(c->teacher, s->teacher_model, path, e) && test_teacher(c, e);
}

// --- The students --------------------------------------------------------------------------------

static bool run_student(comparison *c, int which, int run, error_line *e) {
    char name[VARIANT_NAME + 32], out[PATH_MAX], csv[PATH_MAX], checkpoint[PATH_MAX],
        recipe[PLAN_RECIPE];
    const variant *v = &c->variants[which];
    settings s = *c->s;
    s.loss = v->loss;
    s.seed = c->seeds[run];
    snprintf(name, sizeof name, "%s-seed%" PRIu64, v->name, s.seed);
    for (char *p = name; *p; p++)
        if (*p == ':') *p = '-'; // no friend of every file system
    if (!path_in(c, out, name, ".safetensors", e) || !path_in(c, csv, name, ".csv", e) ||
        !path_in(c, checkpoint, name, ".checkpoint", e))
        return false;
    training t = plan_training(&s, &c->data);
    t.teacher = criterion_needs_teacher(&t.loss) ? c->teacher : NULL;
    plan_recipe(&t, &s, recipe, sizeof recipe);
    snprintf(name, sizeof name, "%s seed %" PRIu64, v->name, s.seed);
    t.label = name;
    t.out = out;
    t.csv = csv;
    t.checkpoint = checkpoint;
    t.recipe = recipe;
    return training_run(&t, &c->results[which].logs[run], e);
}

static bool write_report(const comparison *c, error_line *e) {
    const settings *s = c->s;
    char path[PATH_MAX], title[160], teacher[64], data[96], rate[96], sgd[96];
    snprintf(title, sizeof title, "%s from %s on %s", s->model, s->teacher_model, c->data.name);
    snprintf(teacher, sizeof teacher, "teacher %s", s->teacher_model);
    snprintf(data, sizeof data, "%s, %zu training and %zu test images", c->data.name,
             c->data.train.count, c->data.test.count);
    snprintf(rate, sizeof rate, "%g, %s over %d epochs", s->lr,
             s->schedule == SCHEDULE_COSINE ? "cosine" : "step", s->epochs);
    snprintf(sgd, sizeof sgd, "batch %d, momentum %g, weight decay %g", s->batch, s->momentum,
             s->weight_decay);
    const report_fact facts[] = {
        {"data", data},
        {"student", s->model},
        {"teacher", s->teacher_model},
        {"learning rate", rate},
        {"SGD", sgd},
        {"losses", s->losses},
        {"seeds", s->seeds},
        {"libgdkd", criterion_library_version()},
        {"kernels", criterion_library_isa()},
    };
    const report r = {.title = title,
                      .facts = facts,
                      .fact_count = sizeof facts / sizeof *facts,
                      .series = c->results,
                      .series_count = c->variant_count,
                      .teacher = teacher,
                      .teacher_top1 = c->teacher_accuracy.top1};
    return path_in(c, path, "report", ".html", e) && report_write(&r, path, e);
}

// Seed by seed, so that a comparison that is cut short has something of every loss. The report is
// written anew after every student.
static bool run_students(comparison *c, error_line *e) {
    for (int run = 0; run < c->seed_count; run++)
        for (int which = 0; which < c->variant_count; which++)
            if (!run_student(c, which, run, e) || !write_report(c, e)) return false;
    return true;
}

// --- The comparison ------------------------------------------------------------------------------

static bool prepare_results(comparison *c, error_line *e) {
    for (int i = 0; i < c->variant_count; i++) {
        series *r = &c->results[i];
        *r = (series){.name = c->variants[i].name,
                      .epochs = c->s->epochs,
                      .seeds = c->seed_count,
                      .seed = c->seeds,
                      .logs = calloc((size_t)c->seed_count, sizeof(run_log))};
        if (!r->logs) return error_memory(e, "the logs");
        criterion_describe(&c->variants[i].loss, r->detail, sizeof r->detail);
        for (int j = 0; j < c->seed_count; j++)
            if (!run_log_init(&r->logs[j], c->s->epochs, e)) return false;
    }
    return true;
}

static void clear_comparison(comparison *c) {
    for (int i = 0; i < c->variant_count; i++) {
        for (int j = 0; c->results[i].logs && j < c->seed_count; j++)
            run_log_free(&c->results[i].logs[j]);
        free(c->results[i].logs);
    }
    model_free(c->teacher);
    dataset_close(&c->data);
    free(c);
}

static bool compare(comparison *c, error_line *e) {
    const settings *s = c->s;
    c->variant_count = compare_losses(s, c->variants, e);
    if (!c->variant_count) return false;
    c->seed_count = compare_seeds(s->seeds, c->seeds, e);
    if (!c->seed_count ||
        !dataset_open(&c->data, s->data, DATASET_TRAIN | DATASET_TEST, (size_t)s->limit, e) ||
        !make_folder(s->out_dir, e) || !prepare_results(c, e) || !find_teacher(c, e))
        return false;
    const bool fine = run_students(c, e);
    printf("teacher %s: top-1 %.2f %%, top-5 %.2f %%\n", s->teacher_model, c->teacher_accuracy.top1,
           c->teacher_accuracy.top5);
    summary_print(c->results, c->variant_count, stdout);
    if (fine) printf("\nreport: %s/report.html\n", s->out_dir);
    return fine;
}

bool command_compare(const settings *s, error_line *e) {
    comparison *c = calloc(1, sizeof *c);
    if (!c) return error_memory(e, "the comparison");
    c->s = s;
    const bool fine = compare(c, e);
    clear_comparison(c);
    return fine;
}
