// libgdkd: decoupled knowledge-distillation losses and their exact gradient, on the CPU.
//
// A student network learns from a teacher's logits. This library takes both networks' logits for a
// batch and returns the loss and its gradient for the student: one call, one pass over memory.
//
//   #include <gdkd.h>
//   #include <stdio.h>
//
//   int main(void) { // GDKD of 2 rows with 4 classes: the loss, and its gradient for the student
//       const float student[] = {1.0F, 0.5F, -0.3F, 0.2F, 2.0F, 1.0F, 0.0F, -1.0F};
//       const float teacher[] = {3.0F, 1.0F, 0.5F, -1.0F, 0.0F, 4.0F, 2.0F, -2.0F};
//       float gradient[8];
//       double loss = 0;
//       gdkd_config config;
//       gdkd_config_gdkd(&config, 4.0, 2, 1.0, 1.0, 2.0); // T, k, w0, w1, w2
//       gdkd_status status = gdkd_loss_f32(&config, student, teacher, NULL, 2, 4, gradient, &loss);
//       if (status != GDKD_OK) {
//           fprintf(stderr, "%s\n", gdkd_status_string(status));
//           return 1;
//       }
//       printf("loss %.6f, gradient of the first logit %.6f\n", loss, (double)gradient[0]);
//       return 0;
//   }
//
// The losses are KD, DKD, GDKD and their family, the cross-entropy beside them, and DIST. This
// header goes from the simple call to the general one, and on to what few need. docs/math.md
// derives the formulas, docs/integration.md puts a call into a training loop.
//
// Methods: KD, Hinton et al., arXiv 1503.02531; DKD, Zhao et al., arXiv 2203.08679; GDKD, arXiv
// 2512.04625; LSKD, Sun et al., arXiv 2403.01427; DIST, Huang et al., arXiv 2205.10536.
#ifndef GDKD_H
#define GDKD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define GDKD_API __attribute__((visibility("default")))
#else
#    define GDKD_API
#endif

// --- Version -------------------------------------------------------------------------------------

// Of this header; gdkd_version_string() has the library's.
#define GDKD_VERSION_MAJOR 0
#define GDKD_VERSION_MINOR 1
#define GDKD_VERSION_PATCH 0

// --- Status --------------------------------------------------------------------------------------

// What a call returns. The values are pinned; new ones are added at the end.
typedef int32_t gdkd_status;
enum {
    GDKD_OK = 0,
    GDKD_ERROR_NULL = 1,        // a pointer that is needed is NULL
    GDKD_ERROR_STRUCT_SIZE = 2, // a struct_size that this library does not know
    GDKD_ERROR_ENUM = 3,        // an enumeration with a value it does not have
    GDKD_ERROR_SIZE = 4,        // outer, classes or inner: negative, or classes 0 or above 2^30
    GDKD_ERROR_OVERFLOW = 5,    // sizes or strides whose product does not fit in memory
    GDKD_ERROR_STRIDE = 6,      // a stride shorter than classes * inner
    GDKD_ERROR_TEMPERATURE = 7, // a temperature outside [1e-30, 1e6]
    GDKD_ERROR_K = 8,           // k or k_max < 1, or a k of the table < 1
    GDKD_ERROR_ADAPTIVE = 9,    // k_ratio not finite and > 0, or k_mass outside (0, 1]
    GDKD_ERROR_WEIGHT = 10,     // a weight, scale or divisor that is not finite (divisor: and >= 0)
    GDKD_ERROR_LABEL_SMOOTHING = 11, // outside [0, 1]
    GDKD_ERROR_TARGET = 12,          // a target outside [0, classes) that is not ignore_index
    GDKD_ERROR_GROUP = 13,           // a class in a group >= GDKD_MAX_GROUPS
    GDKD_ERROR_ALIAS = 14,           // the gradient overlaps an input that it must not
    GDKD_ERROR_WORKSPACE = 15,       // the workspace is smaller than gdkd_workspace_size() says
    GDKD_ERROR_MEMORY = 16,          // workspace NULL, and malloc failed
    GDKD_ERROR_THREADS = 17,         // num_threads < 0
    GDKD_ERROR_FIELD = 18,           // by name: no such field, or no such element of it
    GDKD_ERROR_FIELD_TYPE = 19,      // by name: the field is of another type
    GDKD_ERROR_FIELD_VALUE = 20      // by name: the field cannot hold the value
};

// A call with a status other than GDKD_OK has written to no buffer; of a gdkd_result it has written
// error_row alone. Where several things are wrong, the status names one of them.
//
// The library never prints, exits, handles a signal or reads a file. Its only global state is the
// choice of kernels, which is made once, and whether this is a child of fork. Every function may be
// called from any thread at any time; calls that write to the same memory must not overlap in time.

