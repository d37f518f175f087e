// Which instance of a body a criterion asks for: by its terms, and by how its groups are told.
#ifndef GDKD_INSTANCES_H
#define GDKD_INSTANCES_H

#include "sums_body.h"

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

static bool is_forward(const criterion *c) {
    return c->kd && c->forward && !c->reverse;
}

// A forward distillation term alone, as most calls want it, has instances of its own, with that a constant.
#define IF_PLAIN(plain, otherwise, call, partition, p)                                             \
    do {                                                                                           \
        if (plain)                                                                                 \
            call(partition, p, PLAIN);                                                             \
        else                                                                                       \
            call(partition, p, otherwise);                                                         \
    } while (0)

// What the groups of a block are told by.
static int partition_across(const criterion *c, const block *b) {
    if (!c->kd) return PARTITION_NONE;
    return c->partition == GDKD_PARTITION_MAP && b->map_shared ? PARTITION_SHARED_MAP
                                                               : c->partition;
}

// Calls the instance for a partition. The plain kernels, whose operations are long, have but one
// instance that asks for the partition at every step.
#ifdef ONE_INSTANCE
#    define FOR_BORDERED(partition, call)  call(partition)
#    define FOR_PARTITION(partition, call) call(partition)
#    define FOR_REST(c, call)              call(rest_partition(c))
enum { WHOLE_BLOCKS = 0 };
#else
enum { WHOLE_BLOCKS = 1 };
// Groups that a border parts, or none.
#    define FOR_BORDERED(partition, call)                                                          \
        do {                                                                                       \
            switch (partition) {                                                                   \
            case PARTITION_NONE:                                                                   \
                call(PARTITION_NONE);                                                              \
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
            default:                                                                               \
                call(GDKD_PARTITION_TOP1_TOPK);                                                    \
            }                                                                                      \
        } while (0)
#    define FOR_PARTITION(partition, call)                                                         \
        do {                                                                                       \
            if ((partition) == PARTITION_SHARED_MAP)                                               \
                call(PARTITION_SHARED_MAP);                                                        \
            else if ((partition) == GDKD_PARTITION_MAP)                                            \
                call(GDKD_PARTITION_MAP);                                                          \
            else                                                                                   \
                FOR_BORDERED(partition, call);                                                     \
        } while (0)
#    define FOR_REST(c, call)                                                                      \
        do {                                                                                       \
            if (rest_partition(c) == PARTITION_REST)                                               \
                call(PARTITION_REST);                                                              \
            else                                                                                   \
                call(PARTITION_REST_OF_TARGET);                                                    \
        } while (0)
#endif

static int rest_partition(const criterion *c) {
    return c->partition == GDKD_PARTITION_TARGET ? PARTITION_REST_OF_TARGET : PARTITION_REST;
}

#endif
