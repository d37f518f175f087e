#include "app/option_file.h"

#include "base/escape.h"
#include "base/json_file.h"
#include "base/safe_file.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char about_key[] = "about";

// A double holds every whole number up to here; larger seeds are written as strings.
#define WHOLE_IN_DOUBLE (UINT64_C(1) << 53)

// --- Reading -------------------------------------------------------------------------------------

static bool wrong_type(const char *path, const char *key, const char *wanted, const cJSON *item,
                       error_line *e) {
    const char *found = cJSON_IsBool(item)     ? "true or false"
                        : cJSON_IsNumber(item) ? "a number"
                        : cJSON_IsString(item) ? "a string"
                        : cJSON_IsNull(item)   ? "null"
                        : cJSON_IsArray(item)  ? "a list"
                                               : "an object";
    return error_usage(e, "%s: \"%s\" wants %s, not %s", path, key, wanted, found);
}

// What a user would write on the command line, in `number` or in the item itself; NULL and *wanted
// when the type is another.
static const char *item_text(const option *o, const cJSON *item, char number[32],
                             const char **wanted) {
    const bool small = cJSON_IsNumber(item) && fabs(item->valuedouble) <= (double)WHOLE_IN_DOUBLE;
    switch (o->kind) {
    case OPTION_FLAG:
        *wanted = "true or false";
        return cJSON_IsBool(item) ? cJSON_IsTrue(item) ? "true" : "false" : NULL;
    case OPTION_INT:
    case OPTION_REAL:
        *wanted = "a number";
        snprintf(number, 32, "%.17g", item->valuedouble);
        return cJSON_IsNumber(item) ? number : NULL;
    case OPTION_SEED:
        *wanted = "a whole number, above 2^53 in quotes";
        snprintf(number, 32, "%.17g", item->valuedouble);
        return small ? number : cJSON_IsString(item) ? item->valuestring : NULL;
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_PRESET:
    case OPTION_FILE:
        break;
    }
    *wanted = "a string";
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

// One file may serve several commands: a key of another one is passed over, a slip of the pen is
// not.
static bool foreign_key(const option_parser *parser, const char *path, const char *key,
                        error_line *e) {
    if (option_find(parser->options, ~0U, key)) return true;
    const char *near = option_nearest(parser->options, parser->command, key);
    if (!near) near = option_nearest(parser->options, ~0U, key);
    if (near)
        return error_usage(e, "%s: unknown key \"%s\"; did you mean \"%s\"?", path, key, near);
    return error_usage(e, "%s: unknown key \"%s\"; see gdkd-distill %s --help", path, key,
                       parser->name);
}

static bool read_item(option_parser *parser, const char *path, const cJSON *item,
                      option_layer layer, error_line *e) {
    char number[32];
    const char *wanted, *key = item->string;
    const option *o = option_find(parser->options, parser->command, key);
    if (!o) return foreign_key(parser, path, key, e);
    if (o->kind == OPTION_FILE)
        return error_usage(e, "%s: \"%s\" cannot stand in a file", path, key);
    const char **place = &layer[o - parser->options];
    if (*place) return error_usage(e, "%s: \"%s\" stands twice", path, key);
    const char *text = item_text(o, item, number, &wanted);
    if (!text) return wrong_type(path, key, wanted, item, e);
    if (!option_check(o, text, e)) return error_prefix(e, path);
    const cJSON *kept = cJSON_AddStringToObject(parser->from_file, key, text);
    if (!kept) return error_memory(e, path);
    unescape_text(kept->valuestring); // a path that is no UTF-8, as option_file_write has it
    *place = kept->valuestring;
    return true;
}

static cJSON *parse(const char *path, error_line *e) {
    size_t size;
    json_fault fault = {0};
    char *text = safe_file_read(path, &size, e);
    if (!text) return NULL;
    cJSON *root = json_parse(text, size, &fault);
    free(text);
    if (fault.memory)
        error_memory(e, path);
    else if (!root)
        error_usage(e, "%s is not JSON: %s", path, fault.text);
    if (!root || cJSON_IsObject(root)) return root;
    error_usage(e, "%s is not an object of options, as in {\"epochs\": 20}", path);
    cJSON_Delete(root);
    return NULL;
}

bool option_file_read(option_parser *parser, const char *path, option_layer layer, error_line *e) {
    cJSON *root = parse(path, e);
    if (!root) return false;
    parser->from_file = cJSON_CreateObject();
    bool fine = parser->from_file || error_memory(e, path);
    for (const cJSON *item = root->child; fine && item; item = item->next)
        fine = strcmp(item->string, about_key) == 0 || read_item(parser, path, item, layer, e);
    cJSON_Delete(root);
    return fine;
}

// --- Writing -------------------------------------------------------------------------------------

static cJSON *seed_item(uint64_t seed) {
    char text[32];
    if (seed <= WHOLE_IN_DOUBLE) return cJSON_CreateNumber((double)seed);
    snprintf(text, sizeof text, "%" PRIu64, seed);
    return cJSON_CreateString(text);
}

// *has is set to false for an option without a value: NaN, NULL, a choice below 0, an int below
// what is allowed.
static cJSON *value_item(const option *o, const void *variable, bool *has) {
    const char *text = NULL;
    *has = true;
    switch (o->kind) {
    case OPTION_FLAG:
        return cJSON_CreateBool(*(const bool *)variable);
    case OPTION_INT:
        *has = *(const int *)variable >= o->min;
        return *has ? cJSON_CreateNumber(*(const int *)variable) : NULL;
    case OPTION_SEED:
        return seed_item(*(const uint64_t *)variable);
    case OPTION_REAL:
        *has = !isnan(*(const double *)variable);
        return *has ? cJSON_CreateNumber(*(const double *)variable) : NULL;
    case OPTION_CHOICE:
        *has = *(const int *)variable >= 0;
        return *has ? cJSON_CreateString(o->choices[*(const int *)variable]) : NULL;
    case OPTION_TEXT:
    case OPTION_PRESET:
        text = *(const char *const *)variable;
        break;
    case OPTION_FILE: // its values are all here
        break;
    }
    *has = text != NULL;
    return text ? json_text(text) : NULL;
}

static bool add_values(cJSON *root, const option *options, unsigned command, const void *target) {
    for (const option *o = options; o->name; o++) {
        bool has;
        if (!(o->commands & command)) continue;
        cJSON *item = value_item(o, (const char *)target + o->offset, &has);
        if (has && !json_add(root, o->name, item)) return false;
    }
    return true;
}

bool option_file_write(const option *options, unsigned command, const void *target, cJSON *about,
                       const char *path, error_line *e) {
    cJSON *root = cJSON_CreateObject();
    if (!json_add(root, about_key, about) || !add_values(root, options, command, target)) {
        cJSON_Delete(root);
        root = NULL;
    }
    return json_file_write(root, path, e);
}