// --- The loss ------------------------------------------------------------------------------------

// Notation, used by every comment below. For one row (a sample, a pixel, a token) with C classes:
// student logits s, teacher logits t, temperature T, x = s/T, z = t/T. The classes are split into
// groups g, every class in exactly one:
//
//     P_g, Q_g   the student's and the teacher's mass of group g, in the softmax over all classes
//     p_i, q_i   softmax of x and of z within the group of class i
//
//     high   = sum_g Q_g (log Q_g - log P_g)
//     low_g  = sum_{i in g} q_i (log q_i - log p_i)     GDKD_DIVERGENCE_FORWARD_KL
//              sum_{i in g} p_i (log p_i - log q_i)     GDKD_DIVERGENCE_REVERSE_KL
//              half of each                             GDKD_DIVERGENCE_SYMMETRIC_KL
//              sum_{i in g} |q_i - p_i| / 2             GDKD_DIVERGENCE_TOTAL_VARIATION
//     kd     = T^2 ( w_high high + sum_g w_low[g] m_g low_g )        m_g = 1, or Q_g if asked
//     row    = ce_weight CE(s, target) + kd_weight kd
//
// The choice of groups and weights makes the loss: see the presets. What infinities and NaN come
// to, empty groups and ignored rows, is in the table of special values at the end.

// Groups that one partition may have.
#define GDKD_MAX_GROUPS 8

// All enumerations are carried as int32_t.

// How the classes of a row are split into groups.
enum {
    GDKD_PARTITION_ALL = 0,       // {all}: classic KD; w_high has no effect
    GDKD_PARTITION_TARGET = 1,    // {target}, {rest}
    GDKD_PARTITION_TOP = 2,       // {teacher's k largest}, {rest}
    GDKD_PARTITION_BOTTOM = 3,    // {teacher's k smallest}, {rest}
    GDKD_PARTITION_TOP1_TOPK = 4, // {teacher's largest}, {its 2nd to k-th}, {rest}
    GDKD_PARTITION_MAP = 5        // the caller's: gdkd_batch.groups; all in group 0: as ALL
};

// Where k comes from, for the partitions that have one. k is a number of classes, whichever end
// they are taken from: BOTTOM takes the k smallest.
enum {
    GDKD_K_FIXED = 0,     // gdkd_config.k
    GDKD_K_PER_ROW = 1,   // gdkd_batch.k_table[row]
    GDKD_K_PER_CLASS = 2, // gdkd_batch.k_table[target of the row]
    // With v the ascending softmax(t/T), the first j (from 0) with v_j / mean(v_0..v_j) >= k_ratio:
    // k = min(C - j, k_max), or 1 where there is none.
    GDKD_K_RATIO = 3,
    // The smallest k whose largest classes hold at least k_mass of softmax(t/T), at most k_max. The
    // sums are doubles: with k_mass = 1, classes below their rounding may be left out.
    GDKD_K_MASS = 4
};

// The divergence of the low terms. The high term's is forward, by the definition of the method.
enum {
    GDKD_DIVERGENCE_FORWARD_KL = 0,
    GDKD_DIVERGENCE_REVERSE_KL = 1,
    GDKD_DIVERGENCE_SYMMETRIC_KL = 2,
    GDKD_DIVERGENCE_TOTAL_VARIATION = 3 // at most 1; where p_i = q_i the slope is taken as 0
};

// Standardisation of logits to (x - mean) / (1e-7 + std), before the temperature; the gradient
// flows through the student's own mean and std. The partition is always found from the raw teacher.
enum {
    GDKD_STANDARDIZE_NONE = 0,
    GDKD_STANDARDIZE_GLOBAL = 1, // over the row, std with n - 1
    GDKD_STANDARDIZE_GROUPS = 2, // low terms inside their groups, std with n; high from raw logits
    GDKD_STANDARDIZE_OTHER = 3   // as GROUPS, but group 0 stays raw
};

// What becomes of the rows' losses. MEAN divides by the number of used rows or, when row_weight is
// given, by the sum of their weights.
enum { GDKD_REDUCTION_MEAN = 0, GDKD_REDUCTION_SUM = 1, GDKD_REDUCTION_NONE = 2 };

// How gdkd_batch.low_weight is looked up.
enum { GDKD_LOW_WEIGHT_NONE = 0, GDKD_LOW_WEIGHT_PER_ROW = 1, GDKD_LOW_WEIGHT_PER_CLASS = 2 };

// Instruction sets; of those that one machine has, weakest first.
enum {
    GDKD_ISA_BEST = 0,
    GDKD_ISA_SCALAR = 1,
    GDKD_ISA_AVX2 = 2,  // with FMA and F16C
    GDKD_ISA_AVX512 = 3 // F, BW, DQ, VL
};

