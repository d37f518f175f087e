// Whether the BLAS that the trainer was given computes right. Some OpenBLAS builds do not on
// processors that are newer than they are (0.3.21 and its AVX-512 kernels, for one).
#ifndef DISTILL_BLAS_CHECK_H
#define DISTILL_BLAS_CHECK_H

// NULL when a set of small products comes out right; otherwise one line for the user.
const char *blas_check(void);

// The kernels that OpenBLAS chose, "Haswell" for one; "unknown" with another BLAS.
const char *blas_core(void);

// BLAS stays within the thread that calls it: the trainer's threads are its own.
void blas_single_thread(void);

#endif
