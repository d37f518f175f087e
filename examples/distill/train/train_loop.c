#include "train/train_loop.h"

#include "base/clock.h"
#include "base/stop.h"
#include "data/loader.h"
#include "net/weights.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/progress.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// What a run works with, all of it made before the first step.
typedef struct {
    const training *t;
    model *student;
    criterion *loss;
    loader *train, *test;
    float *logits, *teacher_logits, *grad; // [batch][classes]; the teacher's may be float16
    progress bar;
} workplace;

model *model_for(const char *name, const dataset *d, const image_set *images, int max_batch,
                 bool learns, error_line *e) {
    const model_shape shape = {.channels = images->channels,
                               .height = images->height,
                               .width = images->width,
                               .classes = d->classes,
                               .max_batch = max_batch,
                               .training = learns};
    const char *fault = NULL;
    model *m = model_create(name, &shape, &fault);
    if (!m) error_set(e, "the model %s cannot be made: %s", name, fault);
    return m;
}

void training_fingerprint(const char *recipe, int epochs, char *text, size_t size) {
    snprintf(text, size, "%s; finished epochs %d", recipe, epochs);
}

// Model and data set belong to what a checkpoint depends on too.
static void identify(const training *t, char *text, size_t size) {
    snprintf(text, size, "%s on %s: %s", t->model, t->data->name, t->recipe);
}

// --- One epoch -----------------------------------------------------------------------------------

static const float *ask_network(workplace *w, const image_batch *b, int epoch, int number) {
    const training *t = w->t;
    const float *remembered = teacher_memory_recall(t->memory, epoch, number);
    if (remembered) return remembered;
    model_forward(t->teacher, b->images, b->count, false, w->teacher_logits);
    teacher_memory_keep(t->memory, epoch, number, b->count, w->teacher_logits);
    return w->teacher_logits;
}

// The teacher's logits of a batch, or NULL.
static const void *ask_teacher(workplace *w, const image_batch *b, int epoch, int number) {
    const training *t = w->t;
    if (t->teacher) return ask_network(w, b, epoch, number);
    if (!t->teacher_logits) return NULL;
    teacher_logits_gather(t->teacher_logits, b->places, b->count, w->teacher_logits);
    return w->teacher_logits;
}

static bool train_batch(workplace *w, const image_batch *b, int epoch, double lr, epoch_tally *sum,
                        error_line *e) {
    const training *t = w->t;
    const int classes = t->data->classes;
    double terms[TERMS];
    model_forward(w->student, b->images, b->count, true, w->logits);
    const void *teacher = ask_teacher(w, b, epoch, (int)sum->batches);
    const double begun = clock_seconds();
    if (!criterion_apply(w->loss, w->logits, teacher, b->labels, b->count, epoch, w->grad, terms,
                         e))
        return false;
    sum->library_seconds += clock_seconds() - begun;
    model_backward(w->student, w->grad);
    model_step(w->student, (float)lr, (float)t->momentum, (float)t->weight_decay);
    for (int i = 0; i < TERMS; i++) sum->terms[i] += terms[i] * b->count;
    for (int i = 0; i < b->count; i++)
        sum->right += target_rank(w->logits + (ptrdiff_t)i * classes, classes, b->labels[i]) == 0;
    sum->images += b->count;
    sum->batches++;
    return true;
}

// From the batch that *sum stands at. False with EXIT_INTERRUPTED when a stop was requested.
static bool train_batches(workplace *w, int epoch, double lr, epoch_tally *sum, error_line *e) {
    const image_batch *b;
    loader_begin(w->train, epoch, (int)sum->batches);
    while ((b = loader_next(w->train))) {
        if (stop_requested()) return error_interrupted(e, "interrupted");
        if (!train_batch(w, b, epoch, lr, sum, e)) return false;
        progress_update(&w->bar, epoch, (int)sum->batches, sum->terms[TERM_TOTAL] / sum->images,
                        100 * sum->right / sum->images);
    }
    return true;
}

static bool train_epoch(workplace *w, int epoch, epoch_record *record, epoch_tally *sum,
                        error_line *e) {
    const double begun = clock_seconds();
    record->lr = schedule_lr(&w->t->rate, epoch);
    const bool fine = train_batches(w, epoch, record->lr, sum, e);
    sum->seconds += clock_seconds() - begun;
    if (!fine) return false;
    record->seconds = sum->seconds;
    for (int i = 0; i < TERMS; i++) record->terms[i] = sum->terms[i] / sum->images;
    record->train_top1 = 100 * sum->right / sum->images;
    record->library_share = sum->library_seconds / record->seconds;
    return true;
}

