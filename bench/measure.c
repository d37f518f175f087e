// Timing. Minimum and median of N: the minimum is what the code can do, the median says how much
// the machine disturbed it.
#include "measure.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "memory.h"

// Far above the clock's resolution and a timer interrupt.
static const double LEAST_NS = 2e6;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_runs(const timed_job *job, int64_t runs) {
    double start = now_ns();
    for (int64_t i = 0; i < runs; i++) job->run(job->context);
    return now_ns() - start;
}

// The number of runs that takes LEAST_NS; finding it warms caches and clocks, and a job that needs
// one run alone is slow enough not to care.
static int64_t runs_needed(const timed_job *job) {
    int64_t runs = 1;
    double ns = time_runs(job, runs);
    while (ns < LEAST_NS) {
        runs = ns < LEAST_NS / 16 ? runs * 8 : (int64_t)((double)runs * 1.2 * LEAST_NS / ns) + 1;
        ns = time_runs(job, runs);
    }
    return runs;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const double *sorted, int count) {
    return count % 2 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
}

static void summarise(timed_job *job, double *ns, int count) {
    qsort(ns, (size_t)count, sizeof *ns, ascending);
    job->least = ns[0];
    job->median = median_of(ns, count);
}

// Before summarise() sorts what they are made of.
static void compare(timed_job *job, const double *ns, const double *first, int count) {
    double *times = allocate((size_t)count * sizeof *times);
    for (int i = 0; i < count; i++) times[i] = ns[i] / first[i];
    qsort(times, (size_t)count, sizeof *times, ascending);
    job->times = median_of(times, count);
    job->times_low = times[count / 4];
    job->times_high = times[count - 1 - count / 4];
    free(times);
}

void measure(timed_job *jobs, int count, repetition_plan plan) {
    size_t n = (size_t)count;
    int64_t *runs = allocate(n * sizeof *runs);
    double *ns = allocate(n * (size_t)plan.most * sizeof *ns);
    for (int j = 0; j < count; j++) runs[j] = runs_needed(&jobs[j]);
    double start = now_ns();
    int done = 0;
    while (done < plan.most &&
           (done < LEAST_REPETITIONS || now_ns() - start < 1e9 * plan.seconds)) {
        for (int j = 0; j < count; j++) {
            double per_run = time_runs(&jobs[j], runs[j]) / (double)runs[j];
            ns[j * plan.most + done] = per_run / jobs[j].elements;
        }
        done++;
    }
    for (int j = 0; j < count; j++) compare(&jobs[j], ns + j * plan.most, ns, done);
    for (int j = 0; j < count; j++) summarise(&jobs[j], ns + j * plan.most, done);
    free(ns);
    free(runs);
}
