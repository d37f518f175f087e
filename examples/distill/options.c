#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64, MAX_WORD = 40 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// Edits (insert, delete, replace, swap of neighbours) that turn a into b: optimal string alignment,
// three rows of its table at a time.
static size_t edit_distance(const char *a, const char *b) {
    size_t rows[3][MAX_WORD + 1];
    const size_t n = strlen(a), m = strlen(b);
    if (n > MAX_WORD || m > MAX_WORD) return MAX_WORD;
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] =
                smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *nearest_word(const char *word, const char *const *words, size_t count) {
    // A third of the word may be wrong: beyond that a suggestion is a guess.
    size_t best = strlen(word) / 3 + 1;
    const char *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t distance = edit_distance(word, words[i]);
        if (distance <= best && (!found || distance < best)) {
            best = distance;
            found = words[i];
        }
    }
    return found;
}

const option *option_find(const option *options, unsigned command, const char *name) {
    for (const option *o = options; o->name; o++)
        if ((o->commands & command) && strcmp(o->name, name) == 0) return o;
    return NULL;
}

// --- Values ------------------------------------------------------------------------------------

static bool store_int(const option *o, int *target, const char *text, error_line *e) {
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (end == text || *end)
        return error_usage(e, "--%s wants a whole number, not '%s'", o->name, text);
    if (errno || (double)value < o->min || (double)value > o->max)
        return error_usage(e, "--%s must be from %.0f to %.0f, not %s", o->name, o->min, o->max,
                           text);
    *target = (int)value;
    return true;
}

static bool store_seed(const option *o, uint64_t *target, const char *text, error_line *e) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end)
        return error_usage(e, "--%s wants a whole number from 0, not '%s'", o->name, text);
    if (errno)
        return error_usage(e, "--%s must be from 0 to %" PRIu64 ", not %s", o->name, UINT64_MAX,
                           text);
    *target = value;
    return true;
}

static bool store_real(const option *o, double *target, const char *text, error_line *e) {
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || isnan(value))
        return error_usage(e, "--%s wants a number, not '%s'", o->name, text);
    if (value < o->min || value > o->max)
        return error_usage(e, "--%s must be from %g to %g, not %s", o->name, o->min, o->max, text);
    *target = value;
    return true;
}

static void join_choices(const option *o, char *list, size_t size) {
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; o->choices[i] && used < size; i++)
        used += (size_t)snprintf(list + used, size - used, "%s%s", i ? ", " : "", o->choices[i]);
}

static bool store_choice(const option *o, int *target, const char *text, error_line *e) {
    char list[256];
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) != 0) continue;
        *target = i;
        return true;
    }
    join_choices(o, list, sizeof list);
    return error_usage(e, "--%s must be one of %s, not '%s'", o->name, list, text);
}

bool option_store(const option *o, void *target, const char *text, error_line *e) {
    void *variable = (char *)target + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)variable = true;
        return true;
    case OPTION_INT:
        return store_int(o, variable, text, e);
    case OPTION_SEED:
        return store_seed(o, variable, text, e);
    case OPTION_REAL:
        return store_real(o, variable, text, e);
    case OPTION_CHOICE:
        return store_choice(o, variable, text, e);
    case OPTION_TEXT:
        break;
    }
    if (!*text) return error_usage(e, "--%s wants a %s, not nothing", o->name, o->value);
    *(const char **)variable = text;
    return true;
}

// --- The command line ----------------------------------------------------------------------------

static bool unknown_option(const option_parser *parser, const char *argument, error_line *e) {
    const char *words[MAX_OPTIONS];
    size_t count = 0;
    char name[MAX_WORD + 1];
    if (argument[0] != '-' || argument[1] != '-')
        return error_usage(e, "unknown option %s; options are long: see gdkd-distill %s --help",
                           argument, parser->name);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    for (const option *o = parser->options; o->name; o++)
        if (o->commands & parser->command) words[count++] = o->name;
    const char *near = nearest_word(name, words, count);
    if (near) return error_usage(e, "unknown option --%s; did you mean --%s?", name, near);
    return error_usage(e, "unknown option --%s; see gdkd-distill %s --help", name, parser->name);
}

