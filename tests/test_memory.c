// The library touches what it was given and nothing else: every buffer stands between pages that
// cannot be touched, once flush with the page before and once with the page after it; inputs cannot
// be written to. Then the same with elements that are aligned as little as their type allows.
#include "number.h"
#include "plan.h"
#include "presets.h"
#include "rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Memory between two untouchable pages.
typedef struct guarded {
    unsigned char *map;
    size_t map_bytes;
    unsigned char *data;
    size_t bytes;
} guarded;

typedef enum place { FLUSH_WITH_START, FLUSH_WITH_END } place;

static void guard(guarded *g, size_t bytes, place where) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (bytes + page - 1) / page * page + (bytes == 0 ? page : 0);
    g->map_bytes = inside + 2 * page;
    g->map = mmap(NULL, g->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(g->map, MAP_FAILED);
    ck_assert_int_eq(mprotect(g->map + page, inside, PROT_READ | PROT_WRITE), 0);
    g->bytes = bytes;
    g->data = g->map + page + (where == FLUSH_WITH_END ? inside - bytes : 0);
}

static void make_read_only(const guarded *g) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    ck_assert_int_eq(mprotect(g->map + page, g->map_bytes - 2 * page, PROT_READ), 0);
}

static void unguard(guarded *g) {
    munmap(g->map, g->map_bytes);
}

// All the buffers of a call.
enum {
    STUDENT,
    TEACHER,
    TARGET,
    K_TABLE,
    GROUPS,
    LOW_WEIGHT,
    ROW_WEIGHT,
    GRAD,
    ROW_LOSS,
    WORK,
    BUFFERS
};

typedef struct arena {
    guarded at[BUFFERS];
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
} arena;

typedef struct shape {
    int64_t outer, classes, inner, pad;
} shape;

// What else a call may ask for.
typedef struct options {
    int in_place, accumulate, norms;
    int map_per_row;
    int all_used; // 0: every sixth row is not
    int alike;    // every second row's models are
} options;

static void fill_logits(const shape *s, int32_t dtype, unsigned char *data, uint64_t seed) {
    rng r = {seed};
    // The padding, and every element that is not a row's, is NaN: reading it would show.
    const int64_t stride = s->classes * s->inner + s->pad;
    for (int64_t i = 0; i < s->outer * stride - s->pad; i++) {
        const int inside = i % stride < s->classes * s->inner;
        number_store(dtype, data, i, inside ? 2.0 * rng_normal(&r) : (double)NAN);
    }
}

// Every second row of the student nearly as the teacher has it, so that it takes the second pass.
static void make_alike(const shape *s, arena *a) {
    const int64_t stride = s->classes * s->inner + s->pad;
    for (int64_t i = 0; i < s->outer * stride - s->pad; i++) {
        if (i % stride >= s->classes * s->inner || i % stride % s->inner % 2 != i / stride % 2)
            continue;
        const double t = number_load(a->batch.teacher_dtype, a->at[TEACHER].data, i);
        number_store(a->batch.student_dtype, a->at[STUDENT].data, i, t + 0.01 * cos((double)i));
    }
}

static void fill_tables(const shape *s, arena *a, const options *how) {
    const int64_t rows = s->outer * s->inner;
    for (int64_t r = 0; r < rows; r++) {
        const int idle = r % 6 == 5 && !how->all_used;
        const int64_t target = idle ? a->config.ignore_index : r % s->classes;
        const int32_t narrow = (int32_t)target;
        const double weight = 1.0 + 0.25 * (double)(r % 3);
        if (a->batch.target_dtype == GDKD_INT64) memcpy(a->at[TARGET].data + 8 * r, &target, 8);
        if (a->batch.target_dtype == GDKD_INT32) memcpy(a->at[TARGET].data + 4 * r, &narrow, 4);
        memcpy(a->at[ROW_WEIGHT].data + 8 * r, &weight, 8);
    }
    for (int64_t c = 0; c < s->classes; c++) {
        const int64_t k = 1 + c % 4;
        const double weight = 0.5 + 0.5 * (double)(c % 3);
        memcpy(a->at[K_TABLE].data + 8 * c, &k, 8);
        memcpy(a->at[LOW_WEIGHT].data + 8 * c, &weight, 8);
    }
    for (size_t i = 0; i < a->at[GROUPS].bytes; i++) a->at[GROUPS].data[i] = (uint8_t)(i % 3);
}

