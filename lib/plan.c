// Validation, and the choice of the route that a call takes.
#include "plan.h"

#include "scale.h"
#include "threads.h"

enum {
    MOST_CLASSES = 1 << 30, // a step beyond the last class still is an int32_t
    GATHER_CLASSES = 128,   // up to here consecutive classes are gathered into lanes across rows
    MAPPED_CLASSES = 1536,  // where rows share the caller's groups: as many as an L2 cache holds
    ACROSS_COPY_CLASSES =
        1024,               // up to here a tile of BLOCK_ROWS rows is copied for lanes across rows
    WORK_PER_THREAD = 16384 // elements below which a further thread costs more than it brings
};

static const int64_t MOST_ROWS = INT64_MAX / 256; // a record of each still can be counted in bytes
_Static_assert(sizeof(size_t) >= sizeof(int64_t), "sizes of buffers are computed in 64 bits");

static bool one_of(int32_t value, int32_t last) { return value >= 0 && value <= last; }

// --- The criterion -------------------------------------------------------------------------------

static bool temperature_ok(double t) { return t >= 1e-30 && t <= 1e6; }

static gdkd_status check_weights(const gdkd_config *c) {
    bool good = is_finite(c->w_high) && is_finite(c->kd_weight) && is_finite(c->ce_weight) &&
                is_finite(c->divisor) && c->divisor >= 0;
    for (int g = 0; g < GDKD_MAX_GROUPS; g++) good = good && is_finite(c->w_low[g]);
    return good ? GDKD_OK : GDKD_ERROR_WEIGHT;
}

// What there is to know of a partition outside kernels/split.h and kernels/picked.h.
typedef struct {
    int groups; // of a map: fewer when it is read
    bool has_k, needs_target, mapped;
    bool picks; // its largest classes may be done one by one
} partition_facts;

static const partition_facts partitions[] = {
    [GDKD_PARTITION_ALL] = {.groups = 1, .picks = true},
    [GDKD_PARTITION_TARGET] = {.groups = 2, .needs_target = true, .picks = true},
    [GDKD_PARTITION_TOP] = {.groups = 2, .has_k = true, .picks = true},
    [GDKD_PARTITION_BOTTOM] = {.groups = 2, .has_k = true},
    [GDKD_PARTITION_TOP1_TOPK] = {.groups = 3, .has_k = true, .picks = true},
    [GDKD_PARTITION_MAP] = {.groups = GDKD_MAX_GROUPS, .mapped = true},
};
enum { LAST_PARTITION = sizeof partitions / sizeof *partitions - 1 };

static bool has_k(const gdkd_config *c) { return partitions[c->partition].has_k; }

// The shares of the KL divergences that the sums give. A divergence without has a second pass for
// every row.
typedef struct {
    double forward, reverse;
} divergence_facts;

static const divergence_facts divergences[] = {
    [GDKD_DIVERGENCE_FORWARD_KL] = {1, 0},
    [GDKD_DIVERGENCE_REVERSE_KL] = {0, 1},
    [GDKD_DIVERGENCE_SYMMETRIC_KL] = {0.5, 0.5},
    [GDKD_DIVERGENCE_TOTAL_VARIATION] = {0, 0},
};
enum { LAST_DIVERGENCE = sizeof divergences / sizeof *divergences - 1 };

static gdkd_status check_enums(const gdkd_config *c) {
    bool known = one_of(c->partition, LAST_PARTITION) && one_of(c->k_rule, GDKD_K_MASS) &&
                 one_of(c->divergence, LAST_DIVERGENCE) &&
                 one_of(c->standardize, GDKD_STANDARDIZE_OTHER) &&
                 one_of(c->reduction, GDKD_REDUCTION_NONE) && one_of(c->temperature_squared, 1) &&
                 one_of(c->low_weight_index, GDKD_LOW_WEIGHT_PER_CLASS) &&
                 one_of(c->target_from_teacher, 1) && gdkd_isa_name(c->isa) != NULL;
    return known ? GDKD_OK : GDKD_ERROR_ENUM;
}

static gdkd_status check_k(const gdkd_config *c) {
    if (!has_k(c)) return GDKD_OK;
    if (c->k_rule == GDKD_K_FIXED && c->k < 1) return GDKD_ERROR_K;
    if (c->k_rule >= GDKD_K_RATIO && c->k_max < 1) return GDKD_ERROR_K;
    if (c->k_rule == GDKD_K_RATIO && !(is_finite(c->k_ratio) && c->k_ratio > 0))
        return GDKD_ERROR_ADAPTIVE;
    if (c->k_rule == GDKD_K_MASS && !(c->k_mass > 0 && c->k_mass <= 1)) return GDKD_ERROR_ADAPTIVE;
    return GDKD_OK;
}

