// The float kernels of one instruction set: instances of the bodies for each partition. The
// includer has included the vector operations and defines ISA(name).
#include "gradient_body.h"
#include "split_across.h"
#include "sums_body.h"

// The rows of a block that a float stage works on.
static uint32_t open_rows(const block *b) {
    return b->used & ~b->refused;
}

// Calls the instance for the criterion's partition; -1 is the cross-entropy alone. The plain
// kernels, whose operations are long, have but one instance that asks for the partition at every
// step.
#ifdef ONE_INSTANCE
#    define FOR_PARTITION(c, call) call(((c)->kd ? (c)->partition : -1))
enum { WHOLE_BLOCKS = 0 };
#else
enum { WHOLE_BLOCKS = 1 };
#    define FOR_PARTITION(c, call)                                                                 \
        do {                                                                                       \
            switch ((c)->kd ? (c)->partition : -1) {                                               \
            case -1:                                                                               \
                call(-1);                                                                          \
                break;                                                                             \
            case GDKD_PARTITION_ALL:                                                               \
                call(GDKD_PARTITION_ALL);                                                          \
                break;                                                                             \
            case GDKD_PARTITION_TARGET:                                                            \
                call(GDKD_PARTITION_TARGET);                                                       \
                break;                                                                             \
            case GDKD_PARTITION_TOP:                                                               \
                call(GDKD_PARTITION_TOP);                                                          \
                break;                                                                             \
            case GDKD_PARTITION_BOTTOM:                                                            \
                call(GDKD_PARTITION_BOTTOM);                                                       \
                break;                                                                             \
            case GDKD_PARTITION_TOP1_TOPK:                                                         \
                call(GDKD_PARTITION_TOP1_TOPK);                                                    \
                break;                                                                             \
            default:                                                                               \
                call(GDKD_PARTITION_MAP);                                                          \
            }                                                                                      \
        } while (0)
#endif

static void rows_sums(const criterion *c, block *b, const scratch *x) {
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        if (c->kd) {
            split_row(c, b, lane, t, 0, x);
#define CALL(partition) refer_row(c, b, &b->low_sums, lane, partition, s, t, map)
            FOR_PARTITION(c, CALL);
#undef CALL
        }
        if (c->ce)
            refer_ce(b, lane, s, 1,
                     c->kd ? largest_reference(c, b, lane) : largest_of(s, c->classes, 1));
#define CALL(partition) sums_of_row(c, b, &b->low_sums, lane, partition, c->ce, s, t, map)
        FOR_PARTITION(c, CALL);
#undef CALL
    }
}

static void rows_gradient(const criterion *c, block *b, const scratch *x) {
    (void)x;
    for (uint32_t open = open_rows(b); open; open &= open - 1) {
        const int lane = __builtin_ctz(open);
        const real *s = b->s_row[lane], *t = b->t_row[lane];
        const uint8_t *map = b->map_row[lane];
        real *g = b->g_row[lane];
#define CALL(partition)                                                                            \
    gradient_of_row(c, b, &b->low_sums, lane, partition, c->ce, s, t, map, g, b->accumulate)
        FOR_PARTITION(c, CALL);
#undef CALL
    }
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
    if (c->kd) {
        split_across(c, b, x);
#define CALL(partition) refer_across(c, b, partition)
        FOR_PARTITION(c, CALL);
#undef CALL
    }
    if (c->ce) {
        for (int l = 0; l < b->rows; l++) {
            if (!(b->used >> l & 1U)) continue;
            const real *s = (const real *)b->s + l;
            refer_ce(b, l, s, b->s_step,
                     c->kd ? largest_reference(c, b, l) : largest_of(s, c->classes, b->s_step));
        }
    }
    if (WHOLE_BLOCKS && b->rows == LANES) {
#define CALL(partition) sums_of_block(c, b, partition, false)
        FOR_PARTITION(c, CALL);
#undef CALL
    } else {
#define CALL(partition) sums_of_block(c, b, partition, true)
        FOR_PARTITION(c, CALL);
#undef CALL
    }
}

static mask mask_of_bits(uint32_t bits) {
    real lane[LANES];
    for (int l = 0; l < LANES; l++) lane[l] = (real)(bits >> l & 1U);
    return v_eq(v_load(lane), v_splat(1));
}

static void across_gradient(const criterion *c, block *b, const scratch *x) {
    (void)x;
    const uint32_t all = (1U << b->rows) - 1U, live = (b->accumulate ? b->used : all) & ~b->refused;
    if (WHOLE_BLOCKS && b->rows == LANES && live == all && b->used == all) {
        const mask every = m_all();
#define CALL(partition) gradient_of_block(c, b, partition, every, every, false)
        FOR_PARTITION(c, CALL);
#undef CALL
    } else {
        const mask written = mask_of_bits(live), used = mask_of_bits(b->used);
#define CALL(partition) gradient_of_block(c, b, partition, written, used, true)
        FOR_PARTITION(c, CALL);
#undef CALL
    }
}

const kernels ISA(gdkd_kernels) = {
    .isa = ISA_NUMBER,
    .rows_sums = rows_sums,
    .rows_gradient = rows_gradient,
    .across_sums = across_sums,
    .across_gradient = across_gradient,
    .finish = ISA(gdkd_finish),
    .judge = ISA(gdkd_judge),
    .exact_sums = ISA(gdkd_exact_sums),
    .exact_gradient = ISA(gdkd_exact_gradient),
};
