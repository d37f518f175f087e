#include "options.h"

#include <gdkd.h>
#include <getopt.h>
#include <math.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USAGE_ERROR = 2, MOST_THREADS = 1024, MOST_REPETITIONS = 100000 };

static const char usage[] =
    "Usage: gdkd-bench [OPTION]...\n"
    "Times the losses of libgdkd with their gradient; writes a table (TSV) to standard output.\n"
    "\n"
    "  --quick          KD and GDKD in float32 alone (under a minute)\n"
    "  --curve C|k      ns per element against the number of classes, or against k\n"
    "  --shape LIST     rows x classes or N x classes x H x W: 512x1000,4x19x512x1024\n"
    "  --loss LIST      kd dkd gdkd gdkd3 gdkd-reverse gdkd-symmetric lskd ls-gdkd-global\n"
    "                   ls-gdkd-groups map4 gdkd+ce ce dist; gdkd:k=50 for another k\n"
    "  --dtype LIST     f32 f64 bf16 f16\n"
    "  --isa LIST       best scalar avx2 avx512\n"
    "  --threads LIST   1,2 by default\n"
    "  --repeat N       repetitions of at least 2 ms each (15, or what fits in 4 s)\n"
    "  --logits KIND    normal peaked near wide; counted: normal, as instructions.sh has them\n"
    "  --in-turn        another table: the losses of a shape in turn, and each one's time over\n"
    "                   that of the first of --loss, median and quartiles of the repetitions\n"
    "  --calls N        each case is called N times and not timed: for tools that count, such as\n"
    "                   bench/instructions.sh; the table has the loss\n"
    "  --help           this text\n"
    "\n"
    "LIST is separated by commas. Exit status: 0; 1 when a measurement failed; 2 for a mistake in\n"
    "the command line.\n";

static _Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("gdkd-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("; see gdkd-bench --help\n", stderr);
    va_end(arguments);
    exit(USAGE_ERROR);
}

// A whole number from 1 to most; what names the option.
static int parse_count(const char *what, const char *text, int most) {
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > most)
        refuse("--%s takes a number from 1 to %d, not '%s'", what, most, text);
    return (int)n;
}

static int find_name(const char *text, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) return i;
    return -1;
}

// --- One item of a list
// ---------------------------------------------------------------------------

static void add_shape(bench_options *o, const char *item) {
    if (!parse_shape(item, &o->shapes[o->shape_count++]))
        refuse("--shape '%s' is no shape such as 512x1000 or 4x19x512x1024", item);
}

static void add_loss(bench_options *o, const char *item) {
    if (!find_loss(item, &o->losses[o->loss_count++])) refuse("--loss '%s' is not known", item);
}

static void add_dtype(bench_options *o, const char *item) {
    int dtype = find_name(item, dtype_names, 4);
    if (dtype < 0) refuse("--dtype '%s' is none of f32 f64 bf16 f16", item);
    o->dtypes[o->dtype_count++] = dtype;
}

static void add_isa(bench_options *o, const char *item) {
    int32_t best = gdkd_isa();
    int32_t isa = GDKD_ISA_BEST;
    while (isa <= best && strcmp(item, gdkd_isa_name(isa)) != 0) isa++;
    if (isa > best) refuse("--isa '%s' is not known or not available here", item);
    o->isas[o->isa_count++] = isa == GDKD_ISA_BEST ? best : isa;
}

static void add_threads(bench_options *o, const char *item) {
    o->threads[o->thread_count++] = parse_count("threads", item, MOST_THREADS);
}

// Calls add for every item between commas. The list replaces what the axis held.
static void parse_list(bench_options *o, const char *what, const char *list, int *count,
                       void (*add)(bench_options *, const char *)) {
    *count = 0;
    for (const char *from = list;; from++) {
        size_t length = strcspn(from, ",");
        char item[64];
        if (length == 0 || length >= sizeof item) refuse("--%s has an odd list '%s'", what, list);
        if (*count == MOST_CHOICES) refuse("--%s takes at most %d items", what, MOST_CHOICES);
        memcpy(item, from, length);
        item[length] = '\0';
        add(o, item);
        from += length;
        if (*from == '\0') return;
    }
}

// --- What is measured when nothing else is asked for
// ----------------------------------------------

static void set_shapes(bench_options *o, const char *list) {
    parse_list(o, "shape", list, &o->shape_count, add_shape);
}
static void set_losses(bench_options *o, const char *list) {
    parse_list(o, "loss", list, &o->loss_count, add_loss);
}

static void set_logits(bench_options *o, const char *name) {
    int kind = find_name(name, logits_names, LOGITS_KINDS);
    if (kind < 0) refuse("--logits '%s' is none of normal peaked near wide counted", name);
    o->logits = (logits_kind)kind;
}

