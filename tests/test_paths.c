// The ways that a row may be done (docs/numerics.md): with picked classes, sorted or split in two,
// refined, in one block with rows that go another way. A row that is sent to the double path holds
// every promise but the speed, so here the stages are also watched at work: a call runs with a
// table of stages of its own, each of which calls the library's and then looks at the block.
#include "compare.h"
#include "number.h"
#include "plain.h"
#include "plan.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Models that differ as much as at the start of a training, or so little that their terms need the
// second pass.
static void random_rows(problem *p, rng *r, int alike) {
    for (int64_t row = 0; row < p->rows; row++) {
        double *s = p->student + row * p->classes;
        double *t = p->teacher + row * p->classes;
        rng_logits(r, LOGITS_MULTIMODAL, t, p->classes);
        for (int64_t i = 0; i < p->classes; i++) {
            s[i] = alike ? t[i] + 1e-3 * rng_normal(r) : 4.0 * rng_normal(r);
        }
    }
}

static void random_targets(problem *p, rng *r) {
    p->target = checked_calloc((size_t)p->rows, sizeof *p->target);
    for (int64_t row = 0; row < p->rows; row++) p->target[row] = rng_below(r, p->classes);
}

static void agrees(problem *p, const call *how) {
    verdict v;
    if (!compare_on_every_isa(p, how, &v)) return;
    char text[400];
    describe_call(p, how, text, sizeof text);
    ck_abort_msg("%s\n    %s", v.message, text);
}

// --- Watching the stages ------------------------------------------------------------------------

enum { CLASSES = 200, COUNT = BLOCK_ROWS * CLASSES, EVERY = (1 << BLOCK_ROWS) - 1 };

// What is seen of a block. For a call of one block on one thread.
typedef struct sight {
    const kernels *library;
    const float_stages *stages; // of the shape
    int calls;                  // of sums
    uint32_t unused, refined, in_double;
    uint32_t sorted, by_pull; // rows
    int32_t picked[BLOCK_ROWS];
    int32_t index[BLOCK_ROWS][MOST_PICKED];
    double group[BLOCK_ROWS][MOST_PICKED];
    double top[BLOCK_ROWS], rest_s[BLOCK_ROWS], rest_t[BLOCK_ROWS];
    int32_t first[BLOCK_ROWS][MAX_GROUPS + 1];
    int32_t order[BLOCK_ROWS][CLASSES];
    int map_shared;
} sight;

static sight seen;

static void look_at_row(const criterion *c, const block *b, const scratch *x, int row) {
    const picked *p = b->picks;
    seen.top[row] = b->top[row];
    seen.picked[row] = p ? p->count[row] : 0;
    for (int j = 0; j < seen.picked[row]; j++) {
        seen.index[row][j] = p->index[j][row];
        seen.group[row][j] = p->group[j][row];
        seen.rest_s[row] = p->ref.s[row];
        seen.rest_t[row] = p->ref.t[row];
    }
    if (!p || !b->sorted[row]) return;
    seen.sorted |= 1U << row;
    for (int g = 0; g <= c->groups; g++) seen.first[row][g] = b->first[g][row];
    memcpy(seen.order[row], x->order + (b->map_shared ? 0 : row * c->classes),
           sizeof *x->order * (size_t)c->classes);
}

static void watch_sums(const criterion *c, block *b, const scratch *x) {
    seen.calls++;
    seen.unused = b->in[UNUSED];
    seen.map_shared = b->map_shared;
    seen.stages->sums(c, b, x);
    for (int row = 0; row < b->rows; row++)
        if (has_row(float_rows(b), row)) look_at_row(c, b, x, row);
}

static void watch_refine(const criterion *c, block *b, const scratch *x) {
    seen.refined = b->in[NEEDS_REFINE];
    seen.stages->refine(c, b, x);
}

static void watch_gradient(const criterion *c, block *b, const scratch *x) {
    for (int g = 0; g < c->groups; g++)
        for (int row = 0; row < b->rows; row++)
            if (b->low.coefficient[g].h[row] != 0) seen.by_pull |= 1U << row;
    seen.stages->gradient(c, b, x);
}

static void watch_double(const criterion *c, block *b, int lane, const scratch *x) {
    seen.in_double |= 1U << lane;
    seen.library->in_double->sums(c, b, lane, x);
}

// As gdkd_loss does it.
static void run_watched(plan *p) {
    kernels stages = *p->kernels;
    double_stages in_double = *p->kernels->in_double;
    const float_stages watched = {watch_sums, watch_refine, watch_gradient};
    memset(&seen, 0, sizeof seen);
    seen.library = p->kernels;
    seen.stages = p->stages;
    in_double.sums = watch_double;
    stages.in_double = &in_double;
    p->kernels = &stages;
    p->stages = &watched;
    const size_t bytes = gdkd_plan_workspace(p);
    void *memory = checked_calloc(bytes, 1);
    gdkd_run(p, memory);
    free(memory);
    p->kernels = seen.library;
    p->stages = seen.stages;
}

typedef struct way {
    int64_t k;
    int32_t partition;
    int least; // classes that are picked at least; 0: the row has none
} way;