static bool test_epoch(workplace *w, int epoch, epoch_record *record, error_line *e) {
    const double begun = clock_seconds();
    accuracy a;
    progress_testing(&w->bar, epoch);
    if (!evaluate(w->student, w->test, w->t->data->classes, w->logits, w->t->test_logits, &a, e))
        return false;
    record->test_top1 = a.top1;
    record->test_top5 = a.top5;
    record->test_seconds = clock_seconds() - begun;
    return true;
}

// The checkpoint comes last: what it promises is on disk. After a crash between the files,
// --resume writes them again.
static bool save_epoch(const workplace *w, run_log *log, error_line *e) {
    const training *t = w->t;
    char classes[16], fingerprint[700], identity[700];
    identify(t, identity, sizeof identity);
    snprintf(classes, sizeof classes, "%d", t->data->classes);
    training_fingerprint(t->recipe, log->count, fingerprint, sizeof fingerprint);
    const safetensors_note notes[] = {
        {"format", "pt"},           {"model", t->model},       {"num_classes", classes},
        {"dataset", t->data->name}, {"training", fingerprint},
    };
    return weights_save(w->student, t->out, notes, sizeof notes / sizeof *notes, e) &&
           run_log_write(log, t->csv, e) &&
           (!t->facts || run_facts_write(t->facts, t->facts_file, e)) &&
           checkpoint_save(w->student, log, identity, t->checkpoint, e);
}

static void report_epoch(workplace *w, const run_log *log) {
    const epoch_record *r = run_log_last(log);
    progress_line(&w->bar, "%s epoch %d/%d: loss %.4f, top-1 train %.2f %%, test %.2f %%, %.1f s",
                  w->bar.label, log->count, w->t->rate.epochs, r->terms[TERM_TOTAL], r->train_top1,
                  r->test_top1, r->seconds);
}

// A network that broke in the last steps of an epoch never replaces the one on disk.
static bool check_epoch(const workplace *w, int epoch, error_line *e) {
    const char *broken = weights_nonfinite(w->student);
    return !broken ||
           error_set(
               e, "tensor %s is not finite after epoch %d: training has diverged; try a lower --lr",
               broken, epoch);
}

// --- The run -------------------------------------------------------------------------------------

static bool furnish(workplace *w, error_line *e) {
    const training *t = w->t;
    const size_t numbers = (size_t)t->batch * (size_t)t->data->classes;
    w->logits = malloc(numbers * sizeof(float));
    w->teacher_logits = malloc(numbers * sizeof(float));
    w->grad = malloc(numbers * sizeof(float));
    if (!w->logits || !w->teacher_logits || !w->grad) return error_memory(e, "the logits");
    w->student = model_for(t->model, t->data, &t->data->train, t->batch, true, e);
    if (!w->student) return false;
    w->loss = criterion_create(
        &t->loss, t->batch, t->data->classes,
        t->teacher_logits && t->teacher_logits->matrix.half ? TEACHER_F16 : TEACHER_F32, e);
    if (!w->loss) return false;
    w->train = loader_create(t->data, DATASET_TRAIN, t->augment ? AUGMENTED : SHUFFLED, t->batch,
                             t->seed, e);
    if (!w->train) return false;
    w->test = loader_create(t->data, DATASET_TEST, IN_ORDER, t->batch, t->seed, e);
    return w->test != NULL;
}

static void clear_out(workplace *w) {
    loader_free(w->test);
    loader_free(w->train);
    criterion_free(w->loss);
    model_free(w->student);
    free(w->grad);
    free(w->teacher_logits);
    free(w->logits);
}

// With few classes the k largest may be all of them, and defaults may be made for others.
static void warn(workplace *w) {
    const training *t = w->t;
    if (criterion_uses((loss_kind)t->loss.kind, offsetof(loss_settings, k)) && !t->loss.k_file &&
        t->loss.k >= t->data->classes)
        progress_line(&w->bar,
                      "%s: k is %d, and there are %d classes: none is left for the group of the "
                      "others; see --k",
                      t->label, t->loss.k, t->data->classes);
    if (t->loss.of_100_classes)
        progress_line(&w->bar,
                      "%s: the default k and weights are those of 100 classes, and there are %d: "
                      "see --k, --w1, --w2 and --beta",
                      t->label, t->data->classes);
    if ((t->teacher || t->teacher_logits) && t->loss.warmup > t->rate.epochs)
        progress_line(
            &w->bar,
            "%s: a warm-up of %g epochs, but %d to train: the distillation reaches %.0f %% "
            "of its weight; see --warmup",
            t->label, t->loss.warmup, t->rate.epochs, 100 * t->rate.epochs / t->loss.warmup);
}

