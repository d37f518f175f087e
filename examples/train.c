// train.c: knowledge distillation in one file, from the bytes of the images to the last figure.
//
// A teacher, a wide perceptron, learns from all 60,000 images of Fashion-MNIST. Students, narrow
// ones, see 500 of them, and learn from the labels alone, or from the teacher's logits too: by KD
// (Hinton et al., arXiv 1503.02531) and by GDKD (arXiv 2512.04625). Read compare first, then train;
// libgdkd stands in configure and loss_and_gradient.
//
// Arrays are dense and in rows; comments give their shapes. N is the number of images of a batch.
#include <cblas.h>
#include <gdkd.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CLASSES = 10, BATCH = 50, TEACHER_HIDDEN = 400, STUDENT_HIDDEN = 32 };

static _Noreturn void fail(int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("train: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    exit(status);
}

static void *allocate(int count, size_t size) {
    void *memory = calloc((size_t)count, size);
    if (!memory) fail(1, "out of memory: %d x %zu bytes", count, size);
    return memory;
}

// splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
static uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void random_uniform(uint64_t *state, float *x, int count, float bound) {
    for (int i = 0; i < count; i++) // in [-bound, bound)
        x[i] = bound * ((float)(random_bits(state) >> 40) / (1 << 23) - 1);
}

// --- Images: the idx files of MNIST, gzipped or not ----------------------------------------------

typedef struct {
    int count, size; // images, and pixels of each
    uint8_t *pixels; // [count][size]
    uint8_t *labels; // [count]
} image_set;

static void read_bytes(gzFile file, const char *path, void *to, int bytes) {
    if (gzread(file, to, (unsigned)bytes) != bytes)
        fail(1, "%s is cut off or damaged: copy or install it again", path);
}

// Big-endian words (magic, count, height, width), then bytes -> records [*count][*size], to be
// freed
static uint8_t *read_idx(const char *path, int dimensions, int *count, int *size) {
    uint8_t header[16];
    uint32_t words[4] = {0, 0, 1, 1};
    char packed[4096];
    snprintf(packed, sizeof packed, "%s.gz", path);
    gzFile file = gzopen(path, "rb"); // packed or not
    if (!file) file = gzopen(packed, "rb");
    if (!file)
        fail(1, "%s cannot be read: apt install dataset-fashion-mnist, or --data FOLDER", packed);
    read_bytes(file, path, header, 4 + 4 * dimensions);
    for (int i = 0; i < 4 + 4 * dimensions; i++) words[i / 4] = words[i / 4] << 8 | header[i];
    if (words[0] != 0x0800U + (unsigned)dimensions || words[1] > 100000 || words[2] > 64 ||
        words[3] > 64 || words[1] * words[2] * words[3] == 0)
        fail(1, "%s is no idx file of up to 100000 records and 64 x 64 pixels", path);
    *count = (int)words[1];
    *size = (int)(words[2] * words[3]);
    uint8_t *records = allocate(*count, (size_t)*size);
    for (int i = 0; i < *count; i++) read_bytes(file, path, records + i * *size, *size);
    gzclose(file);
    return records;
}

static image_set read_images(const char *folder, const char *part) {
    char path[4000];
    int labels, one;
    image_set set;
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, part);
    set.pixels = read_idx(path, 3, &set.count, &set.size);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, part);
    set.labels = read_idx(path, 1, &labels, &one);
    if (labels != set.count) fail(1, "%s: %d labels of %d images", path, labels, set.count);
    for (int i = 0; i < labels; i++)
        if (set.labels[i] >= CLASSES) fail(1, "%s: label %d of image %d", path, set.labels[i], i);
    return set;
}

// --- The network: inputs -> hidden, ReLU -> classes ----------------------------------------------

typedef struct {
    int inputs, hidden, size, steps;  // size: of all parameters
    uint64_t random;                  // the state of its random numbers
    float *values;                    // [size]: the four below
    float *w1, *b1, *w2, *b2;         // [hidden][inputs], [hidden], [CLASSES][hidden], [CLASSES]
    float *gradient, *first, *second; // [size]: of the loss, and Adam's two moments
    float *active, *d_active;         // [BATCH][hidden]
} network;

