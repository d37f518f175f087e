// A table of options drives everything that is said about them: parsing, ranges, the help text and
// the error messages. A command is a bit; an option names the commands that know it.
//
// Values come in layers, each of which wins over those before it: the table's defaults, a preset, a
// file (option_file.h), the command line.
#ifndef DISTILL_OPTIONS_H
#define DISTILL_OPTIONS_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

typedef enum {
    OPTION_FLAG,   // bool; --name alone is --name=true
    OPTION_INT,    // int in [min, max]
    OPTION_SEED,   // uint64_t
    OPTION_REAL,   // double in [min, max]
    OPTION_TEXT,   // const char *, not empty
    OPTION_CHOICE, // int, an index into choices
    OPTION_PRESET, // const char *, one of choices: names the layer of a preset
    OPTION_FILE,   // const char *: names the file of a layer
} option_kind;

typedef struct {
    const char *name; // without the dashes
    option_kind kind;
    unsigned commands;   // that know it
    unsigned required;   // commands that cannot do without it
    size_t offset;       // of its variable in the structure that is filled
    const char *value;   // what the help calls its argument; NULL for a flag
    const char *initial; // the default, written as a user would; NULL: leave the variable alone
    double min, max;
    const char *const *choices; // ended by NULL
    const char *help;
    const char *instead; // the option that takes the place of this one: one layer has not both
} option;

enum { MAX_OPTIONS = 96 }; // of a table

// A value for each place of the table, as a user would write it; NULL where the layer has none.
typedef const char *option_layer[MAX_OPTIONS];

typedef struct {
    const char *const *words;
    int count;
} word_list;

typedef struct {
    const option *options; // ended by an option without a name
    void *target;          // the structure that is filled
    unsigned command;      // the one bit of this call
    const char *name;      // of the command, for messages
    // What the preset of this place in choices has for an option, or NULL.
    const char *(*preset)(int which, const char *option_name);
    bool help;               // set when --help was among the arguments
    struct cJSON *from_file; // what the texts of the file's layer point into
    bool given[MAX_OPTIONS]; // set for the places in the table that the command line names
    word_list *words;        // takes the arguments that are no options; NULL: they are an error
} option_parser;

// argv[1..], the file and the preset that they name, and the defaults. Texts and words point into
// argv, the table or the parser.
bool options_parse(option_parser *parser, int argc, char **argv, error_line *e);
void options_free(option_parser *parser);

// One value as text, checked and stored; also for values that come from elsewhere than argv.
bool option_store(const option *o, void *target, const char *text, error_line *e);
bool option_check(const option *o, const char *text, error_line *e); // without storing it

const option *option_find(const option *options, unsigned command, const char *name);

// The name that is nearest to one that no option of the command has, or NULL.
const char *option_nearest(const option *options, unsigned command, const char *name);

// Two columns, for a terminal of 80 columns.
void options_help(const option *options, unsigned command, FILE *out);

// A line of such a help.
void help_line(const char *left, const char *right, FILE *out);

// The nearest of `count` words to one that is not among them, or NULL when none is near.
const char *nearest_word(const char *word, const char *const *words, size_t count);

#endif