static void set_full(bench_options *o) {
    set_shapes(o, "64x10,64x100,512x1000,256x32000,64x151936,4x19x512x1024");
    set_losses(o, ALL_LOSSES);
    parse_list(o, "dtype", "f32,f64,bf16,f16", &o->dtype_count, add_dtype);
    o->isa_count = 0;
    for (int32_t isa = gdkd_isa(); isa >= GDKD_ISA_SCALAR; isa--) o->isas[o->isa_count++] = isa;
    o->thread_count = 0;
    o->threads[o->thread_count++] = 1;
    if (omp_get_num_procs() > 1) o->threads[o->thread_count++] = 2;
    // The slowest cases on the largest shapes keep the whole within ten minutes.
    o->plan = (repetition_plan){.most = 15, .seconds = 4.0};
}

static void set_quick(bench_options *o) {
    set_losses(o, "kd,gdkd");
    o->dtype_count = 1;
    o->isa_count = 1;
}

static void set_curve(bench_options *o, const char *axis) {
    set_quick(o);
    o->thread_count = 1;
    if (strcmp(axis, "k") == 0) {
        set_shapes(o, "512x1000");
        set_losses(o, "gdkd:k=1,gdkd:k=2,gdkd:k=5,gdkd:k=10,gdkd:k=20,gdkd:k=50,gdkd:k=100,"
                      "gdkd:k=200,gdkd:k=500");
        return;
    }
    if (strcmp(axis, "C") != 0) refuse("--curve takes C or k, not '%s'", axis);
    // 16 MiB per array: the time of a call stays the same, its rows get fewer.
    const int64_t elements = INT64_C(1) << 22U;
    const int64_t most = 151936;
    o->shape_count = 0;
    for (int64_t classes = 16; classes <= elements; classes *= 2) {
        if (classes > most) classes = most;
        o->shapes[o->shape_count++] = matrix_shape(elements / classes, classes);
        if (classes == most) return;
    }
}

// --- The command line
// -----------------------------------------------------------------------------

enum { QUICK = 1, CURVE, SHAPE, LOSS, DTYPE, ISA, THREADS, REPEAT, LOGITS, IN_TURN, CALLS, HELP };

static const struct option long_options[] = {
    {"quick", no_argument, NULL, QUICK},
    {"curve", required_argument, NULL, CURVE},
    {"shape", required_argument, NULL, SHAPE},
    {"loss", required_argument, NULL, LOSS},
    {"dtype", required_argument, NULL, DTYPE},
    {"isa", required_argument, NULL, ISA},
    {"threads", required_argument, NULL, THREADS},
    {"repeat", required_argument, NULL, REPEAT},
    {"logits", required_argument, NULL, LOGITS},
    {"in-turn", no_argument, NULL, IN_TURN},
    {"calls", required_argument, NULL, CALLS},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

// The plans, which set whole axes: taken first, so that the order of the options does not matter.
static void apply_plan(int option, const char *value, bench_options *o) {
    if (option == QUICK) set_quick(o);
    if (option == CURVE) set_curve(o, value);
}

static void apply_choice(int option, const char *value, bench_options *o) {
    switch (option) {
    case SHAPE:
        set_shapes(o, value);
        o->shapes_given = 1;
        break;
    case LOSS:
        set_losses(o, value);
        break;
    case DTYPE:
        parse_list(o, "dtype", value, &o->dtype_count, add_dtype);
        o->dtypes_given = 1;
        break;
    case ISA:
        parse_list(o, "isa", value, &o->isa_count, add_isa);
        o->isas_given = 1;
        break;
    case THREADS:
        parse_list(o, "threads", value, &o->thread_count, add_threads);
        break;
    case REPEAT:
        o->plan.most = parse_count("repeat", value, MOST_REPETITIONS);
        o->plan.seconds = INFINITY;
        break;
    case LOGITS:
        set_logits(o, value);
        break;
    case IN_TURN:
        o->in_turn = 1;
        break;
    case CALLS:
        o->calls = parse_count("calls", value, MOST_REPETITIONS);
        break;
    case HELP:
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    default:
        break;
    }
}

static void each_option(int argc, char **argv, bench_options *o,
                        void (*apply)(int, const char *, bench_options *)) {
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == '?') refuse("there is no option %s", argv[optind - 1]);
        if (option == ':') refuse("%s needs a value", argv[optind - 1]);
        apply(option, optarg, o);
    }
    if (optind < argc) refuse("'%s' is too much", argv[optind]);
}

void parse_options(int argc, char **argv, bench_options *options) {
    memset(options, 0, sizeof *options);
    set_full(options);
    each_option(argc, argv, options, apply_plan);
    each_option(argc, argv, options, apply_choice);
    if (options->calls > 0 && options->in_turn) refuse("--calls and --in-turn exclude each other");
}
