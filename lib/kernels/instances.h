// The instances of the stages: the one place where a shape, a kind of membership and a task are
// chosen. Their parameters:
//
//     shape   ALONG    one row, lanes along its classes
//             ACROSS   a block of rows, one per lane
//     kind    ONE      all classes in one group
//             HOLES    ONE without the picked classes; their exponentials are 0 afterwards, and
//                      ONE serves it
//             TWO      two groups, told by words
//             EACH     across: the group of each class, the same in all rows
//             MANY     across: several groups, told by words. (Along, they are sorted: ONE.)
//     task    PLAIN    forward KL by sums, as most calls want it: fewer sums, of constant number
//             FULL     all that the criterion asks for
//             BARE     no divergence: for a high term that has sums of its own
#ifndef GDKD_INSTANCES_H
#define GDKD_INSTANCES_H

#include "gradient.h"
#include "references.h"

typedef void (*references_stage)(const strip *r, int lane, references *ref, double *top);
typedef void (*sums_stage)(const criterion *c, const strip *r, int lane, const references *ref,
                           group_sums *sum);
typedef void (*refine_stage)(const criterion *c, const strip *r, int lane, const references *ref,
                             const group_relation *relation, bool pulls, group_divergence *out);
typedef void (*gradient_stage)(const criterion *c, const strip *r, int lane, const references *ref,
                               const group_relation *relation,
                               const group_coefficients *coefficient, bool by_pull,
                               destination out);

#define REFERENCES(name, shape, kind)                                                              \
    static void name(const strip *r, int lane, references *ref, double *top) {                     \
        find_references(shape, kind, r, lane, ref, top);                                           \
    }
#define SUMS(name, shape, kind, task)                                                              \
    static void name(const criterion *c, const strip *r, int lane, const references *ref,          \
                     group_sums *sum) {                                                            \
        find_sums(shape, kind, task, c, r, lane, ref, sum);                                        \
    }
#define REFINE(name, shape, kind)                                                                  \
    static void name(const criterion *c, const strip *r, int lane, const references *ref,          \
                     const group_relation *relation, bool pulls, group_divergence *out) {          \
        refine(shape, kind, c, r, lane, ref, relation, pulls, out);                                \
    }
#define GRADIENT(name, shape, kind, task)                                                          \
    static void name(const criterion *c, const strip *r, int lane, const references *ref,          \
                     const group_relation *relation, const group_coefficients *coefficient,        \
                     bool by_pull, destination out) {                                              \
        find_gradient(shape, kind, task, c, r, lane, ref, relation, coefficient, by_pull, out);    \
    }

REFERENCES(references_one, ALONG, ONE)
SUMS(sums_one_full, ALONG, ONE, FULL)
REFINE(refine_one, ALONG, ONE)
GRADIENT(gradient_one_full, ALONG, ONE, FULL)

#ifdef REAL_IS_FLOAT // doubles are sorted, and go along the classes
REFERENCES(references_two, ALONG, TWO)
SUMS(sums_one_bare, ALONG, ONE, BARE)
SUMS(sums_holes_full, ALONG, HOLES, FULL)
SUMS(sums_two_full, ALONG, TWO, FULL)
REFINE(refine_two, ALONG, TWO)
GRADIENT(gradient_two_full, ALONG, TWO, FULL)

REFERENCES(references_one_across, ACROSS, ONE)
REFERENCES(references_two_across, ACROSS, TWO)
REFERENCES(references_each_across, ACROSS, EACH)
REFERENCES(references_many_across, ACROSS, MANY)
SUMS(sums_one_across_full, ACROSS, ONE, FULL)
SUMS(sums_two_across_full, ACROSS, TWO, FULL)
SUMS(sums_each_across, ACROSS, EACH, FULL)
SUMS(sums_many_across, ACROSS, MANY, FULL)
REFINE(refine_one_across, ACROSS, ONE)
REFINE(refine_two_across, ACROSS, TWO)
REFINE(refine_each_across, ACROSS, EACH)
REFINE(refine_many_across, ACROSS, MANY)
GRADIENT(gradient_one_across_full, ACROSS, ONE, FULL)
GRADIENT(gradient_two_across_full, ACROSS, TWO, FULL)
GRADIENT(gradient_each_across, ACROSS, EACH, FULL)
GRADIENT(gradient_many_across, ACROSS, MANY, FULL)

#    ifdef SMALL_CODE // what FULL asks at every step is nothing beside the operations
#        define PLAIN_OF(name) name##_full
#    else
#        define PLAIN_OF(name) name
SUMS(sums_one, ALONG, ONE, PLAIN)
SUMS(sums_holes, ALONG, HOLES, PLAIN)
SUMS(sums_two, ALONG, TWO, PLAIN)
SUMS(sums_one_across, ACROSS, ONE, PLAIN)
SUMS(sums_two_across, ACROSS, TWO, PLAIN)
GRADIENT(gradient_one, ALONG, ONE, PLAIN)
GRADIENT(gradient_two, ALONG, TWO, PLAIN)
GRADIENT(gradient_one_across, ACROSS, ONE, PLAIN)
GRADIENT(gradient_two_across, ACROSS, TWO, PLAIN)
#    endif
#    define BOTH(name)                                                                             \
        { PLAIN_OF(name), name##_full }
#    define EITHER(name)                                                                           \
        { name, name }

// By shape, kind (ONE, HOLES, TWO, EACH, MANY) and task.
static const references_stage references_stages[SHAPES][KINDS] = {
    {references_one, NULL, references_two},
    {references_one_across, NULL, references_two_across, references_each_across,
     references_many_across}};
static const sums_stage sums_stages[SHAPES][KINDS][TASKS] = {
    {BOTH(sums_one), BOTH(sums_holes), BOTH(sums_two)},
    {BOTH(sums_one_across),
     {NULL},
     BOTH(sums_two_across),
     EITHER(sums_each_across),
     EITHER(sums_many_across)}};
static const refine_stage refine_stages[SHAPES][KINDS] = {
    {refine_one, refine_one, refine_two},
    {refine_one_across, NULL, refine_two_across, refine_each_across, refine_many_across}};
static const gradient_stage gradient_stages[SHAPES][KINDS][TASKS] = {
    {BOTH(gradient_one), BOTH(gradient_one), BOTH(gradient_two)},
    {BOTH(gradient_one_across),
     {NULL},
     BOTH(gradient_two_across),
     EITHER(gradient_each_across),
     EITHER(gradient_many_across)}};
#endif

#undef REFERENCES
#undef SUMS
#undef REFINE
#undef GRADIENT

// The sums' task, and the gradient's.
static inline task sums_task(const criterion *c) {
    return c->forward && !c->reverse ? PLAIN : FULL;
}
static inline task gradient_task(const criterion *c, bool by_pull) {
    return c->reverse || by_pull ? FULL : PLAIN;
}

#endif
