#include "run_set.h"

#include "agreement.h"
#include "escape.h"
#include "safe_file.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// --- One run -------------------------------------------------------------------------------------

// A file that `from` names, as seen from here.
static bool resolve(const char *from, const char *name, char path[PATH_MAX], error_line *e) {
    const char *slash = *name == '/' ? NULL : strrchr(from, '/');
    const int folder = slash ? (int)(slash - from) + 1 : 0;
    if (snprintf(path, PATH_MAX, "%.*s%s", folder, from, name) >= PATH_MAX)
        return error_set(e, "%s: the path of %s is too long", from, name);
    unescape_text(path + folder);
    return true;
}

// Nothing, and no failure, when the file is not there: logits are large, so people remove them.
static bool read_logits(npy_matrix *m, const run_facts *f, const char *path, error_line *e) {
    if (access(path, F_OK) != 0) return true;
    if (!npy_read(m, path, e)) return false;
    if (m->half) return error_set(e, "%s holds float16; a report wants float32", path);
    if (m->rows != f->images || m->columns != (size_t)f->classes)
        return error_set(e, "%s holds %zu x %zu logits, but its run had %zu images of %d classes",
                         path, m->rows, m->columns, f->images, f->classes);
    for (size_t i = 0; i < m->rows * m->columns; i++)
        if (!isfinite(npy_row(m, 0)[i]))
            return error_set(e, "%s cannot be used: a logit of image %zu is not finite", path,
                             i / m->columns);
    return true;
}

// The CSV has three decimals.
static bool check_logits(const recorded_run *r, const char *path, error_line *e) {
    if (!r->logits.rows) return true;
    const double found = top_k_accuracy(&r->logits, r->facts.labels, 1),
                 logged = run_log_last(&r->log)->test_top1;
    return fabs(found - logged) < 1e-3 ||
           error_set(e,
                     "%s is not of the last epoch of %s (top-1 %.2f, not %.2f): go on with that "
                     "run's --resume, or train it again",
                     path, r->facts.log, found, logged);
}

static bool read_run(recorded_run *r, error_line *e) {
    char path[PATH_MAX];
    r->teacher = -1;
    return run_facts_read(&r->facts, r->path, e) && resolve(r->path, r->facts.log, path, e) &&
           run_log_read(&r->log, r->facts.epochs, path, e) &&
           resolve(r->path, r->facts.logits, path, e) &&
           read_logits(&r->logits, &r->facts, path, e) && check_logits(r, path, e);
}

static void free_run(recorded_run *r) {
    run_facts_free(&r->facts);
    run_log_free(&r->log);
    free(r->logits.values);
}

// --- Its teacher ---------------------------------------------------------------------------------

static bool same_logits(const npy_matrix *a, const npy_matrix *b) {
    return memcmp(a->values, b->values, a->rows * npy_row_bytes(a)) == 0;
}

// Teachers are told apart by what they say: one file may stand beside every student.
static bool find_teacher(run_set *set, recorded_run *r, error_line *e) {
    recorded_teacher *t = &set->teachers[set->teacher_count];
    if (!r->facts.teacher_test_logits) return true;
    if (!resolve(r->path, r->facts.teacher_test_logits, t->path, e)) return false;
    for (int i = 0; i < set->teacher_count && r->teacher < 0; i++)
        if (strcmp(set->teachers[i].path, t->path) == 0) r->teacher = i;
    if (r->teacher >= 0) return true;
    const bool fine = read_logits(&t->logits, &r->facts, t->path, e);
    for (int i = 0; fine && t->logits.rows && i < set->teacher_count && r->teacher < 0; i++)
        if (same_logits(&set->teachers[i].logits, &t->logits)) r->teacher = i;
    if (!fine || !t->logits.rows || r->teacher >= 0) {
        free(t->logits.values);
        t->logits = (npy_matrix){0};
        return fine;
    }
    snprintf(t->name, sizeof t->name, "teacher %s",
             r->facts.teacher_model ? r->facts.teacher_model : "");
    t->top1 = top_k_accuracy(&t->logits, r->facts.labels, 1);
    t->top5 = top_k_accuracy(&t->logits, r->facts.labels, 5);
    r->teacher = set->teacher_count++;
    return true;
}

const recorded_teacher *run_set_teacher(const run_set *set, const recorded_run *run) {
    if (!run->logits.rows) return NULL;
    if (run->teacher >= 0) return &set->teachers[run->teacher];
    return set->teacher_count == 1 && !run->facts.teacher_logits ? set->teachers : NULL;
}

// --- All runs ------------------------------------------------------------------------------------

