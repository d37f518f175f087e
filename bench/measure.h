// Timing of several jobs in turn, so that all of them see the same state of the machine.
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

typedef struct {
    void (*run)(void *context);
    void *context;
    double elements;      // that one run handles
    double least, median; // out: ns per element over the repetitions
    // Out: times of the first job's in the same repetition, what half of the repetitions lie
    // between.
    double times, times_low, times_high;
} timed_job;

typedef struct {
    int most;       // repetitions
    double seconds; // after LEAST_REPETITIONS none is begun later than this
} repetition_plan;
enum { LEAST_REPETITIONS = 3 };

// Each repetition runs every job once, job after job, each for at least 2 ms.
void measure(timed_job *jobs, int count, repetition_plan plan);

#endif
