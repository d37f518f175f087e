// How many threads a call may make where the caller leaves it to the library (num_threads 0).
#ifndef GDKD_THREADS_H
#define GDKD_THREADS_H

// As many as OpenMP would; 1 in a child of fork.
int gdkd_default_threads(void);

#endif