static gdkd_status check_config(const gdkd_config *c) {
    gdkd_status status = check_enums(c);
    if (status == GDKD_OK) status = check_weights(c);
    if (status == GDKD_OK) status = check_k(c);
    if (status != GDKD_OK) return status;
    if (!temperature_ok(c->temperature)) return GDKD_ERROR_TEMPERATURE;
    if (c->teacher_temperature != 0 && !temperature_ok(c->teacher_temperature))
        return GDKD_ERROR_TEMPERATURE;
    if (!(c->label_smoothing >= 0 && c->label_smoothing <= 1)) return GDKD_ERROR_LABEL_SMOOTHING;
    return c->num_threads < 0 ? GDKD_ERROR_THREADS : GDKD_OK;
}

// What depends on whether there is a distillation term.
static void resolve_distillation(const gdkd_config *from, bool kd, bool norms, criterion *c) {
    const divergence_facts *by = &divergences[from->divergence];
    c->kd = kd;
    c->norms = norms;
    c->groups = kd ? partitions[from->partition].groups : 0;
    c->standardize = kd ? from->standardize : GDKD_STANDARDIZE_NONE;
    c->split_high = kd && (norms || from->standardize >= GDKD_STANDARDIZE_GROUPS);
    c->second_pass = kd && by->forward == 0 && by->reverse == 0;
    c->reverse = kd && by->reverse != 0;
    c->forward =
        kd && !(c->reverse && by->forward == 0); // for others the sums show what is no number
    c->table_weighted = kd && from->low_weight_index != GDKD_LOW_WEIGHT_NONE
                            ? from->low_weight_groups & ((1U << c->groups) - 1U)
                            : 0;
}

static void resolve_criterion(const gdkd_config *from, int32_t classes, bool norms, criterion *c) {
    const double t = from->temperature,
                 tt = from->teacher_temperature != 0 ? from->teacher_temperature : t;
    *c = (criterion){
        .classes = classes,
        .partition = from->partition,
        .picks = partitions[from->partition].picks,
        .mapped = partitions[from->partition].mapped,
        .divergence = from->divergence,
        .forward_share = divergences[from->divergence].forward,
        .reverse_share = divergences[from->divergence].reverse,
        .ce = from->ce_weight != 0,
        .k_rule = from->k_rule,
        .k_max = from->k_max,
        .k_ratio = from->k_ratio,
        .k_mass = from->k_mass,
        .inv_t = 1 / t,
        .inv_tt = 1 / tt,
        .rho = t / tt,
        .factor = from->temperature_squared ? t * t : 1,
        .w_high = from->w_high,
        .mass_scaled = from->mass_scaled_groups,
        .kd_weight = from->kd_weight,
        .ce_weight = from->ce_weight,
        .label_smoothing = from->label_smoothing,
        .student32 = scale_f32(t),
        .teacher32 = scale_f32(tt),
        .ce32 = scale_f32(1),
        .student64 = scale_f64(t),
        .teacher64 = scale_f64(tt),
        .ce64 = scale_f64(1),
    };
    for (int g = 0; g < MAX_GROUPS; g++) c->w_low[g] = from->w_low[g];
    resolve_distillation(from, from->kd_weight != 0, norms, c);
}

// --- The data ------------------------------------------------------------------------------------

// Elements of a buffer from its first to its last, or -1 when that is more than memory can hold.
static int64_t extent(int64_t outer, int64_t stride, int64_t row) {
    int64_t elements;
    if (outer == 0) return 0;
    if (__builtin_mul_overflow(outer - 1, stride, &elements)) return -1;
    if (__builtin_add_overflow(elements, row, &elements)) return -1;
    return elements <= INT64_MAX / 16 ? elements : -1;
}

static gdkd_status resolve_stride(int64_t given, int64_t row, int64_t outer, int64_t *stride) {
    *stride = given != 0 ? given : row;
    if (*stride < row) return GDKD_ERROR_STRIDE;
    return extent(outer, *stride, row) < 0 ? GDKD_ERROR_OVERFLOW : GDKD_OK;
}

