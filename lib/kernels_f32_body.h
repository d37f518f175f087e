// The float kernels of one instruction set: instances of the bodies for each partition. The
// includer has included the vector operations and defines ISA(name).
#include "finish_body.h"
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
        if (c->kd) split_and_refer(c, b, lane, s, t, map, x);
        if (c->ce)
            refer_ce(b, lane, s, 1,
                     c->kd ? b->low_sums.ref_s[0][lane] : largest_of(s, c->classes, 1));
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
    if (c->kd) split_across(c, b, x);
    if (c->ce) {
        for (int l = 0; l < b->rows; l++) {
            if (!(b->used >> l & 1U)) continue;
            const real *s = (const real *)b->s + l;
            refer_ce(b, l, s, b->s_step,
                     c->kd ? b->low_sums.ref_s[0][l] : largest_of(s, c->classes, b->s_step));
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

static void finish(const criterion *c, block *b) {
    finish_rows(c, b);
}

// A float sum that left [2^-100, 2^100] has lost terms, or its coefficients will.
static bool held(double x) {
    return x > 0x1p-100 && x < 0x1p100;
}

static void judge_range(const criterion *c, const block *b, lanes good) {
    const group_sums *p = &b->low_sums;
    FOR_LANES {
        double scale = fabs(b->grad_scale[l]);
        bool ce = !c->ce || (held(b->sum_ce[l]) && fabs(b->lin_ce[l]) < 0x1p100);
        good[l] = ce && (scale == 0 || (scale > 0x1p-60 && scale < 0x1p60)) ? 1 : 0;
    }
    for (int g = 0; g < c->groups; g++) FOR_LANES {
            double s = p->sum_s[g][l], t = p->sum_t[g][l];
            double dots =
                (c->forward ? fabs(p->dot_t[g][l]) : 0) + (c->reverse ? fabs(p->dot_s[g][l]) : 0);
            double largest = fabs(p->c_s[g][l]) + fabs(p->c_t[g][l]) + fabs(p->c_d[g][l]);
            bool empty = s == 0 && t == 0;
            good[l] =
                empty || (held(s) && held(t) && dots < 0x1p100 && largest < 0x1p100) ? good[l] : 0;
        }
}

// Logarithms of float sums are off by about FLOAT_ERROR. The promise is relative to the terms'
// absolute values, sum_i q_i |log q_i - log p_i|: about the root of a divergence where that is
// small. A row whose terms are too small for the promise goes the exact way. The high term's error
// is that of the masses times |P - Q|, at most sqrt(high / 2). See docs/numerics.md for the
// measurements behind the numbers.
static double magnitude(double term, double unit) {
    return term > unit ? term : sqrt(term > 0 ? term * unit : 0);
}

static void judge_precision(const criterion *c, const block *b, lanes good) {
    const double float_error = 7e-8, promised = 3e-7;
    lanes size, error;
    FOR_LANES {
        size[l] = c->ce ? fabs(c->ce_weight * b->ce[l]) : 0;
        error[l] = c->ce ? fabs(c->ce_weight) : 0;
    }
    if (c->groups > 1 && c->w_high != 0) FOR_LANES {
            double w = fabs(c->kd_weight * c->w_high);
            size[l] += w * fabs(b->high[l]);
            error[l] += w * (b->high[l] < c->factor ? magnitude(b->high[l], c->factor) : c->factor);
        }
    for (int g = 0; g < c->groups; g++) FOR_LANES {
            double w = fabs(c->kd_weight * c->w_low[g]);
            double unit = c->factor * (c->mass_scaled >> g & 1U ? b->teacher_mass[g][l] : 1) *
                          (c->table_weighted >> g & 1U ? fabs(b->low_weight[l]) : 1);
            bool empty = b->low_sums.sum_t[g][l] == 0;
            size[l] += w * magnitude(fabs(b->low[g][l]), unit);
            error[l] += empty ? 0 : w * unit;
        }
    FOR_LANES good[l] = float_error * error[l] <= promised * size[l] ? good[l] : 0;
}

static void judge(const criterion *c, block *b) {
    lanes good;
    judge_range(c, b, good);
    judge_precision(c, b, good);
    for (int l = 0; l < BLOCK_ROWS; l++)
        if (good[l] == 0) b->refused |= 1U << l & b->used;
}

const kernels ISA(gdkd_kernels) = {
    .isa = ISA_NUMBER,
    .rows_sums = rows_sums,
    .rows_gradient = rows_gradient,
    .across_sums = across_sums,
    .across_gradient = across_gradient,
    .finish = finish,
    .judge = judge,
    .exact_sums = ISA(gdkd_exact_sums),
    .exact_gradient = ISA(gdkd_exact_gradient),
};
