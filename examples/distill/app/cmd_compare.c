// compare: one teacher, a student for each loss and seed, a table and a report.
#include "app/commands.h"
#include "app/compare_list.h"
#include "app/overwrite.h"
#include "app/training_plan.h"
#include "base/clock.h"
#include "base/run_lock.h"
#include "base/safe_file.h"
#include "net/weights.h"
#include "report/page.h"
#include "report/summary.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const settings *s;
    dataset data;   // the teacher's, and all test images
    dataset few;    // the training images of --student-limit, or nothing
    dataset taught; // the students': parts of these two
    model *teacher;
    teacher_memory *memory;
    teacher_logits logits; // in place of a teacher
    run_files teacher_files;
    run_lock lock; // of the folder; each run has its own besides
    accuracy teacher_accuracy;
    variant variants[MAX_VARIANTS];
    uint64_t seeds[MAX_SEEDS];
    series results[MAX_VARIANTS];
    int variant_count, seed_count;
    error_line no_page; // why there is none; no text: there is one
} comparison;

static bool path_in(const comparison *c, char path[PATH_MAX], const char *name, const char *ending,
                    error_line *e) {
    if (snprintf(path, PATH_MAX, "%s/%s%s", c->s->out_dir, name, ending) < PATH_MAX) return true;
    return error_usage(e, "--out-dir %s: the path is too long", c->s->out_dir);
}

static bool lock_folder(comparison *c, error_line *e) {
    char path[PATH_MAX];
    return path_in(c, path, "compare", ".lock", e) && run_lock_take(&c->lock, path, e);
}

// train and distill may have a run of the same name.
static bool run_locked(const training *t, const run_files *files, run_log *log, error_line *e) {
    run_lock lock = {0};
    const bool fine = run_lock_take(&lock, files->lock, e) && training_run(t, log, e);
    run_lock_release(&lock);
    return fine;
}

// Those of a teacher that is trained here: it has no facts and no configuration of its own. Of one
// that is there, or that only its logits are known of, less is written.
static bool name_teacher_files(comparison *c, error_line *e) {
    char stem[PATH_MAX];
    run_files *f = &c->teacher_files;
    if (!path_in(c, stem, "teacher", "", e) || !plan_files(f, stem, e)) return false;
    f->teacher_logits[0] = f->facts[0] = f->config[0] = '\0';
    if (c->s->teacher || c->s->teacher_logits) f->weights[0] = f->log[0] = f->checkpoint[0] = '\0';
    if (c->s->teacher_logits) f->logits[0] = '\0';
    return true;
}

// --- The teacher ---------------------------------------------------------------------------------

// Whether the file was trained to its end by the very run that `t` describes. False when that
// cannot be told: a teacher that took hours is not trained again for a lack of memory.
static bool find_alike(const training *t, bool *alike, error_line *e) {
    safetensors file;
    char expected[PLAN_RECIPE + 64];
    *alike = false;
    if (!safetensors_read(&file, t->out, e)) return !e->unread;
    training_fingerprint(t->recipe, t->rate.epochs, expected, sizeof expected);
    const char *model_name = safetensors_metadata(&file, "model");
    const char *data_name = safetensors_metadata(&file, "dataset");
    const char *found = safetensors_metadata(&file, "training");
    *alike = model_name && data_name && found && strcmp(model_name, t->model) == 0 &&
             strcmp(data_name, t->data->name) == 0 && strcmp(found, expected) == 0;
    safetensors_free(&file);
    return true;
}

// Says what happens to a teacher that is there.
static bool keep_teacher(const training *t, bool *keep, error_line *e) {
    *keep = false;
    if (access(t->out, F_OK) != 0) return true;
    if (!find_alike(t, keep, e)) return false;
    if (!t->quiet && (*keep || !t->resume))
        note_line(*keep ? "teacher: %s is reused" : "teacher: %s is another one; training afresh",
                  t->out);
    return true;
}