static gdkd_status check_sizes(const gdkd_batch *b, plan *p) {
    if (!one_of(b->student_dtype, GDKD_F16) || !one_of(b->teacher_dtype, GDKD_F16) ||
        !one_of(b->target_dtype, GDKD_INT32))
        return GDKD_ERROR_ENUM;
    if (b->outer < 0 || b->inner < 0 || b->classes < 1 || b->classes > MOST_CLASSES)
        return GDKD_ERROR_SIZE;
    int64_t row;
    if (__builtin_mul_overflow(b->classes, b->inner, &row) ||
        __builtin_mul_overflow(b->outer, b->inner, &p->rows))
        return GDKD_ERROR_OVERFLOW;
    if (p->rows > MOST_ROWS) return GDKD_ERROR_OVERFLOW;
    gdkd_status status = resolve_stride(b->student_stride, row, b->outer, &p->student_stride);
    if (status == GDKD_OK)
        status = resolve_stride(b->teacher_stride, row, b->outer, &p->teacher_stride);
    int64_t groups_stride;
    if (status == GDKD_OK && b->groups_stride != 0)
        status = resolve_stride(b->groups_stride, row, b->outer, &groups_stride);
    if (status == GDKD_OK && p->result)
        status = resolve_stride(p->result->grad_stride, row, b->outer, &p->grad_stride);
    return status;
}

static void resolve_needs(plan *p) {
    const criterion *c = &p->c;
    bool per_class =
        (has_k(p->config) && p->config->k_rule == GDKD_K_PER_CLASS) ||
        (c->table_weighted != 0 && p->config->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS);
    p->needs_target = c->ce || (c->kd && (partitions[c->partition].needs_target || per_class));
    p->needs_groups = c->kd && c->mapped;
    p->needs_k = c->kd && has_k(p->config);
}

static gdkd_status check_pointers(const plan *p) {
    const gdkd_batch *b = p->batch;
    const criterion *c = &p->c;
    bool from_teacher = p->needs_target && !b->target;
    bool k_table = p->needs_k &&
                   (p->config->k_rule == GDKD_K_PER_ROW || p->config->k_rule == GDKD_K_PER_CLASS);
    if (p->rows > 0) {
        if (!b->student || (c->kd && !b->teacher)) return GDKD_ERROR_NULL;
        if (from_teacher && (!p->config->target_from_teacher || !b->teacher))
            return GDKD_ERROR_NULL;
        if (k_table && !b->k_table) return GDKD_ERROR_NULL;
        if (p->needs_groups && !b->groups) return GDKD_ERROR_NULL;
        if (c->table_weighted != 0 && !b->low_weight) return GDKD_ERROR_NULL;
    }
    return GDKD_OK;
}

static bool overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return a_bytes > 0 && b_bytes > 0 && x < y + b_bytes && y < x + a_bytes;
}

static gdkd_status check_gradient(const plan *p) {
    const gdkd_result *r = p->result;
    const gdkd_batch *b = p->batch;
    if (!one_of(r->accumulate, 1) || !one_of(r->want_norms, 1)) return GDKD_ERROR_ENUM;
    if (!is_finite(r->grad_scale)) return GDKD_ERROR_WEIGHT;
    if (!r->grad || p->rows == 0) return GDKD_OK;
    const int64_t row = b->classes * b->inner;
    const size_t size = gdkd_dtype_size(b->student_dtype);
    const size_t bytes = size * (size_t)extent(b->outer, p->grad_stride, row);
    bool in_place = r->grad == b->student && p->grad_stride == p->student_stride && !r->accumulate;
    if (!in_place && overlap(r->grad, bytes, b->student,
                             size * (size_t)extent(b->outer, p->student_stride, row)))
        return GDKD_ERROR_ALIAS;
    const size_t teacher_bytes =
        gdkd_dtype_size(b->teacher_dtype) * (size_t)extent(b->outer, p->teacher_stride, row);
    return b->teacher && overlap(r->grad, bytes, b->teacher, teacher_bytes) ? GDKD_ERROR_ALIAS
                                                                            : GDKD_OK;
}

// --- The route -----------------------------------------------------------------------------------

static plan_shape choose_shape(const plan *p, bool floats) {
    const gdkd_batch *b = p->batch;
    bool doubles = b->student_dtype == GDKD_F64 || (p->c.kd && b->teacher_dtype == GDKD_F64);
    if (doubles || p->c.norms) return SHAPE_DOUBLE;
    if (p->c.standardize > GDKD_STANDARDIZE_GLOBAL) return SHAPE_ALONG;
    if (b->inner >= BLOCK_ROWS && floats) return SHAPE_ACROSS;
    if (b->inner >= BLOCK_ROWS && b->classes <= ACROSS_COPY_CLASSES) return SHAPE_ACROSS;
    const bool shared_map = p->needs_groups && b->groups_stride == 0 && p->rows >= BLOCK_ROWS;
    const int64_t most = shared_map ? MAPPED_CLASSES : GATHER_CLASSES;
    return b->classes <= most ? SHAPE_GATHERED : SHAPE_ALONG;
}