// The top group and the next class; GDKD3's likewise; the four largest of the others, and DKD's
// target.
static const way ways[] = {{1, GDKD_PARTITION_ALL, 4},        {1, GDKD_PARTITION_TARGET, 4},
                           {1, GDKD_PARTITION_TOP, 4},        {5, GDKD_PARTITION_TOP, 6},
                           {11, GDKD_PARTITION_TOP, 12},      {12, GDKD_PARTITION_TOP, 0},
                           {5, GDKD_PARTITION_BOTTOM, 0},     {3, GDKD_PARTITION_TOP1_TOPK, 4},
                           {9, GDKD_PARTITION_TOP1_TOPK, 10}, {12, GDKD_PARTITION_TOP1_TOPK, 0}};
enum { WAYS = sizeof ways / sizeof ways[0] };

// One block of rows in memory.
typedef struct bench {
    problem p;
    plan plan;
    gdkd_batch batch;
    gdkd_result result;
    float student[COUNT], teacher[COUNT], grad[COUNT]; // [row][class], or [class][row] across
    double row_loss[BLOCK_ROWS];
} bench;

static bench *set_up(const way *how, int32_t divergence, int alike) {
    rng r = {17};
    bench *w = checked_calloc(1, sizeof *w);
    problem_init(&w->p, BLOCK_ROWS, CLASSES);
    random_rows(&w->p, &r, alike);
    random_targets(&w->p, &r);
    w->p.config.partition = how->partition;
    w->p.config.k = how->k;
    w->p.config.divergence = divergence;
    w->p.config.num_threads = 1;
    for (int g = 0; g < MAX_GROUPS; g++) w->p.config.w_low[g] = 1;
    gdkd_result_init(&w->result);
    return w;
}

static void tear_down(bench *w) {
    problem_free(&w->p);
    free(w);
}

static int place_of(int across, int row, int i) {
    return across ? i * BLOCK_ROWS + row : row * CLASSES + i;
}

static void run_bench(bench *w, int across) {
    problem_round(&w->p, GDKD_F32, GDKD_F32);
    for (int row = 0; row < w->p.rows; row++) {
        for (int i = 0; i < CLASSES; i++) {
            w->student[place_of(across, row, i)] = (float)w->p.student[row * CLASSES + i];
            w->teacher[place_of(across, row, i)] = (float)w->p.teacher[row * CLASSES + i];
        }
    }
    gdkd_batch_init(&w->batch);
    w->batch.outer = across ? 1 : w->p.rows, w->batch.inner = across ? BLOCK_ROWS : 1;
    w->batch.classes = CLASSES;
    w->batch.student = w->student, w->batch.teacher = w->teacher, w->batch.target = w->p.target;
    w->batch.groups = w->p.groups;
    w->batch.groups_stride = w->p.groups && w->p.groups_per_row ? CLASSES * w->batch.inner : 0;
    if (!w->result.grad) w->result.grad = w->grad;
    w->result.row_loss = w->row_loss;
    ck_assert_int_eq(gdkd_plan(&w->p.config, &w->batch, &w->result, &w->plan), GDKD_OK);
    ck_assert_int_eq(gdkd_plan_rows(&w->plan), GDKD_OK);
    ck_assert_int_eq(w->plan.shape, across ? SHAPE_ACROSS : SHAPE_ALONG);
    run_watched(&w->plan);
    ck_assert_int_eq(seen.calls, 1);
}

// Losses to the promise of docs/numerics.md, and gradients to 1e-6 of the largest of what they are
// made of.
static void check_numbers(const bench *w, int across) {
    plain_result truth;
    plain_loss(&w->p, &truth);
    const float *grad = w->result.grad;
    for (int row = 0; row < w->p.rows; row++) {
        ck_assert_double_le(fabs(w->row_loss[row] - truth.row_loss[row]),
                            3e-7 * truth.row_size[row]);
        for (int i = 0; i < CLASSES; i++) {
            const double error =
                fabs((double)grad[place_of(across, row, i)] - truth.grad[row * CLASSES + i]);
            ck_assert_double_le(error, 1e-6 * truth.grad_size[row]);
        }
    }
    plain_free(&truth);
}

// The number of classes that are better than class i: by their logits, by their indices at equal
// ones.
static int rank_of(const double *t, int i) {
    int rank = 0;
    for (int j = 0; j < CLASSES; j++) rank += t[j] > t[i] || (t[j] == t[i] && j < i);
    return rank;
}

// The reference points: the row's largest student logit, and the largest of the classes that are
// not picked.
static void check_tops(const bench *w, int row) {
    int is_picked[CLASSES] = {0};
    double top = -INFINITY;
    double rest_s = -INFINITY;
    double rest_t = -INFINITY;
    for (int j = 0; j < seen.picked[row]; j++) is_picked[seen.index[row][j]] = 1;
    for (int i = 0; i < CLASSES; i++) {
        const double s = w->p.student[row * CLASSES + i];
        top = fmax(top, s);
        if (is_picked[i]) continue;
        rest_s = fmax(rest_s, s);
        rest_t = fmax(rest_t, w->p.teacher[row * CLASSES + i]);
    }
    ck_assert_double_eq(seen.top[row], top);
    if (seen.picked[row] == 0) return;
    ck_assert_double_eq(seen.rest_s[row], rest_s);
    ck_assert_double_eq(seen.rest_t[row], rest_t);
}

static void groups_of_row(const bench *w, int row, uint8_t *group) {
    int64_t index[CLASSES];
    for (int i = 0; i < CLASSES; i++) index[i] = i;
    plain_partition(&w->p, row, w->p.target[row], index, CLASSES, group);
}