// Weights of variance 2 / inputs: He et al., arXiv 1502.01852. To be freed: values.
static network network_create(int inputs, int hidden, uint64_t seed) {
    network m = {.inputs = inputs, .hidden = hidden, .random = seed};
    const int w1 = hidden * inputs, w2 = CLASSES * hidden;
    m.size = w1 + hidden + w2 + CLASSES;
    m.values = allocate(4 * m.size + 2 * BATCH * hidden, sizeof(float));
    m.gradient = m.values + m.size;
    m.first = m.gradient + m.size;
    m.second = m.first + m.size;
    m.active = m.second + m.size;
    m.d_active = m.active + BATCH * hidden;
    m.w1 = m.values;
    m.b1 = m.w1 + w1;
    m.w2 = m.b1 + hidden;
    m.b2 = m.w2 + w2;
    random_uniform(&m.random, m.w1, w1, sqrtf(6.0F / (float)inputs));
    random_uniform(&m.random, m.w2, w2, sqrtf(6.0F / (float)hidden));
    return m;
}

// y[N][out] = x[N][in] w[out][in]^T + b[out]
static void affine(float *y, const float *x, const float *w, const float *b, int n, int in,
                   int out) {
    for (int i = 0; i < n * out; i++) y[i] = b[i % out];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, out, in, 1, x, in, w, in, 1, y, out);
}

// dw[out][in] = dy[N][out]^T x[N][in], db[out] = the sum of dy's rows
static void affine_back(float *dw, float *db, const float *dy, const float *x, int n, int in,
                        int out) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, n, 1, dy, out, x, in, 0, dw, in);
    memset(db, 0, (size_t)out * sizeof *db);
    for (int i = 0; i < n * out; i++) db[i % out] += dy[i];
}

// x[N][inputs] -> logits[N][CLASSES]
static void network_forward(network *m, const float *x, int n, float *logits) {
    affine(m->active, x, m->w1, m->b1, n, m->inputs, m->hidden);
    for (int i = 0; i < n * m->hidden; i++) m->active[i] = fmaxf(m->active[i], 0);
    affine(logits, m->active, m->w2, m->b2, n, m->hidden, CLASSES);
}

// d_logits[N][CLASSES] of the batch that went forward last -> m->gradient
static void network_backward(network *m, const float *x, const float *d_logits, int n) {
    float *dw1 = m->gradient, *db1 = dw1 + m->hidden * m->inputs, *dw2 = db1 + m->hidden,
          *db2 = dw2 + CLASSES * m->hidden;
    affine_back(dw2, db2, d_logits, m->active, n, m->hidden, CLASSES);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, m->hidden, CLASSES, 1, d_logits,
                CLASSES, m->w2, m->hidden, 0, m->d_active, m->hidden);
    for (int i = 0; i < n * m->hidden; i++) m->d_active[i] *= m->active[i] > 0;
    affine_back(dw1, db1, m->d_active, x, n, m->inputs, m->hidden);
}

// Adam, with its authors' constants: Kingma and Ba, arXiv 1412.6980.
static void network_update(network *m, double rate) {
    const float a = 0.9F, b = 0.999F;
    m->steps++;
    const float step = (float)(rate * sqrt(1 - pow(b, m->steps)) / (1 - pow(a, m->steps)));
    for (int i = 0; i < m->size; i++) {
        const float g = m->gradient[i];
        m->first[i] = a * m->first[i] + (1 - a) * g;
        m->second[i] = b * m->second[i] + (1 - b) * g * g;
        m->values[i] -= step * m->first[i] / (sqrtf(m->second[i]) + 1e-8F);
    }
}

// --- The loss: libgdkd ---------------------------------------------------------------------------

typedef enum { LABELS, KD, GDKD, LOSSES } loss_kind;
static const char *const loss_names[LOSSES] = {"labels alone", "KD", "GDKD"};