static void place_buffers(arena *a, const shape *s, place where, size_t workspace,
                          const options *how) {
    const size_t rows = (size_t)(s->outer * s->inner);
    const size_t student = number_size(a->batch.student_dtype);
    const size_t teacher = number_size(a->batch.teacher_dtype);
    // The last outer has no padding behind it: it must not be needed.
    const size_t elements =
        (size_t)(s->outer * (s->classes * s->inner + s->pad) - (s->outer > 0 ? s->pad : 0));
    const size_t bytes[BUFFERS] = {
        [STUDENT] = elements * student,
        [TEACHER] = elements * teacher,
        [TARGET] = rows * (a->batch.target_dtype == GDKD_INT64 ? 8 : 4),
        [K_TABLE] = (size_t)s->classes * 8,
        [GROUPS] = how->map_per_row ? elements : (size_t)s->classes,
        [LOW_WEIGHT] = (size_t)s->classes * 8,
        [ROW_WEIGHT] = rows * 8,
        [GRAD] = elements * student,
        [ROW_LOSS] = rows * 8,
        [WORK] = workspace,
    };
    for (int i = 0; i < BUFFERS; i++) guard(&a->at[i], bytes[i], where);
}

static void describe(arena *a, const shape *s) {
    gdkd_batch *b = &a->batch;
    const int64_t stride = s->classes * s->inner + s->pad;
    b->outer = s->outer;
    b->classes = s->classes;
    b->inner = s->inner;
    b->student_stride = b->teacher_stride = stride;
    a->result.grad_stride = stride;
}

static void point(arena *a, const options *how) {
    gdkd_batch *b = &a->batch;
    b->student = a->at[STUDENT].data;
    b->teacher = a->at[TEACHER].data;
    b->target = a->at[TARGET].data;
    b->k_table = (const int64_t *)(const void *)a->at[K_TABLE].data;
    b->groups = a->at[GROUPS].data;
    b->low_weight = (const double *)(const void *)a->at[LOW_WEIGHT].data;
    b->row_weight = (const double *)(const void *)a->at[ROW_WEIGHT].data;
    a->result.grad = a->at[how->in_place ? STUDENT : GRAD].data;
    a->result.accumulate = how->accumulate;
    a->result.want_norms = how->norms;
    a->result.row_loss = (double *)(void *)a->at[ROW_LOSS].data;
}

// What a call leaves.
typedef struct outcome {
    double total;
    uint64_t grad; // a sum over its bytes
} outcome;

// Nothing was written between rows, and the rows are numbers.
static void check_gradient(const shape *s, int32_t dtype, const unsigned char *grad, int watched,
                           outcome *out) {
    const int64_t stride = s->classes * s->inner + s->pad;
    const size_t size = number_size(dtype);
    out->grad = 0;
    for (int64_t i = 0; i < s->outer * stride - s->pad; i++) {
        const int inside = i % stride < s->classes * s->inner;
        if (inside) ck_assert(isfinite(number_load(dtype, grad, i)));
        for (size_t b = 0; b < size; b++) {
            const unsigned char byte = grad[(size_t)i * size + b];
            if (inside)
                out->grad = out->grad * 0x100000001b3 + byte;
            else if (watched)
                ck_assert_uint_eq(byte, 0x5a);
        }
    }
}