// Which loss. Temperatures and weights have no unit.
typedef struct gdkd_config {
    uint32_t struct_size;

    int32_t partition;   // GDKD_PARTITION_*
    int32_t k_rule;      // GDKD_K_*
    int32_t divergence;  // GDKD_DIVERGENCE_*
    int32_t standardize; // GDKD_STANDARDIZE_*
    int32_t reduction;   // GDKD_REDUCTION_*
    int64_t k;           // GDKD_K_FIXED: >= 1; above C counts as C
    int64_t k_max;       // adaptive k: >= 1
    double k_ratio;      // GDKD_K_RATIO: > 0
    double k_mass;       // GDKD_K_MASS: in (0, 1]

    double temperature;          // > 0
    double teacher_temperature;  // > 0: the teacher's own; 0: the same as the student's
    int32_t temperature_squared; // 1: the factor T^2; 0: none. T is the student's in either case

    // A term of weight 0 is not computed and reported as 0. With kd_weight 0 the teacher is not
    // read and may be NULL (but see target_from_teacher); with ce_weight 0 no target is needed for
    // the cross-entropy; with both 0 all is 0, whatever the logits. Weights may be negative.
    uint32_t mass_scaled_groups;   // bit g set: low_g is scaled by Q_g, a constant of the gradient
    uint32_t low_weight_groups;    // bit g set: low_g is scaled by the row's entry of low_weight
    int32_t low_weight_index;      // GDKD_LOW_WEIGHT_*; NONE: low_weight_groups has no effect
    double w_high;                 // no effect where there is one group only
    double w_low[GDKD_MAX_GROUPS]; // of groups that are not there: no effect
    double kd_weight;
    double ce_weight;
    double label_smoothing; // e in [0, 1]: CE's target distribution is (1 - e) onehot + e / C,
                            // where C counts the classes whose student logit is not -inf

    int64_t ignore_index; // rows with this target are left out; -100 as in PyTorch by default
    // 1: a NULL gdkd_batch.target is replaced by the class of the teacher's largest logit, the
    // lowest of equal ones; NaN is passed over, and without any logit above -inf it is class 0. The
    // teacher is then needed where a target is, with kd_weight 0 too. No row is ignored.
    int32_t target_from_teacher;
    int32_t num_threads; // 0: as many as OpenMP would take
    int32_t isa;         // GDKD_ISA_*: an upper bound; GDKD_ISA_BEST for no bound
    double divisor;      // > 0: MEAN divides by this instead; 0: by its own count
} gdkd_config;

// Every structure begins with its own size, which the functions that fill one are given. For C they
// are macros that pass sizeof; the functions themselves, for other languages, end in _sized and
// take it as struct_size. The size tells the version that a caller was compiled for: those of
// earlier versions are accepted, fields that they lack are as the _init function leaves them, and
// nothing is written beyond the size. Any other size is refused (GDKD_ERROR_STRUCT_SIZE). New
// fields come last.

// Every field is set: KD at T = 1 with weight 1, no cross-entropy, mean. GDKD_ERROR_NULL,
// GDKD_ERROR_STRUCT_SIZE.
GDKD_API gdkd_status gdkd_config_init_sized(gdkd_config *config, size_t struct_size);
#define gdkd_config_init(config) gdkd_config_init_sized((config), sizeof(gdkd_config))

// Presets: gdkd_config_init, with its statuses, then the fields of one method. Arguments are
// checked by gdkd_loss, not here. Change fields afterwards as you like (ce_weight, divergence,
// reduction ...).

// KD: Hinton et al., arXiv 1503.02531. loss = T^2 KL(softmax(t/T) || softmax(s/T)).
GDKD_API gdkd_status gdkd_config_kd_sized(gdkd_config *config, size_t struct_size,
                                          double temperature);
#define gdkd_config_kd(config, temperature)                                                        \
    gdkd_config_kd_sized((config), sizeof(gdkd_config), (temperature))

// DKD: Zhao et al., arXiv 2203.08679: alpha TCKD + beta NCKD, {target}, {rest}. Needs targets.
GDKD_API gdkd_status gdkd_config_dkd_sized(gdkd_config *config, size_t struct_size,
                                           double temperature, double alpha, double beta);
#define gdkd_config_dkd(config, temperature, alpha, beta)                                          \
    gdkd_config_dkd_sized((config), sizeof(gdkd_config), (temperature), (alpha), (beta))

// GDKD: arXiv 2512.04625: w0 high + w1 low(top k) + w2 low(rest). The paper's k is 5, its T 4.
GDKD_API gdkd_status gdkd_config_gdkd_sized(gdkd_config *config, size_t struct_size,
                                            double temperature, int64_t k, double w0, double w1,
                                            double w2);
