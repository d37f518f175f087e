#include "system.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"
#include "memory.h"
#include "yardstick.h"

// The processor's name as Linux gives it.
static void print_cpu(void) {
    char line[256] = "";
    const char *name = "unknown\n";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        name = colon + 2;
        break;
    }
    printf("# cpu: %d of %s", omp_get_num_procs(), name);
    if (file) fclose(file);
}

static void print_moment(void) {
    char text[32] = "";
    time_t now = time(NULL);
    struct tm date;
    double load = 0.0;
    if (gmtime_r(&now, &date)) strftime(text, sizeof text, "%Y-%m-%d %H:%M", &date);
    if (getloadavg(&load, 1) == 1)
        printf("# date: %s UTC, load average %.2f\n", text, load);
    else
        printf("# date: %s UTC\n", text);
}

static void print_yardsticks(int threads, repetition_plan plan) {
    const int64_t elements = INT64_C(1) << 24U;
    size_t bytes = (size_t)elements * sizeof(float);
    float *arrays[3];
    for (int i = 0; i < 3; i++) memset(arrays[i] = allocate(bytes), 0, bytes);
    stream_yardstick stream = {.a = arrays[0],
                               .b = arrays[1],
                               .c = arrays[2],
                               .elements = elements,
                               .element_bytes = sizeof(float),
                               .threads = threads};
    exp_yardstick exponentials = {.threads = threads};
    timed_job jobs[] = {
        {.run = run_stream, .context = &stream, .elements = (double)elements},
        {.run = run_exp, .context = &exponentials, .elements = exp_elements(threads)},
    };
    measure(jobs, 2, plan);
    printf("# yardsticks, %d thread%s: stream loop %.3f ns per element (float32, two reads and a "
           "write, 3 x %zu MiB), exp %.3f ns per element (float32, in L1)\n",
           threads, threads == 1 ? "" : "s", jobs[0].least, bytes >> 20U, jobs[1].least);
    for (int i = 0; i < 3; i++) free(arrays[i]);
}

void print_system(int argc, char **argv, const bench_options *options) {
#ifdef __clang__
    const char *compiler = __VERSION__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    printf("# gdkd-bench of libgdkd %s:", gdkd_version_string());
    for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
    putchar('\n');
    print_moment();
    print_cpu();
    printf("# compiler: %s\n", compiler);
    printf("# kernel: %s is the best here\n", gdkd_isa_name(gdkd_isa()));
    printf("# threads:");
    for (int i = 0; i < options->thread_count; i++) printf(" %d", options->threads[i]);
    printf(" (yardsticks run on as many)\n");
    printf("# logits: %s (seed %" PRIu64 "); T = 4 (lskd: 2), k = 5\n",
           logits_descriptions[options->logits], logits_seed(options->logits));
    printf("# ns per element: minimum and median of %d repetitions", options->plan.most);
    if (isfinite(options->plan.seconds))
        printf(" (slow cases: of those begun within %g s, at least %d)", options->plan.seconds,
               LEAST_REPETITIONS);
    printf("; gradient included, workspace given, warm\n");
    for (int i = 0; i < options->thread_count; i++)
        print_yardsticks(options->threads[i], options->plan);
}