// A call between guard pages, to be compared over places.
static outcome guarded_call(const gdkd_config *config, const shape *s, int32_t dtype, int32_t other,
                            place where, const options *how) {
    arena a;
    outcome out;
    memset(&a, 0, sizeof a);
    a.config = *config;
    a.config.num_threads = 2;
    gdkd_batch_init(&a.batch);
    gdkd_result_init(&a.result);
    a.batch.student_dtype = dtype;
    a.batch.teacher_dtype = other;
    a.batch.target_dtype = dtype == GDKD_F32 ? GDKD_INT32 : GDKD_INT64;
    describe(&a, s);
    if (how->map_per_row) a.batch.groups_stride = a.batch.student_stride;
    const size_t workspace = gdkd_workspace_size(&a.config, &a.batch);
    ck_assert_uint_gt(workspace, 0);
    place_buffers(&a, s, where, workspace, how);
    point(&a, how);
    fill_logits(s, dtype, a.at[STUDENT].data, 1);
    fill_logits(s, other, a.at[TEACHER].data, 2);
    if (how->alike) make_alike(s, &a);
    fill_tables(s, &a, how);
    memset(a.at[GRAD].data, 0x5a, a.at[GRAD].bytes);
    memset(a.at[WORK].data, 0xff, a.at[WORK].bytes); // what is used before it is written shows: NaN
    for (int i = STUDENT; i <= ROW_WEIGHT; i++)
        if (i != STUDENT || !how->in_place) make_read_only(&a.at[i]);
    const gdkd_status status =
        gdkd_loss(&a.config, &a.batch, &a.result, a.at[WORK].data, workspace);
    ck_assert_msg(status == GDKD_OK, "%s", gdkd_status_string(status));
    ck_assert_msg(isfinite(a.result.total), "an element outside the rows was read");
    check_gradient(s, dtype, a.result.grad, !how->in_place, &out);
    out.total = a.result.total;
    for (int i = 0; i < BUFFERS; i++) unguard(&a.at[i]);
    return out;
}

static const shape shapes[] = {
    {1, 1, 1, 0},    {5, 3, 1, 0}, {7, 16, 1, 0}, {3, 17, 1, 5},  {2, 100, 1, 1},
    {2, 1003, 1, 3}, {2, 5, 3, 0}, {2, 7, 16, 2}, {1, 33, 50, 0}, {3, 4, 17, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void check_same(const outcome *a, const outcome *b) {
    ck_assert_double_eq(a->total, b->total);
    ck_assert_uint_eq(a->grad, b->grad);
}

START_TEST(guard_pages) {
    for (int i = 0; i < LOSS_PRESETS; i++) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
            gdkd_config config = loss_presets()[i].config;
            const options how = {0};
            outcome first = {0};
            for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
                config.isa = isa;
                const outcome at_start = guarded_call(&config, &shapes[_i], dtype, (dtype + i) % 4,
                                                      FLUSH_WITH_START, &how);
                const outcome at_end = guarded_call(&config, &shapes[_i], dtype, (dtype + i) % 4,
                                                    FLUSH_WITH_END, &how);
                if (isa == GDKD_ISA_SCALAR) first = at_start;
                check_same(&at_start, &at_end); // the place changes nothing
                check_same(&at_start, &first);
            }
        }
    }
}
END_TEST

// A weight that is 0 takes away work; it must not take a route that needs more room than is said
// for all weights. The last shape is one where float logits go another way than 16-bit or grouped
// ones.
static const shape without_a_term[] = {{5, 17, 1, 0}, {2, 7, 16, 2}, {1, 1030, 17, 0}};
static const int32_t dtype_pairs[][2] = {
    {GDKD_F32, GDKD_F32}, {GDKD_F32, GDKD_F64}, {GDKD_F32, GDKD_BF16}, {GDKD_BF16, GDKD_F32}};
enum {
    WITHOUT_A_TERM = sizeof without_a_term / sizeof without_a_term[0],
    DTYPE_PAIRS = sizeof dtype_pairs / sizeof dtype_pairs[0]
};

START_TEST(guard_pages_without_a_term) {
    for (int i = 0; i < LOSS_PRESETS * DTYPE_PAIRS * 2; i++) {
        const int32_t *pair = dtype_pairs[i / 2 % DTYPE_PAIRS];
        gdkd_config config = loss_presets()[i / (2 * DTYPE_PAIRS)].config;
        const options how = {0};
        config.kd_weight = i % 2;
        config.ce_weight = 1 - i % 2;
        guarded_call(&config, &without_a_term[_i], pair[0], pair[1], FLUSH_WITH_END, &how);
    }
}
END_TEST

