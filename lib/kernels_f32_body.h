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

// Calls the instance for the criterion's partition, and for `plain`: a forward distillation term alone, into a
// gradient that is not accumulated, as most calls want it. The plain kernels, whose operations are long, have
// but one instance that asks at every step.
#ifdef ONE_INSTANCE
#    define FOR_PARTITION(c, p, plain, call)                                                       \
        call(((c)->kd ? (c)->partition : PARTITION_NONE), p, (plain) ? PLAIN : what_of(c))
#    define FOR_REST(c, p, plain, call) call(rest_partition(c), p, (plain) ? PLAIN : what_of(c))
enum { WHOLE_BLOCKS = 0 };
#else
enum { WHOLE_BLOCKS = 1 };
#    define FOR_PLAIN(c, partition, p, plain, call)                                                \
        do {                                                                                       \
            if (plain)                                                                             \
                call(partition, p, PLAIN);                                                         \
            else                                                                                   \
                call(partition, p, what_of(c));                                                    \
        } while (0)
#    define FOR_PARTITION(c, p, plain, call)                                                       \
        do {                                                                                       \
            switch ((c)->kd ? (c)->partition : PARTITION_NONE) {                                   \
            case PARTITION_NONE:                                                                   \
                call(PARTITION_NONE, p, what_of(c));                                               \
                break;                                                                             \
            case GDKD_PARTITION_ALL:                                                               \
                FOR_PLAIN(c, GDKD_PARTITION_ALL, p, plain, call);                                  \
                break;                                                                             \
            case GDKD_PARTITION_TARGET:                                                            \
                FOR_PLAIN(c, GDKD_PARTITION_TARGET, p, plain, call);                               \
                break;                                                                             \
            case GDKD_PARTITION_TOP:                                                               \
                FOR_PLAIN(c, GDKD_PARTITION_TOP, p, plain, call);                                  \
                break;                                                                             \
            case GDKD_PARTITION_BOTTOM:                                                            \
                FOR_PLAIN(c, GDKD_PARTITION_BOTTOM, p, plain, call);                               \
                break;                                                                             \
            case GDKD_PARTITION_TOP1_TOPK:                                                         \
                FOR_PLAIN(c, GDKD_PARTITION_TOP1_TOPK, p, plain, call);                            \
                break;                                                                             \
            default:                                                                               \
                FOR_PLAIN(c, GDKD_PARTITION_MAP, p, plain, call);                                  \
            }                                                                                      \
        } while (0)
#    define FOR_REST(c, p, plain, call)                                                            \
        do {                                                                                       \
            if (rest_partition(c) == PARTITION_REST)                                               \
                FOR_PLAIN(c, PARTITION_REST, p, plain, call);                                      \
            else                                                                                   \
                FOR_PLAIN(c, PARTITION_REST_OF_TARGET, p, plain, call);                            \
        } while (0)
#endif

static bool is_listed(const block *b, int lane) {
    return b->list.count[lane] > 0;
}

static int rest_partition(const criterion *c) {
    return c->partition == GDKD_PARTITION_TARGET ? PARTITION_REST_OF_TARGET : PARTITION_REST;
}

// The same for one row, which may have a list.
#define FOR_ROW(c, b, lane, plain, call)                                                           \
    do {                                                                                           \
        if (is_listed(b, lane))                                                                    \
            FOR_REST(c, &(b)->rest, plain, call);                                                  \
        else                                                                                       \
            FOR_PARTITION(c, (b)->low_sums, plain, call);                                          \
    } while (0)

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        if (c->kd && !list_row(c, b, lane, s, t)) {
            split_row(c, b, lane, t, 0, x);
#define CALL(partition, p, what) refer_row(c, b, p, lane, partition, s, t, map)
            FOR_PARTITION(c, b->low_sums, false, CALL);
#undef CALL
        }
        if (c->ce) refer_ce(b, lane, s, 1, c->kd ? b->row_top[lane] : largest_of(s, c->classes, 1));
        const kept to = kept_of(c, x, lane);
#define CALL(partition, p, what) sums_of_row(c, b, p, lane, partition, what, s, t, map, to)
        FOR_ROW(c, b, lane, is_plain(c), CALL);
#undef CALL
    }
}

static void rows_refine(const criterion *c, block *b, const scratch *x) {
    for (uint32_t near = b->near; near; near &= near - 1) {
        const int lane = __builtin_ctz(near);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        const kept from = kept_of(c, x, lane);
#define CALL(partition, p, what) refine_row(c, b, p, lane, partition, s, t, map, from)
        FOR_ROW(c, b, lane, false, CALL);
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
#define CALL(partition, p, what)                                                                   \
    gradient_of_row(c, b, p, lane, partition, what, s, t, map, from, g,                            \
                    (what) != PLAIN && b->accumulate)
        FOR_ROW(c, b, lane, is_plain(c) && !b->accumulate, CALL);
#undef CALL
        add_listed_gradient(b, lane, g);
    }
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
    if (c->kd) {
        split_across(c, b, x);
        if (WHOLE_BLOCKS && b->rows == LANES) {
#define CALL(partition, p, what) refer_across(c, b, partition, false)
            FOR_PARTITION(c, b->low_sums, false, CALL);
#undef CALL
        } else {
#define CALL(partition, p, what) refer_across(c, b, partition, true)
            FOR_PARTITION(c, b->low_sums, false, CALL);
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
#define CALL(partition, p, what) sums_of_block(c, b, partition, what, false, to)
        FOR_PARTITION(c, b->low_sums, is_plain(c), CALL);
#undef CALL
    } else {
#define CALL(partition, p, what) sums_of_block(c, b, partition, what, true, to)
        FOR_PARTITION(c, b->low_sums, false, CALL);
#undef CALL
    }
}

static void across_refine(const criterion *c, block *b, const scratch *x) {
#define CALL(partition, p, what) refine_block(c, b, partition, kept_of(c, x, 0))
    FOR_PARTITION(c, b->low_sums, false, CALL);
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
#define CALL(partition, p, what) gradient_of_block(c, b, partition, what, from, every, every, false)
        FOR_PARTITION(c, b->low_sums, is_plain(c) && !b->accumulate, CALL);
#undef CALL
    } else {
        const mask written = mask_of_bits(live), used = mask_of_bits(b->used);
#define CALL(partition, p, what) gradient_of_block(c, b, partition, what, from, written, used, true)
        FOR_PARTITION(c, b->low_sums, false, CALL);
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