// The teacher of --out-dir is this program's own: trained when it is not there, or when it is
// another one.
static bool train_teacher(const comparison *c, error_line *e) {
    const run_files *files = &c->teacher_files;
    char recipe[PLAN_RECIPE];
    bool keep;
    settings s = *c->s;
    s.model = s.teacher_model;
    s.epochs = s.teacher_epochs ? s.teacher_epochs : s.epochs;
    s.loss.kind = LOSS_CE;
    s.loss.ce_weight = 1;
    training t = plan_training(&s, &c->data);
    plan_recipe(&t, &s, recipe, sizeof recipe);
    t.label = "teacher";
    t.out = files->weights;
    t.csv = files->log;
    t.checkpoint = files->checkpoint;
    t.recipe = recipe;
    if (!keep_teacher(&t, &keep, e)) return false;
    if (keep) return true;
    run_log log;
    if (!run_log_init(&log, s.epochs, e)) return false;
    const bool fine = run_locked(&t, files, &log, e);
    run_log_free(&log);
    return fine;
}

static bool find_teacher(comparison *c, error_line *e) {
    const settings *s = c->s;
    if (s->teacher_logits)
        return teacher_logits_read(&c->logits, s->teacher_logits, &c->taught, s->quiet, e);
    if (!s->teacher && !train_teacher(c, e)) return false;
    const char *weights = s->teacher ? s->teacher : c->teacher_files.weights;
    c->teacher = model_for(s->teacher_model, &c->data, &c->data.train, s->batch, false, e);
    return c->teacher && weights_load(c->teacher, s->teacher_model, weights, e) &&
           plan_test_teacher(c->teacher, &c->data, s->batch, c->teacher_files.logits,
                             &c->teacher_accuracy, e);
}

// It pays where a second loss asks.
static void make_memory(comparison *c) {
    const settings *s = c->s;
    int asking = 0;
    for (int i = 0; i < c->variant_count; i++)
        asking += criterion_needs_teacher(&c->variants[i].loss);
    if (c->teacher && asking > 1)
        c->memory = teacher_memory_create(c->taught.train.count, c->data.classes, s->batch,
                                          s->epochs, s->teacher_memory * 1e6);
}

// --- The students --------------------------------------------------------------------------------

static bool student_files(const comparison *c, int which, int run, run_files *f, error_line *e) {
    char name[VARIANT_NAME + 32], stem[PATH_MAX];
    snprintf(name, sizeof name, "%s-seed%" PRIu64, c->variants[which].name, c->seeds[run]);
    for (char *p = name; *p; p++)
        if (*p == ':' || *p == '/') *p = '-'; // no friends of file systems
    if (!path_in(c, stem, name, "", e) || !plan_files(f, stem, e)) return false;
    memcpy(f->teacher_logits, c->teacher_files.logits, sizeof f->teacher_logits);
    f->config[0] = '\0'; // compare has one for all of them
    return true;
}

static bool check_students_files(const comparison *c, error_line *e) {
    run_files files;
    for (int which = 0; which < c->variant_count; which++)
        for (int run = 0; run < c->seed_count; run++)
            if (!student_files(c, which, run, &files, e) || !check_run_files(c->s, &files, e))
                return false;
    return true;
}

// A run, and all that it points to.
typedef struct {
    training t;
    settings s;
    run_files files;
    run_facts facts;
    char label[VARIANT_NAME + 32], recipe[PLAN_RECIPE];
} student;

static bool plan_student(const comparison *c, int which, int run, student *x, error_line *e) {
    const variant *v = &c->variants[which];
    x->s = *c->s;
    x->s.loss = v->loss;
    x->s.seed = c->seeds[run];
    if (!student_files(c, which, run, &x->files, e)) return false;
    training *t = &x->t;
    *t = plan_training(&x->s, &c->taught);
    if (criterion_needs_teacher(&t->loss)) {
        t->teacher = c->teacher;
        t->memory = c->memory;
        t->teacher_logits = x->s.teacher_logits ? &c->logits : NULL;
    }
    plan_recipe(t, &x->s, x->recipe, sizeof x->recipe);
    snprintf(x->label, sizeof x->label, "%s seed %" PRIu64, v->name, x->s.seed);
    t->label = x->label;
    t->out = x->files.weights;
    t->csv = x->files.log;
    t->checkpoint = x->files.checkpoint;
    t->recipe = x->recipe;
    plan_facts(t, &x->s, &x->files, v->name, c->teacher ? x->s.teacher_model : NULL, &x->facts);
    return true;
}