static bool check_together(const recorded_run *a, const recorded_run *b, error_line *e) {
    static const char advice[] = "they do not fit into one report; name one of them alone";
    const run_facts *f = &a->facts, *g = &b->facts;
    if (strcmp(f->dataset, g->dataset) != 0 || f->classes != g->classes)
        return error_set(e, "%s is about %s and %s about %s: %s", a->path, f->dataset, b->path,
                         g->dataset, advice);
    if (f->images != g->images)
        return error_set(e, "%s was tested on %zu images and %s on %zu: %s", a->path, f->images,
                         b->path, g->images, advice);
    if (memcmp(f->labels, g->labels, f->images * sizeof *f->labels) != 0)
        return error_set(e, "%s and %s were tested on different images: %s", a->path, b->path,
                         advice);
    return true;
}

static bool make_room(run_set *set, error_line *e) {
    const size_t room = (size_t)set->run_count + 1;
    recorded_run *runs = realloc(set->runs, room * sizeof *runs);
    if (runs) set->runs = runs;
    recorded_teacher *teachers = realloc(set->teachers, room * sizeof *teachers);
    if (teachers) set->teachers = teachers;
    if (!runs || !teachers) return error_memory(e, "the runs");
    set->runs[set->run_count] = (recorded_run){0};
    set->teachers[set->teacher_count] = (recorded_teacher){0};
    return true;
}

static bool add_run(run_set *set, const char *path, error_line *e) {
    if (!make_room(set, e)) return false;
    recorded_run *r = &set->runs[set->run_count];
    if (snprintf(r->path, sizeof r->path, "%s", path) >= (int)sizeof r->path)
        return error_set(e, "%s: the path is too long", path);
    set->run_count++; // from here on, run_set_free clears it away
    return read_run(r, e) && check_together(set->runs, r, e) && find_teacher(set, r, e);
}

static int names_facts(const struct dirent *entry) {
    const size_t length = strlen(entry->d_name), ending = strlen(RUN_FACTS_ENDING);
    return length > ending && strcmp(entry->d_name + length - ending, RUN_FACTS_ENDING) == 0;
}

static bool add_folder(run_set *set, const char *folder, error_line *e) {
    struct dirent **entries;
    char path[PATH_MAX];
    const int found = scandir(folder, &entries, names_facts, alphasort);
    if (found < 0) return error_set(e, "the folder %s cannot be read: %s", folder, strerror(errno));
    bool fine = found || error_set(e,
                                   "%s has no run to report: no *" RUN_FACTS_ENDING
                                   " there; train, distill and compare leave one for each run",
                                   folder);
    for (int i = 0; i < found; i++) {
        const bool fits =
            snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path;
        fine = fine && (fits || error_set(e, "%s: the path is too long", folder)) &&
               add_run(set, path, e);
        free(entries[i]);
    }
    free((void *)entries);
    return fine;
}

static bool add_path(run_set *set, const char *path, error_line *e) {
    struct stat status;
    if (stat(path, &status) != 0) return error_set(e, "%s is not there", path);
    return S_ISDIR(status.st_mode) ? add_folder(set, path, e) : add_run(set, path, e);
}

// --- Series --------------------------------------------------------------------------------------

static bool one_series(const recorded_run *a, const recorded_run *b) {
    return a->teacher == b->teacher && run_facts_alike(&a->facts, &b->facts);
}

// Puts every run behind the last one of its series.
static bool gather(run_set *set, error_line *e) {
    for (int i = 1; i < set->run_count; i++) {
        int to = i - 1;
        while (to >= 0 && !one_series(&set->runs[to], &set->runs[i])) to--;
        if (to < 0 || ++to == i) continue;
        const recorded_run moved = set->runs[i];
        memmove(&set->runs[to + 1], &set->runs[to], (size_t)(i - to) * sizeof moved);
        set->runs[to] = moved;
    }
    for (int i = 0; i < set->run_count; i++)
        for (int j = i + 1; j < set->run_count && one_series(&set->runs[i], &set->runs[j]); j++)
            if (set->runs[i].facts.seed == set->runs[j].facts.seed)
                return error_set(e, "%s and %s are the same run; name one of them",
                                 set->runs[i].path, set->runs[j].path);
    return true;
}

// Whether another run has another value for a fact. `alone`: only runs of the same name count, and
// those too that have none.
static bool differs(const run_set *set, const run_facts *f, int fact, bool alone, const char *own) {
    char other[PATH_MAX];
    for (int i = 0; i < set->run_count; i++) {
        const run_facts *g = &set->runs[i].facts;
        if (alone && strcmp(f->name, g->name) != 0) continue;
        if (run_facts_tell(g, fact, other, sizeof other) ? strcmp(own, other) != 0 : alone)
            return true;
    }
    return false;
}

