// Options in a JSON file: {"epochs": 20, "model": "resnet8", "quiet": true}. What option_file_write
// writes, option_file_read reads; "about" is for readers, and says nothing to the program.
#ifndef DISTILL_OPTION_FILE_H
#define DISTILL_OPTION_FILE_H

#include "app/options.h"

struct cJSON;

// Fills in the layer; its texts belong to the parser. Options that only other commands know are
// passed over.
bool option_file_read(option_parser *parser, const char *path, option_layer layer, error_line *e);

// Every option of the command that has a value. Those without one have a default that depends on
// others. Takes *about over.
bool option_file_write(const option *options, unsigned command, const void *target,
                       struct cJSON *about, const char *path, error_line *e);

#endif