static void choose_route(plan *p) {
    const gdkd_batch *b = p->batch;
    const bool student_float = b->student_dtype == GDKD_F32;
    const bool teacher_float = !p->c.kd || b->teacher_dtype == GDKD_F32;
    p->shape = choose_shape(p, student_float && teacher_float);
    const bool stepped = p->shape == SHAPE_GATHERED || (p->shape == SHAPE_ALONG && b->inner != 1);
    p->copy_student = p->shape != SHAPE_DOUBLE && (stepped || !student_float);
    p->copy_teacher = p->shape != SHAPE_DOUBLE && p->c.kd && (stepped || !teacher_float);
    p->copy_grad = p->copy_student;
    p->stages = p->shape == SHAPE_ALONG ? &p->kernels->along : &p->kernels->across;
    p->exp_in_gradient = p->shape == SHAPE_ALONG && !p->copy_grad && p->result && p->result->grad &&
                         !p->result->accumulate && p->result->grad != p->batch->student &&
                         !is_sorted(&p->c);

    // Long rows fill the caches by themselves; short ones share the cost of finishing a block.
    const bool along = p->shape == SHAPE_ALONG || p->shape == SHAPE_DOUBLE;
    p->block_rows = !along || b->classes < 1024 ? BLOCK_ROWS : b->classes < 8192 ? 4 : 1;
    if (p->shape == SHAPE_ACROSS)
        p->blocks = b->outer * (b->inner / BLOCK_ROWS + (b->inner % BLOCK_ROWS != 0));
    else
        p->blocks = (p->rows + p->block_rows - 1) / p->block_rows;
    p->chunks = p->blocks < MOST_CHUNKS ? (int)p->blocks : MOST_CHUNKS;

    int64_t threads = p->config->num_threads > 0 ? p->config->num_threads : gdkd_default_threads();
    const int64_t useful = 1 + (int64_t)((double)p->rows * (double)b->classes / WORK_PER_THREAD);
    if (threads > useful) threads = useful;
    if (threads > MOST_CHUNKS) threads = MOST_CHUNKS;
    p->room_threads = threads < 1 ? 1 : (int)threads;
    p->threads = p->room_threads < p->chunks ? p->room_threads : p->chunks;
    if (p->threads < 1) p->threads = 1;
}

gdkd_status gdkd_plan(const gdkd_config *config, const gdkd_batch *batch, gdkd_result *result,
                      plan *p) {
    if (!config || !batch) return GDKD_ERROR_NULL;
    if (config->struct_size != sizeof *config || batch->struct_size != sizeof *batch ||
        (result && result->struct_size != sizeof *result))
        return GDKD_ERROR_STRUCT_SIZE;
    *p = (plan){.config = config, .batch = batch, .result = result};
    gdkd_status status = check_config(config);
    if (status == GDKD_OK) status = check_sizes(batch, p);
    if (status != GDKD_OK) return status;
    resolve_criterion(config, (int32_t)batch->classes, result && result->want_norms != 0, &p->c);
    resolve_needs(p);
    p->kernels = gdkd_kernels(config->isa);
    choose_route(p);
    if (!result) return GDKD_OK;
    status = check_pointers(p);
    return status == GDKD_OK ? check_gradient(p) : status;
}

// A loop asks once, for the largest batch, and before its warm-up raises a weight from 0: then the
// same plan without a term or with both, with few rows, or with norms, may take another route.
size_t gdkd_plan_room(const plan *p) {
    size_t most = gdkd_plan_workspace(p);
    for (int way = 0; way < 5; way++) {
        plan other = *p;
        if (way & 1 && p->rows >= BLOCK_ROWS) other.rows = BLOCK_ROWS - 1;
        resolve_distillation(p->config, way >= 2, way == 4, &other.c);
        other.c.ce = true;
        resolve_needs(&other);
        choose_route(&other);
        const size_t bytes = gdkd_plan_workspace(&other);
        if (bytes > most) most = bytes;
    }
    return most;
}

// --- The arrays ----------------------------------------------------------------------------------

int64_t gdkd_target_of(const gdkd_batch *batch, int64_t row) {
    return batch->target_dtype == GDKD_INT64 ? ((const int64_t *)batch->target)[row]
                                             : ((const int32_t *)batch->target)[row];
}