// The loss, and whatever else is not the same in every run.
static void describe(const run_set *set, const run_facts *f, char *text, size_t size) {
    char own[PATH_MAX];
    criterion_describe(&f->loss, text, (int)size);
    for (int i = 0; run_facts_key(i); i++) {
        if (!run_facts_of_training(i) || !run_facts_tell(f, i, own, sizeof own) ||
            !differs(set, f, i, false, own))
            continue;
        const size_t used = strlen(text);
        snprintf(text + used, size - used, ", %s %s", run_facts_key(i), own);
    }
}

// "gdkd:k=3": the name, and what sets it apart from others of that name. The same teacher network
// with other weights is only told by its number.
static void name_series(const run_set *set, int which) {
    const run_facts *f = &set->runs[set->first[which]].facts;
    char *name = set->names[which], own[PATH_MAX];
    const size_t size = sizeof *set->names;
    snprintf(name, size, "%s", f->name);
    for (int i = 0; run_facts_key(i); i++) {
        if (!(run_facts_of_loss(i) || run_facts_of_training(i)) ||
            !run_facts_tell(f, i, own, sizeof own) || !differs(set, f, i, true, own))
            continue;
        const size_t used = strlen(name);
        snprintf(name + used, size - used, ":%s=%s", run_facts_key(i), own);
    }
    for (int i = 0, before = 1; i < which; i++)
        if (strcmp(set->names[i], name) == 0) {
            const size_t used = strlen(name);
            snprintf(name + used, size - used, " (%d)", ++before);
        }
    set->series[which].name = name;
}

static bool make_series(run_set *set, error_line *e) {
    const size_t room = (size_t)set->run_count;
    set->series = calloc(room, sizeof *set->series);
    set->first = calloc(room, sizeof *set->first);
    set->logs = calloc(room, sizeof *set->logs);
    set->seeds = calloc(room, sizeof *set->seeds);
    set->names = calloc(room, sizeof *set->names);
    if (!set->series || !set->first || !set->logs || !set->seeds || !set->names)
        return error_memory(e, "the runs");
    for (int i = 0; i < set->run_count; i++) {
        const recorded_run *r = &set->runs[i];
        set->logs[i] = r->log;
        set->seeds[i] = r->facts.seed;
        if (i > 0 && one_series(r - 1, r)) {
            set->series[set->series_count - 1].seeds++;
            continue;
        }
        series *s = &set->series[set->series_count];
        set->first[set->series_count] = i;
        *s = (series){
            .epochs = r->facts.epochs, .seeds = 1, .seed = &set->seeds[i], .logs = &set->logs[i]};
        name_series(set, set->series_count++);
        describe(set, &r->facts, s->detail, sizeof s->detail);
    }
    return true;
}

bool run_set_read(run_set *set, const char *const *paths, int count, error_line *e) {
    *set = (run_set){0};
    bool fine = true;
    for (int i = 0; fine && i < count; i++) fine = add_path(set, paths[i], e);
    fine = fine && gather(set, e) && make_series(set, e);
    if (!fine) run_set_free(set);
    return fine;
}

// What lies beside NAME.run.json without being read: weights, checkpoint, configuration.
static bool belongs_to_run(const char *facts, const char *path) {
    static const char *const endings[] = {".safetensors", ".checkpoint", ".config.json"};
    char other[PATH_MAX];
    const int stem = (int)(strlen(facts) - strlen(RUN_FACTS_ENDING));
    for (size_t i = 0; stem > 0 && i < sizeof endings / sizeof *endings; i++) {
        const int length = snprintf(other, sizeof other, "%.*s%s", stem, facts, endings[i]);
        if (length < (int)sizeof other && same_file(other, path)) return true;
    }
    return false;
}

bool run_set_reads(const run_set *set, const char *path) {
    char other[PATH_MAX];
    error_line ignored;
    for (int i = 0; i < set->run_count; i++) {
        const recorded_run *r = &set->runs[i];
        const char *const names[] = {r->facts.log, r->facts.logits, r->facts.teacher_test_logits};
        if (same_file(r->path, path) || belongs_to_run(r->path, path)) return true;
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (names[j] && resolve(r->path, names[j], other, &ignored) && same_file(other, path))
                return true;
    }
    return false;
}

void run_set_free(run_set *set) {
    for (int i = 0; i < set->run_count; i++) free_run(&set->runs[i]);
    for (int i = 0; i < set->teacher_count; i++) free(set->teachers[i].logits.values);
    free(set->runs);
    free(set->teachers);
    free(set->series);
    free(set->first);
    free(set->logs);
    free(set->seeds);
    free(set->names);
    *set = (run_set){0};
}
