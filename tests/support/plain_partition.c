// Which class is in which group, from sorted copies of the teacher's row.
#include "plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    double logit;
    int64_t place; // among the row's classes that are not masked
} ranked;

static int by_place(const ranked *a, const ranked *b) {
    return a->place < b->place ? -1 : a->place > b->place;
}

static int descending(const void *left, const void *right) {
    const ranked *a = left;
    const ranked *b = right;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return by_place(a, b);
}

static int ascending(const void *left, const void *right) {
    const ranked *a = left;
    const ranked *b = right;
    if (a->logit != b->logit) return a->logit < b->logit ? -1 : 1;
    return by_place(a, b);
}

int64_t plain_target(const problem *p, int64_t row) {
    if (p->target) return p->target[row];
    if (!p->config.target_from_teacher) return -1;
    const double *t = p->teacher + row * p->classes;
    int64_t best = 0;
    for (int64_t c = 1; c < p->classes; c++) {
        if (t[c] > t[best] || (isnan(t[best]) && t[c] > -INFINITY)) best = c;
    }
    return isnan(t[best]) ? 0 : best;
}

int plain_row_is_read(const problem *p, int64_t row) {
    if (p->row_weight && p->row_weight[row] == 0.0) return 0;
    return !(p->target && p->target[row] == p->config.ignore_index);
}

// softmax(t/T) of the row, in the order of `sorted`.
static void probabilities(const ranked *sorted, int64_t n, real temperature, real *v) {
    real largest = -INFINITY;
    for (int64_t j = 0; j < n; j++) largest = fmaxl(largest, (real)sorted[j].logit);
    real sum = 0.0L;
    for (int64_t j = 0; j < n; j++)
        sum += v[j] = expl(((real)sorted[j].logit - largest) / temperature);
    for (int64_t j = 0; j < n; j++) v[j] /= sum;
}

// The first j with v_j / mean(v_0..v_j) >= ratio, v ascending. Relative to v_j, since at small
// temperatures even a long double does not hold the smallest v.
static int64_t k_by_ratio(ranked *row, int64_t n, real temperature, real ratio) {
    qsort(row, (size_t)n, sizeof *row, ascending);
    real sum = 0.0L; // of v_0..v_j, over v_j
    for (int64_t j = 0; j < n; j++) {
        if (row[j].logit == -INFINITY) continue; // v_j is 0
        const real step = j > 0 ? (real)row[j - 1].logit - (real)row[j].logit : 0.0L;
        sum = sum * expl(step / temperature) + 1.0L;
        if ((real)(j + 1) / sum >= ratio) return n - j;
    }
    return 1;
}

static int64_t k_by_mass(ranked *row, int64_t n, real temperature, real mass) {
    real *v = checked_calloc((size_t)n, sizeof *v);
    qsort(row, (size_t)n, sizeof *row, descending);
    probabilities(row, n, temperature, v);
    int64_t k = 0;
    for (real sum = 0.0L; k < n && sum < mass; k++) sum += v[k];
    free(v);
    return k;
}

static int64_t row_k(const problem *p, int64_t row, int64_t target, ranked *ranks, int64_t n) {
    const gdkd_config *c = &p->config;
    const real temperature =
        (real)(c->teacher_temperature > 0 ? c->teacher_temperature : c->temperature);
    int64_t k;
    switch (c->k_rule) {
    case GDKD_K_PER_ROW:
        return p->k_table[row];
    case GDKD_K_PER_CLASS:
        return p->k_table[target];
    case GDKD_K_RATIO:
        k = k_by_ratio(ranks, n, temperature, (real)c->k_ratio);
        break;
    case GDKD_K_MASS:
        k = k_by_mass(ranks, n, temperature, (real)c->k_mass);
        break;
    default:
        return c->k;
    }
    return k < c->k_max ? k : c->k_max;
}

static void by_rank(const problem *p, int64_t row, int64_t target, const int64_t *index, int64_t n,
                    uint8_t *group) {
    ranked *ranks = checked_calloc((size_t)n, sizeof *ranks);
    for (int64_t j = 0; j < n; j++) {
        ranks[j].logit = p->teacher[row * p->classes + index[j]];
        ranks[j].place = j;
    }
    const int64_t k = row_k(p, row, target, ranks, n);
    const int32_t partition = p->config.partition;
    qsort(ranks, (size_t)n, sizeof *ranks,
          partition == GDKD_PARTITION_BOTTOM ? ascending : descending);
    for (int64_t j = 0; j < n; j++) {
        int g = j >= k;
        if (partition == GDKD_PARTITION_TOP1_TOPK) g = j == 0 ? 0 : j < k ? 1 : 2;
        group[ranks[j].place] = (uint8_t)g;
    }
    free(ranks);
}

void plain_partition(const problem *p, int64_t row, int64_t target, const int64_t *index, int64_t n,
                     uint8_t *group) {
    const uint8_t *map = p->groups && p->groups_per_row ? p->groups + row * p->classes : p->groups;
    if (p->config.partition == GDKD_PARTITION_MAP && !map) abort();
    switch (p->config.partition) {
    case GDKD_PARTITION_ALL:
        memset(group, 0, (size_t)n);
        break;
    case GDKD_PARTITION_TARGET:
        for (int64_t j = 0; j < n; j++) group[j] = index[j] != target;
        break;
    case GDKD_PARTITION_MAP:
        for (int64_t j = 0; j < n; j++) group[j] = map[index[j]];
        break;
    default:
        by_rank(p, row, target, index, n, group);
        break;
    }
}
