#include "report/teacher_view.h"

#include "report/distribution.h"
#include "train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 26 }; // of the ratio and of the mass

// --- What the runs have --------------------------------------------------------------------------

int runs_k(const run_set *set, int *k, int room) {
    int count = 0;
    for (int i = 0; i < set->run_count; i++) {
        const loss_settings *s = &set->runs[i].facts.loss;
        if (s->kind != LOSS_GDKD && s->kind != LOSS_GDKD3) continue;
        int to = 0;
        while (to < count && k[to] < s->k) to++;
        if (count == room || (to < count && k[to] == s->k)) continue;
        for (int j = count++; j > to; j--) k[j] = k[j - 1];
        k[to] = s->k;
    }
    return count;
}

int runs_temperatures(const run_set *set, const recorded_teacher *teacher, double *list, int room) {
    int count = 0;
    for (int i = 0; i < set->run_count; i++) {
        const loss_settings *s = &set->runs[i].facts.loss;
        bool known = run_set_teacher(set, &set->runs[i]) != teacher || s->kind == LOSS_CE;
        for (int j = 0; j < count && !known; j++) known = list[j] == s->temperature;
        if (!known && count < room) list[count++] = s->temperature;
    }
    return count;
}

// --- Profiles ------------------------------------------------------------------------------------

static bool profile_make(profile *p, int count) {
    const size_t n = (size_t)count;
    p->count = count;
    p->x = malloc(5 * n * sizeof *p->x);
    if (!p->x) return false;
    p->mean = p->x + n;
    p->low = p->mean + n;
    p->median = p->low + n;
    p->high = p->median + n;
    return true;
}

static void profile_set(profile *p, int i, double x, double *values, size_t count) {
    const spread s = spread_of(values, count);
    p->x[i] = x;
    p->mean[i] = s.mean;
    p->low[i] = s.low;
    p->median[i] = s.median;
    p->high[i] = s.high;
}

// For each k, over the images: the probability of the k-th class, and the mass of the first k.
static void profile_ranks(const teacher_view *v, const double *sorted, profile *rank,
                          profile *mass) {
    const size_t classes = (size_t)v->classes;
    for (size_t i = 0; i < v->rows; i++) v->sums[i] = 0;
    for (size_t k = 0; k < classes; k++) {
        for (size_t i = 0; i < v->rows; i++) {
            v->values[i] = sorted[i * classes + k];
            v->sums[i] += 100 * v->values[i];
        }
        profile_set(rank, (int)k, (double)(k + 1), v->values, v->rows);
        memcpy(v->values, v->sums, v->rows * sizeof *v->values);
        profile_set(mass, (int)k, (double)(k + 1), v->values, v->rows);
    }
}

static void count_labels(teacher_view *v) {
    const size_t classes = (size_t)v->classes;
    for (size_t k = 0; k < classes; k++) v->label[k] = 0;
    for (size_t i = 0; i < v->rows; i++)
        v->label[target_rank(npy_row(&v->teacher->logits, i), v->classes, v->labels[i])] +=
            100 / (double)v->rows;
    for (size_t k = 1; k < classes; k++) v->label[k] += v->label[k - 1];
}

static void profile_adaptive(teacher_view *v) {
    for (int step = 0; step < STEPS; step++) {
        const double part = (double)step / (STEPS - 1), mass = 0.5 + 0.49 * part,
                     ratio = pow(v->classes, part);
        for (size_t i = 0; i < v->rows; i++)
            v->values[i] = k_by_ratio(v->sorted + i * (size_t)v->classes, v->classes, ratio);
        profile_set(&v->by_ratio, step, ratio, v->values, v->rows);
        for (size_t i = 0; i < v->rows; i++)
            v->values[i] = k_by_mass(v->sorted + i * (size_t)v->classes, v->classes, mass);
        profile_set(&v->by_mass, step, 100 * mass, v->values, v->rows);
    }
}

bool teacher_view_make(teacher_view *v, const run_set *set, const recorded_teacher *t,
                       double temperature) {
    int k[MOST_MARKS];
    *v = (teacher_view){.teacher = t,
                        .labels = set->runs[0].facts.labels,
                        .temperature = temperature,
                        .rows = t->logits.rows,
                        .classes = (int)t->logits.columns};
    v->sorted = sorted_softmax(&t->logits, temperature);
    v->plain = sorted_softmax(&t->logits, 1);
    v->values = malloc(v->rows * sizeof *v->values);
    v->sums = malloc(v->rows * sizeof *v->sums);
    v->label = malloc((size_t)v->classes * sizeof *v->label);
    if (!v->sorted || !v->plain || !v->values || !v->sums || !v->label ||
        !profile_make(&v->rank, v->classes) || !profile_make(&v->mass, v->classes) ||
        !profile_make(&v->plain_rank, v->classes) || !profile_make(&v->plain_mass, v->classes) ||
        !profile_make(&v->by_ratio, STEPS) || !profile_make(&v->by_mass, STEPS))
        return false;
    count_labels(v);
    const int count = runs_k(set, k, MOST_MARKS);
    for (int i = 0; i < count && k[i] < v->classes; i++) {
        snprintf(v->mark_names[i], sizeof v->mark_names[i], "%d", k[i]);
        v->marks[v->mark_count++] = (svg_mark){k[i], v->mark_names[i]};
    }
    profile_ranks(v, v->sorted, &v->rank, &v->mass);
    profile_ranks(v, v->plain, &v->plain_rank, &v->plain_mass);
    profile_adaptive(v);
    return true;
}

void teacher_view_free(teacher_view *v) {
    free(v->sorted);
    free(v->plain);
    free(v->values);
    free(v->sums);
    free(v->label);
    free(v->rank.x);
    free(v->mass.x);
    free(v->plain_rank.x);
    free(v->plain_mass.x);
    free(v->by_ratio.x);
    free(v->by_mass.x);
}