// T 4, as in the paper; k 3 and weights of 1 are for 10 classes, the paper's larger ones for 100.
static gdkd_config configure(loss_kind loss) {
    gdkd_config c;
    const gdkd_status status = loss == LABELS ? gdkd_config_ce(&c, 0)
                               : loss == KD   ? gdkd_config_kd(&c, 4)
                                              : gdkd_config_gdkd(&c, 4, 3, 1, 1, 1);
    if (status != GDKD_OK) fail(1, "libgdkd: %s", gdkd_status_string(status));
    c.ce_weight = loss == KD ? 0.1 : 1; // GDKD's authors give both terms the weight 1
    c.kd_weight = loss == LABELS ? 0 : loss == KD ? 0.9 : 1;
    c.num_threads = 1; // the batches are small
    return c;
}

// student, teacher [N][CLASSES], labels [N] -> loss, and its gradient for the student [N][CLASSES]
static double loss_and_gradient(const gdkd_config *c, const float *student, const float *teacher,
                                const int64_t *labels, int n, float *gradient) {
    double loss = 0;
    gdkd_status status = gdkd_loss_f32(c, student, teacher, labels, n, CLASSES, gradient, &loss);
    if (status != GDKD_OK) fail(1, "libgdkd: %s", gdkd_status_string(status));
    return loss;
}

// A small network's gradient against central differences: whether they agree, as far as floats do.
static int check_gradient(loss_kind loss) {
    enum { N = 8, INPUTS = 6, HIDDEN = 7 };
    float x[N * INPUTS], logits[N * CLASSES], teacher[N * CLASSES], d_logits[N * CLASSES];
    const int64_t labels[N] = {3, 1, 4, 1, 5, 9, 2, 6};
    const float step = 1.0F / 256;
    double distance = 0, length = 0, side[2];
    network m = network_create(INPUTS, HIDDEN, 1);
    const gdkd_config c = configure(loss);
    random_uniform(&m.random, x, N * INPUTS, 1);
    random_uniform(&m.random, teacher, N * CLASSES, 5);
    network_forward(&m, x, N, logits);
    loss_and_gradient(&c, logits, teacher, labels, N, d_logits);
    network_backward(&m, x, d_logits, N);
    for (int i = 0; i < m.size; i++) {
        const float value = m.values[i];
        for (int j = 0; j < 2; j++) {
            m.values[i] = j ? value + step : value - step;
            network_forward(&m, x, N, logits);
            side[j] = loss_and_gradient(&c, logits, teacher, labels, N, d_logits);
        }
        m.values[i] = value;
        const double numeric = (side[1] - side[0]) / (2 * (double)step);
        distance += pow(numeric - (double)m.gradient[i], 2);
        length += numeric * numeric;
    }
    free(m.values);
    printf("gradient of %s: off by %.1e of its length\n", loss_names[loss],
           sqrt(distance / length));
    return sqrt(distance / length) < 1e-3;
}

// --- Training and testing ------------------------------------------------------------------------

// The images order[0..n) -> x[N][size], with about the mean 0 and the deviation 1; labels[N]
static void gather(const image_set *set, const int *order, int n, float *x, int64_t *labels) {
    for (int i = 0; i < n; i++) {
        const uint8_t *pixels = set->pixels + order[i] * set->size;
        for (int j = 0; j < set->size; j++)
            x[i * set->size + j] = ((float)pixels[j] / 255 - 0.286F) / 0.353F;
        labels[i] = set->labels[order[i]];
    }
}

// teacher: logits [count][CLASSES], or NULL. The learning rate falls from 0.001 to 0 along a line.
static void train(network *m, const image_set *set, const float *teacher, loss_kind loss,
                  int epochs) {
    const gdkd_config c = configure(loss);
    float logits[BATCH * CLASSES], taught[BATCH * CLASSES], d_logits[BATCH * CLASSES];
    float *x = allocate(BATCH * set->size, sizeof *x);
    int *order = allocate(set->count, sizeof *order);
    int64_t labels[BATCH];
    for (int i = 0; i < set->count; i++) order[i] = i;
    for (int epoch = 0; epoch < epochs; epoch++) {
        for (int i = set->count - 1; i > 0; i--) { // shuffle
            const int j = (int)(random_bits(&m->random) % (uint64_t)(i + 1)), other = order[j];
            order[j] = order[i];
            order[i] = other;
        }
        for (int at = 0; at < set->count; at += BATCH) {
            const int n = set->count - at < BATCH ? set->count - at : BATCH;
            gather(set, order + at, n, x, labels);
            for (int i = 0; teacher && i < n * CLASSES; i++)
                taught[i] = teacher[order[at + i / CLASSES] * CLASSES + i % CLASSES];
            network_forward(m, x, n, logits);
            loss_and_gradient(&c, logits, teacher ? taught : NULL, labels, n, d_logits);
            network_backward(m, x, d_logits, n);
            network_update(m, 1e-3 * (1 - (epoch + (double)at / set->count) / epochs));
        }
    }
    free(order);
    free(x);
}

