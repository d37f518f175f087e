// The lines that say where and how the numbers were made.
#ifndef BENCH_SYSTEM_H
#define BENCH_SYSTEM_H

#include "options.h"

// Writes them, each beginning with '#', and measures the yardsticks.
void print_system(int argc, char **argv, const bench_options *options);

#endif
