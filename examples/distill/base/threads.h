// How OpenMP's threads wait for each other.
#ifndef DISTILL_THREADS_H
#define DISTILL_THREADS_H

// By default they spin between two parallel loops, which costs a multiple of the run's time as soon
// as another program wants one of the cores: the one that spins keeps the one that would work from
// its core. OpenMP reads its wish from the environment when the program is loaded, so the program
// starts itself once more with OMP_WAIT_POLICY=passive; a policy that the user has set stays. Call
// it first in main().
void threads_wait_passively(char **argv);

#endif
