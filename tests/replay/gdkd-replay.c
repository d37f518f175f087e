// gdkd-replay: runs files of reference cases through the public header and says how far off the
// library is, a line per loss. The format of the files is in tests/data/README.md.
#include "case_check.h"
#include "case_config.h"
#include "cases.h"
#include "compare.h"
#include "number.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, LOSSES = 32 };

typedef struct options {
    int32_t dtype, isa, threads;
} options;

// What is printed about one loss.
typedef struct line {
    const char *name;
    long cases;
    double loss, terms, grad;
    double worst; // the worst of all, in units of its tolerance
    long worst_case;
} line;

typedef struct table {
    line lines[LOSSES];
    int count;
    long failed;
} table;

static void print_usage(FILE *to) {
    fputs(
        "usage: gdkd-replay FILE... [--dtype f32|f64|bf16|f16] [--isa NAME] [--threads N]\n"
        "  --dtype    type of the logits and the gradient (default f64). f64 is held against the\n"
        "             file's values at 1e-10; the others against the float64 result at the inputs\n"
        "             rounded to the type, within the bounds of docs/numerics.md\n"
        "  --isa      scalar, avx2, avx512 or best (default)\n"
        "  --threads  0 (default): as many as OpenMP would take\n"
        "Errors are relative: of loss and terms to the largest of them (f64) or to the sum of\n"
        "their parts' absolute values, of a gradient to its largest entry (f64) or part.\n"
        "Exit status: 0 all within tolerance, 1 something is over or a file is wrong, 2 usage.\n",
        to);
}

static line *line_of(table *t, const char *name) {
    for (int i = 0; i < t->count; i++) {
        if (strcmp(t->lines[i].name, name) == 0) return &t->lines[i];
    }
    // There are fewer losses than lines: case_problem() refuses an unknown one.
    line *fresh = &t->lines[t->count++];
    memset(fresh, 0, sizeof *fresh);
    fresh->name = name;
    return fresh;
}

static void record(table *t, const ref_case *c, case_errors e, double ratio, const char *message) {
    line *l = line_of(t, c->name);
    l->cases += 1;
    l->loss = fmax(l->loss, e.loss);
    l->terms = fmax(l->terms, e.terms);
    l->grad = fmax(l->grad, e.grad);
    if (ratio > l->worst || l->worst_case == 0) {
        l->worst = ratio;
        l->worst_case = c->number;
    }
    if (ratio <= 1.0) return;
    t->failed += 1;
    fprintf(stderr, "case %ld (%s, line %ld) is over tolerance%s%s\n", c->number, c->name, c->line,
            *message ? ": " : "", message);
}

static void replay_f64(const ref_case *c, const problem *p, const call *how, table *t) {
    answer got;
    call_run(p, how, &got);
    if (got.status != GDKD_OK) {
        const case_errors none = {INFINITY, INFINITY, INFINITY};
        record(t, c, none, INFINITY, gdkd_status_string(got.status));
    } else {
        const case_errors e = case_check(c, &got);
        record(t, c, e, fmax(e.loss, fmax(e.terms, e.grad)) / CASE_TOLERANCE, "");
    }
    answer_free(&got);
}

static void replay_narrow(const ref_case *c, const problem *p, const call *how, table *t) {
    verdict v;
    compare_call(p, how, &v);
    const case_errors e = {v.loss.error, v.terms.error, v.grad.error};
    const double ratio = fmax(v.loss.ratio, fmax(v.terms.ratio, v.grad.ratio));
    record(t, c, e, v.wrong ? fmax(ratio, 2.0) : ratio, v.message);
}

static int replay_case(const ref_case *c, const options *o, table *t) {
    char error[256];
    problem p;
    call how;
    memset(&how, 0, sizeof how);
    if (case_problem(c, &p, &how.beta, &how.gamma, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    how.student_dtype = how.teacher_dtype = o->dtype;
    how.dist = case_is_dist(c);
    p.config.isa = o->isa;
    p.config.num_threads = o->threads;
    if (o->dtype == GDKD_F64) {
        replay_f64(c, &p, &how, t);
    } else {
        replay_narrow(c, &p, &how, t);
    }
    problem_free(&p);
    return 0;
}

static void print_table(const table *t, const char *path, long cases, const options *o) {
    const int32_t isa = o->isa == GDKD_ISA_BEST ? gdkd_isa() : o->isa;
    printf("%-16s %6s %10s %10s %10s %11s\n", "loss", "cases", "loss", "terms", "gradient",
           "worst case");
    for (int i = 0; i < t->count; i++) {
        const line *l = &t->lines[i];
        printf("%-16s %6ld %10.2e %10.2e %10.2e %11ld\n", l->name, l->cases, l->loss, l->terms,
               l->grad, l->worst_case);
    }
    printf("%s: %ld cases, %ld over tolerance (%s, %s)\n", path, cases, t->failed,
           number_name(o->dtype), gdkd_isa_name(isa));
}

// 0 when all cases of the file are within tolerance.
static int replay_file(const char *path, const options *o) {
    char error[512];
    ref_cases cases;
    table t;
    int status = 0;
    memset(&t, 0, sizeof t);
    if (cases_read(path, &cases, error, sizeof error)) {
        fprintf(stderr, "gdkd-replay: %s\n", error);
        return -1;
    }
    for (long i = 0; i < cases.count && status == 0; i++) {
        status = replay_case(&cases.items[i], o, &t);
    }
    if (status) {
        fprintf(stderr, "gdkd-replay: %s: this case cannot be run; mend the file\n", path);
    } else {
        print_table(&t, path, cases.count, o);
    }
    cases_free(&cases);
    return status || t.failed ? -1 : 0;
}

static int refuse(const char *what, const char *value) {
    fprintf(stderr, "gdkd-replay: %s%s%s; try --help\n", what, *value ? ": " : "", value);
    return EXIT_USAGE;
}

static int32_t isa_by_name(const char *name) {
    for (int32_t isa = GDKD_ISA_BEST; gdkd_isa_name(isa); isa++) {
        if (strcmp(gdkd_isa_name(isa), name) == 0) return isa;
    }
    return -1;
}

// Sets one option; 0, or the exit status.
static int set_option(options *o, int letter, const char *value) {
    int64_t number;
    switch (letter) {
    case 'd':
        o->dtype = number_type(value);
        return o->dtype < 0 ? refuse("--dtype is one of f32, f64, bf16, f16, not", value) : 0;
    case 'i':
        o->isa = isa_by_name(value);
        if (o->isa < 0) return refuse("--isa is one of scalar, avx2, avx512, best, not", value);
        return o->isa > gdkd_isa() ? refuse("this machine does not have --isa", value) : 0;
    case 't':
        if (parse_int(value, &number) || number < 0 || number > 4096) {
            return refuse("--threads is a number from 0 to 4096, not", value);
        }
        o->threads = (int32_t)number;
        return 0;
    default:
        return refuse("unknown option, or one without its value", "");
    }
}

int main(int argc, char **argv) {
    static const struct option known[] = {{"dtype", required_argument, NULL, 'd'},
                                          {"isa", required_argument, NULL, 'i'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    options o = {GDKD_F64, GDKD_ISA_BEST, 0};
    int failed = 0;
    opterr = 0;
    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (letter == 'h') {
            print_usage(stdout);
            return EXIT_SUCCESS;
        }
        const int status = set_option(&o, letter, optarg ? optarg : "");
        if (status) return status;
    }
    if (optind == argc) return refuse("no file is named", "");
    for (int i = optind; i < argc; i++) failed |= replay_file(argv[i], &o) != 0;
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
