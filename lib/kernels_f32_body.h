// The float kernels of one instruction set: instances of the bodies for each partition. The
// includer has included the vector operations and defines ISA(name).
#include "gradient_body.h"
#include "list_body.h"
#include "refine_body.h"
#include "split_across.h"
#include "standard_body.h"
#include "sums_body.h"
#include "transpose_body.h"

// The rows of a block that a float stage works on.
static uint32_t open_rows(const block *b) {
    return b->used & ~b->refused;
}

static task what_of(const criterion *c) {
    return c->ce ? WITH_CE : AS_ASKED;
}

static bool is_standardised(const criterion *c) {
    return c->standardize != GDKD_STANDARDIZE_NONE;
}

// The cross-entropy is of the raw logits: its gradient follows by itself where the others' are standardised.
static task gradient_task(const criterion *c) {
    return is_standardised(c) ? AS_ASKED : what_of(c);
}

static bool is_plain(const criterion *c) {
    return c->kd && c->forward && !c->reverse && !c->ce;
}

// A forward distillation term alone, as most calls want it, has instances of its own, with that a constant.
#define IF_PLAIN(c, otherwise, call, partition, p)                                                 \
    do {                                                                                           \
        if (is_plain(c))                                                                           \
            call(partition, p, PLAIN);                                                             \
        else                                                                                       \
            call(partition, p, otherwise);                                                         \
    } while (0)

// Calls the instance for the criterion's partition. The plain kernels, whose operations are long, have but one
// instance that asks for the partition at every step.
#ifdef ONE_INSTANCE
#    define FOR_PARTITION(c, p, call) call(((c)->kd ? (c)->partition : PARTITION_NONE), p)
#    define FOR_REST(c, p, call)      call(rest_partition(c), p)
enum { WHOLE_BLOCKS = 0 };
#else
enum { WHOLE_BLOCKS = 1 };
#    define FOR_PARTITION(c, p, call)                                                              \
        do {                                                                                       \
            switch ((c)->kd ? (c)->partition : PARTITION_NONE) {                                   \
            case PARTITION_NONE:                                                                   \
                call(PARTITION_NONE, p);                                                           \
                break;                                                                             \
            case GDKD_PARTITION_ALL:                                                               \
                call(GDKD_PARTITION_ALL, p);                                                       \
                break;                                                                             \
            case GDKD_PARTITION_TARGET:                                                            \
                call(GDKD_PARTITION_TARGET, p);                                                    \
                break;                                                                             \
            case GDKD_PARTITION_TOP:                                                               \
                call(GDKD_PARTITION_TOP, p);                                                       \
                break;                                                                             \
            case GDKD_PARTITION_BOTTOM:                                                            \
                call(GDKD_PARTITION_BOTTOM, p);                                                    \
                break;                                                                             \
            case GDKD_PARTITION_TOP1_TOPK:                                                         \
                call(GDKD_PARTITION_TOP1_TOPK, p);                                                 \
                break;                                                                             \
            default:                                                                               \
                call(GDKD_PARTITION_MAP, p);                                                       \
            }                                                                                      \
        } while (0)
#    define FOR_REST(c, p, call)                                                                   \
        do {                                                                                       \
            if (rest_partition(c) == PARTITION_REST)                                               \
                call(PARTITION_REST, p);                                                           \
            else                                                                                   \
                call(PARTITION_REST_OF_TARGET, p);                                                 \
        } while (0)
#endif

static bool is_listed(const block *b, int lane) {
    return b->list.count[lane] > 0;
}

static int rest_partition(const criterion *c) {
    return c->partition == GDKD_PARTITION_TARGET ? PARTITION_REST_OF_TARGET : PARTITION_REST;
}

// The same for one row, which may have a list.
#define FOR_ROW(c, b, lane, call)                                                                  \
    do {                                                                                           \
        if (is_listed(b, lane))                                                                    \
            FOR_REST(c, &(b)->rest, call);                                                         \
        else                                                                                       \
            FOR_PARTITION(c, (b)->low_sums, call);                                                 \
    } while (0)