static void check_picked(const bench *w, const way *how, int row) {
    const double *t = w->p.teacher + row * CLASSES;
    const int64_t target = w->p.target[row];
    uint8_t group[CLASSES];
    int best = 0;
    int has_target = 0;
    groups_of_row(w, row, group);
    for (int j = 0; j < seen.picked[row]; j++) {
        const int32_t i = seen.index[row][j];
        best += rank_of(t, i) < how->least;
        has_target |= i == target;
        ck_assert_double_eq(seen.group[row][j], group[i]);
    }
    ck_assert_msg(best == how->least,
                  "partition %d, k %d: %d classes are picked, %d of the best %d", how->partition,
                  (int)how->k, seen.picked[row], best, how->least);
    ck_assert(how->partition != GDKD_PARTITION_TARGET || has_target);
    ck_assert(how->least > 0 || seen.picked[row] == 0);
}

static void check_stages(const way *how, int32_t isa, int32_t divergence, int alike, int across) {
    bench *w = set_up(how, divergence, alike);
    w->p.config.isa = isa;
    run_bench(w, across);
    ck_assert_msg(seen.in_double == 0, "partition %d, k %d, divergence %d: rows %x in double",
                  how->partition, (int)how->k, divergence, seen.in_double);
    ck_assert_msg(seen.refined == (alike ? EVERY : 0U),
                  "partition %d, k %d, divergence %d: rows %x are refined", how->partition,
                  (int)how->k, divergence, seen.refined);
    for (int row = 0; row < BLOCK_ROWS; row++) {
        check_tops(w, row);
        if (!across) check_picked(w, how, row);
    }
    check_numbers(w, across);
    tear_down(w);
}

START_TEST(floats_do_without_the_double_path) {
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int32_t i = 0; i < 3 * 2 * 2; i++) {
            check_stages(&ways[_i], isa, i % 3, i / 3 % 2, i / 6);
        }
    }
}
END_TEST

// Rows standardised as a whole have a temperature of their own, and nothing else of their own;
// inside groups, one for each, and a high term of the raw logits.
START_TEST(standardised_rows_stay_in_float) {
    static const struct {
        int32_t how;
        int across;
    } kinds[] = {{GDKD_STANDARDIZE_GLOBAL, 0},
                 {GDKD_STANDARDIZE_GLOBAL, 1},
                 {GDKD_STANDARDIZE_GROUPS, 0},
                 {GDKD_STANDARDIZE_OTHER, 0}};
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int32_t i = 0; i < 3 * 4; i++) {
            bench *w = set_up(&ways[_i], i % 3, 0);
            w->p.config.isa = isa;
            w->p.config.standardize = kinds[i / 3].how;
            run_bench(w, kinds[i / 3].across);
            ck_assert_int_eq(seen.in_double, 0);
            ck_assert_int_eq(seen.sorted, kinds[i / 3].how == GDKD_STANDARDIZE_GLOBAL &&
                                                  (kinds[i / 3].across || ways[_i].least > 0 ||
                                                   ways[_i].partition != GDKD_PARTITION_TOP1_TOPK)
                                              ? 0
                                              : EVERY);
            check_numbers(w, kinds[i / 3].across);
            tear_down(w);
        }
    }
}
END_TEST

// There is room for MOST_PICKED classes: rows with as many equal largest logits have them picked,
// rows with more have none. Either kind keeps its sums beside the other.
START_TEST(full_lists) {
    static const way how = {5, GDKD_PARTITION_TOP, 6};
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        bench *w = set_up(&how, GDKD_DIVERGENCE_FORWARD_KL, 0);
        for (int row = 0; row < BLOCK_ROWS; row++) {
            for (int i = 0; i < MOST_PICKED + row % 2; i++) {
                w->p.teacher[row * CLASSES + 5 * i + row % 5] = 9.0;
            }
        }
        w->p.config.isa = isa;
        run_bench(w, 0);
        ck_assert_int_eq(seen.in_double, 0);
        for (int row = 0; row < BLOCK_ROWS; row++) {
            ck_assert_int_eq(seen.picked[row], row % 2 ? 0 : MOST_PICKED);
        }
        check_numbers(w, 0);
        tear_down(w);
    }
}
END_TEST

// The classes of a sorted row: each once, group by group. Rows that share a map share its order.
static void check_order(const bench *w, int row) {
    uint8_t group[CLASSES];
    int met[CLASSES] = {0};
    groups_of_row(w, row, group);
    const int groups = w->plan.c.groups;
    ck_assert_int_eq(seen.first[row][0], 0);
    ck_assert_int_eq(seen.first[row][groups], CLASSES);
    for (int g = 0; g < groups; g++) {
        for (int32_t i = seen.first[row][g]; i < seen.first[row][g + 1]; i++) {
            const int32_t at = seen.order[row][i];
            ck_assert_int_eq(group[at], g);
            ck_assert_int_eq(met[at]++, 0);
        }
    }
}