#define gdkd_config_gdkd(config, temperature, k, w0, w1, w2)                                       \
    gdkd_config_gdkd_sized((config), sizeof(gdkd_config), (temperature), (k), (w0), (w1), (w2))

// Cross-entropy alone: kd_weight 0, ce_weight 1.
GDKD_API gdkd_status gdkd_config_ce_sized(gdkd_config *config, size_t struct_size,
                                          double label_smoothing);
#define gdkd_config_ce(config, label_smoothing)                                                    \
    gdkd_config_ce_sized((config), sizeof(gdkd_config), (label_smoothing))

// --- The simple call -----------------------------------------------------------------------------

// float32 logits [rows][classes], mean over rows.
//   target  rows entries in [0, classes), or config->ignore_index; NULL when the loss needs none
//   grad    [rows][classes], NULL, or the student's own buffer: receives d loss / d student
//   loss    receives the total; not NULL; not written where the status is not GDKD_OK
// Losses that need a table, groups or weights are refused with GDKD_ERROR_NULL. Everything else is
// as gdkd_loss with a NULL workspace: it allocates and frees.
GDKD_API gdkd_status gdkd_loss_f32(const gdkd_config *config, const float *student,
                                   const float *teacher, const int64_t *target, int64_t rows,
                                   int64_t classes, float *grad, double *loss);

// --- The general call ----------------------------------------------------------------------------

// Element types. BF16 and F16 are 16-bit words in the usual layouts (bfloat16, IEEE binary16).
enum { GDKD_F32 = 0, GDKD_F64 = 1, GDKD_BF16 = 2, GDKD_F16 = 3 };
enum { GDKD_INT64 = 0, GDKD_INT32 = 1 };

// The data. Logits lie as [outer][classes][inner]: (N, C) has outer = N, inner = 1; NCHW has outer
// = N, inner = H * W; (tokens, vocabulary) has inner = 1. There are outer * inner rows; row r
// belongs to outer r / inner and inner r % inner, and every array "per row" is indexed by r.
//
// Sizes and strides count elements, never bytes. Pointers may have any alignment that their element
// type has. The caller owns every buffer; the library keeps no pointer after it has returned.
// Inputs may overlap: student and teacher may be one buffer. Nothing that is written to (grad,
// row_loss, workspace, the result itself) may overlap anything else, but for grad in place.
typedef struct gdkd_batch {
    uint32_t struct_size;
    int32_t student_dtype; // GDKD_F32 ...; also the gradient's
    int32_t teacher_dtype; // may differ from the student's
    int32_t target_dtype;  // GDKD_INT64 or GDKD_INT32
    int64_t outer;         // >= 0
    int64_t classes;       // 1 .. 2^30
    int64_t inner;         // >= 0
    const void *student;
    const void *teacher;    // may be NULL when kd_weight is 0 and no target is taken from it
    int64_t student_stride; // elements from one outer to the next; 0: classes * inner
    int64_t teacher_stride; // likewise
    // Per row, or NULL when nothing needs it. Where it is given it is checked, and ignore_index
    // leaves rows out, for losses that need no target too.
    const void *target;
    const int64_t *k_table; // GDKD_K_PER_ROW: per row; GDKD_K_PER_CLASS: per class; >= 1
    const uint8_t *groups;  // GDKD_PARTITION_MAP: the group of each class, 0 .. GDKD_MAX_GROUPS - 1
    // 0: one map of C entries for all rows. Otherwise a map per row, laid out as the logits,
    // [outer][classes][inner], with groups_stride (>= classes * inner) from one outer to the next.
    int64_t groups_stride;
    // low_weight_index: per row, or per class for the row's target; finite.
    const double *low_weight;
    const double *row_weight; // per row, >= 0, with a finite sum; NULL: all 1
} gdkd_batch;

// All fields 0: float32, int64 targets, nothing set. GDKD_ERROR_NULL, GDKD_ERROR_STRUCT_SIZE.
GDKD_API gdkd_status gdkd_batch_init_sized(gdkd_batch *batch, size_t struct_size);
#define gdkd_batch_init(batch) gdkd_batch_init_sized((batch), sizeof(gdkd_batch))