// A standardised row's temperatures; false where it has none.
static bool temper_row(const criterion *c, block *b, int lane) {
    moments s, t;
    moments_of_row(b->s_row[lane], c->classes, lane, &s);
    moments_of_row(b->t_row[lane], c->classes, lane, &t);
    set_temperatures(c, b, lane, &s, &t);
    return !(b->refused >> lane & 1U);
}

static void temper_block(const criterion *c, block *b) {
    moments s, t;
    moments_of_block(b->s, b->s_step, c->classes, b->rows, &s);
    moments_of_block(b->t, b->t_step, c->classes, b->rows, &t);
    for (int l = 0; l < b->rows; l++)
        if (b->used >> l & 1U) set_temperatures(c, b, l, &s, &t);
}

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        if (is_standardised(c) && !temper_row(c, b, lane)) continue;
        if (c->kd && !list_row(c, b, lane, s, t)) {
            split_row(c, b, lane, t, 0, x);
#define CALL(partition, p) refer_row(c, b, p, lane, partition, s, t, map)
            FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
        }
        if (c->ce) refer_ce(b, lane, s, 1, c->kd ? b->row_top[lane] : largest_of(s, c->classes, 1));
        const kept to = kept_of(c, x, lane);
#define EACH(partition, p, what) sums_of_row(c, b, p, lane, partition, what, s, t, map, to)
#define CALL(partition, p)       IF_PLAIN(c, what_of(c), EACH, partition, p)
        FOR_ROW(c, b, lane, CALL);
#undef EACH
#undef CALL
    }
}

static void rows_refine(const criterion *c, block *b, const scratch *x) {
    for (uint32_t near = b->near; near; near &= near - 1) {
        const int lane = __builtin_ctz(near);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        const kept from = kept_of(c, x, lane);
#define CALL(partition, p) refine_row(c, b, p, lane, partition, s, t, map, from)
        FOR_ROW(c, b, lane, CALL);
#undef CALL
    }
}

// The listed classes have nothing from the pass over the row but the cross-entropy's part.
static void add_listed_gradient(const block *b, int lane, real *g) {
    const listing *list = &b->list;
    for (int j = 0; j < list->count[lane]; j++)
        g[list->index[j][lane]] += (real)list->gradient[j][lane];
}

// Takes the row's gradient from where it is kept, standardised, to the caller.
static void deliver_row(const criterion *c, const block *b, int lane, kept from) {
    const real *s = b->s_row[lane], *t = b->t_row[lane];
    real *g = b->g_row[lane];
    if (!c->ce) {
        standardise_row_back(c, b, lane, s, from.s, g, b->accumulate);
        return;
    }
    standardise_row_back(c, b, lane, s, from.s, from.s, false);
    gradient_of_row(c, b, b->low_sums, lane, PARTITION_NONE, WITH_CE, s, t, NULL, from, from.s,
                    true);
    for (int32_t i = 0; i < c->classes; i++) g[i] = b->accumulate ? g[i] + from.s[i] : from.s[i];
}