// getopt_long's `val` of an option is its place in the table plus this; above every character.
enum { FIRST_VALUE = 1000, HELP_VALUE = FIRST_VALUE - 1 };

static void fill_getopt_table(const option_parser *parser, struct option *table) {
    size_t count = 0;
    for (int i = 0; parser->options[i].name && count < MAX_OPTIONS - 2; i++) {
        const option *o = &parser->options[i];
        if (!(o->commands & parser->command)) continue;
        table[count++] =
            (struct option){o->name, o->kind == OPTION_FLAG ? no_argument : required_argument, NULL,
                            FIRST_VALUE + i};
    }
    table[count++] = (struct option){"help", no_argument, NULL, HELP_VALUE};
    table[count] = (struct option){0};
}

static bool parse_arguments(option_parser *parser, int argc, char **argv, uint64_t *given,
                            error_line *e) {
    struct option table[MAX_OPTIONS];
    fill_getopt_table(parser, table);
    opterr = 0; // the messages are ours
    optind = 0; // GNU: start afresh, also when called a second time
    for (;;) {
        const int code = getopt_long(argc, argv, ":", table, NULL);
        if (code == -1) break;
        if (code == HELP_VALUE) {
            parser->help = true;
            return true;
        }
        const int place = (code == ':' || code == '?' ? optopt : code) - FIRST_VALUE;
        const option *o = place >= 0 ? &parser->options[place] : NULL;
        if (!o) return unknown_option(parser, argv[optind - 1], e);
        if (code == ':') return error_usage(e, "--%s wants a value: %s", o->name, o->value);
        if (code == '?') return error_usage(e, "--%s takes no value", o->name);
        if (!option_store(o, parser->target, optarg, e)) return false;
        *given |= UINT64_C(1) << place;
    }
    if (parser->words)
        *parser->words = (word_list){(const char *const *)argv + optind, argc - optind};
    else if (optind < argc)
        return error_usage(e, "unexpected argument '%s'; see gdkd-distill %s --help", argv[optind],
                           parser->name);
    return true;
}

bool options_parse(option_parser *parser, int argc, char **argv, error_line *e) {
    uint64_t given = 0;
    parser->help = false;
    for (const option *o = parser->options; o->name; o++)
        if (o->initial && (o->commands & parser->command) &&
            !option_store(o, parser->target, o->initial, e))
            return false;
    if (!parse_arguments(parser, argc, argv, &given, e)) return false;
    for (int i = 0; parser->options[i].name && !parser->help; i++) {
        const option *o = &parser->options[i];
        if ((o->required & parser->command) && !(given & (UINT64_C(1) << i)))
            return error_usage(e, "%s needs --%s %s; see gdkd-distill %s --help", parser->name,
                               o->name, o->value, parser->name);
    }
    return true;
}

// --- Help ----------------------------------------------------------------------------------------

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

// Prints text broken at spaces, every further line at HELP_COLUMN.
static void print_wrapped(const char *text, FILE *out) {
    size_t column = HELP_COLUMN;
    for (const char *word = text; *word;) {
        const size_t length = strcspn(word, " ");
        if (word != text && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (word != text) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, word);
        column += length;
        word += length + (word[length] == ' ');
    }
    fputc('\n', out);
}

void options_help(const option *options, unsigned command, FILE *out) {
    for (const option *o = options; o->name; o++) {
        char left[64], right[512], list[256] = "";
        if (!(o->commands & command)) continue;
        if (o->choices) join_choices(o, list, sizeof list);
        snprintf(left, sizeof left, "  --%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        snprintf(right, sizeof right, "%s%s%s%s%s%s%s", o->help, *list ? ": " : "", list,
                 o->initial && o->kind != OPTION_FLAG ? " (default " : "",
                 o->initial && o->kind != OPTION_FLAG ? o->initial : "",
                 o->initial && o->kind != OPTION_FLAG ? ")" : "",
                 (o->required & command) ? " (required)" : "");
        if (strlen(left) + 1 >= HELP_COLUMN)
            fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
        else
            fprintf(out, "%-*s", HELP_COLUMN, left);
        print_wrapped(right, out);
    }
    fprintf(out, "%-*s", HELP_COLUMN, "  --help");
    print_wrapped("this text", out);
}
