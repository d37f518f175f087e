// A comparison gives the same bytes whatever its teacher memory has room for, in one piece and in
// several. BLAS's product, of which every forward pass has one, and the clock are replaced by
// functions that count.
#include "app/commands.h"
#include "base/safe_file.h"
#include "base/threads.h"
#include "test_files.h"
#include "test_idx.h"
#include "test_interpose.h"
#include "test_process.h"
#include "test_suite.h"

#include <cblas.h>
#include <time.h>

// Two of the losses ask the teacher. The last of three batches has 4 images.
enum { TRAIN_IMAGES = 20, TEST_IMAGES = 10, BATCHES = 3, EPOCHS = 2, SEEDS = 2 };
static const char *const networks[] = {"teacher",  "ce-seed1", "kd-seed1",      "gdkd-k=2-seed1",
                                       "ce-seed2", "kd-seed2", "gdkd-k=2-seed2"};

#define NO_MEMORY "0"
#define ONE_EPOCH "0.001" // 803 bytes each

// --- The replaced functions ----------------------------------------------------------------------

static int products;
static int clocks; // readings: several a batch
static int stop_at = 0;

void cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE trans_a,
                 const enum CBLAS_TRANSPOSE trans_b, const blasint m, const blasint n,
                 const blasint k, const float alpha, const float *a, const blasint lda,
                 const float *b, const blasint ldb, const float beta, float *c, const blasint ldc) {
    FIND(cblas_sgemm);
    products++;
    original(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    FIND(clock_gettime);
    if (++clocks == stop_at) raise(SIGINT);
    return original(id, now);
}

int fsync(int fd) {
    (void)fd; // the tests' files need not outlive a power cut
    return 0;
}

// --- Comparisons ---------------------------------------------------------------------------------

typedef struct {
    const char *folder, *memory; // NULL: the default
    int stopped_at;
} plan;

// Says how many products it took.
static bool compare(const void *argument, error_line *e) {
    const plan *p = argument;
    char data[128], folder[400], memory[64];
    settings s;
    option_parser parser;
    snprintf(data, sizeof data, "--data=fashion-mnist:%s", test_folder);
    snprintf(folder, sizeof folder, "--out-dir=%s", test_path(p->folder));
    snprintf(memory, sizeof memory, "--teacher-memory=%s", p->memory ? p->memory : "");
    char *arguments[] = {"compare",    data,          folder,       "--teacher-model=resnet8",
                         "--batch=8",  "--seeds=1,2", "--epochs=2", "--losses=ce,kd,gdkd:k=2",
                         "--warmup=1", "--threads=2", "--quiet",    "--model=resnet8",
                         "--resume",   memory,        NULL};
    const int count = sizeof arguments / sizeof *arguments - (p->memory ? 1 : 2);
    arguments[count] = NULL;
    stop_at = p->stopped_at;
    products = clocks = 0;
    settings_init(&s);
    s.command = COMMAND_COMPARE;
    s.command_name = "compare";
    const bool fine = settings_parse(&s, &parser, count, arguments, e) && command_compare(&s, e);
    options_free(&parser);
    if (fine) snprintf(e->text, sizeof e->text, "%d", products);
    return fine;
}

static int products_of(const char *folder, const char *memory) {
    const plan p = {folder, memory, 0};
    const outcome o = test_process(compare, &p);
    ck_assert_msg(finished(o), "%s", o.text);
    return (int)strtol(o.text, NULL, 10);
}

static void check_same(const char *folder, const char *other, const char *file,
                       const char *ending) {
    char path[PATH_MAX], other_path[PATH_MAX];
    size_t size, other_size;
    error_line e;
    snprintf(path, sizeof path, "%s/%s/%s%s", test_folder, folder, file, ending);
    snprintf(other_path, sizeof other_path, "%s/%s/%s%s", test_folder, other, file, ending);
    char *bytes = safe_file_read(path, &size, &e);
    ck_assert_msg(bytes != NULL, "%s", e.text);
    char *other_bytes = safe_file_read(other_path, &other_size, &e);
    ck_assert_msg(other_bytes != NULL, "%s", e.text);
    ck_assert_uint_eq(size, other_size);
    ck_assert_msg(memcmp(bytes, other_bytes, size) == 0, "%s and %s differ", path, other_path);
    free(other_bytes);
    free(bytes);
}

static void check_same_results(const char *folder, const char *other) {
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        check_same(folder, other, networks[i], ".safetensors");
        check_same(folder, other, networks[i], ".logits.npy");
    }
}

static void setup(void) {
    test_folder_make();
    idx_write("train", TRAIN_IMAGES);
    idx_write("t10k", TEST_IMAGES);
}

// --- Tests ---------------------------------------------------------------------------------------

START_TEST(the_second_loss_asks_no_teacher) {
    const int every_time = products_of("none", NO_MEMORY);
    ck_assert_int_eq(every_time - products_of("all", NULL), SEEDS * EPOCHS * BATCHES);
    ck_assert_int_eq(every_time - products_of("some", ONE_EPOCH), SEEDS * BATCHES);
    check_same_results("none", "all");
    check_same_results("none", "some");
}
END_TEST

// In pieces with and without a memory, which begin anywhere in a run. What a checkpoint is held
// against does not know of the memory.
START_TEST(pieces_give_the_same_results) {
    static const char *const memories[] = {NULL, NO_MEMORY, NULL, ONE_EPOCH};
    int stops = 0;
    products_of("none", NO_MEMORY);
    for (;; stops++) {
        const plan p = {"pieces", memories[stops % 4], 20 + stops % 7};
        const outcome o = test_process(compare, &p);
        if (finished(o)) break;
        ck_assert_int_eq(WIFEXITED(o.status) ? WEXITSTATUS(o.status) : -1, EXIT_INTERRUPTED);
        ck_assert_msg(strstr(o.text, "--resume") != NULL, "%s", o.text);
        ck_assert_int_lt(stops, 100);
    }
    ck_assert_int_gt(stops, SEEDS * EPOCHS);
    check_same_results("none", "pieces");
}
END_TEST

int main(int argc, char **argv) {
    (void)argc;
    threads_wait_passively(argv);
    Suite *suite = suite_create("compare");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_set_timeout(all, 600);
    tcase_add_test(all, the_second_loss_asks_no_teacher);
    tcase_add_test(all, pieces_give_the_same_results);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
