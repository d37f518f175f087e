// The command line, from table to message.
#include "compare_list.h"
#include "settings.h"
#include "test_files.h"

#include <math.h>

static settings s;
static error_line e;
static bool help;

// A command line in words, as the shell would hand it over.
static bool parse(unsigned command, const char *line) {
    static char words[512];
    char *argv[64], *rest = NULL;
    int argc = 1;
    char program[] = "distill";
    argv[0] = program;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    settings_init(&s);
    e = (error_line){0};
    option_parser parser = {settings_options, &s, command, "distill", false, NULL};
    const bool fine = options_parse(&parser, argc, argv, &e);
    help = parser.help;
    return fine;
}

#define TRAIN "--data fashion-mnist --model resnet8 --out x "

static void refuses(unsigned command, const char *line, const char *words) {
    ck_assert_msg(!parse(command, line), "accepted: %s", line);
    ASSERT_SAYS(e, words);
    ck_assert_int_eq(e.status, EXIT_USAGE);
}

START_TEST(defaults_are_the_documented_ones) {
    ck_assert_msg(parse(COMMAND_TRAIN, TRAIN), "%s", e.text);
    ck_assert_int_eq(s.batch, 64);
    ck_assert_double_eq(s.lr, 0.05);
    ck_assert_double_eq(s.momentum, 0.9);
    ck_assert_double_eq(s.weight_decay, 5e-4);
    ck_assert_int_eq(s.schedule, 0);
    ck_assert_int_eq(s.limit, 0);
    ck_assert(!s.quiet);
    ck_assert_str_eq(s.data, "fashion-mnist");
}
END_TEST

START_TEST(values_are_stored) {
    ck_assert_msg(parse(COMMAND_DISTILL,
                        TRAIN "--teacher t --teacher-model resnet20 --loss gdkd3 --k=3 --w2 4 "
                              "--seed 18446744073709551615 --schedule step --quiet --lr 1e-3"),
                  "%s", e.text);
    ck_assert_int_eq(s.loss.kind, LOSS_GDKD3);
    ck_assert_int_eq(s.loss.k, 3);
    ck_assert_double_eq(s.loss.w2, 4);
    ck_assert(isnan(s.loss.w1));
    ck_assert_uint_eq(s.seed, UINT64_MAX);
    ck_assert_int_eq(s.schedule, 1);
    ck_assert_double_eq(s.lr, 1e-3);
    ck_assert(s.quiet);
}
END_TEST

START_TEST(typos_get_a_suggestion) {
    refuses(COMMAND_DISTILL, "--tempreture 4",
            "unknown option --tempreture; did you mean --temperature?");
    refuses(COMMAND_DISTILL, "--weigth-decay=1", "did you mean --weight-decay?");
    refuses(COMMAND_DISTILL, "--frobnicate", "unknown option --frobnicate; see");
    refuses(COMMAND_DISTILL, "-k 3", "unknown option -k");
    refuses(COMMAND_EVAL, "--epochs 3", "unknown option --epochs");
}
END_TEST

START_TEST(bad_values_are_refused) {
    refuses(COMMAND_TRAIN, TRAIN "--batch 0", "--batch must be from 1 to 4096, not 0");
    refuses(COMMAND_TRAIN, TRAIN "--batch 64x", "--batch wants a whole number, not '64x'");
    refuses(COMMAND_TRAIN, TRAIN "--batch 99999999999999999999", "--batch must be from");
    refuses(COMMAND_TRAIN, TRAIN "--lr nan", "--lr wants a number");
    refuses(COMMAND_TRAIN, TRAIN "--lr inf", "--lr must be from");
    refuses(COMMAND_TRAIN, TRAIN "--lr -1", "--lr must be from");
    refuses(COMMAND_TRAIN, TRAIN "--seed -1", "--seed wants a whole number from 0");
    refuses(COMMAND_TRAIN, TRAIN "--seed 18446744073709551616", "--seed must be from 0");
    refuses(COMMAND_TRAIN, TRAIN "--schedule linear",
            "--schedule must be one of cosine, step, not 'linear'");
    refuses(COMMAND_DISTILL, "--temperature 0", "--temperature must be from");
    refuses(COMMAND_TRAIN, "--data= --model resnet8 --out x", "--data wants a DATA");
    refuses(COMMAND_TRAIN, TRAIN "--batch", "--batch wants a value: N");
    refuses(COMMAND_TRAIN, TRAIN "--quiet=yes", "--quiet takes no value");
    refuses(COMMAND_TRAIN, TRAIN "more", "unexpected argument 'more'");
}
END_TEST

START_TEST(what_is_needed_is_asked_for) {
    refuses(COMMAND_TRAIN, "--model resnet8 --out x", "needs --data DATA");
    refuses(COMMAND_DISTILL, TRAIN "--teacher t --teacher-model resnet20", "needs --loss NAME");
    ck_assert(parse(COMMAND_TRAIN, "--help")); // help needs nothing
    ck_assert(help);
}
END_TEST