static void rows_gradient(const criterion *c, block *b, const scratch *x) {
    const bool standard = is_standardised(c), accumulate = b->accumulate && !standard;
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        const kept from = kept_of(c, x, lane);
        real *g = standard ? from.s : b->g_row[lane];
#define EACH(partition, p, what)                                                                   \
    gradient_of_row(c, b, p, lane, partition, what, s, t, map, from, g, accumulate)
#define CALL(partition, p) IF_PLAIN(c, gradient_task(c), EACH, partition, p)
        FOR_ROW(c, b, lane, CALL);
#undef EACH
#undef CALL
        add_listed_gradient(b, lane, g);
        if (standard) deliver_row(c, b, lane, from);
    }
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
    if (is_standardised(c)) temper_block(c, b);
    if (c->kd) {
        split_across(c, b, x);
        if (WHOLE_BLOCKS && b->rows == LANES) {
#define CALL(partition, p) refer_across(c, b, partition, false)
            FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
        } else {
#define CALL(partition, p) refer_across(c, b, partition, true)
            FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
        }
    }
    if (c->ce) {
        for (int l = 0; l < b->rows; l++) {
            if (!(b->used >> l & 1U)) continue;
            const real *s = (const real *)b->s + l;
            refer_ce(b, l, s, b->s_step,
                     c->kd ? b->row_top[l] : largest_of(s, c->classes, b->s_step));
        }
    }
    const kept to = kept_of(c, x, 0);
    if (WHOLE_BLOCKS && b->rows == LANES) {
#define EACH(partition, p, what) sums_of_block(c, b, partition, what, false, to)
#define CALL(partition, p)       IF_PLAIN(c, what_of(c), EACH, partition, p)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef EACH
#undef CALL
    } else {
#define CALL(partition, p) sums_of_block(c, b, partition, what_of(c), true, to)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
    }
}

static void across_refine(const criterion *c, block *b, const scratch *x) {
#define CALL(partition, p) refine_block(c, b, partition, kept_of(c, x, 0))
    FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
}

static mask mask_of_bits(uint32_t bits) {
    real lane[LANES];
    for (int l = 0; l < LANES; l++) lane[l] = (real)(bits >> l & 1U);
    return v_eq(v_load(lane), v_splat(1));
}

// As deliver_row.
static void deliver_block(const criterion *c, const block *b, kept from, mask live, mask used) {
    const mask valid = m_first(b->rows);
    real *g = b->g;
    standardise_block_back(c, b, from.s);
    if (c->ce)
        gradient_of_block(c, b, PARTITION_NONE, WITH_CE, from, from.s, LANES, true, valid, valid,
                          true);
    for (int32_t i = 0; i < c->classes; i++, g += b->g_step) {
        const vec y = v_only(used, v_load(from.s + (int64_t)i * LANES));
        v_store_some(g, live, b->accumulate ? v_add(v_load_some(g, live), y) : y);
    }
}

static void across_gradient(const criterion *c, block *b, const scratch *x) {
    const kept from = kept_of(c, x, 0);
    const bool standard = is_standardised(c), accumulate = b->accumulate && !standard;
    const uint32_t all = (1U << b->rows) - 1U, live = (b->accumulate ? b->used : all) & ~b->refused;
    const mask written = mask_of_bits(live), used = mask_of_bits(b->used), valid = m_first(b->rows);
    real *g = standard ? from.s : b->g;
    const int64_t step = standard ? LANES : b->g_step;
    if (WHOLE_BLOCKS && b->rows == LANES && live == all && b->used == all) {
#define EACH(partition, p, what)                                                                   \
    gradient_of_block(c, b, partition, what, from, g, step, accumulate, valid, valid, false)
#define CALL(partition, p) IF_PLAIN(c, gradient_task(c), EACH, partition, p)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef EACH
#undef CALL
    } else {
#define CALL(partition, p)                                                                         \
    gradient_of_block(c, b, partition, gradient_task(c), from, g, step, accumulate,                \
                      standard ? valid : written, used, true)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
    }
    if (standard) deliver_block(c, b, from, written, used);
}

const kernels ISA(gdkd_kernels) = {
    .isa = ISA_NUMBER,
    .rows_sums = rows_sums,
    .rows_refine = rows_refine,
    .rows_gradient = rows_gradient,
    .across_sums = across_sums,
    .across_refine = across_refine,
    .across_gradient = across_gradient,
    .gather = gather_rows,
    .scatter = scatter_rows,
    .combine = ISA(gdkd_combine),
    .finish = ISA(gdkd_finish),
    .finish_again = ISA(gdkd_finish_again),
    .judge = ISA(gdkd_judge),
    .combine_refined = ISA(gdkd_combine_refined),
    .exact_sums = ISA(gdkd_exact_sums),
    .exact_gradient = ISA(gdkd_exact_gradient),
};