// -> percent of images whose largest logit is the label's; all: their logits [count][CLASSES], or
// NULL
static double test_network(network *m, const image_set *set, float *all) {
    float *x = allocate(set->size, sizeof *x), logits[CLASSES];
    int64_t label;
    int right = 0;
    for (int i = 0; i < set->count; i++) {
        int best = 0;
        gather(set, &i, 1, x, &label);
        network_forward(m, x, 1, logits);
        for (int j = 1; j < CLASSES; j++) best = logits[j] > logits[best] ? j : best;
        right += best == label;
        if (all) memcpy(all + i * CLASSES, logits, sizeof logits);
    }
    free(x);
    return 100.0 * right / set->count;
}

// --- The program ---------------------------------------------------------------------------------

// A student for each seed: the mean of their accuracies, and the sample deviation in Welford's way.
static void train_students(loss_kind loss, const image_set *few, const image_set *test,
                           const float *taught, int epochs, int seeds) {
    double mean = 0, squares = 0;
    for (int seed = 1; seed <= seeds; seed++) {
        network student = network_create(few->size, STUDENT_HIDDEN, (uint64_t)seed);
        train(&student, few, taught, loss, epochs);
        const double distance = test_network(&student, test, NULL) - mean;
        mean += distance / seed;
        squares += distance * distance * (seed - 1) / seed;
        free(student.values);
    }
    printf("    %-13s %.2f +- %.2f %%\n", loss_names[loss], mean,
           seeds > 1 ? sqrt(squares / (seeds - 1)) : 0);
}

static void compare(const char *data, int images, int epochs, int seeds) {
    image_set all = read_images(data, "train"), test = read_images(data, "t10k"), few = all;
    if (test.size != all.size) fail(1, "%s: images of two sizes", data);
    few.count = images < all.count ? images : all.count;
    float *taught = allocate(few.count, CLASSES * sizeof *taught); // [few.count][CLASSES]
    network teacher = network_create(all.size, TEACHER_HIDDEN, 1);
    train(&teacher, &all, NULL, LABELS, 5);
    test_network(&teacher, &few, taught);
    printf("teacher, %d images: %.2f %%\n", all.count, test_network(&teacher, &test, NULL));
    printf("students, the first %d images, seeds 1 to %d:\n", few.count, seeds);
    for (loss_kind loss = LABELS; loss < LOSSES; loss++)
        train_students(loss, &few, &test, taught, epochs, seeds);
    void *owned[] = {taught, teacher.values, all.pixels, all.labels, test.pixels, test.labels};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

int main(int argc, char **argv) {
    const char *data = "/usr/share/datasets/fashion-mnist";
    const char *const names[] = {"--images", "--epochs", "--seeds"};
    int numbers[] = {500, 60, 5};
    openblas_set_num_threads(1); // small matrices; the same figures on any number of cores
    if (argc == 2 && strcmp(argv[1], "--check") == 0)
        return (check_gradient(LABELS) & check_gradient(KD) & check_gradient(GDKD)) == 0;
    for (int i = 1; i < argc; i += 2) {
        int which = 0;
        char *text = i + 1 < argc ? argv[i + 1] : "", *end = text;
        while (which < 3 && strcmp(argv[i], names[which]) != 0) which++;
        const long number = strtol(text, &end, 10);
        if (strcmp(argv[i], "--data") == 0 && *text)
            data = text;
        else if (which < 3 && *text && !*end && number >= 1 && number <= 100000)
            numbers[which] = (int)number;
        else
            fail(2, "%s %s: not among --check, --data FOLDER, --images N, --epochs N, --seeds N",
                 argv[i], text);
    }
    compare(data, numbers[0], numbers[1], numbers[2]);
    return 0;
}