bool training_may_begin(const training *t, error_line *e) {
    char identity[700];
    error_line other;
    int epochs;
    double batches;
    if (access(t->checkpoint, F_OK) != 0) return true;
    identify(t, identity, sizeof identity);
    const bool ours =
        checkpoint_check(identity, t->checkpoint, &epochs, &batches, t->resume ? e : &other);
    if (t->resume) return ours;
    if (!ours && other.unread) { // it may be ours
        *e = other;
        return false;
    }
    if (!ours || epochs >= t->rate.epochs || (epochs <= 0 && batches <= 0)) return true;
    return error_set(e,
                     "%s holds %d of %d epochs of this very run: go on with --resume, or remove it "
                     "to begin again",
                     t->checkpoint, epochs, t->rate.epochs);
}

// From the checkpoint if that is wanted and there is one.
static bool begin(workplace *w, run_log *log, error_line *e) {
    const training *t = w->t;
    char identity[700];
    model_init(w->student, t->seed);
    teacher_memory_begin(t->memory, t->seed);
    progress_begin(&w->bar, t->label, t->rate.epochs, loader_batches(w->train), t->quiet);
    warn(w);
    if (!t->resume) return training_may_begin(t, e);
    if (access(t->checkpoint, F_OK) != 0) {
        progress_line(&w->bar, "%s: no checkpoint %s; from the start", t->label, t->checkpoint);
        return true;
    }
    identify(t, identity, sizeof identity);
    if (!checkpoint_load(w->student, log, identity, t->checkpoint, e)) return false;
    if (!(log->begun.batches >= 0 && log->begun.batches <= loader_batches(w->train)))
        return error_set(e, "%s does not fit this run: %g batches of %d", t->checkpoint,
                         log->begun.batches, loader_batches(w->train));
    w->bar.resumed = log->count * loader_batches(w->train) + (int)log->begun.batches;
    progress_line(&w->bar, "%s: %d of %d epochs and %.0f batches are in %s", t->label, log->count,
                  t->rate.epochs, log->begun.batches, t->checkpoint);
    return log->count == 0 || log->begun.batches > 0 || save_epoch(w, log, e);
}

static bool run_epochs(workplace *w, run_log *log, error_line *e) {
    const training *t = w->t;
    if (!begin(w, log, e)) return false;
    for (int epoch = log->count + 1; epoch <= t->rate.epochs; epoch++) {
        epoch_record *record = &log->epochs[epoch - 1];
        if (!train_epoch(w, epoch, record, &log->begun, e) || !check_epoch(w, epoch, e) ||
            !test_epoch(w, epoch, record, e))
            return false;
        log->count = epoch;
        log->begun = (epoch_tally){0};
        if (!save_epoch(w, log, e)) return false;
        report_epoch(w, log);
    }
    return true;
}

// Keeps the begun epoch too, and says how to go on.
static bool interrupted(const workplace *w, run_log *log, error_line *e) {
    const training *t = w->t;
    char identity[700], finished[PATH_MAX + 64] = "";
    identify(t, identity, sizeof identity);
    if (!checkpoint_save(w->student, log, identity, t->checkpoint, e)) return false;
    if (log->count)
        snprintf(finished, sizeof finished, "the weights after epoch %d are in %s; ", log->count,
                 t->out);
    return error_interrupted(e,
                             "interrupted in epoch %d of %s after %.0f of %d batches: %sgo on "
                             "with the same command and --resume",
                             log->count + 1, t->label, log->begun.batches, loader_batches(w->train),
                             finished);
}

bool training_run(const training *t, run_log *log, error_line *e) {
    workplace w = {.t = t};
    const bool fine = furnish(&w, e) && run_epochs(&w, log, e);
    progress_end(&w.bar);
    if (!fine && e->status == EXIT_INTERRUPTED) interrupted(&w, log, e);
    clear_out(&w);
    return fine;
}