// What is wanted, and what comes of it. Rows whose loss is not finite are counted and the first is
// named. They do enter the sums, so that a broken run is not hidden.
typedef struct gdkd_result {
    uint32_t struct_size;

    // In: what is wanted.
    // accumulate: 1 adds the gradient to what grad holds; rows that are not read keep theirs.
    int32_t accumulate;
    // want_norms: 1 fills the grad_norm_ fields. All is then done in double, several times slower.
    int32_t want_norms;
    // grad: receives d total / d student, in the student's type and layout; NULL: loss alone. It
    // may be the student's buffer itself (same pointer and stride, accumulate 0), but must not
    // overlap it, or the teacher's, in any other way.
    void *grad;
    // grad_stride: elements from one outer to the next; 0: classes * inner. Those between the end
    // of an outer and the stride are not touched.
    int64_t grad_stride;
    // grad_scale: the gradient is multiplied by this (loss scaling, 1 / accumulation steps).
    double grad_scale;
    // row_loss: per row, its loss before weight and reduction, 0 where not read; NULL: not wanted.
    double *row_loss;

    // Out. The terms are reduced like the total (a mean with MEAN; a sum with SUM and NONE) and
    // stand before their weights, the factor T^2 included: total = ce_weight ce + kd_weight kd, and
    // kd = w_high high + sum_g w_low[g] low[g]; low[g] carries Q_g and low_weight where they are
    // asked for.
    double total;
    double ce;
    double kd;
    double high;
    double low[GDKD_MAX_GROUPS];
    double student_mass[GDKD_MAX_GROUPS]; // P_g, the mean over used rows (weighted by row_weight)
    double teacher_mass[GDKD_MAX_GROUPS]; // Q_g, likewise; 0 for groups that no row has
    double dist_inter;                    // gdkd_dist: its two terms
    double dist_intra;
    // Euclidean norms, over the batch, of each term's share of this call's gradient (weights, scale
    // and divisor included; what was in grad before is not). 0 unless want_norms; grad may be NULL.
    double grad_norm_ce;
    double grad_norm_high;
    double grad_norm_low[GDKD_MAX_GROUPS];
    double divisor;          // what total was divided by: 1 with SUM and NONE, and without rows
    int64_t rows_used;       // rows that were read
    int64_t rows_nonfinite;  // among them, those with a loss that is not finite
    int64_t first_nonfinite; // the first of these, or -1
    int64_t error_row;       // the row at fault when the status is not GDKD_OK, or -1 where none is
    // Elements of the gradient that this call wrote and that are not finite, as they stand in grad
    // after rounding to its type: found_inf of a loss scaler.
    int64_t grad_nonfinite;
} gdkd_result;

// All fields 0 but grad_scale = 1, first_nonfinite = error_row = -1. GDKD_ERROR_NULL,
// GDKD_ERROR_STRUCT_SIZE.
GDKD_API gdkd_status gdkd_result_init_sized(gdkd_result *result, size_t struct_size);
#define gdkd_result_init(result) gdkd_result_init_sized((result), sizeof(gdkd_result))

// Bytes of workspace that gdkd_loss needs for this config and batch: O(threads * classes), never
// O(rows * classes). Pointers in the batch are not read. It serves other weights of the terms too,
// such as a warm-up's, and batches of fewer outers. num_threads 0 is what OpenMP would take now:
// after omp_set_num_threads, ask again. 0 when config or batch is refused; a batch that is fine
// never gives 0.
GDKD_API size_t gdkd_workspace_size(const gdkd_config *config, const gdkd_batch *batch);

// Loss, terms and, if wanted, the gradient of the whole batch in one pass.
//   workspace  at least gdkd_workspace_size() bytes of any alignment, for this call alone while it
//              runs: then nothing is allocated. NULL: the call allocates and frees.
//
// The time is spent on OpenMP threads of the calling program; the result is the same, bit for bit,
// for any number of them. OpenMP's run-time makes the team, and does what it does for that: it may
// allocate, or end the process where the system refuses a thread. num_threads = 1 makes none.
// In a child of fork, num_threads = 0 means 1. More threads, asked for by number, make GCC's
// libgomp hang there if the parent has had a team. A library that is loaded after the fork takes
// the child for any other process.
//
// The floating-point environment is the default one: round to nearest, subnormals kept. Sums and
// terms are doubles; a product of weights, scale and divisor that leaves their range is infinite,
// NaN or 0 as double arithmetic has it. The gradient is computed in float, in rows that need it in
// double, and rounded to nearest to its type: above the type's range it is infinite, below 0.
GDKD_API gdkd_status gdkd_loss(const gdkd_config *config, const gdkd_batch *batch,
                               gdkd_result *result, void *workspace, size_t workspace_bytes);

// --- Rare and experimental presets ---------------------------------------------------------------

// Variants of the methods, most of them from the code of GDKD's authors (github.com/ZaberKo/GDKD),
// few with a paper of their own. Presets of this part may change or go in a later version; the
// fields that they set stay.

// DKDMod of ZaberKo/GDKD, strategy top1: DKD with the teacher's largest class as the target.
GDKD_API gdkd_status gdkd_config_dkd_top1_sized(gdkd_config *config, size_t struct_size,
                                                double temperature, double alpha, double beta);
#define gdkd_config_dkd_top1(config, temperature, alpha, beta)                                     \
    gdkd_config_dkd_top1_sized((config), sizeof(gdkd_config), (temperature), (alpha), (beta))