// All of them before the first one trains: what would be refused in hours is refused now.
static bool students_may_begin(const comparison *c, error_line *e) {
    student x;
    for (int run = 0; run < c->seed_count; run++)
        for (int which = 0; which < c->variant_count; which++)
            if (!plan_student(c, which, run, &x, e) || !training_may_begin(&x.t, e)) return false;
    return true;
}

static bool run_student(comparison *c, int which, int run, error_line *e) {
    student x;
    return plan_student(c, which, run, &x, e) &&
           run_locked(&x.t, &x.files, &c->results[which].logs[run], e);
}

// Of the students that this comparison has so far, in the order of its losses.
static bool write_report(const comparison *c, error_line *e) {
    static const size_t room = MAX_VARIANTS * MAX_SEEDS;
    char report[PATH_MAX], (*paths)[PATH_MAX] = malloc(room * sizeof *paths);
    const char **list = malloc(room * sizeof *list);
    int count = 0;
    bool fine = paths && list;
    if (!fine) error_memory(e, "the report");
    for (int which = 0; which < c->variant_count; which++)
        for (int run = 0; fine && run < c->seed_count; run++) {
            run_files files;
            if (!c->results[which].logs[run].count) continue;
            fine = student_files(c, which, run, &files, e);
            memcpy(paths[count], files.facts, sizeof files.facts);
            list[count] = paths[count];
            count++;
        }
    fine = fine && path_in(c, report, "report", ".html", e) && page_make(list, count, report, e);
    free(list);
    free(paths);
    return fine;
}

enum { PAGE_PAUSE = 50 }; // times as long as a page took: 2 % of the time, at most

// Seed by seed, so that a comparison that is cut short has something of every loss. The report is
// written after the first student, anew from time to time, and after the last one. Where that fails
// the students go on, and the last one counts; runs are not worse for a page that cannot be made
// here.
static bool run_students(comparison *c, error_line *e) {
    bool reported = true;
    double due = 0;
    for (int run = 0; run < c->seed_count; run++)
        for (int which = 0; which < c->variant_count; which++) {
            const bool last = run == c->seed_count - 1 && which == c->variant_count - 1;
            if (!run_student(c, which, run, e)) return false;
            if (!last && clock_seconds() < due) continue;
            const double begun = clock_seconds();
            c->no_page = (error_line){0};
            reported = write_report(c, &c->no_page);
            due = clock_seconds() + PAGE_PAUSE * (clock_seconds() - begun);
        }
    if (reported || c->no_page.status == PAGE_UNAVAILABLE) return true;
    *e = c->no_page;
    return false;
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
    run_lock_release(&c->lock);
    teacher_memory_free(c->memory);
    model_free(c->teacher);
    teacher_logits_free(&c->logits);
    dataset_close(&c->few);
    dataset_close(&c->data);
    free(c);
}

static void list_losses(const comparison *c, loss_kind list[MAX_VARIANTS]) {
    for (int i = 0; i < c->variant_count; i++) list[i] = (loss_kind)c->variants[i].loss.kind;
}

// With --resume, options that do not fit the runs that are there must not take the place of those
// that do: `accepted` says that they fit.
static bool write_config(const comparison *c, bool accepted, error_line *e) {
    char path[PATH_MAX];
    loss_kind losses[MAX_VARIANTS];
    list_losses(c, losses);
    if (!path_in(c, path, "config", ".json", e)) return false;
    if (plan_keeps_config(c->s, path, "")) return true;
    if (!accepted && c->s->resume && access(path, F_OK) == 0) return true;
    return plan_write_config(c->s, losses, c->variant_count, &c->data, path, e);
}

