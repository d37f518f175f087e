// Order statistics of a row: the k-th best class and its neighbours, where class a is better than b
// when its logit is larger or, at equal logits, its index lower. That order is total, so ties need
// no care.
//
// For small k the vector maxima of the row give a bound that at least k classes reach; only
// those few are looked at one by one. For large k a quickselect does it.
#ifndef GDKD_SELECT_BODY_H
#define GDKD_SELECT_BODY_H

#include "kernel.h"

#include <math.h>

enum { SELECT_SMALL = 2 * LANES }; // slots of the first pass

typedef struct {
    real kth;     // logit of the k-th best
    int32_t last; // its class: the last one in the order
    int32_t best; // the best class
} selection;

typedef struct {
    real *value;
    int32_t *index;
    int32_t count;
} candidates;

static inline bool better(real a, int32_t i, real b, int32_t j) {
    return a > b || (a == b && i < j);
}

static inline void exchange(candidates *x, int32_t i, int32_t j) {
    real value = x->value[i];
    int32_t index = x->index[i];
    x->value[i] = x->value[j];
    x->index[i] = x->index[j];
    x->value[j] = value;
    x->index[j] = index;
}

// A value that at least `want` classes reach: the want-th largest of SELECT_SMALL slots' maxima.
static inline real reached_bound(const real *t, int32_t n, int want, vec sign) {
    const real lowest = (real)-INFINITY;
    vec a = v_splat(lowest), b = a;
    int32_t at = 0;
    for (; at + 2 * LANES <= n; at += 2 * LANES) {
        a = v_max(a, v_mul(v_load(t + at), sign));
        b = v_max(b, v_mul(v_load(t + at + LANES), sign));
    }
    real slot[SELECT_SMALL];
    v_store(slot, a);
    v_store(slot + LANES, b);
    // The want-th largest is the largest that want slots reach: counted, since a sort would
    // mispredict.
    real bound = lowest;
    for (int i = 0; i < SELECT_SMALL; i++) {
        const vec x = v_splat(slot[i]);
        int reach = __builtin_popcount(m_bits(v_le(x, a))) + __builtin_popcount(m_bits(v_le(x, b)));
        bound = reach >= want && slot[i] > bound ? slot[i] : bound;
    }
    return bound;
}

// The classes whose value reaches the bound, by index. NaNs reach none.
static inline void collect(const real *t, int32_t n, real bound, real sign, candidates *x) {
    const vec least = v_splat(bound), signs = v_splat(sign);
    x->count = 0;
    for (int32_t at = 0; at < n; at += LANES) {
        mask valid = n - at < LANES ? m_first(n - at) : m_first(LANES);
        vec v = v_mul(n - at < LANES ? v_load_some(t + at, valid) : v_load(t + at), signs);
        for (uint32_t bits = m_bits(m_and(v_le(least, v), valid)); bits; bits &= bits - 1) {
            int32_t i = at + __builtin_ctz(bits);
            x->value[x->count] = t[i] * sign;
            x->index[x->count++] = i;
        }
    }
}

static inline void sort_small(candidates *x) {
    for (int32_t i = 1; i < x->count; i++) {
        real value = x->value[i];
        int32_t index = x->index[i], j = i;
        for (; j > 0 && better(value, index, x->value[j - 1], x->index[j - 1]); j--) {
            x->value[j] = x->value[j - 1];
            x->index[j] = x->index[j - 1];
        }
        x->value[j] = value;
        x->index[j] = index;
    }
}

// Moves the element of rank k (from 0) to its place, better ones before it, the rest behind.
static inline void quickselect(candidates *x, int32_t k) {
    int32_t from = 0, to = x->count - 1;
    while (from < to) {
        int32_t middle = from + (to - from) / 2;
        if (better(x->value[middle], x->index[middle], x->value[from], x->index[from]))
            exchange(x, middle, from);
        if (better(x->value[to], x->index[to], x->value[from], x->index[from]))
            exchange(x, to, from);
        if (better(x->value[to], x->index[to], x->value[middle], x->index[middle]))
            exchange(x, to, middle);
        real pivot = x->value[middle];
        int32_t pivot_index = x->index[middle], i = from, j = to;
        while (i <= j) {
            while (better(x->value[i], x->index[i], pivot, pivot_index)) i++;
            while (better(pivot, pivot_index, x->value[j], x->index[j])) j--;
            if (i <= j) exchange(x, i++, j--);
        }
        if (k <= j)
            to = j;
        else if (k >= i)
            from = i;
        else
            return;
    }
}

