// The library's element types, seen from outside: size, rounding, reading and writing one element.
#ifndef GDKD_TESTS_NUMBER_H
#define GDKD_TESTS_NUMBER_H

#include "gdkd.h"

size_t number_size(int32_t dtype);
const char *number_name(int32_t dtype); // "f32" ...; NULL for no type
int32_t number_type(const char *name);  // the reverse; -1 for no name

double number_round(int32_t dtype, double value); // to nearest, ties to even
double number_load(int32_t dtype, const void *base, int64_t index);
void number_store(int32_t dtype, void *base, int64_t index, double value); // rounds

// Half the distance of two neighbouring numbers of the type at this value.
double number_half_ulp(int32_t dtype, double value);

#endif
