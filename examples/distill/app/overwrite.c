#include "app/overwrite.h"

#include "base/safe_file.h"

#include <string.h>

static const struct {
    const char *option_name;
    size_t offset;
} inputs[] = {
    {"config", offsetof(settings, config)},
    {"teacher", offsetof(settings, teacher)},
    {"teacher-logits", offsetof(settings, teacher_logits)},
    {"weights", offsetof(settings, weights)},
    {"k-file", offsetof(settings, loss.k_file)},
    {"class-weights", offsetof(settings, loss.class_weights)},
    {"groups", offsetof(settings, loss.groups)},
};

bool check_output(const settings *s, const char *path, const char *option_name, error_line *e) {
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        const char *input = *(const char *const *)((const char *)s + inputs[i].offset);
        if (input && (same_file(input, path) || safe_file_takes(path, input)))
            return error_usage(e, "--%s %s would be overwritten; give another --%s",
                               inputs[i].option_name, input, option_name);
    }
    if (s->data && dataset_owns(s->data, path))
        return error_usage(e, "%s belongs to --data %s; give another --%s", path, s->data,
                           option_name);
    return true;
}

// --log is the only name that a user chooses beside that of the weights.
static bool check_log(const settings *s, const char *other, error_line *e) {
    return !s->log || !same_file(s->log, other) ||
           error_usage(e, "--log %s is another file of this run too; give another --log", s->log);
}

bool check_run_files(const settings *s, const run_files *f, error_line *e) {
    const bool many = s->command == COMMAND_COMPARE;
    const char *const others[] = {f->weights,
                                  f->checkpoint,
                                  f->lock,
                                  f->logits,
                                  f->facts,
                                  f->teacher_logits,
                                  plan_keeps_config(s, f->config, f->checkpoint) ? "" : f->config};
    if (*f->log && !check_output(s, f->log, s->log ? "log" : many ? "out-dir" : "out", e))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (*others[i] && !(check_output(s, others[i], many ? "out-dir" : "out", e) &&
                            check_log(s, others[i], e)))
            return false;
    return true;
}