// GDKD's strategy "worst" in ZaberKo/GDKD: the teacher's k smallest classes are the first group.
GDKD_API gdkd_status gdkd_config_gdkd_bottom_sized(gdkd_config *config, size_t struct_size,
                                                   double temperature, int64_t k, double w0,
                                                   double w1, double w2);
#define gdkd_config_gdkd_bottom(config, temperature, k, w0, w1, w2)                                \
    gdkd_config_gdkd_bottom_sized((config), sizeof(gdkd_config), (temperature), (k), (w0), (w1),   \
                                  (w2))

// GDKD3 of ZaberKo/GDKD: {top 1}, {top 2..k}, {rest}; w0 high + w1 low(top 2..k) + w2 low(rest).
GDKD_API gdkd_status gdkd_config_gdkd3_sized(gdkd_config *config, size_t struct_size,
                                             double temperature, int64_t k, double w0, double w1,
                                             double w2);
#define gdkd_config_gdkd3(config, temperature, k, w0, w1, w2)                                      \
    gdkd_config_gdkd3_sized((config), sizeof(gdkd_config), (temperature), (k), (w0), (w1), (w2))

// GDKDAutok of ZaberKo/GDKD: GDKD with GDKD_K_RATIO.
GDKD_API gdkd_status gdkd_config_gdkd_autok_sized(gdkd_config *config, size_t struct_size,
                                                  double temperature, double ratio, int64_t k_max,
                                                  double w0, double w1, double w2);
#define gdkd_config_gdkd_autok(config, temperature, ratio, k_max, w0, w1, w2)                      \
    gdkd_config_gdkd_autok_sized((config), sizeof(gdkd_config), (temperature), (ratio), (k_max),   \
                                 (w0), (w1), (w2))

// GDKDAutoW of ZaberKo/GDKD: high + w1 m_1 low(top k) + w2 m_2 low(rest), where version 1 scales
// both low terms by the teacher's mass (m_g = Q_g), 2 the rest alone, 3 the top alone.
// GDKD_ERROR_ENUM for another version.
GDKD_API gdkd_status gdkd_config_gdkd_autow_sized(gdkd_config *config, size_t struct_size,
                                                  double temperature, int64_t k, int32_t version,
                                                  double w1, double w2);
#define gdkd_config_gdkd_autow(config, temperature, k, version, w1, w2)                            \
    gdkd_config_gdkd_autow_sized((config), sizeof(gdkd_config), (temperature), (k), (version),     \
                                 (w1), (w2))

// LSKD: Sun et al., arXiv 2403.01427: KD of logits standardised over the row.
GDKD_API gdkd_status gdkd_config_lskd_sized(gdkd_config *config, size_t struct_size,
                                            double temperature);
#define gdkd_config_lskd(config, temperature)                                                      \
    gdkd_config_lskd_sized((config), sizeof(gdkd_config), (temperature))

// LS-GDKD of ZaberKo/GDKD: GDKD of logits standardised by GDKD_STANDARDIZE_*.
GDKD_API gdkd_status gdkd_config_ls_gdkd_sized(gdkd_config *config, size_t struct_size,
                                               double temperature, int64_t k, int32_t standardize,
                                               double w0, double w1, double w2);
#define gdkd_config_ls_gdkd(config, temperature, k, standardize, w0, w1, w2)                       \
    gdkd_config_ls_gdkd_sized((config), sizeof(gdkd_config), (temperature), (k), (standardize),    \
                              (w0), (w1), (w2))

// SKD of ZaberKo/GDKD: KD among the classes that gdkd_batch.groups puts in group 0; the others, in
// group 1, take no part.
GDKD_API gdkd_status gdkd_config_skd_sized(gdkd_config *config, size_t struct_size,
                                           double temperature);
#define gdkd_config_skd(config, temperature)                                                       \
    gdkd_config_skd_sized((config), sizeof(gdkd_config), (temperature))

// SGDKD of ZaberKo/GDKD: the caller's groups 0 (the target), 1 (kept), 2 (left out of the low
// term): w0 high + w1 low_1.
GDKD_API gdkd_status gdkd_config_sgdkd_sized(gdkd_config *config, size_t struct_size,
                                             double temperature, double w0, double w1);
#define gdkd_config_sgdkd(config, temperature, w0, w1)                                             \
    gdkd_config_sgdkd_sized((config), sizeof(gdkd_config), (temperature), (w0), (w1))

// ADKD of ZaberKo/GDKD: DKD whose beta depends on the target: alpha high + gamma low_weight[target]
// low(rest). Needs targets and gdkd_batch.low_weight (one per class).
GDKD_API gdkd_status gdkd_config_adkd_sized(gdkd_config *config, size_t struct_size,
                                            double temperature, double alpha, double gamma);
