// A text file with a number for each class, in their order, between white space: a k, a weight, a
// group.
#ifndef DISTILL_CLASS_TABLE_H
#define DISTILL_CLASS_TABLE_H

#include "base/error.h"

typedef struct {
    const char *option_name; // that names the file, for messages
    double low, high;
    bool whole; // numbers
} class_table_rule;

// Fails unless there are `classes` numbers that keep to the rule.
bool class_table_read(const char *path, const class_table_rule *rule, int classes, double *values,
                      error_line *e);

// Of the bytes of the file; 0 where it cannot be read, or where path is NULL.
unsigned long class_table_checksum(const char *path);

#endif