// The place of the best of [from, to).
static inline int32_t best_of(const candidates *x, int32_t from, int32_t to) {
    int32_t best = from;
    for (int32_t i = from + 1; i < to; i++)
        if (better(x->value[i], x->index[i], x->value[best], x->index[best])) best = i;
    return best;
}

// sign: 1 for the largest, -1 for the smallest. k >= 1. Rows with NaNs give some answer.
static inline selection select_class(const real *t, int32_t n, int64_t k, real sign,
                                     const scratch *room) {
    if (k >= n) k = n;
    candidates x = {room->select_value, room->select_index, 0};
    const bool few = k <= LANES && n >= 2 * SELECT_SMALL;
    collect(t, n, few ? reached_bound(t, n, (int)k, v_splat(sign)) : (real)-INFINITY, sign, &x);
    if (x.count == 0) return (selection){(real)-INFINITY * sign, n - 1, 0};

    const int32_t rank = k < x.count ? (int32_t)k - 1 : x.count - 1; // of the k-th, from 0
    if (x.count <= SELECT_SMALL) {
        sort_small(&x);
    } else {
        quickselect(&x, rank);
        exchange(&x, 0, best_of(&x, 0, rank + 1));
    }
    const selection s = {x.value[rank] * sign, x.index[rank], x.index[0]};
    return k < n ? s : (selection){(real)-INFINITY * sign, n - 1, s.best};
}

// --- Adaptive k ----------------------------------------------------------------------------------

static inline void sift_down(real *heap, int32_t root, int32_t count) {
    real x = heap[root];
    for (int32_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && heap[child + 1] > heap[child]) child++;
        if (!(heap[child] > x)) break;
        heap[root] = heap[child];
    }
    heap[root] = x;
}

// Ascending: a heapsort needs neither memory nor luck.
static inline void sort_ascending(real *x, int32_t n) {
    for (int32_t i = n / 2 - 1; i >= 0; i--) sift_down(x, i, n);
    for (int32_t i = n - 1; i > 0; i--) {
        real largest = x[0];
        x[0] = x[i];
        x[i] = largest;
        sift_down(x, 0, i);
    }
}

// GDKD_K_RATIO and GDKD_K_MASS, from the raw teacher. gone: classes that are -inf in both models,
// which are out of the row; they come first in the order. Sums are kept relative to the newest,
// largest value, so that nothing underflows that counts.
static inline int64_t adaptive_k(const criterion *c, const real *t, int32_t n, int32_t gone,
                                 const scratch *room) {
    real *v = room->select_value;
    // Not NaN, nor the +inf that keeps classes that are gone from the lowest k.
    for (int32_t i = 0; i < n; i++) v[i] = t[i] < (real)INFINITY ? t[i] : (real)-INFINITY;
    sort_ascending(v, n);
    double sum = 0, rest = 0;
    int64_t k = 1;
    for (int32_t j = gone; j < n; j++) {
        double step =
            j > gone && v[j] > v[j - 1] ? exp(((double)v[j - 1] - (double)v[j]) * c->inv_tt) : 1;
        sum = sum * step + (v[j] > (real)-INFINITY ? 1 : 0);
        if (c->k_rule == GDKD_K_RATIO && sum > 0 && j - gone + 1 >= c->k_ratio * sum) {
            k = n - j;
            break;
        }
    }
    if (c->k_rule == GDKD_K_MASS) { // sum is now the whole, relative to the largest
        for (int32_t j = n - 1; j >= gone; j--) {
            rest += exp(((double)v[j] - (double)v[n - 1]) * c->inv_tt);
            k = n - j;
            if (rest >= c->k_mass * sum) break;
        }
    }
    return k < c->k_max ? k : c->k_max;
}

#endif
