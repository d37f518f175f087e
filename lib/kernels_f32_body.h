// The float kernels of one instruction set: instances of the bodies for each partition. The
// includer has included the vector operations and defines ISA(name).
#include "gradient_body.h"
#include "list_body.h"
#include "refine_body.h"
#include "split_across.h"
#include "sums_body.h"
#include "transpose_body.h"

// The rows of a block that a float stage works on.
static uint32_t open_rows(const block *b) {
    return b->used & ~b->refused;
}

static task what_of(const criterion *c) {
    return c->ce ? WITH_CE : AS_ASKED;
}

static bool is_plain(const criterion *c) {
    return c->kd && c->forward && !c->reverse && !c->ce;
}

// A forward distillation term alone, as most calls want it, has instances of its own, with that a constant.
#define IF_PLAIN(c, call, partition, p)                                                            \
    do {                                                                                           \
        if (is_plain(c))                                                                           \
            call(partition, p, PLAIN);                                                             \
        else                                                                                       \
            call(partition, p, what_of(c));                                                        \
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

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        if (c->kd && !list_row(c, b, lane, s, t)) {
            split_row(c, b, lane, t, 0, x);
#define CALL(partition, p) refer_row(c, b, p, lane, partition, s, t, map)
            FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
        }
        if (c->ce) refer_ce(b, lane, s, 1, c->kd ? b->row_top[lane] : largest_of(s, c->classes, 1));
        const kept to = kept_of(c, x, lane);
#define EACH(partition, p, what) sums_of_row(c, b, p, lane, partition, what, s, t, map, to)
#define CALL(partition, p)       IF_PLAIN(c, EACH, partition, p)
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

static void rows_gradient(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        real *g = b->g_row[lane];
        const kept from = kept_of(c, x, lane);
#define EACH(partition, p, what)                                                                   \
    gradient_of_row(c, b, p, lane, partition, what, s, t, map, from, g, b->accumulate)
#define CALL(partition, p) IF_PLAIN(c, EACH, partition, p)
        FOR_ROW(c, b, lane, CALL);
#undef EACH
#undef CALL
        add_listed_gradient(b, lane, g);
    }
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
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
#define CALL(partition, p)       IF_PLAIN(c, EACH, partition, p)
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

static void across_gradient(const criterion *c, block *b, const scratch *x) {
    const kept from = kept_of(c, x, 0);
    const uint32_t all = (1U << b->rows) - 1U, live = (b->accumulate ? b->used : all) & ~b->refused;
    if (WHOLE_BLOCKS && b->rows == LANES && live == all && b->used == all) {
        const mask every = m_all();
#define EACH(partition, p, what) gradient_of_block(c, b, partition, what, from, every, every, false)
#define CALL(partition, p)       IF_PLAIN(c, EACH, partition, p)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef EACH
#undef CALL
    } else {
        const mask written = mask_of_bits(live), used = mask_of_bits(b->used);
#define CALL(partition, p) gradient_of_block(c, b, partition, what_of(c), from, written, used, true)
        FOR_PARTITION(c, b->low_sums, CALL);
#undef CALL
    }
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
    .judge = ISA(gdkd_judge),
    .combine_refined = ISA(gdkd_combine_refined),
    .exact_sums = ISA(gdkd_exact_sums),
    .exact_gradient = ISA(gdkd_exact_gradient),
};