// Rules that read a table: k by row and by class.
START_TEST(guard_pages_around_tables) {
    for (int32_t isa = GDKD_ISA_SCALAR; isa <= gdkd_isa(); isa++) {
        for (int32_t rule = GDKD_K_FIXED; rule <= GDKD_K_MASS; rule++) {
            const shape s = {9, 9, 1, 0}; // as many rows as classes: one table serves both rules
            const options how = {0};
            gdkd_config config;
            ck_assert_int_eq(gdkd_config_gdkd(&config, 2, 3, 1, 1, 1), GDKD_OK);
            config.k_rule = rule;
            config.k_max = 5;
            config.k_mass = 0.6;
            config.isa = isa;
            guarded_call(&config, &s, GDKD_F32, GDKD_F32, FLUSH_WITH_START, &how);
            guarded_call(&config, &s, GDKD_F32, GDKD_F32, FLUSH_WITH_END, &how);
        }
    }
}
END_TEST

// --- Every route --------------------------------------------------------------------------------

// Sizes for every way of the rows, with classes that fill no vector: whole blocks of 16 and parts,
// several and few rows to a block, and long rows whose first part bounds the picked classes.
static const shape route_shapes[] = {
    {18, 13, 1, 0},   {16, 21, 1, 3},  {16, 150, 1, 0}, {5, 131, 1, 2},  {17, 203, 1, 0},
    {1, 13, 16, 0},   {2, 13, 19, 3},  {1, 150, 35, 1}, {4, 150, 5, 1},  {7, 13, 3, 0},
    {1, 1030, 16, 0}, {5, 1027, 1, 0}, {1, 8203, 1, 0}, {16, 1541, 1, 0}};
static const int32_t route_types[][2] = {{GDKD_F32, GDKD_F32}, {GDKD_BF16, GDKD_BF16},
                                         {GDKD_F16, GDKD_F32}, {GDKD_F32, GDKD_BF16},
                                         {GDKD_F64, GDKD_F64}, {GDKD_F32, GDKD_F64}};
enum {
    ROUTE_SHAPES = sizeof route_shapes / sizeof route_shapes[0],
    ROUTE_TYPES = sizeof route_types / sizeof route_types[0],
    LOSSES = 16,
    ASKED = 4,
    PARTS = 15 // processes
};

// The losses by what the stages make of them. Returns whether it has a map of each row's own.
static int route_loss(int i, gdkd_config *c) {
    static const int32_t partitions[LOSSES] = {
        GDKD_PARTITION_ALL,       GDKD_PARTITION_TARGET, GDKD_PARTITION_TOP,
        GDKD_PARTITION_TOP,       GDKD_PARTITION_BOTTOM, GDKD_PARTITION_TOP1_TOPK,
        GDKD_PARTITION_TOP1_TOPK, GDKD_PARTITION_MAP,    GDKD_PARTITION_MAP,
        GDKD_PARTITION_ALL,       GDKD_PARTITION_TOP,    GDKD_PARTITION_MAP,
        GDKD_PARTITION_TOP,       GDKD_PARTITION_ALL,    GDKD_PARTITION_TARGET,
        GDKD_PARTITION_TOP};
    gdkd_config_init(c);
    c->partition = partitions[i];
    c->temperature = 2;
    c->k = i == 3 || i == 6 ? 12 : 3; // 12: more than are picked
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) c->w_low[g] = 1;
    if (i == 9 || i == 15) c->standardize = GDKD_STANDARDIZE_GLOBAL;
    if (i == 10 || i == 11) c->standardize = GDKD_STANDARDIZE_GROUPS;
    if (i == 12) c->standardize = GDKD_STANDARDIZE_OTHER;
    if (i == 13) c->kd_weight = 0;
    if (i == 13 || i == 14) c->ce_weight = 1, c->label_smoothing = 0.1;
    if (i % 3 == 2) c->divergence = GDKD_DIVERGENCE_SYMMETRIC_KL;
    return i == 8 || i == 11;
}

// A route, as the plan has it.
static uint32_t route_of(const gdkd_config *config, const shape *s, const int32_t *types,
                         const options *how) {
    const uintptr_t student = (uintptr_t)1 << 40, teacher = (uintptr_t)1 << 41,
                    gradient = (uintptr_t)1 << 42;
    gdkd_batch b;
    gdkd_result r;
    plan p;
    uint8_t groups = 0;
    double weight = 1;
    gdkd_batch_init(&b);
    gdkd_result_init(&r);
    b.outer = s->outer, b.classes = s->classes, b.inner = s->inner;
    b.student_dtype = types[0], b.teacher_dtype = types[1];
    b.student = (void *)student; // not looked at. NOLINT(performance-no-int-to-ptr)
    b.teacher = (void *)teacher; // NOLINT(performance-no-int-to-ptr)
    b.target = &weight, b.groups = &groups;
    b.groups_stride = how->map_per_row ? s->classes * s->inner : 0;
    r.grad = (void *)(how->in_place ? student : gradient); // NOLINT(performance-no-int-to-ptr)
    r.accumulate = how->accumulate, r.want_norms = how->norms;
    ck_assert_int_eq(gdkd_plan(config, &b, &r, &p), GDKD_OK);
    return (uint32_t)p.shape << 4 | (uint32_t)p.copy_student << 3 | (uint32_t)p.copy_teacher << 2 |
           (uint32_t)p.copy_grad << 1 | (uint32_t)p.exp_in_gradient;
}

