#include "app/options.h"

#include "app/option_file.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 40 };

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

const char *option_nearest(const option *options, unsigned command, const char *name) {
    const char *words[MAX_OPTIONS];
    size_t count = 0;
    for (const option *o = options; o->name; o++)
        if (o->commands & command) words[count++] = o->name;
    return nearest_word(name, words, count);
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

static bool store_text(const option *o, const char **target, const char *text, error_line *e) {
    int which;
    if (!*text) return error_usage(e, "--%s wants a %s, not nothing", o->name, o->value);
    if (o->choices && !store_choice(o, &which, text, e)) return false;
    *target = text;
    return true;
}

static bool store_flag(const option *o, bool *target, const char *text, error_line *e) {
    *target = strcmp(text, "true") == 0;
    return *target || strcmp(text, "false") == 0 ||
           error_usage(e, "--%s must be true or false, not '%s'", o->name, text);
}

static bool store_value(const option *o, void *variable, const char *text, error_line *e) {
    switch (o->kind) {
    case OPTION_FLAG:
        return store_flag(o, variable, text, e);
    case OPTION_INT:
        return store_int(o, variable, text, e);
    case OPTION_SEED:
        return store_seed(o, variable, text, e);
    case OPTION_REAL:
        return store_real(o, variable, text, e);
    case OPTION_CHOICE:
        return store_choice(o, variable, text, e);
    case OPTION_TEXT:
    case OPTION_PRESET:
    case OPTION_FILE:
        break;
    }
    return store_text(o, variable, text, e);
}

bool option_store(const option *o, void *target, const char *text, error_line *e) {
    return store_value(o, (char *)target + o->offset, text, e);
}

bool option_check(const option *o, const char *text, error_line *e) {
    union {
        bool flag;
        int whole;
        uint64_t seed;
        double real;
        const char *text;
    } variable;
    return store_value(o, &variable, text, e);
}

// --- The command line ----------------------------------------------------------------------------

static bool unknown_option(const option_parser *parser, const char *argument, error_line *e) {
    char name[MAX_WORD + 1];
    if (argument[0] != '-' || argument[1] != '-')
        return error_usage(e, "unknown option %s; options are long: see gdkd-distill %s --help",
                           argument, parser->name);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    const char *near = option_nearest(parser->options, parser->command, name);
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
            (struct option){o->name, o->kind == OPTION_FLAG ? optional_argument : required_argument,
                            NULL, FIRST_VALUE + i};
    }
    table[count++] = (struct option){"help", no_argument, NULL, HELP_VALUE};
    table[count] = (struct option){0};
}

static bool read_arguments(option_parser *parser, int argc, char **argv, option_layer layer,
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
        const char *text = optarg ? optarg : "true"; // a flag alone
        if (!option_check(o, text, e)) return false;
        layer[place] = text;
        parser->given[place] = true;
    }
    if (parser->words)
        *parser->words = (word_list){(const char *const *)argv + optind, argc - optind};
    else if (optind < argc)
        return error_usage(e, "unexpected argument '%s'; see gdkd-distill %s --help", argv[optind],
                           parser->name);
    return true;
}

// --- Layers --------------------------------------------------------------------------------------

enum { DEFAULTS, PRESET, FROM_FILE, COMMAND_LINE, LAYERS };

// The topmost layer that has a value for this place; below DEFAULTS: none has.
static int top_layer(option_layer layers[LAYERS], int place) {
    int top = COMMAND_LINE;
    while (top >= DEFAULTS && !layers[top][place]) top--;
    return top;
}

static int place_of(const option_parser *parser, const char *name) {
    const option *o = name ? option_find(parser->options, parser->command, name) : NULL;
    return o ? (int)(o - parser->options) : -1;
}

// What the layers so far have for the option of a kind, or NULL.
static const char *text_of_kind(const option_parser *parser, option_kind kind,
                                option_layer layers[LAYERS], const option **found) {
    for (int i = 0; parser->options[i].name; i++) {
        const option *o = &parser->options[i];
        if (o->kind != kind || !(o->commands & parser->command)) continue;
        const int top = top_layer(layers, i);
        *found = o;
        return top > DEFAULTS ? layers[top][i] : NULL;
    }
    return NULL;
}

static bool read_layers(option_parser *parser, option_layer layers[LAYERS], error_line *e) {
    const option *o;
    int which = 0;
    const char *path = text_of_kind(parser, OPTION_FILE, layers, &o);
    if (path && !option_file_read(parser, path, layers[FROM_FILE], e)) return false;
    const char *preset = text_of_kind(parser, OPTION_PRESET, layers, &o);
    if (preset && !store_choice(o, &which, preset, e)) return false;
    for (int i = 0; parser->options[i].name; i++) {
        if (!(parser->options[i].commands & parser->command)) continue;
        layers[DEFAULTS][i] = parser->options[i].initial;
        if (preset) layers[PRESET][i] = parser->preset(which, parser->options[i].name);
    }
    return true;
}

// Of two options that stand for each other, the one in the upper layer remains.
static bool settle_pairs(const option_parser *parser, option_layer layers[LAYERS], error_line *e) {
    for (int i = 0; parser->options[i].name; i++) {
        const option *o = &parser->options[i];
        const int other = place_of(parser, o->instead);
        if (other < 0 || !(o->commands & parser->command)) continue;
        const int own = top_layer(layers, i), others = top_layer(layers, other);
        if (own < PRESET || others < PRESET) continue;
        if (own == others)
            return error_usage(e, "--%s and --%s exclude each other: give one of them", o->name,
                               o->instead);
        for (int layer = DEFAULTS; layer < LAYERS; layer++)
            layers[layer][own < others ? i : other] = NULL;
    }
    return true;
}

static bool store_layers(const option_parser *parser, option_layer layers[LAYERS], error_line *e) {
    for (int i = 0; parser->options[i].name; i++) {
        const option *o = &parser->options[i];
        const int top = top_layer(layers, i), other = place_of(parser, o->instead);
        if (top >= DEFAULTS) {
            if (!option_store(o, parser->target, layers[top][i], e)) return false;
        } else if ((o->required & parser->command) &&
                   !(other >= 0 && top_layer(layers, other) >= DEFAULTS)) {
            return error_usage(e, "%s needs --%s %s%s%s; see gdkd-distill %s --help", parser->name,
                               o->name, o->value, o->instead ? ", or --" : "",
                               o->instead ? o->instead : "", parser->name);
        }
    }
    return true;
}

bool options_parse(option_parser *parser, int argc, char **argv, error_line *e) {
    option_layer layers[LAYERS] = {{0}};
    parser->help = false;
    parser->from_file = NULL;
    memset(parser->given, 0, sizeof parser->given);
    return read_arguments(parser, argc, argv, layers[COMMAND_LINE], e) &&
           (parser->help || (read_layers(parser, layers, e) && settle_pairs(parser, layers, e) &&
                             store_layers(parser, layers, e)));
}

void options_free(option_parser *parser) {
    cJSON_Delete(parser->from_file);
    parser->from_file = NULL;
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

void help_line(const char *left, const char *right, FILE *out) {
    if (strlen(left) + 1 >= HELP_COLUMN)
        fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, left);
    print_wrapped(right, out);
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
        help_line(left, right, out);
    }
    help_line("  --help", "this text", out);
}
