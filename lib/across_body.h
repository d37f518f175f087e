// The float stages of a block of rows, one per lane.
#ifndef GDKD_ACROSS_BODY_H
#define GDKD_ACROSS_BODY_H

#include "gradient_body.h"
#include "instances.h"
#include "refine_body.h"
#include "split_across.h"
#include "standard_body.h"

static void temper_block(const criterion *c, block *b) {
    const double freedom = c->classes - 1;
    moments s, t;
    moments_of_block(b->s, b->s_step, c->classes, b->rows, &s);
    moments_of_block(b->t, b->t_step, c->classes, b->rows, &t);
    for (int l = 0; l < b->rows; l++)
        if (b->used >> l & 1U && !set_temperatures(c, &b->row, l, freedom, &s, &t))
            b->refused |= 1U << l;
}

static void across_sums(const criterion *c, block *b, const scratch *x) {
    const int told_by = partition_across(c, b);
    if (is_standardised(c)) temper_block(c, b);
    if (c->kd) {
        split_across(c, b, x);
        if (WHOLE_BLOCKS && b->rows == LANES) {
#define CALL(partition) refer_across(c, b, partition, false)
            FOR_PARTITION(told_by, CALL);
#undef CALL
        } else {
#define CALL(partition) refer_across(c, b, partition, true)
            FOR_PARTITION(told_by, CALL);
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
    const kept to = kept_of(c, b, x, 0);
    if (WHOLE_BLOCKS && b->rows == LANES) {
#define EACH(partition, p, what) sums_of_block(c, b, partition, what, false, to)
#define CALL(partition)          IF_PLAIN(is_forward(c) && !c->ce, what_of(c), EACH, partition, b->low_sums)
        FOR_PARTITION(told_by, CALL);
#undef EACH
#undef CALL
    } else {
#define CALL(partition) sums_of_block(c, b, partition, what_of(c), true, to)
        FOR_PARTITION(told_by, CALL);
#undef CALL
    }
}

static void across_refine(const criterion *c, block *b, const scratch *x) {
    const int told_by = partition_across(c, b);
    const kept from = kept_of(c, b, x, 0);
    if (WHOLE_BLOCKS && b->rows == LANES) {
#define EACH(partition, p, what) refine_block(c, b, partition, what, false, from)
#define CALL(partition)          IF_PLAIN(is_forward(c), AS_ASKED, EACH, partition, b->low_sums)
        FOR_PARTITION(told_by, CALL);
#undef EACH
#undef CALL
    } else {
#define CALL(partition) refine_block(c, b, partition, AS_ASKED, true, from)
        FOR_PARTITION(told_by, CALL);
#undef CALL
    }
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
    const int told_by = partition_across(c, b);
    const kept from = kept_of(c, b, x, 0);
    const bool standard = is_standardised(c), accumulate = b->accumulate && !standard;
    const uint32_t all = (1U << b->rows) - 1U, live = (b->accumulate ? b->used : all) & ~b->refused;
    const mask written = mask_of_bits(live), used = mask_of_bits(b->used), valid = m_first(b->rows);
    real *g = standard ? from.s : b->g;
    const int64_t step = standard ? LANES : b->g_step;
    if (WHOLE_BLOCKS && b->rows == LANES && live == all && b->used == all) {
#define EACH(partition, p, what)                                                                   \
    gradient_of_block(c, b, partition, what, from, g, step, accumulate, valid, valid, false)
#define CALL(partition)                                                                            \
    IF_PLAIN(is_forward(c) && !c->ce, gradient_task(c), EACH, partition, b->low_sums)
        FOR_PARTITION(told_by, CALL);
#undef EACH
#undef CALL
    } else {
#define CALL(partition)                                                                            \
    gradient_of_block(c, b, partition, gradient_task(c), from, g, step, accumulate,                \
                      standard ? valid : written, used, true)
        FOR_PARTITION(told_by, CALL);
#undef CALL
    }
    if (standard) deliver_block(c, b, from, written, used);
}

#endif
