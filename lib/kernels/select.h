// Order statistics of a row: the k-th best class and its neighbours, where class a is better than b
// when its logit is larger or, at equal logits, its index lower. That order is total, so ties need
// no care.
//
// For small k the vector maxima of the row give a bound that at least k classes reach; for large k,
// counting passes close in on the k-th. Either leaves a few classes to be looked at one by one.
#ifndef GDKD_SELECT_H
#define GDKD_SELECT_H

#include "walk.h"

enum { SELECT_SMALL = 2 * LANES }; // slots of the first pass

typedef struct {
    real kth;     // logit of the k-th best
    int32_t last; // the last class of that logit that is among the k; the row's last where all are
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

// The logits that are ranked: as they are, or negated for the smallest. sign: 1 or -1.
OP vec signed_load(const real *t, int32_t sign) {
    return sign > 0 ? v_load(t) : v_sub(v_splat(-(real)0), v_load(t));
}
OP vec signed_load_some(const real *t, mask m, int32_t sign) {
    return sign > 0 ? v_load_some(t, m) : v_sub(v_splat(-(real)0), v_load_some(t, m));
}

OP int lanes_in(mask m) { return __builtin_popcount(m_bits(m)); }

// The want-th largest lane of a and b together: the largest value that want lanes reach. Counted,
// since a sort would mispredict.
OP real reached_by_lanes(vec a, vec b, int slots, int want) {
    real slot[SELECT_SMALL], bound = (real)-INFINITY;
    v_store(slot, a);
    if (slots > LANES) v_store(slot + LANES, b);
    for (int i = 0; i < slots; i++) {
        const vec x = v_splat(slot[i]);
        const int reach = lanes_in(v_le(x, a)) + (slots > LANES ? lanes_in(v_le(x, b)) : 0);
        bound = reach >= want && slot[i] > bound ? slot[i] : bound;
    }
    return bound;
}

// A value that at least `want` classes reach: the want-th largest of the maxima that lanes hold.
OP real reached_bound(const real *t, int32_t n, int want, int32_t sign) {
    const real lowest = (real)-INFINITY;
    vec a = v_splat(lowest), b = a;
    for (int32_t at = 0; at + 2 * LANES <= n; at += 2 * LANES) {
        a = v_max(a, signed_load(t + at, sign));
        b = v_max(b, signed_load(t + at + LANES, sign));
    }
    // With half the lanes to spare, half as many slots give nearly as few candidates.
    if (2 * want <= LANES) return reached_by_lanes(v_max(a, b), b, LANES, want);
    return reached_by_lanes(a, b, 2 * LANES, want);
}

// Values from lo on and below hi, with the numbers of classes that reach each.
typedef struct {
    real lo, hi;
    bool open; // hi is the largest value, and included
    int64_t reach_lo, reach_hi;
} bracket;

OP int64_t reaching(const real *t, int32_t n, real least, int32_t sign) {
    enum { MOST_AT_ONCE = 1 << 20 }; // a float counts to 2^24
    const vec bound = v_splat(least), one = v_splat(1);
    const int32_t whole = n - n % LANES;
    double sum = 0;
    for (int32_t at = 0; at < whole;) {
        const int32_t end = whole - at > MOST_AT_ONCE * LANES ? at + MOST_AT_ONCE * LANES : whole;
        vec count = v_splat(0);
        for (; at < end; at += LANES)
            count = v_add(count, v_only(v_le(bound, signed_load(t + at, sign)), one));
        sum += v_sum(count);
    }
    const mask valid = m_first(n - whole);
    if (whole < n) {
        const mask in = v_le(bound, signed_load_some(t + whole, valid, sign));
        sum += v_sum(v_only(m_and(in, valid), one));
    }
    return (int64_t)sum;
}

// A NaN in v leaves the second operand.
static inline bracket whole_range(const real *t, int32_t n, int32_t sign) {
    const int32_t whole = n - n % LANES;
    real lo[LANES], hi[LANES];
    vec least = v_splat((real)INFINITY), most = v_splat((real)-INFINITY);
    for (int32_t at = 0; at < whole; at += LANES) {
        const vec v = signed_load(t + at, sign);
        least = v_min(v, least);
        most = v_max(v, most);
    }
    if (whole < n) {
        const mask valid = m_first(n - whole);
        const vec v = signed_load_some(t + whole, valid, sign);
        least = v_select(valid, v_min(v, least), least);
        most = v_select(valid, v_max(v, most), most);
    }
    v_store(lo, least);
    v_store(hi, most);
    bracket r = {.lo = lo[0], .hi = hi[0], .open = true, .reach_lo = n};
    for (int l = 1; l < LANES; l++) {
        r.lo = lo[l] < r.lo ? lo[l] : r.lo;
        r.hi = hi[l] > r.hi ? hi[l] : r.hi;
    }
    return r;
}

// Where a class lies that so many reach, on a scale on which the logits are spread evenly: as they
// are, or were they of a logistic distribution, whose tails are near a teacher's.
static inline double place_of(double reach, int32_t n, bool logistic) {
    return logistic ? log((reach + 0.5) / ((double)n - reach + 0.5)) : reach;
}

// How far down the bracket to look next: by interpolation on either scale in turn, and by halves
// every third time, so that no distribution makes it slow. The goal lies beyond the k-th on the
// side where more classes are left, so that both ends close in.
static inline double way_down(const bracket *r, int64_t k, int32_t n, int step) {
    enum { BEYOND = SELECT_SMALL / 4 };
    if (step % 3 == 0) return 0.5;
    const bool logistic = step % 3 == 1, below = r->reach_lo - k > k - r->reach_hi;
    const double most = (double)r->reach_lo - 0.5, least = (double)r->reach_hi + 0.5;
    const double goal = fmin(fmax((double)(below ? k + BEYOND : k - BEYOND), least), most);
    const double top = place_of((double)r->reach_hi, n, logistic);
    return (place_of(goal, n, logistic) - top) / (place_of((double)r->reach_lo, n, logistic) - top);
}

// Closes in on the k-th largest until few classes are left.
static inline bracket close_in(const real *t, int32_t n, int64_t k, int32_t sign) {
    enum { MOST_STEPS = 40 };
    bracket r = whole_range(t, n, sign);
    for (int step = 1; step < MOST_STEPS && r.reach_lo - r.reach_hi > SELECT_SMALL; step++) {
        const real pivot = r.hi - (r.hi - r.lo) * (real)way_down(&r, k, n, step);
        if (!(pivot > r.lo && pivot < r.hi)) break; // equal logits, or infinite ones
        const int64_t reach = reaching(t, n, pivot, sign);
        if (reach >= k) {
            r.lo = pivot;
            r.reach_lo = reach;
        } else {
            r.hi = pivot;
            r.reach_hi = reach;
            r.open = false;
        }
    }
    return r;
}

// The classes in the bracket, by index. NaNs are in none.
static inline void collect(const real *t, int32_t n, bracket r, int32_t sign, candidates *x) {
    const vec least = v_splat(r.lo);
    const vec most = v_splat(r.open ? (real)NAN : r.hi); // nothing reaches a NaN
    x->count = 0;
    for (int32_t at = 0; at < n; at += LANES) {
        mask valid = n - at < LANES ? m_first(n - at) : m_first(LANES);
        vec v = n - at < LANES ? signed_load_some(t + at, valid, sign) : signed_load(t + at, sign);
        mask in = m_andnot(v_le(most, v), m_and(v_le(least, v), valid));
        for (uint32_t bits = m_bits(in); bits; bits &= bits - 1) {
            int32_t i = at + __builtin_ctz(bits);
            x->value[x->count] = sign > 0 ? t[i] : -t[i];
            x->index[x->count++] = i;
        }
    }
}

// Moves the element of rank k (from 0) to its place, better ones before it, the rest behind.
// (C. A. R. Hoare's FIND.)
static inline void quickselect(candidates *x, int32_t k) {
    for (int32_t from = 0, to = x->count - 1; from < to;) {
        const real pivot = x->value[k];
        const int32_t pivot_index = x->index[k];
        int32_t i = from, j = to;
        while (i <= j) {
            while (better(x->value[i], x->index[i], pivot, pivot_index)) i++;
            while (better(pivot, pivot_index, x->value[j], x->index[j])) j--;
            if (i <= j) exchange(x, i++, j--);
        }
        if (j < k) from = i;
        if (i > k) to = j;
    }
}

// Whether one of the candidates behind the rank equals it.
static inline bool equal_behind(const candidates *x, int32_t rank) {
    for (int32_t i = rank + 1; i < x->count; i++)
        if (x->value[i] == x->value[rank]) return true;
    return false;
}

// sign: 1 for the largest, -1 for the smallest. k >= 1. Rows with NaNs give some answer.
static inline selection select_class(const real *t, int32_t n, int64_t k, int32_t sign,
                                     const scratch *room) {
    const selection all = {(real)(sign > 0 ? -INFINITY : INFINITY), n - 1};
    if (k >= n) return all;
    candidates x = {room->select_value, room->select_index, 0};
    bracket r = {.open = true};
    if (k <= LANES && n >= 2 * SELECT_SMALL)
        r.lo = reached_bound(t, n, (int)k, sign);
    else
        r = close_in(t, n, k, sign);
    collect(t, n, r, sign, &x);
    if (x.count == 0) return all;

    const int64_t place = k - r.reach_hi - 1; // of the k-th among the candidates, from 0
    const int32_t rank = place < x.count ? (int32_t)place : x.count - 1;
    quickselect(&x, rank);
    return (selection){sign > 0 ? x.value[rank] : -x.value[rank],
                       equal_behind(&x, rank) ? x.index[rank] : n - 1};
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
    for (int32_t i = 0; i < n; i++)
        v[i] = t[i] < (real)INFINITY ? t[i] : (real)-INFINITY; // not NaN
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