START_TEST(sorted_rows) {
    const int per_row = _i % 2;
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int32_t i = 0; i < 3 * 2; i++) {
            const way how = {1, GDKD_PARTITION_MAP, 0};
            bench *w = set_up(&how, i % 3, i / 3);
            rng r = {31};
            w->p.config.isa = isa;
            w->p.groups_per_row = per_row;
            w->p.groups = checked_calloc(COUNT, 1);
            for (int j = 0; j < COUNT; j++)
                w->p.groups[j] =
                    (uint8_t)(j % CLASSES % 40 ? 2 + rng_below(&r, 3) : 0); // 1 is empty
            w->p.rows = per_row ? BLOCK_ROWS
                                : BLOCK_ROWS - 1; // a whole block that shares a map goes across
            run_bench(w, 0);
            ck_assert_uint_eq(seen.in_double, 0);
            ck_assert_uint_eq(seen.sorted, (1U << w->p.rows) - 1U);
            ck_assert_int_eq(seen.map_shared, !per_row);
            for (int row = 0; row < w->p.rows; row++) check_order(w, row);
            check_numbers(w, 0);
            tear_down(w);
        }
    }
}
END_TEST

// --- Rows of many kinds in one block ------------------------------------------------------------

// NEARER: so alike that the floats of the second pass cannot tell. MASKED: the teacher has no such
// class; products of infinities are left to doubles. IDLE: not used.
typedef enum { ORDINARY, NEAR, NEARER, MASKED, IDLE, ROW_KINDS } row_kind;

static void make_row(bench *w, rng *r, int row, row_kind kind) {
    double *s = w->p.student + row * CLASSES;
    double *t = w->p.teacher + row * CLASSES;
    for (int i = 0; i < CLASSES && (kind == NEAR || kind == NEARER); i++)
        s[i] = t[i] + (kind == NEAR ? 1e-4 : 1e-6) * rng_normal(r);
    for (int i = 0; i < CLASSES && kind == MASKED; i++)
        if (i % 3 == 0 && i != w->p.target[row]) t[i] = -INFINITY;
    if (kind == IDLE) w->p.target[row] = w->p.config.ignore_index;
}

static row_kind kind_of_row(int row, int turn) {
    return (row_kind)((row + turn) % ROW_KINDS);
}

static uint32_t rows_of(row_kind kind, int turn) {
    uint32_t rows = 0;
    for (int row = 0; row < BLOCK_ROWS; row++)
        if (kind_of_row(row, turn) == kind) rows |= 1U << row;
    return rows;
}

// A low gradient of models that are nearly alike, relative to its own largest element: that is what
// pulls are for.
static void check_small_gradients(const bench *w, uint32_t rows, int across) {
    plain_result truth;
    plain_loss(&w->p, &truth);
    for (int row = 0; row < BLOCK_ROWS; row++) {
        const double *want = truth.grad + row * CLASSES;
        double most = 0;
        for (int i = 0; i < CLASSES; i++) most = fmax(most, fabs(want[i]));
        for (int i = 0; has_row(rows, row) && i < CLASSES; i++)
            ck_assert_double_le(fabs((double)w->grad[place_of(across, row, i)] - want[i]),
                                1e-5 * most);
    }
    plain_free(&truth);
}

// Every kind of row stands once at every place of a block, and goes its own way whatever goes
// beside it.
START_TEST(mixed_blocks) {
    for (int i = 0; i < 3 * 2 * ROW_KINDS; i++) {
        const int divergence = i % 3, across = i / 3 % 2, turn = i / 6;
        for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
            bench *w = set_up(&ways[_i], divergence, 0);
            rng r = {33};
            // Of the KL divergences only the forward has use for a teacher without a class.
            const uint32_t masked =
                divergence == GDKD_DIVERGENCE_FORWARD_KL ? rows_of(MASKED, turn) : 0;
            for (int row = 0; row < BLOCK_ROWS; row++)
                if (masked || kind_of_row(row, turn) != MASKED)
                    make_row(w, &r, row, kind_of_row(row, turn));
            w->p.config.isa = isa;
            w->p.config.w_high = turn % 2;
            run_bench(w, across);
            const uint32_t near = rows_of(NEAR, turn), nearer = rows_of(NEARER, turn);
            ck_assert_uint_eq(seen.unused, rows_of(IDLE, turn));
            ck_assert_uint_eq(seen.refined, near | nearer);
            ck_assert_uint_eq(seen.in_double, nearer | masked);
            ck_assert_uint_eq(seen.by_pull & ~seen.in_double, near);
            check_numbers(w, across);
            if (turn % 2 == 0) check_small_gradients(w, near | nearer, across);
            tear_down(w);
        }
    }
}
END_TEST

// Models that differ in one class of little weight alone: the term is small enough for pulls, the
// class's u is not small.
START_TEST(a_small_class_apart) {
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int i = 0; i < 3 * 2 * 2; i++) {
            const int across = i / 3 % 2;
            bench *w = set_up(&ways[0], i % 3, 1);
            for (int j = 0; j < COUNT; j++)
                w->p.student[j] = w->p.teacher[j] = j % CLASSES == 7 ? -6 : j % 3;
            for (int row = 0; row < BLOCK_ROWS; row++)
                w->p.student[row * CLASSES + 7] += i / 6 ? 1.5 : -1.5;
            w->p.config.isa = isa;
            run_bench(w, across);
            ck_assert_uint_eq(seen.by_pull & ~seen.in_double, EVERY);
            check_numbers(w, across);
            check_small_gradients(w, EVERY, across);
            tear_down(w);
        }
    }
}
END_TEST