#define ROUTE(shape_, s, t, g, e) ((uint32_t)(shape_) << 4 | (s) << 3 | (t) << 2 | (g) << 1 | (e))

// All that the plan can choose: its shape; whether student, teacher and gradient go by copies;
// exponentials in the gradient.
static const uint32_t routes[] = {
    ROUTE(SHAPE_ALONG, 0U, 0U, 0U, 0U),    ROUTE(SHAPE_ALONG, 0U, 0U, 0U, 1U),
    ROUTE(SHAPE_ALONG, 0U, 1U, 0U, 0U),    ROUTE(SHAPE_ALONG, 0U, 1U, 0U, 1U),
    ROUTE(SHAPE_ALONG, 1U, 0U, 1U, 0U),    ROUTE(SHAPE_ALONG, 1U, 1U, 1U, 0U),
    ROUTE(SHAPE_ACROSS, 0U, 0U, 0U, 0U),   ROUTE(SHAPE_ACROSS, 0U, 1U, 0U, 0U),
    ROUTE(SHAPE_ACROSS, 1U, 0U, 1U, 0U),   ROUTE(SHAPE_ACROSS, 1U, 1U, 1U, 0U),
    ROUTE(SHAPE_GATHERED, 1U, 0U, 1U, 0U), ROUTE(SHAPE_GATHERED, 1U, 1U, 1U, 0U),
    ROUTE(SHAPE_DOUBLE, 0U, 0U, 0U, 0U)};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static int index_of_route(uint32_t route) {
    for (int i = 0; i < ROUTES; i++)
        if (routes[i] == route) return i;
    ck_abort_msg("a route that the list does not have: %x", route);
}

// Every route, loss and element type, with what a result may ask for, on every instruction set,
// both ends of every buffer.
START_TEST(guard_pages_on_every_route) {
    int met[ROUTES] = {0};
    for (int i = 0; i < ROUTE_SHAPES * ROUTE_TYPES * LOSSES * ASKED; i++) {
        const int asked = i % ASKED, loss = i / ASKED % LOSSES,
                  types = i / ASKED / LOSSES % ROUTE_TYPES;
        const shape *s = &route_shapes[i / ASKED / LOSSES / ROUTE_TYPES];
        gdkd_config config;
        const int map_per_row = route_loss(loss, &config);
        const options how = {
            asked == 1,   asked == 2, asked == 3, map_per_row, (loss + types) % 2 == 0,
            loss % 4 != 3};
        outcome first = {0};
        const int route = index_of_route(route_of(&config, s, route_types[types], &how));
        met[route]++;
        if (i % PARTS != _i || (asked + loss + types) % 3 != 0) continue;
        for (config.isa = GDKD_ISA_SCALAR; config.isa <= gdkd_isa(); ++config.isa) {
            const outcome one = guarded_call(&config, s, route_types[types][0],
                                             route_types[types][1], FLUSH_WITH_END, &how);
            if (config.isa == GDKD_ISA_SCALAR) first = one;
            check_same(&one, &first);
        }
        config.isa = GDKD_ISA_SCALAR + (types + loss) % 3; // an upper bound
        const outcome other = guarded_call(&config, s, route_types[types][0], route_types[types][1],
                                           FLUSH_WITH_START, &how);
        check_same(&other, &first);
    }
    for (int i = 0; i < ROUTES; i++) ck_assert_msg(met[i] > 0, "no call takes route %x", routes[i]);
}
END_TEST