// Nothing of all this may stand where an input does.
static bool check_files(comparison *c, error_line *e) {
    char config[PATH_MAX], report[PATH_MAX], words[PATH_MAX];
    return path_in(c, config, "config", ".json", e) && path_in(c, report, "report", ".html", e) &&
           path_in(c, words, "summary", ".txt", e) && check_output(c->s, words, "out-dir", e) &&
           (plan_keeps_config(c->s, config, "") || check_output(c->s, config, "out-dir", e)) &&
           check_output(c->s, report, "out-dir", e) && name_teacher_files(c, e) &&
           check_run_files(c->s, &c->teacher_files, e) && check_students_files(c, e);
}

static void tell_unused(const comparison *c) {
    loss_kind losses[MAX_VARIANTS];
    list_losses(c, losses);
    if (!c->s->quiet) settings_tell_unused(c->s, losses, c->variant_count);
}

// The students see images as their teacher does: normalised by the numbers of all that it has
// learnt from.
static bool open_data(comparison *c, error_line *e) {
    const settings *s = c->s;
    if (!plan_data(s, DATASET_TRAIN | DATASET_TEST, &c->data, e)) return false;
    c->taught = c->data;
    if (s->student_limit == 0 || (size_t)s->student_limit >= c->data.train.count) return true;
    if (!dataset_open(&c->few, s->data, DATASET_TRAIN, (size_t)s->student_limit, s->image_size, e))
        return false;
    c->taught.train = c->few.train;
    memcpy(c->taught.detail, c->few.detail, sizeof c->taught.detail);
    return true;
}

// The sentence and the table, for the terminal and for who reads the folder later.
static bool tell_results(const comparison *c, error_line *e) {
    char path[PATH_MAX];
    safe_file file;
    if (!path_in(c, path, "summary", ".txt", e) || !safe_file_begin(&file, path, e)) return false;
    FILE *const both[] = {file.stream, stdout};
    for (int i = 0; i < 2; i++) {
        if (!summary_tell(c->results, c->variant_count, both[i])) {
            safe_file_abandon(&file);
            return error_memory(e, "the summary");
        }
        if (c->s->teacher_logits)
            fprintf(both[i], "teacher %s: top-1 %.2f %% on the training images\n",
                    c->s->teacher_logits, c->logits.top1);
        else
            fprintf(both[i], "teacher %s: top-1 %.2f %%, top-5 %.2f %%\n", c->s->teacher_model,
                    c->teacher_accuracy.top1, c->teacher_accuracy.top5);
        summary_print(c->results, c->variant_count, both[i]);
    }
    return safe_file_commit(&file, e);
}

static void tell_page(const comparison *c) {
    const char *folder = c->s->out_dir;
    if (c->no_page.status == PAGE_UNAVAILABLE)
        printf("\nno report: %s\nInstall it, then: gdkd-distill report %s\n", c->no_page.text,
               folder);
    else
        printf("\nreport: %s/report.html\n", folder);
}

static bool compare(comparison *c, error_line *e) {
    const settings *s = c->s;
    error_line other;
    c->variant_count = compare_losses(s, c->variants, e);
    if (!c->variant_count) return false;
    tell_unused(c);
    c->seed_count = compare_seeds(s->seeds, c->seeds, e);
    if (!c->seed_count || !check_files(c, e) || !open_data(c, e) || !make_folder(s->out_dir, e) ||
        !lock_folder(c, e) || !write_config(c, false, e) || !prepare_results(c, e) ||
        !find_teacher(c, e) || !students_may_begin(c, e) || !write_config(c, true, e))
        return false;
    make_memory(c);
    bool fine = run_students(c, e);
    const bool told = tell_results(c, fine ? e : &other);
    fine = fine && told;
    if (fine) tell_page(c);
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