#define gdkd_config_adkd(config, temperature, alpha, gamma)                                        \
    gdkd_config_adkd_sized((config), sizeof(gdkd_config), (temperature), (alpha), (gamma))

// --- DIST ----------------------------------------------------------------------------------------

// DIST: Huang et al., arXiv 2205.10536, as in ZaberKo/GDKD. With Y = softmax(s/T), Z = softmax(t/T)
// as matrices of rows by classes and r the Pearson correlation:
//
//     dist_inter = T^2 (1 - mean over the used rows r(Y_row, Z_row))
//     dist_intra = T^2 (1 - mean over the C classes r(Y_class, Z_class))
//     total      = beta dist_inter + gamma dist_intra
//
// where a row or class without variation correlates 0 with anything (so C = 1 gives dist_inter =
// T^2, and a single row dist_intra = T^2): the norms' product has 1e-8 added to it. A class at -inf
// has probability 0 and gradient 0. It correlates over the batch, so ignored rows are left out of
// the matrices (a target is only read for that, and may be NULL), and row weights are refused
// (GDKD_ERROR_WEIGHT).
typedef struct gdkd_dist_config {
    uint32_t struct_size;
    int32_t temperature_squared; // 1: the factor T^2; 0: none
    double temperature;          // > 0
    double beta;                 // weight of dist_inter
    double gamma;                // weight of dist_intra
    int64_t ignore_index;        // -100 by default
    int32_t num_threads;         // 0: as many as OpenMP would take
} gdkd_dist_config;

// T = 1, beta = gamma = 1. GDKD_ERROR_NULL, GDKD_ERROR_STRUCT_SIZE.
GDKD_API gdkd_status gdkd_dist_config_init_sized(gdkd_dist_config *config, size_t struct_size);
#define gdkd_dist_config_init(config)                                                              \
    gdkd_dist_config_init_sized((config), sizeof(gdkd_dist_config))

// As gdkd_workspace_size and gdkd_loss; it fills total, kd, dist_inter, dist_intra, divisor (1),
// the counts and the gradient, and sets the other terms to 0. row_loss is not written to and
// want_norms has no effect: the loss is no sum of rows. All is computed in double. The workspace is
// O(rows + threads * classes). A row with NaN or +inf, or with nothing but -inf in one model, makes
// the total and the gradient of every used row NaN: the columns tie the rows together.
GDKD_API size_t gdkd_dist_workspace_size(const gdkd_dist_config *config, const gdkd_batch *batch);
GDKD_API gdkd_status gdkd_dist(const gdkd_dist_config *config, const gdkd_batch *batch,
                               gdkd_result *result, void *workspace, size_t workspace_bytes);

// --- By name, for other languages ----------------------------------------------------------------

// For languages that would rather not lay out structures: objects that the library makes and frees,
// with fields that are set and read by their names, and a table of the fields. An object is the
// structure of that name above, and goes into the calls as that; a preset, too, takes it, with
// gdkd_struct_size() for its struct_size. `structure` is GDKD_STRUCT_* in all functions of this
// part.
enum {
    GDKD_STRUCT_CONFIG = 0,
    GDKD_STRUCT_BATCH = 1,
    GDKD_STRUCT_RESULT = 2,
    GDKD_STRUCT_DIST_CONFIG = 3
};

// A new object, as the _init function leaves it; NULL for a structure that is none, and without
// memory. The caller frees it with gdkd_free.
GDKD_API void *gdkd_new(int32_t structure);

// NULL is allowed. Buffers that an object points to are the caller's, and stay.
GDKD_API void gdkd_free(void *object);

// Set a field: integers of every width, doubles, pointers. An element of an array is "w_low[2]".
// The object may be a structure of the caller's own, of any version. Values are not checked
// further: the calls do that. Nothing is written with a status other than GDKD_OK:
//   GDKD_ERROR_FIELD        there is no field of this name in the object's version; or the index of
//                           an element is missing, out of range, or too much
//   GDKD_ERROR_FIELD_TYPE   the field is of another type than the function's
//   GDKD_ERROR_FIELD_VALUE  the field's integer type cannot hold the value; or the field is
//                           struct_size, which cannot be set
//   GDKD_ERROR_NULL         object or field is NULL
//   GDKD_ERROR_ENUM         structure is none
//   GDKD_ERROR_STRUCT_SIZE  the object's struct_size is none that this library knows
GDKD_API gdkd_status gdkd_set_int(int32_t structure, void *object, const char *field,
                                  int64_t value);
GDKD_API gdkd_status gdkd_set_double(int32_t structure, void *object, const char *field,
                                     double value);
GDKD_API gdkd_status gdkd_set_pointer(int32_t structure, void *object, const char *field,
                                      const void *value);

