// gdkd-distill: trains small networks on images and distils them through libgdkd.
#include "app/commands.h"
#include "app/losses_help.h"
#include "base/stop.h"
#include "base/threads.h"
#include "net/blas_check.h"
#include "net/model.h"
#include "train/criterion.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    unsigned bit;
    bool (*run)(const settings *s, error_line *e);
    const char *summary;
    const char *example;
} command;

static const command commands[] = {
    {"train", COMMAND_TRAIN, command_train, "train a network on labels alone, a teacher for one",
     "--data fashion-mnist --model resnet20 --epochs 10 \\\n      --out teacher.safetensors"},
    {"distill", COMMAND_DISTILL, command_train, "train a student with a teacher",
     "--data fashion-mnist --model resnet8 --loss gdkd \\\n"
     "      --teacher teacher.safetensors --teacher-model resnet20 --out student.safetensors"},
    {"compare", COMMAND_COMPARE, command_compare,
     "train students with several losses and seeds from one teacher; a table and a report",
     "--data fashion-mnist --teacher-model resnet20 --model resnet8 \\\n"
     "      --losses ce,kd,dkd,gdkd --seeds 1,2 --out-dir results"},
    {"eval", COMMAND_EVAL, command_eval, "accuracy of a network on the test images",
     "--data fashion-mnist --model resnet8 --weights student.safetensors"},
    {"data", COMMAND_DATA, command_data, "what a data set holds, and in which order",
     "--data images:flowers --list"},
    {"speed", COMMAND_SPEED, command_speed,
     "images per second of training on made-up images, and where the time goes",
     "--model resnet20 --batch 64 --threads 2"},
    {"report", COMMAND_REPORT, command_report,
     "a page about the runs in folders, or about single ones (NAME.run.json)",
     "results\n  gdkd-distill report a b/student.run.json --out both.html"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
    puts("gdkd-distill COMMAND [OPTION...]\n\nTrains small networks on images and distils them "
         "through libgdkd.\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-10s%s\n", commands[i].name, commands[i].summary);
    puts("\ngdkd-distill COMMAND --help lists a command's options; gdkd-distill "
         "--version.\n\nModels:");
    for (const network *n = networks; n->name; n++)
        printf("  %-12s%3d layers, %3d to %3d channels\n", n->name, n->depth, n->channels[0],
               n->channels[3]);
}

static void print_command_help(const command *c) {
    printf("gdkd-distill %s: %s\n\n  gdkd-distill %s %s\n\n", c->name, c->summary, c->name,
           c->example);
    options_help(settings_options, c->bit, stdout);
    if (option_find(settings_options, c->bit, "loss") || c->bit == COMMAND_COMPARE)
        losses_help(stdout);
}

static const command *find_command(const char *name, error_line *e) {
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0) return &commands[i];
    }
    const char *near = nearest_word(name, names, COMMANDS);
    if (near)
        error_usage(e, "unknown command '%s'; did you mean %s?", name, near);
    else
        error_usage(e, "unknown command '%s'; see gdkd-distill --help", name);
    return NULL;
}

static bool run_with(const command *c, const settings *s, error_line *e) {
    if (!settings_check(s, e)) return false;
    if (s->threads) omp_set_num_threads(s->threads);
    blas_single_thread();
    const char *fault = blas_check();
    if (fault) return error_set(e, "%s", fault);
    // Commands that write at their end alone may be ended at any moment.
    if (c->bit & (COMMAND_TRAIN | COMMAND_DISTILL | COMMAND_COMPARE | COMMAND_EVAL))
        stop_on_signals();
    return c->run(s, e);
}

static bool run_command(const command *c, int argc, char **argv, error_line *e) {
    settings s;
    option_parser parser;
    settings_init(&s);
    s.command = c->bit;
    s.command_name = c->name;
    bool fine = settings_parse(&s, &parser, argc, argv, e);
    if (fine && parser.help)
        print_command_help(c);
    else
        fine = fine && run_with(c, &s, e);
    options_free(&parser);
    return fine;
}

static bool run(int argc, char **argv, error_line *e) {
    if (argc < 2) return error_usage(e, "a command is missing; see gdkd-distill --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("gdkd-distill %s (kernels: %s)\n", criterion_library_version(),
               criterion_library_isa());
        return true;
    }
    const command *c = find_command(argv[1], e);
    return c && run_command(c, argc - 1, argv + 1, e);
}

int main(int argc, char **argv) {
    error_line e = {0};
    threads_wait_passively(argv);
    bool fine = run(argc, argv, &e);
    // Results that did not reach their file (a full disk, a closed pipe) are a failure too.
    if ((fflush(stdout) != 0 || ferror(stdout)) && fine)
        fine = error_set(&e, "the results could not be written to stdout");
    if (fine) return 0;
    fprintf(stderr, "gdkd-distill: %s\n", e.text);
    return e.status;
}