bool gdkd_row_used(const plan *p, int64_t row) {
    const gdkd_batch *b = p->batch;
    if (b->row_weight && b->row_weight[row] == 0) return false;
    return !b->target || gdkd_target_of(b, row) != p->config->ignore_index;
}

static gdkd_status check_row(const plan *p, int64_t row) {
    const gdkd_batch *b = p->batch;
    const gdkd_config *c = p->config;
    if (b->row_weight && !(is_finite(b->row_weight[row]) && b->row_weight[row] >= 0))
        return GDKD_ERROR_WEIGHT;
    if (b->target) {
        int64_t target = gdkd_target_of(b, row);
        if (target != c->ignore_index && (target < 0 || target >= b->classes))
            return GDKD_ERROR_TARGET;
    }
    if (!p->c.kd) return GDKD_OK;
    if (has_k(c) && c->k_rule == GDKD_K_PER_ROW && b->k_table[row] < 1) return GDKD_ERROR_K;
    if (p->c.table_weighted != 0 && c->low_weight_index == GDKD_LOW_WEIGHT_PER_ROW &&
        !is_finite(b->low_weight[row]))
        return GDKD_ERROR_WEIGHT;
    return GDKD_OK;
}

static gdkd_status check_class_tables(const plan *p) {
    const gdkd_batch *b = p->batch;
    const gdkd_config *c = p->config;
    if (!p->c.kd || p->rows == 0) return GDKD_OK;
    const bool ks = has_k(c) && c->k_rule == GDKD_K_PER_CLASS;
    const bool weights =
        p->c.table_weighted != 0 && c->low_weight_index == GDKD_LOW_WEIGHT_PER_CLASS;
    for (int64_t i = 0; (ks || weights) && i < b->classes; i++) {
        if (ks && b->k_table[i] < 1) return GDKD_ERROR_K;
        if (weights && !is_finite(b->low_weight[i])) return GDKD_ERROR_WEIGHT;
    }
    return GDKD_OK;
}

// Also finds how many groups the maps really have.
static gdkd_status check_groups(plan *p, int64_t *error_row) {
    const gdkd_batch *b = p->batch;
    if (!p->needs_groups || p->rows == 0) return GDKD_OK;
    const int64_t maps = b->groups_stride != 0 ? b->outer : 1;
    const int64_t length = b->groups_stride != 0 ? b->classes * b->inner : b->classes;
    int most = 0;
    for (int64_t o = 0; o < maps; o++) {
        const uint8_t *map = b->groups + o * b->groups_stride;
        for (int64_t i = 0; i < length; i++) {
            if (map[i] >= MAX_GROUPS) {
                if (b->groups_stride != 0) *error_row = o * b->inner + i % b->inner;
                return GDKD_ERROR_GROUP;
            }
            most = map[i] > most ? map[i] : most;
        }
    }
    p->c.groups = most + 1;
    return GDKD_OK;
}

// Whether rows differ in anything that has to be looked at.
static bool has_row_data(const plan *p) {
    const gdkd_config *c = p->config;
    return p->batch->target || p->batch->row_weight || (has_k(c) && c->k_rule == GDKD_K_PER_ROW) ||
           (p->c.table_weighted != 0 && c->low_weight_index == GDKD_LOW_WEIGHT_PER_ROW);
}

gdkd_status gdkd_plan_rows(plan *p) {
    gdkd_result *r = p->result;
    const gdkd_batch *b = p->batch;
    gdkd_status status = check_class_tables(p);
    if (!has_row_data(p)) {
        p->rows_used = p->rows;
        p->weight_sum = (double)p->rows;
    }
    for (int64_t row = 0; has_row_data(p) && row < p->rows && status == GDKD_OK; row++) {
        status = check_row(p, row);
        if (status != GDKD_OK) {
            r->error_row = row;
        } else if (gdkd_row_used(p, row)) {
            p->rows_used++;
            p->weight_sum += b->row_weight ? b->row_weight[row] : 1;
        }
    }
    if (status == GDKD_OK && !is_finite(p->weight_sum)) status = GDKD_ERROR_WEIGHT;
    if (status == GDKD_OK) status = check_groups(p, &r->error_row);
    if (status != GDKD_OK) return status;
    p->divisor = 1;
    if (p->config->reduction == GDKD_REDUCTION_MEAN && p->rows_used > 0)
        p->divisor = p->config->divisor > 0 ? p->config->divisor : p->weight_sum;
    return GDKD_OK;
}