// Read a field into *value, which is not NULL; the statuses are those above.
GDKD_API gdkd_status gdkd_get_int(int32_t structure, const void *object, const char *field,
                                  int64_t *value);
GDKD_API gdkd_status gdkd_get_double(int32_t structure, const void *object, const char *field,
                                     double *value);
GDKD_API gdkd_status gdkd_get_pointer(int32_t structure, const void *object, const char *field,
                                      void **value);

// The name of a field that is the fewest edits away, the first of equals, for a message: did you
// mean ...? An index in brackets does not count. A static string; NULL when field is NULL or
// structure is none.
GDKD_API const char *gdkd_nearest_field(int32_t structure, const char *field);

// sizeof the structure, in this library; 0 for a structure that is none.
GDKD_API size_t gdkd_struct_size(int32_t structure);

// Types of fields. A pointer of any kind is GDKD_FIELD_POINTER.
enum {
    GDKD_FIELD_INT32 = 0,
    GDKD_FIELD_UINT32 = 1,
    GDKD_FIELD_INT64 = 2,
    GDKD_FIELD_DOUBLE = 3,
    GDKD_FIELD_POINTER = 4
};

// The table of fields, by index from 0, in the order of their offsets: the name, a static string,
// NULL at the end; the type, then -1; bytes from the structure's start; elements of an array, 1 for
// others.
GDKD_API const char *gdkd_field_name(int32_t structure, int32_t index);
GDKD_API int32_t gdkd_field_type(int32_t structure, int32_t index);
GDKD_API size_t gdkd_field_offset(int32_t structure, int32_t index);
GDKD_API int32_t gdkd_field_elements(int32_t structure, int32_t index);

// --- Helpers -------------------------------------------------------------------------------------

// A static English sentence for a status, "unknown status" for a number that is none.
GDKD_API const char *gdkd_status_string(gdkd_status status);

// "0.1.0", of the library at run time.
GDKD_API const char *gdkd_version_string(void);

// The best instruction set that this processor and operating system have, or a lower one when the
// environment variable GDKD_ISA (scalar, avx2, avx512) asked for it at the first call; a name that
// is unknown or not available here changes nothing.
GDKD_API int32_t gdkd_isa(void);

// "scalar", "avx2", "avx512"; "best" for GDKD_ISA_BEST, NULL for a number that is none.
GDKD_API const char *gdkd_isa_name(int32_t isa);

// --- Special values ------------------------------------------------------------------------------

// For every loss:
//
//     k >= C                              the group {rest} is empty and contributes nothing
//     C = 1                               kd = 0, its gradient 0
//     no rows, or all rows ignored        loss 0, gradient 0, rows_used 0, divisor 1; with no rows
//                                         the pointers may be NULL
//     an ignored row, or one of weight 0  its logits are not read; its gradient is 0. Its entries
//                                         in targets and tables are checked like any other
//     equal teacher logits at the k-th    the lower class index belongs to group 0
//       place
//     cross-entropy of a target at -inf   +inf (unless label_smoothing is 1); its gradient is still
//                                         softmax - target distribution, with a softmax of 0 there
//     large logits, small T               finite, to the accuracy that docs/numerics.md states
//     -inf in the teacher (masked class)  q_i = 0: contributes 0; a reverse or symmetric KL is
//                                         +inf, by its definition
//     -inf in both                        the class is out of the row, as if C were smaller; its
//                                         gradient is 0
//     -inf in the student only            forward and symmetric: loss +inf; gradient finite, and a
//                                         class of p_i = 0 pulls with -q_i. Reverse: contributes 0
//     -inf in the student for a whole     P_g = 0: high is +inf and pulls on none of its classes;
//       group (the teacher has it)        low as in the line above
//     -inf in the teacher for a whole     forward: low_g = 0, gradient 0; reverse and symmetric:
//       group (the student has it)        +inf, without a gradient
//     -inf and total variation            the class has a probability of 0; a group that only one
//                                         model has: low_g = 1, without a gradient
//     -inf and standardisation            -inf stays; a model's mean and std are over its own
//                                         logits that are not -inf
//     a term that is +inf in a row        the row's loss is +inf; a term without a finite gradient
//                                         has none there (0); the row counts as non-finite
//     +inf times a weight                 the weight's sign decides; times a weight, an entry of a
//                                         table or a Q_g of 0 it is 0 (below 2^-1022 a Q_g is 0);
//                                         where infinities of both signs meet, the loss is NaN
//     float64 logits that lie further     +inf or NaN, by the overflow
//       apart than a double can hold
//     a teacher row of nothing but -inf   no distribution: treated like NaN, unless the student's
//                                         row is the same (then there are no classes: loss 0)
//     NaN or +inf in a row                that row's loss and gradient are NaN, no other row's

#ifdef __cplusplus
}
#endif

#endif