// One call of several blocks, or each of these by itself: the same bits. So no row leaves anything
// behind for the next in its lane: a level, a flag, a temperature.
START_TEST(blocks_leave_nothing_behind) {
    enum { BLOCKS = 5, INNER = BLOCK_ROWS };
    static float student[BLOCKS * COUNT], teacher[BLOCKS * COUNT];
    static float whole[BLOCKS * COUNT], parts[BLOCKS * COUNT];
    static double whole_loss[BLOCKS * BLOCK_ROWS], parts_loss[BLOCKS * BLOCK_ROWS];
    static int64_t target[BLOCKS * BLOCK_ROWS];
    for (int i = 0; i < 3 * 2 * 4; i++) {
        const int across = i / 3 % 2;
        for (int turn = 0; turn < BLOCKS; turn++) {
            bench *w = set_up(&ways[_i], i % 3, 0);
            rng r = {34};
            for (int row = 0; row < BLOCK_ROWS; row++) make_row(w, &r, row, kind_of_row(row, turn));
            for (int j = 0; j < COUNT; j++) {
                const int at = turn * COUNT + place_of(across, j / CLASSES, j % CLASSES);
                student[at] = (float)w->p.student[j], teacher[at] = (float)w->p.teacher[j];
            }
            memcpy(target + turn * BLOCK_ROWS, w->p.target, sizeof *target * BLOCK_ROWS);
            tear_down(w);
        }
        bench *w = set_up(&ways[_i], i % 3, 0);
        w->p.config.standardize = i / 6;
        w->p.config.reduction = GDKD_REDUCTION_NONE;
        w->p.config.ce_weight = i % 2;
        for (int part = -1; part < BLOCKS; part++) {
            gdkd_batch b;
            gdkd_result result;
            const int from = part < 0 ? 0 : part;
            const int64_t blocks = part < 0 ? BLOCKS : 1;
            gdkd_batch_init(&b);
            gdkd_result_init(&result);
            b.outer = across ? blocks : blocks * BLOCK_ROWS, b.inner = across ? INNER : 1;
            b.classes = CLASSES;
            b.student = student + from * COUNT, b.teacher = teacher + from * COUNT;
            b.target = target + from * BLOCK_ROWS;
            result.grad = (part < 0 ? whole : parts) + from * COUNT;
            result.row_loss = (part < 0 ? whole_loss : parts_loss) + from * BLOCK_ROWS;
            ck_assert_int_eq(gdkd_loss(&w->p.config, &b, &result, NULL, 0), GDKD_OK);
        }
        ck_assert(same_bytes(whole, parts, sizeof whole));
        ck_assert(same_bytes(whole_loss, parts_loss, sizeof whole_loss));
        tear_down(w);
    }
}
END_TEST

// The student's exponentials are kept where the gradient will be, unless that is where the student
// is or something to add to: the same bits either way.
START_TEST(kept_exponentials) {
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int i = 0; i < 3 * 2; i++) {
            bench *w[3];
            for (int n = 0; n < 3; n++) {
                w[n] = set_up(&ways[_i], i % 3, i / 3);
                w[n]->p.config.isa = isa;
                w[n]->p.config.ce_weight = i % 2;
                if (n == 1) w[n]->result.grad = w[n]->student;
                w[n]->result.accumulate = n == 2;
                run_bench(w[n], 0);
                const int sorted = ways[_i].partition == GDKD_PARTITION_TOP1_TOPK;
                ck_assert_int_eq(w[n]->plan.exp_in_gradient, n == 0 && !sorted);
            }
            check_numbers(w[0], 0);
            for (int j = 0; j < COUNT; j++) {
                ck_assert(same_bytes(&w[0]->grad[j], &w[1]->student[j], sizeof(float)));
                ck_assert(w[0]->grad[j] == w[2]->grad[j]); // 0 + -0 is 0
            }
            for (int n = 0; n < 3; n++) tear_down(w[n]);
        }
    }
}
END_TEST

// --- Through the interface ----------------------------------------------------------------------

static void set_weights(problem *p, int32_t partition, int32_t divergence) {
    p->config.partition = partition;
    p->config.divergence = divergence;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) p->config.w_low[g] = 1.0;
}

