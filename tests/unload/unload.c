// unload LIBRARY: loads the shared library, makes a call on two threads, unloads the library, and
// lives on. The OpenMP run-time comes and goes with the library, since nothing here is linked with
// it; its threads wait for a next call, in code that must not be unmapped.
#include <dirent.h>
#include <dlfcn.h>
#include <gdkd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 64, CLASSES = 1000 };

static void *library;

static void expect(int holds, const char *what) {
    if (holds) return;
    const char *reason = dlerror();
    fprintf(stderr, "unload: %s%s%s\n", what, reason ? ": " : "", reason ? reason : "");
    exit(EXIT_FAILURE);
}

// The library's function of that name into *function: C has no cast from void * to a function.
static void find(const char *name, void *function) {
    void *symbol = dlsym(library, name);
    expect(symbol != NULL, name);
    memcpy(function, &symbol, sizeof symbol);
}

static int threads_here(void) {
    int threads = 0;
    DIR *tasks = opendir("/proc/self/task");
    expect(tasks != NULL, "/proc/self/task cannot be read");
    for (const struct dirent *task; (task = readdir(tasks));) threads += task->d_name[0] != '.';
    closedir(tasks);
    return threads;
}

static void call_on_two_threads(void) {
    static float student[ROWS * CLASSES], teacher[ROWS * CLASSES], grad[ROWS * CLASSES];
    for (int i = 0; i < ROWS * CLASSES; i++) {
        student[i] = (float)(i % 13);
        teacher[i] = (float)(i % 11);
    }
    void (*config_kd)(gdkd_config *, size_t, double);
    void (*batch_init)(gdkd_batch *, size_t);
    void (*result_init)(gdkd_result *, size_t);
    gdkd_status (*loss)(const gdkd_config *, const gdkd_batch *, gdkd_result *, void *, size_t);
    find("gdkd_config_kd_sized", &config_kd);
    find("gdkd_batch_init_sized", &batch_init);
    find("gdkd_result_init_sized", &result_init);
    find("gdkd_loss", &loss);
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    config_kd(&config, sizeof config, 4.0);
    batch_init(&batch, sizeof batch);
    result_init(&result, sizeof result);
    config.num_threads = 2;
    batch.outer = ROWS;
    batch.classes = CLASSES;
    batch.inner = 1;
    batch.student = student;
    batch.teacher = teacher;
    result.grad = grad;
    expect(loss(&config, &batch, &result, NULL, 0) == GDKD_OK, "the call fails");
}

int main(int argc, char **argv) {
    expect(argc == 2, "usage: unload LIBRARY");
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    expect(library != NULL, "the library cannot be loaded");
    const int before = threads_here();
    call_on_two_threads();
    expect(threads_here() > before, "the call has not made a second thread");
    expect(dlclose(library) == 0, "the library cannot be unloaded");
    // A thread that was still spinning has gone to sleep by then, which takes code too.
    const struct timespec half_a_second = {.tv_nsec = 500000000};
    nanosleep(&half_a_second, NULL);
    puts("1 passed, 0 failed");
    return EXIT_SUCCESS;
}
