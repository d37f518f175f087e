#include "logits.h"

#include <gdkd.h>
#include <math.h>
#include <string.h>

const char *const logits_names[LOGITS_KINDS] = {"normal", "peaked", "near", "wide", "counted"};
const char *const logits_descriptions[LOGITS_KINDS] = {
    "student and teacher independent normal, sigma 3",
    "one class 12 (teacher) and 8 (student) above normal noise, sigma 1",
    "student = teacher + normal noise of sigma 0.1, teacher normal, sigma 3",
    "student and teacher independent normal, sigma 30",
    "student and teacher independent normal, sigma 3, by xorshift64",
};
const char *const dtype_names[4] = {"f32", "f64", "bf16", "f16"};
const int dtype_bytes[4] = {4, 8, 2, 2};

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30U)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27U)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31U);
}

// A pair of independent normal numbers (Box and Muller).
static void next_normals(uint64_t *state, float *a, float *b) {
    uint64_t bits = next(state);
    float u = (float)((bits >> 40U) + 1) * 0x1p-24F; // (0, 1]
    float v = (float)(bits & 0xffffffU) * 0x1p-24F;  // [0, 1)
    float radius = sqrtf(-2.0F * logf(u));
    *a = radius * cosf(6.2831853F * v);
    *b = radius * sinf(6.2831853F * v);
}

// Xorshift64 (Marsaglia, Journal of Statistical Software, 2003), uniform in [0, 1).
static double next_uniform(uint64_t *state) {
    *state ^= *state << 13U;
    *state ^= *state >> 7U;
    *state ^= *state << 17U;
    return (double)(*state >> 11U) * 0x1p-53;
}

// The same in double, one of each pair. How many rows are nearly alike, and cost a second pass, is
// a matter of the draw: figures of short rows compare with those of the same draw alone.
static void next_counted(uint64_t *state, float *a, float *b) {
    float *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        double radius = sqrt(-2.0 * log(next_uniform(state) + 1e-300));
        *both[i] = (float)(radius * cos(6.283185307179586 * next_uniform(state)));
    }
}

// Nearest, ties to even.
static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

// Nearest, ties to even; below 2^-14 becomes 0, and nothing here reaches 65504.
static uint16_t to_f16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = (bits >> 16U) & 0x8000U;
    uint32_t size = bits & 0x7fffffffU;
    if (size < 0x38800000U) return (uint16_t)sign;
    size += 0xfffU + ((size >> 13U) & 1U);
    return (uint16_t)(sign | ((size - 0x38000000U) >> 13U)); // the biases differ by 112
}

static void store(void *array, int64_t i, int32_t dtype, float x) {
    if (dtype == GDKD_F32) ((float *)array)[i] = x;
    if (dtype == GDKD_F64) ((double *)array)[i] = x;
    if (dtype == GDKD_BF16) ((uint16_t *)array)[i] = to_bf16(x);
    if (dtype == GDKD_F16) ((uint16_t *)array)[i] = to_f16(x);
}

// The class of row r that stands out in LOGITS_PEAKED.
static int64_t peak_of(int64_t row, int64_t classes) {
    uint64_t state = (uint64_t)row;
    return (int64_t)(next(&state) % (uint64_t)classes);
}

uint64_t logits_seed(logits_kind kind) {
    return kind == LOGITS_COUNTED ? UINT64_C(88172645463325252) : 1;
}

void fill_logits(logits_kind kind, const bench_shape *shape, int32_t dtype, void *student,
                 void *teacher) {
    uint64_t state = logits_seed(kind);
    int64_t elements = shape_elements(shape);
    float sigma = kind == LOGITS_PEAKED ? 1.0F : kind == LOGITS_WIDE ? 30.0F : 3.0F;
    for (int64_t i = 0; i < elements; i++) {
        float a;
        float b;
        (kind == LOGITS_COUNTED ? next_counted : next_normals)(&state, &a, &b);
        float t = sigma * b;
        float s = kind == LOGITS_NEAR ? t + 0.1F * a : sigma * a;
        if (kind == LOGITS_PEAKED) {
            int64_t outer = i / (shape->classes * shape->inner);
            int64_t row = outer * shape->inner + i % shape->inner;
            if (i / shape->inner % shape->classes == peak_of(row, shape->classes)) {
                s += 8.0F;
                t += 12.0F;
            }
        }
        store(student, i, dtype, s);
        store(teacher, i, dtype, t);
    }
}