// Equal logits at the border of the top group: of the three largest, the two with the lower indices
// are in.
START_TEST(ties_among_the_picked) {
    rng r = {18};
    for (int32_t partition = GDKD_PARTITION_TOP; partition <= GDKD_PARTITION_TOP1_TOPK;
         partition++) {
        problem p;
        const call how = {.grad_scale = 1.0};
        problem_init(&p, 7, 300);
        random_rows(&p, &r, 0);
        for (int64_t row = 0; row < p.rows; row++) {
            for (int64_t i = 0; i < 3; i++) p.teacher[row * 300 + 40 * row + 13 * i] = 12.0;
        }
        set_weights(&p, partition, GDKD_DIVERGENCE_FORWARD_KL);
        p.config.k = 2;
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// In long rows the bound for picking is that of the first part, and rises: with every class; where
// the largest come late; where many are equal; and DKD's target, picked from the start, is not
// among them.
START_TEST(picked_of_long_rows) {
    static const int32_t partitions[] = {GDKD_PARTITION_ALL, GDKD_PARTITION_TARGET,
                                         GDKD_PARTITION_TOP, GDKD_PARTITION_TOP1_TOPK};
    const int64_t classes = 5003;
    rng r = {20};
    for (int i = 0; i < 4 * 3; i++) {
        problem p;
        const call how = {.grad_scale = 1.0};
        problem_init(&p, 4, classes);
        random_rows(&p, &r, i % 3 == 2);
        for (int64_t j = 0; j < classes; j++) {
            const double size = (double)j / (double)classes;
            p.teacher[j] = 12.0 * size;
            p.teacher[classes + j] *= 1.0 + 2.0 * size;
            if (j > 2500 && j < 2560) p.teacher[2 * classes + j] = 11.0;
            if (j % 3 == 0) p.teacher[3 * classes + j] = 5.0;
        }
        p.target = checked_calloc(4, sizeof *p.target);
        for (int64_t row = 0; row < p.rows; row++) p.target[row] = 7 * row + 1;
        set_weights(&p, partitions[i / 3], i % 3);
        p.config.k = 5;
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// The number that 16 bits stand for, by their fields: `width` bits of fraction, the exponent's bias
// half its range.
static double value_of_half(uint16_t h, int width) {
    const int most = 0x7FFF >> width;
    const int exponent = (h & 0x7FFF) >> width;
    const int fraction = h & ((1 << width) - 1);
    const int least = 1 - most / 2 - width;
    const double size = exponent == most ? (fraction ? NAN : INFINITY)
                        : exponent == 0  ? ldexp(fraction, least)
                                         : ldexp(fraction + (1 << width), exponent - 1 + least);
    return h >> 15 ? -size : size;
}

// All 16-bit floats, by vectors and in the tail; on the way back what lies between two of them too.
static void check_halves(const kernels *k, int32_t dtype, int width) {
    enum { HALVES = 65536 - 5 };
    uint16_t *half = checked_calloc(HALVES, sizeof *half);
    float *wide = checked_calloc(HALVES, sizeof *wide);
    const int infinite = 0x7FFF >> width << width;
    for (int h = 0; h < HALVES; h++) half[h] = (uint16_t)(h + 5);
    k->widen(dtype, half, HALVES, wide);
    for (int h = 0; h < HALVES; h++) {
        const double truth = value_of_half(half[h], width);
        ck_assert(isnan(truth) ? isnan(wide[h]) : (double)wide[h] == truth);
        ck_assert_int_eq(signbit(wide[h]) != 0, half[h] >> 15);
    }
    k->narrow(dtype, wide, HALVES, half);
    for (int h = 0; h < HALVES; h++) {
        const int want = h + 5;
        if ((want & 0x7FFF) <= infinite)
            ck_assert_int_eq(half[h], want);
        else
            ck_assert(isnan(value_of_half(half[h], width)) && half[h] >> 15 == want >> 15);
    }
    // From a number to the next: a quarter of the way, half of it, three quarters.
    for (int part = 1; part <= 3; part++) {
        for (int h = 0; h < infinite - 1; h++) {
            const double one = value_of_half((uint16_t)h, width);
            const double next = value_of_half((uint16_t)(h + 1), width);
            wide[h] = (float)(one * (4 - part) / 4 + next * part / 4);
        }
        k->narrow(dtype, wide, infinite - 1, half);
        for (int h = 0; h < infinite - 1; h++)
            ck_assert_int_eq(half[h], h + (part == 3 || (part == 2 && h % 2 == 1)));
    }
    free(wide);
    free(half);
}

START_TEST(halves) {
    check_halves(gdkd_kernels(_i), GDKD_F16, 10);
    check_halves(gdkd_kernels(_i), GDKD_BF16, 7);
}
END_TEST

// Many equal logits around the k-th, for every way to find it: k in a vector, in slots, and by
// counting.
START_TEST(ties_of_every_k) {
    static const int64_t ks[] = {13, 16, 17, 31, 32, 33, 63, 75, 76, 300, 590, 599, 600};
    rng r = {19};
    for (size_t i = 0; i < 2 * sizeof ks / sizeof ks[0]; i++) {
        problem p;
        const call how = {.grad_scale = 1.0};
        problem_init(&p, 4, 600);
        random_rows(&p, &r, 0);
        for (int64_t j = 0; j < p.rows * p.classes; j++) {
            const double step = j / p.classes % 2 ? 0.25 : 2.0;
            p.teacher[j] = step * round(p.teacher[j] / step);
        }
        set_weights(&p, i % 2 ? GDKD_PARTITION_BOTTOM : GDKD_PARTITION_TOP,
                    GDKD_DIVERGENCE_FORWARD_KL);
        p.config.k = ks[i / 2];
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// A lane of the rows shape that holds a term near 1 swallows each that follows and is below 2^-24
// of it: 60000 classes of 2^-24.5 have 0.1 % of the weight. Those at the 1 are not its equal, which
// the cross-entropy sets apart; and they are too many to be picked.
START_TEST(small_terms_of_a_long_row) {
    static const int32_t partitions[] = {GDKD_PARTITION_BOTTOM, GDKD_PARTITION_MAP,
                                         GDKD_PARTITION_ALL};
    const int64_t classes = 60000;
    for (int i = 0; i < 2 * 3 * 3; i++) {
        problem p;
        const call how = {.grad_scale = 1.0};
        const int ce = i == 0;
        const int alike = i % 2; // the terms that the second pass adds up are as far apart
        problem_init(&p, 2, classes);
        for (int64_t j = 0; j < 2 * classes; j++) {
            const int64_t c = j % classes;
            const double high = c < 80 ? (c < 40 ? 0.0 : -0.01) : -17.0;
            p.teacher[j] = high;
            p.student[j] = ce ? high : alike ? high + (c % 2 ? 0.1 : -0.1) : 0.5 * high;
        }
        p.groups = checked_calloc((size_t)classes, 1);
        for (int64_t c = 40; c < classes; c++) p.groups[c] = c < classes / 2;
        p.target = checked_calloc(2, sizeof *p.target);
        p.target[1] = 60;
        set_weights(&p, partitions[i / 2 % 3], i / 6);
        p.config.k = classes - 88;
        if (ce) p.config.kd_weight = 0.0, p.config.ce_weight = 1.0;
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// Both models are sure of one class: the others, equal among themselves, are all that is left of
// the divergence, and their distance from the first is rounded by more than the models differ in
// 3e-7 of it.
START_TEST(sure_of_one_class) {
    rng r = {20};
    for (int i = 0; i < 2 * 3; i++) {
        problem p;
        const call how = {.inner = i % 2 ? 20 : 1, .grad_scale = 1.0};
        problem_init(&p, 40, 1000);
        for (int64_t row = 0; row < p.rows; row++) {
            const double sure = rng_between(&r, 16.5, 18.0);
            const double apart = rng_between(&r, 0.5e-3, 2e-3);
            for (int64_t c = 0; c < p.classes; c++) {
                p.teacher[row * p.classes + c] = c == 0 ? sure : 0.3;
                p.student[row * p.classes + c] = c == 0 ? sure : 0.3 + apart;
            }
        }
        set_weights(&p, GDKD_PARTITION_ALL, i / 2);
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// Where lanes are rows, one model may be read where it lies and the other from a copy: each has its
// own step.
START_TEST(a_copy_beside_the_original) {
    static const int32_t types[][2] = {
        {GDKD_F32, GDKD_BF16}, {GDKD_F16, GDKD_F32}, {GDKD_F32, GDKD_F32}};
    rng r = {19};
    for (int i = 0; i < 3 * 6; i++) {
        problem p;
        const call how = {
            .inner = 50, .student_dtype = types[i % 3][0], .teacher_dtype = types[i % 3][1]};
        problem_init(&p, 100, 23);
        random_rows(&p, &r, 0);
        set_weights(&p, i % 6 < 3 ? GDKD_PARTITION_TOP : GDKD_PARTITION_BOTTOM, i / 6);
        p.config.k = i % 2 ? 3 : 17; // in vectors, or each row by itself
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// More blocks than there are sums kept apart, so that some of these are of two blocks and some of
// one.
START_TEST(many_blocks) {
    static const int32_t types[] = {GDKD_F32, GDKD_F64};
    rng r = {21};
    for (int i = 0; i < 2 * 2; i++) {
        problem p;
        const call how = {
            .inner = i / 2 ? 3 : 1, .student_dtype = types[i % 2], .teacher_dtype = types[i % 2]};
        problem_init(&p, 3 * 16 * (MOST_CHUNKS / 2 + 1), 3);
        random_rows(&p, &r, 0);
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// Distances are taken from a row's or a group's first logit. Where that lies sqrt(n) deviations
// from the mean, the variance is what 1 - 1/n of the sum of their squares leave.
START_TEST(first_logit_far_from_the_mean) {
    static const int64_t classes[] = {20, 100, 700};
    static const int32_t kinds[] = {GDKD_STANDARDIZE_GLOBAL, GDKD_STANDARDIZE_GROUPS};
    rng r = {26};
    for (int i = 0; i < 3 * 2; i++) {
        problem p;
        const call how = {.grad_scale = 1.0};
        problem_init(&p, 17, classes[i / 2]);
        random_rows(&p, &r, 0);
        for (int64_t row = 0; row < p.rows; row++) {
            p.student[row * p.classes] = row % 2 ? 3000.0 : -2000.0;
            p.teacher[row * p.classes] = row % 3 ? 500.0 : -4000.0;
        }
        set_weights(&p, GDKD_PARTITION_TOP, GDKD_DIVERGENCE_FORWARD_KL);
        p.config.k = 5;
        p.config.standardize = kinds[i % 2];
        agrees(&p, &how);
        problem_free(&p);
    }
}
END_TEST

// Long rows whose classes lie apart are copied, and so are their maps: each row has its own.
START_TEST(maps_of_copied_rows) {
    rng r = {22};
    problem p;
    const call how = {.inner = 3};
    problem_init(&p, 6, 200);
    random_rows(&p, &r, 0);
    p.groups_per_row = 1;
    p.groups = checked_calloc(6 * 200, 1);
    for (int i = 0; i < 6 * 200; i++) p.groups[i] = (uint8_t)rng_below(&r, 3);
    set_weights(&p, GDKD_PARTITION_MAP, GDKD_DIVERGENCE_FORWARD_KL);
    agrees(&p, &how);
    problem_free(&p);
}
END_TEST

// Of 8 equal classes k have the mass k / 8. Any k has the ratio 1, and the first is all of them; 4
// have half the mass.
START_TEST(adaptive_k_at_equality) {
    static const struct {
        int32_t rule;
        double mass;
    } rules[] = {{GDKD_K_RATIO, 1.0}, {GDKD_K_MASS, 0.5}};
    for (int i = 0; i < 2 * 2; i++) {
        problem p;
        answer a;
        const int32_t type = i / 2 ? GDKD_F64 : GDKD_F32;
        const call how = {.student_dtype = type, .teacher_dtype = type};
        problem_init(&p, 1, 8);
        p.config.partition = GDKD_PARTITION_TOP;
        p.config.k_rule = rules[i % 2].rule;
        p.config.k_ratio = 1.0;
        p.config.k_mass = 0.5;
        p.config.k_max = 8;
        call_run(&p, &how, &a);
        ck_assert_int_eq(a.status, GDKD_OK);
        ck_assert_double_eq(a.result.teacher_mass[0], rules[i % 2].mass);
        answer_free(&a);
        problem_free(&p);
    }
}
END_TEST

// DIST goes over the classes in ranges.
START_TEST(dist_of_many_classes) {
    rng r = {23};
    problem p;
    const call how = {
        .dist = 1, .beta = 1.0, .gamma = 2.0, .student_dtype = GDKD_F64, .teacher_dtype = GDKD_F64};
    verdict v;
    problem_init(&p, 5, 600);
    random_rows(&p, &r, 0);
    ck_assert_msg(compare_call(&p, &how, &v) == 0, "%s", v.message);
    problem_free(&p);
}
END_TEST

// To the nearest, and to an even last bit from the middle of two.
START_TEST(narrow_gradients_are_rounded) {
    static const struct {
        int32_t dtype;
        uint16_t bits;
        double x;
    } cases[] = {
        {GDKD_BF16, 0x3f80, 0x1.01p0},   {GDKD_BF16, 0x3f82, 0x1.03p0},
        {GDKD_BF16, 0x3f81, 0x1.0102p0}, {GDKD_F16, 0x3c00, 0x1.002p0},
        {GDKD_F16, 0x3c02, 0x1.006p0},   {GDKD_F16, 0x7bff, 65519.0},
        {GDKD_F16, 0x7c00, 65520.0},     {GDKD_F16, 0x0001, 0x1.8p-25},
        {GDKD_F16, 0x0000, 0x1p-25},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint16_t bits = 0xffff;
        const gdkd_strided to = {&bits, cases[i].dtype, 1};
        gdkd_scatter_f64(&cases[i].x, 1, false, &to);
        ck_assert_int_eq(bits, cases[i].bits);
    }
}
END_TEST

// A gradient that is added to keeps every bit of the rows that are not used.
START_TEST(unused_rows_keep_their_bits) {
    enum { INNER = 16, SIZE = 5 * INNER };
    float logits[SIZE];
    float grad[SIZE];
    int64_t target[INNER] = {0};
    gdkd_config c;
    gdkd_batch b;
    gdkd_result r;
    for (int i = 0; i < SIZE; i++) logits[i] = (float)(i * i % 11);
    for (int i = 0; i < SIZE; i++) grad[i] = -0.0F;
    gdkd_config_kd(&c, 1.0);
    gdkd_batch_init(&b);
    gdkd_result_init(&r);
    target[3] = c.ignore_index;
    b.outer = 1, b.classes = 5, b.inner = INNER;
    b.student = logits, b.teacher = logits, b.target = target;
    r.grad = grad;
    r.accumulate = 1;
    for (c.isa = GDKD_ISA_SCALAR; c.isa <= gdkd_isa(); c.isa++) {
        ck_assert_int_eq(gdkd_loss(&c, &b, &r, NULL, 0), GDKD_OK);
        for (int i = 0; i < 5; i++) ck_assert(signbit(grad[i * INNER + 3]));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("paths");
    TCase *tcase = tcase_create("paths");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, floats_do_without_the_double_path, 0, WAYS);
    tcase_add_loop_test(tcase, standardised_rows_stay_in_float, 0, WAYS);
    tcase_add_test(tcase, full_lists);
    tcase_add_loop_test(tcase, sorted_rows, 0, 2);
    tcase_add_loop_test(tcase, mixed_blocks, 0, WAYS);
    tcase_add_test(tcase, a_small_class_apart);
    tcase_add_loop_test(tcase, blocks_leave_nothing_behind, 0, WAYS);
    tcase_add_loop_test(tcase, kept_exponentials, 0, WAYS);
    tcase_add_test(tcase, ties_among_the_picked);
    tcase_add_test(tcase, small_terms_of_a_long_row);
    tcase_add_test(tcase, sure_of_one_class);
    tcase_add_test(tcase, a_copy_beside_the_original);
    tcase_add_test(tcase, ties_of_every_k);
    tcase_add_test(tcase, picked_of_long_rows);
    tcase_add_loop_test(tcase, halves, GDKD_ISA_SCALAR, gdkd_isa() + 1);
    tcase_add_test(tcase, many_blocks);
    tcase_add_test(tcase, first_logit_far_from_the_mean);
    tcase_add_test(tcase, maps_of_copied_rows);
    tcase_add_test(tcase, adaptive_k_at_equality);
    tcase_add_test(tcase, dist_of_many_classes);
    tcase_add_test(tcase, narrow_gradients_are_rounded);
    tcase_add_test(tcase, unused_rows_keep_their_bits);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
