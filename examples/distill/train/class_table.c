#include "train/class_table.h"

#include "base/safe_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char blank[] = " \t\r\n";

static bool parse(const char *text, const char *path, const class_table_rule *rule, int classes,
                  double *values, error_line *e) {
    int count = 0, line = 1;
    for (const char *word = text; *word;) {
        char *end;
        const size_t length = strcspn(word, blank);
        const double value = strtod(word, &end);
        if (length && count < classes) {
            if (end != word + length || !(value >= rule->low && value <= rule->high) ||
                (rule->whole && value != floor(value)))
                return error_set(e, "--%s %s: '%.*s' in line %d is no %snumber from %g to %g",
                                 rule->option_name, path, (int)length, word, line,
                                 rule->whole ? "whole " : "", rule->low, rule->high);
            values[count] = value;
        }
        count += length > 0;
        word += length;
        line += *word == '\n';
        word += *word != '\0';
    }
    return count == classes ||
           error_set(e,
                     "--%s %s holds %d numbers, but there are %d classes: one for each is wanted",
                     rule->option_name, path, count, classes);
}

bool class_table_read(const char *path, const class_table_rule *rule, int classes, double *values,
                      error_line *e) {
    size_t size;
    char *text = safe_file_read(path, &size, e);
    if (!text) return error_prefix(e, rule->option_name);
    const bool fine = parse(text, path, rule, classes, values, e);
    free(text);
    return fine;
}

unsigned long class_table_checksum(const char *path) {
    size_t size;
    error_line ignored;
    char *text = path ? safe_file_read(path, &size, &ignored) : NULL;
    const unsigned long sum = text ? crc32(0, (const unsigned char *)text, (unsigned)size) : 0;
    free(text);
    return sum;
}