// Every array one element off, the workspace one byte off, and the answer is the same.
START_TEST(unaligned) {
    enum { ROWS = 5, CLASSES = 37, COUNT = ROWS * CLASSES };
    for (int i = 0; i < LOSS_PRESETS; i++) {
        for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
            const size_t size = number_size(dtype);
            double totals[2];
            double grads[2][COUNT];
            problem p;
            problem_init(&p, ROWS, CLASSES);
            p.config = loss_presets()[i].config;
            preset_inputs(&p);
            for (int off = 0; off < 2; off++) {
                const size_t shift = off ? size : 0;
                unsigned char *memory = aligned_alloc(64, 3 * 4096);
                gdkd_batch b;
                gdkd_result r;
                ck_assert_ptr_nonnull(memory);
                gdkd_batch_init(&b);
                gdkd_result_init(&r);
                unsigned char *student = memory + shift;
                unsigned char *teacher = memory + 4096 + shift;
                unsigned char *grad = memory + 8192 + shift;
                const shape s = {ROWS, CLASSES, 1, 0};
                fill_logits(&s, dtype, student, 3);
                fill_logits(&s, dtype, teacher, 4);
                b.student_dtype = b.teacher_dtype = dtype;
                b.outer = ROWS;
                b.classes = CLASSES;
                b.inner = 1;
                b.student = student;
                b.teacher = teacher;
                b.target = p.target;
                b.groups = p.groups;
                b.low_weight = p.low_weight;
                r.grad = grad;
                const size_t bytes = gdkd_workspace_size(&p.config, &b);
                unsigned char *workspace = checked_calloc(bytes + 1, 1);
                ck_assert_int_eq(gdkd_loss(&p.config, &b, &r, workspace + off, bytes), GDKD_OK);
                totals[off] = r.total;
                for (int j = 0; j < COUNT; j++) grads[off][j] = number_load(dtype, grad, j);
                free(workspace);
                free(memory);
            }
            ck_assert_double_eq(totals[0], totals[1]);
            ck_assert(same_bytes(grads[0], grads[1], sizeof grads[0]));
            problem_free(&p);
        }
    }
}
END_TEST

static void dist_guarded(const shape *s, int32_t dtype, place where) {
    gdkd_dist_config d;
    const options how = {0};
    arena a;
    memset(&a, 0, sizeof a);
    gdkd_dist_config_init(&d);
    gdkd_config_init(&a.config);
    gdkd_batch_init(&a.batch);
    gdkd_result_init(&a.result);
    d.num_threads = 2;
    a.batch.student_dtype = a.batch.teacher_dtype = dtype;
    describe(&a, s);
    const size_t workspace = gdkd_dist_workspace_size(&d, &a.batch);
    ck_assert_uint_gt(workspace, 0);
    place_buffers(&a, s, where, workspace, &how);
    fill_logits(s, dtype, a.at[STUDENT].data, 1);
    fill_logits(s, dtype, a.at[TEACHER].data, 2);
    fill_tables(s, &a, &how);
    a.batch.student = a.at[STUDENT].data;
    a.batch.teacher = a.at[TEACHER].data;
    a.batch.target = a.at[TARGET].data;
    a.result.grad = a.at[GRAD].data;
    for (int i = STUDENT; i <= ROW_WEIGHT; i++) make_read_only(&a.at[i]);
    ck_assert_int_eq(gdkd_dist(&d, &a.batch, &a.result, a.at[WORK].data, workspace), GDKD_OK);
    ck_assert(isfinite(a.result.total));
    for (int i = 0; i < BUFFERS; i++) unguard(&a.at[i]);
}

START_TEST(dist_guard_pages) {
    for (int32_t dtype = GDKD_F32; dtype <= GDKD_F16; dtype++) {
        dist_guarded(&shapes[_i], dtype, FLUSH_WITH_START);
        dist_guarded(&shapes[_i], dtype, FLUSH_WITH_END);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, guard_pages, 0, SHAPES);
    tcase_add_loop_test(tcase, guard_pages_without_a_term, 0, WITHOUT_A_TERM);
    tcase_add_test(tcase, guard_pages_around_tables);
    tcase_add_loop_test(tcase, guard_pages_on_every_route, 0, PARTS);
    tcase_add_test(tcase, unaligned);
    tcase_add_loop_test(tcase, dist_guard_pages, 0, SHAPES);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