START_TEST(unknown_models_get_a_suggestion) {
    ck_assert(parse(COMMAND_TRAIN, "--data d --model resnet21 --out x"));
    ck_assert(!settings_check(&s, &e));
    ASSERT_SAYS(e, "did you mean resnet20?");
    ck_assert(parse(COMMAND_TRAIN, "--data d --model wrn_40_2 --out x"));
    ck_assert_msg(settings_check(&s, &e), "%s", e.text);
}
END_TEST

START_TEST(help_names_every_option) {
    char text[16384] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    options_help(settings_options, COMMAND_DISTILL, out);
    fclose(out);
    for (const option *o = settings_options; o->name; o++) {
        char name[64];
        snprintf(name, sizeof name, "--%s ", o->name);
        ck_assert_int_eq(strstr(text, name) != NULL,
                         option_find(settings_options, COMMAND_DISTILL, o->name) != NULL);
    }
    ck_assert_ptr_nonnull(strstr(text, "images per step (default 64)"));
    for (char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 100);
}
END_TEST

START_TEST(defaults_of_a_loss_are_the_references) {
    settings_init(&s);
    loss_settings kd = s.loss, gdkd = s.loss, gdkd3 = s.loss;
    kd.kind = LOSS_KD;
    gdkd.kind = LOSS_GDKD;
    gdkd.w2 = 2;
    gdkd3.kind = LOSS_GDKD3;
    criterion_defaults(&kd);
    criterion_defaults(&gdkd);
    criterion_defaults(&gdkd3);
    ck_assert_double_eq(kd.temperature, 4);
    ck_assert_double_eq(kd.ce_weight, 0.1);
    ck_assert_double_eq(kd.kd_weight, 0.9);
    ck_assert_double_eq(kd.warmup, 0);
    ck_assert_int_eq(gdkd.k, 5);
    ck_assert_double_eq(gdkd.w1, 1);
    ck_assert_double_eq(gdkd.w2, 2); // was given
    ck_assert_double_eq(gdkd.warmup, 20);
    ck_assert_double_eq(gdkd.ce_weight, 1);
    ck_assert_int_eq(gdkd3.k, 4);
    ck_assert_double_eq(gdkd3.w2, 8);
}
END_TEST

START_TEST(compare_reads_its_lists) {
    variant v[MAX_VARIANTS];
    uint64_t seeds[MAX_SEEDS];
    ck_assert(parse(COMMAND_COMPARE, "--data d --model resnet8 --teacher-model resnet20 --warmup 2 "
                                     "--losses ce,kd,gdkd:k=3:w2=4"));
    ck_assert_int_eq(compare_losses(&s, v, &e), 3);
    ck_assert_int_eq(v[1].loss.kind, LOSS_KD);
    ck_assert_double_eq(v[1].loss.warmup, 2); // the common option holds for all
    ck_assert_int_eq(v[2].loss.kind, LOSS_GDKD);
    ck_assert_int_eq(v[2].loss.k, 3);
    ck_assert_double_eq(v[2].loss.w2, 4);
    ck_assert_str_eq(v[2].name, "gdkd:k=3:w2=4");
    ck_assert_int_eq(compare_seeds("1,2,7", seeds, &e), 3);
    ck_assert_uint_eq(seeds[2], 7);
}
END_TEST

START_TEST(compare_refuses_bad_lists) {
    static const char *const bad[][2] = {
        {"ce,qd", "'qd' is no loss"},
        {"ce,ce", "ce stands twice"},
        {"", "wants a list"},
        {"gdkd:k", "'k' is no option"},
        {"gdkd:lr=3", "'lr' is no option"},
        {"gdkd:k=0", "--k must be from 1"},
        {"gdkd:loss=kd", "'loss' is no option"},
        {",", "is no loss"},
    };
    variant v[MAX_VARIANTS];
    uint64_t seeds[MAX_SEEDS];
    settings_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.losses = bad[i][0];
        ck_assert_int_eq(compare_losses(&s, v, &e), 0);
        ASSERT_SAYS(e, bad[i][1]);
    }
    ck_assert_int_eq(compare_seeds("1,x", seeds, &e), 0);
    ck_assert_int_eq(compare_seeds("1,1", seeds, &e), 0);
    ASSERT_SAYS(e, "stands twice");
    ck_assert_int_eq(compare_seeds("", seeds, &e), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *all = tcase_create("all");
    tcase_add_test(all, defaults_are_the_documented_ones);
    tcase_add_test(all, values_are_stored);
    tcase_add_test(all, typos_get_a_suggestion);
    tcase_add_test(all, bad_values_are_refused);
    tcase_add_test(all, what_is_needed_is_asked_for);
    tcase_add_test(all, unknown_models_get_a_suggestion);
    tcase_add_test(all, help_names_every_option);
    tcase_add_test(all, defaults_of_a_loss_are_the_references);
    tcase_add_test(all, compare_reads_its_lists);
    tcase_add_test(all, compare_refuses_bad_lists);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
