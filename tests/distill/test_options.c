// The command line, files of options and presets, from table to message.
#include "app/compare_list.h"
#include "app/losses_help.h"
#include "app/option_file.h"
#include "app/settings.h"
#include "test_files.h"
#include "test_suite.h"
#include "train/losses.h"

#include <cjson/cJSON.h>
#include <math.h>

static settings s;
static error_line e;
static option_parser parser;

// A command line in words, as the shell would hand it over.
static bool parse(unsigned command, const char *line) {
    static char buffers[2][512]; // the texts of the call before stay
    static int turn;
    char *const words = buffers[turn = !turn];
    char *argv[64], *rest = NULL;
    int argc = 1;
    char program[] = "distill";
    argv[0] = program;
    snprintf(words, sizeof *buffers, "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    options_free(&parser); // of the call before
    settings_init(&s);
    s.command = command;
    s.command_name = "distill";
    e = (error_line){0};
    return settings_parse(&s, &parser, argc, argv, &e);
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
    ck_assert(parse(COMMAND_COMPARE, "--data d --model resnet8 --teacher-model resnet20"));
    ck_assert_double_eq(s.teacher_memory, 1024);
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
    refuses(COMMAND_COMPARE, "--teacher-memory -1", "--teacher-memory must be from 0 to 1e+06");
    refuses(COMMAND_TRAIN, TRAIN "--teacher-memory 1", "unknown option --teacher-memory");
    refuses(COMMAND_TRAIN, TRAIN "--seed -1", "--seed wants a whole number from 0");
    refuses(COMMAND_TRAIN, TRAIN "--seed 18446744073709551616", "--seed must be from 0");
    refuses(COMMAND_TRAIN, TRAIN "--schedule linear",
            "--schedule must be one of cosine, step, not 'linear'");
    refuses(COMMAND_DISTILL, "--temperature 0", "--temperature must be from");
    refuses(COMMAND_TRAIN, "--data= --model resnet8 --out x", "--data wants a DATA");
    refuses(COMMAND_TRAIN, TRAIN "--batch", "--batch wants a value: N");
    refuses(COMMAND_TRAIN, TRAIN "--quiet=yes", "--quiet must be true or false, not 'yes'");
    refuses(COMMAND_TRAIN, TRAIN "--quiet=", "--quiet must be true or false, not ''");
    refuses(COMMAND_TRAIN, TRAIN "--quiet false", "unexpected argument 'false'");
    refuses(COMMAND_TRAIN, TRAIN "more", "unexpected argument 'more'");
}
END_TEST

START_TEST(what_is_needed_is_asked_for) {
    refuses(COMMAND_TRAIN, "--model resnet8 --out x", "needs --data DATA");
    refuses(COMMAND_DISTILL, TRAIN "--teacher t --teacher-model resnet20", "needs --loss NAME");
    ck_assert(parse(COMMAND_TRAIN, "--help")); // help needs nothing
    ck_assert(parser.help);
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
    char text[32768] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    options_help(settings_options, COMMAND_DISTILL, out);
    losses_help(out);
    fclose(out);
    for (const option *o = settings_options; o->name; o++) {
        char name[64];
        snprintf(name, sizeof name, "--%s ", o->name);
        ck_assert_int_eq(strstr(text, name) != NULL,
                         option_find(settings_options, COMMAND_DISTILL, o->name) != NULL);
    }
    for (int kind = 0; kind < LOSS_KINDS; kind++) {
        char name[64];
        snprintf(name, sizeof name, "\n  %s ", loss_names[kind]);
        ck_assert_ptr_nonnull(strstr(text, name));
        ck_assert_uint_gt(strlen(loss_methods[kind].help), 20);
    }
    ck_assert_ptr_nonnull(strstr(text, "images per step (default 64)"));
    for (char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 79);
}
END_TEST

START_TEST(the_table_fits_a_layer) {
    size_t count = 0;
    while (settings_options[count].name) count++;
    ck_assert_uint_lt(count, MAX_OPTIONS - 2); // getopt's table has two more
}
END_TEST

START_TEST(defaults_of_a_loss_are_the_references) {
    settings_init(&s);
    loss_settings kd = s.loss, gdkd = s.loss, gdkd3 = s.loss;
    kd.kind = LOSS_KD;
    gdkd.kind = LOSS_GDKD;
    gdkd.w2 = 2;
    gdkd3.kind = LOSS_GDKD3;
    criterion_defaults(&kd, 240, 100);
    criterion_defaults(&gdkd, 240, 100);
    criterion_defaults(&gdkd3, 240, 100);
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
    ck_assert(!gdkd.of_100_classes && !gdkd3.of_100_classes);
}
END_TEST

// The authors' share: 20 of 240 epochs.
START_TEST(the_warm_up_fits_the_epochs) {
    static const int epochs[] = {1, 10, 24, 240, 1000};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++)
        for (int kind = 0; kind < LOSS_KINDS; kind++) {
            settings_init(&s);
            s.loss.kind = kind;
            criterion_defaults(&s.loss, epochs[i], 10);
            ck_assert_double_ge(s.loss.warmup, 0);
            ck_assert(s.loss.warmup == 0 || fabs(s.loss.warmup - epochs[i] / 12.0) < 1e-9);
        }
    settings_init(&s);
    s.loss.kind = LOSS_GDKD;
    s.loss.warmup = 7; // given
    criterion_defaults(&s.loss, 240, 10);
    ck_assert_double_eq(s.loss.warmup, 7);
}
END_TEST

// Weights that were made for 100 classes are others for few, and told for others.
START_TEST(the_weights_fit_the_classes) {
    static const struct {
        double w2, beta;
        int classes, k, k3;
        bool told;
    } rows[] = {{2, 2, 2, 2, 3, false}, {2, 2, 10, 2, 3, false},  {2, 2, 20, 2, 3, false},
                {8, 8, 21, 5, 4, true}, {8, 8, 100, 5, 4, false}, {8, 8, 1000, 5, 4, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        settings_init(&s);
        loss_settings gdkd = s.loss, gdkd3 = s.loss, dkd = s.loss, given = s.loss, kd = s.loss;
        gdkd.kind = given.kind = LOSS_GDKD;
        gdkd3.kind = LOSS_GDKD3;
        dkd.kind = LOSS_DKD;
        kd.kind = LOSS_KD;
        given.k = 4;
        given.w1 = given.w2 = 3;
        criterion_defaults(&gdkd, 10, rows[i].classes);
        criterion_defaults(&gdkd3, 10, rows[i].classes);
        criterion_defaults(&dkd, 10, rows[i].classes);
        criterion_defaults(&given, 10, rows[i].classes);
        criterion_defaults(&kd, 10, rows[i].classes);
        ck_assert_int_eq(gdkd.k, rows[i].k);
        ck_assert_int_eq(gdkd3.k, rows[i].k3);
        ck_assert_double_eq(gdkd.w2, rows[i].w2);
        ck_assert_double_eq(dkd.beta, rows[i].beta);
        criterion_defaults(&gdkd, 10, rows[i].classes); // a second time changes nothing
        ck_assert_int_eq(gdkd.of_100_classes, rows[i].told);
        ck_assert_int_eq(dkd.of_100_classes, rows[i].told);
        ck_assert(!given.of_100_classes && !kd.of_100_classes);
        ck_assert_int_eq(given.k, 4);
    }
}
END_TEST

START_TEST(every_loss_is_parsed) {
    static const char *const options[] = {"--kl reverse",      "--teacher-temperature 2",
                                          "--mass top",        "--standardize groups",
                                          "--k-ratio 3",       "--k-max 4",
                                          "--gamma 5",         "--k-file f",
                                          "--class-weights g", "--groups h"};
    char line[512];
    for (int kind = 0; kind < LOSS_KINDS; kind++) {
        snprintf(line, sizeof line, TRAIN "--teacher t --teacher-model resnet20 --loss %s",
                 loss_names[kind]);
        for (size_t i = 0; i < sizeof options / sizeof *options; i++)
            snprintf(line + strlen(line), sizeof line - strlen(line), " %s", options[i]);
        ck_assert_msg(parse(COMMAND_DISTILL, line), "%s", e.text);
        ck_assert_int_eq(s.loss.kind, kind);
        ck_assert_str_eq(loss_methods[kind].name, loss_names[kind]);
    }
    ck_assert_int_eq(s.loss.kl, 1);
    ck_assert_double_eq(s.loss.teacher_temperature, 2);
    ck_assert_str_eq(mass_names[s.loss.mass], "top");
    ck_assert_str_eq(standardize_names[s.loss.standardize], "groups");
    ck_assert_double_eq(s.loss.k_ratio, 3);
    ck_assert_int_eq(s.loss.k_max, 4);
    ck_assert_double_eq(s.loss.gamma, 5);
    ck_assert_str_eq(s.loss.k_file, "f");
    ck_assert_str_eq(s.loss.class_weights, "g");
    ck_assert_str_eq(s.loss.groups, "h");
    refuses(COMMAND_DISTILL, TRAIN "--loss gdkd4",
            "--loss must be one of ce, kd, dkd, dkd-top1, gdkd");
    refuses(COMMAND_DISTILL, TRAIN "--kl backward",
            "--kl must be one of forward, reverse, symmetric");
}
END_TEST

// --- Files
// -----------------------------------------------------------------------------------------

static const char *file(const char *json) {
    static char argument[400];
    test_write("run.json", json, strlen(json));
    snprintf(argument, sizeof argument, " --config %s", test_path("run.json"));
    return argument;
}

static bool parse_with(unsigned command, const char *line, const char *json) {
    char all[480];
    snprintf(all, sizeof all, "%s%s", line, file(json));
    return parse(command, all);
}

START_TEST(a_file_holds_options) {
    ck_assert_msg(parse_with(COMMAND_TRAIN, "",
                             "{\"about\": {\"batch\": 7}, \"data\": \"cifar10:x y\", "
                             "\"model\": \"resnet8\", \"out\": \"o\", \"epochs\": 3, \"lr\": 0.1, "
                             "\"schedule\": \"step\", \"quiet\": true, \"resume\": false, "
                             "\"seed\": \"18446744073709551615\"}"),
                  "%s", e.text);
    ck_assert_str_eq(s.data, "cifar10:x y");
    ck_assert_int_eq(s.epochs, 3);
    ck_assert(s.lr == 0.1); // the same bits as on the command line
    ck_assert_int_eq(s.schedule, 1);
    ck_assert(s.quiet);
    ck_assert(!s.resume);
    ck_assert_uint_eq(s.seed, UINT64_MAX);
    ck_assert_int_eq(s.batch, 64);
}
END_TEST

START_TEST(one_file_serves_several_commands) {
    const char *const shared =
        "{\"data\": \"d\", \"model\": \"resnet8\", \"out\": \"w\", \"weights\": \"w\", "
        "\"teacher\": \"t\", \"teacher-model\": \"resnet20\", \"loss\": \"kd\", "
        "\"epochs\": 3, \"batch\": 32, \"quiet\": true}";
    ck_assert_msg(parse_with(COMMAND_TRAIN, "", shared), "%s", e.text);
    ck_assert_ptr_null(s.weights);
    ck_assert_int_eq(s.loss.kind, LOSS_CE);
    ck_assert_msg(parse_with(COMMAND_DISTILL, "", shared), "%s", e.text);
    ck_assert_int_eq(s.loss.kind, LOSS_KD);
    ck_assert_msg(parse_with(COMMAND_EVAL, "", shared), "%s", e.text);
    ck_assert_ptr_null(s.out);
    ck_assert_str_eq(s.weights, "w");
    ck_assert_int_eq(s.batch, 32);
}
END_TEST

START_TEST(a_setting_without_a_use_is_forgotten) {
    const loss_kind losses[] = {LOSS_CE, LOSS_DKD};
    ck_assert(parse(COMMAND_COMPARE, "--data d --model resnet8 --teacher-model resnet20 --k 3 "
                                     "--k-file f --kl reverse --mass top "
                                     "--w1 2 --beta 6 --temperature 2 --lr 0.1"));
    settings_forget_unused(&s, losses, 2);
    ck_assert_int_eq(s.loss.k, 0);
    ck_assert(isnan(s.loss.w1));
    ck_assert_double_eq(s.loss.beta, 6);
    ck_assert_double_eq(s.loss.temperature, 2);
    ck_assert_double_eq(s.lr, 0.1);
    ck_assert_ptr_null(s.loss.k_file);
    ck_assert_int_eq(s.loss.mass, -1);
    ck_assert_int_eq(s.loss.kl, 1);
    settings_forget_unused(&s, losses, 1);
    ck_assert_int_eq(s.loss.kl, -1);
    ck_assert(isnan(s.loss.temperature));
    ck_assert(isnan(s.loss.beta));
}
END_TEST

START_TEST(the_command_line_wins_over_the_file) {
    ck_assert_msg(parse_with(COMMAND_TRAIN, TRAIN "--epochs 4", "{\"epochs\": 3, \"batch\": 32}"),
                  "%s", e.text);
    ck_assert_int_eq(s.epochs, 4);
    ck_assert_int_eq(s.batch, 32);
    ck_assert(parse_with(COMMAND_TRAIN, TRAIN "--quiet=false --resume", "{\"quiet\": true}"));
    ck_assert(!s.quiet);
    ck_assert(s.resume);
    ck_assert(parse_with(COMMAND_TRAIN, TRAIN "--quiet=true", "{\"quiet\": false}"));
    ck_assert(s.quiet);
}
END_TEST

static const struct {
    const char *json, *words;
} bad_files[] = {
    {"{\"epohcs\": 3}", "run.json: unknown key \"epohcs\"; did you mean \"epochs\"?"},
    {"{\"frobnicate\": 3}",
     "run.json: unknown key \"frobnicate\"; see gdkd-distill distill --help"},
    {"{\"temprature\": 3}", "did you mean \"temperature\"?"}, // of another command
    {"{\"epochs\": \"3\"}", "run.json: \"epochs\" wants a number, not a string"},
    {"{\"epochs\": 2.5}", "run.json: --epochs wants a whole number, not '2.5'"},
    {"{\"epochs\": 0}", "run.json: --epochs must be from 1"},
    {"{\"lr\": null}", "\"lr\" wants a number, not null"},
    {"{\"quiet\": 1}", "\"quiet\" wants true or false, not a number"},
    {"{\"data\": [\"a\"]}", "\"data\" wants a string, not a list"},
    {"{\"data\": \"\"}", "run.json: --data wants a DATA"},
    {"{\"schedule\": \"linear\"}", "run.json: --schedule must be one of cosine, step"},
    {"{\"seed\": 18446744073709551615}", "\"seed\" wants a whole number, above 2^53 in quotes"},
    {"{\"seed\": -1}", "run.json: --seed wants a whole number from 0"},
    {"{\"epochs\": 3, \"epochs\": 4}", "\"epochs\" stands twice"},
    {"{\"config\": \"other.json\"}", "\"config\" cannot stand in a file"},
    {"{\n\"epochs\": 3,\n\"lr\" 4}", "run.json is not JSON: something is wrong in line 3"},
    {"{\"epochs\": 3} x", "is not JSON"},
    {"[3]", "is not an object of options"},
    {"", "is not JSON"},
};

START_TEST(bad_files_are_refused) {
    // The command line does not hide what is wrong in the file.
    ck_assert(!parse_with(COMMAND_TRAIN, TRAIN "--epochs 4 --lr 1", bad_files[_i].json));
    ASSERT_SAYS(e, bad_files[_i].words);
    ck_assert_int_eq(e.status, EXIT_USAGE);
    ck_assert_ptr_null(strchr(e.text, '\n'));
}
END_TEST

START_TEST(a_missing_file_is_an_error) {
    ck_assert(!parse(COMMAND_TRAIN, TRAIN "--config /nowhere/run.json"));
    ASSERT_SAYS(e, "/nowhere/run.json cannot be opened");
}
END_TEST

START_TEST(what_is_written_is_read) {
    char line[512];
    ck_assert_msg(parse(COMMAND_DISTILL, TRAIN
                        "--teacher t --teacher-model resnet20 --loss gdkd --k 7 "
                        "--lr 0.012345678901234567 --w1 0.1 --seed 18446744073709551615 --quiet"),
                  "%s", e.text);
    const settings written = s;
    ck_assert_msg(option_file_write(settings_options, COMMAND_DISTILL, &s, cJSON_CreateObject(),
                                    test_path("run.json"), &e),
                  "%s", e.text);
    ck_assert_int_eq(test_folder_count(), 1);
    snprintf(line, sizeof line, "--config %s", test_path("run.json"));
    ck_assert_msg(parse(COMMAND_DISTILL, line), "%s", e.text);
    for (const option *o = settings_options; o->name; o++) {
        const char *was = (const char *)&written + o->offset, *is = (const char *)&s + o->offset;
        if (!(o->commands & COMMAND_DISTILL) || o->kind == OPTION_FILE) continue;
        if (o->kind == OPTION_TEXT && *(const char *const *)(const void *)was)
            ck_assert_str_eq(*(const char *const *)(const void *)is,
                             *(const char *const *)(const void *)was);
        else if (o->kind == OPTION_REAL)
            ck_assert_mem_eq(is, was, sizeof(double));
        else if (o->kind == OPTION_INT || o->kind == OPTION_CHOICE)
            ck_assert_mem_eq(is, was, sizeof(int));
    }
    ck_assert_uint_eq(s.seed, UINT64_MAX);
    ck_assert(s.quiet);
}
END_TEST

// --- Presets -------------------------------------------------------------------------------------

// Read off the files that presets.c names, one by one.
static const struct {
    const char *name, *teacher, *student;
    double w1, w2, beta;
} published[] = {
    {"res56-res20", "resnet56", "resnet20", 1, 1, 2},
    {"res110-res32", "resnet110", "resnet32", 1, 1, 2},
    {"res32x4-res8x4", "resnet32x4", "resnet8x4", 2, 8, 8},
    {"wrn40_2-wrn16_2", "wrn_40_2", "wrn_16_2", 2, 6, 6},
    {"wrn40_2-wrn40_1", "wrn_40_2", "wrn_40_1", 2, 6, 6},
};
#define PAIR "--data d --out o --teacher t --loss gdkd "

START_TEST(presets_are_the_references) {
    char line[128];
    snprintf(line, sizeof line, PAIR "--preset %s", published[_i].name);
    ck_assert_msg(parse(COMMAND_DISTILL, line), "%s", e.text);
    ck_assert_msg(settings_check(&s, &e), "%s", e.text);
    ck_assert_str_eq(s.teacher_model, published[_i].teacher);
    ck_assert_str_eq(s.model, published[_i].student);
    ck_assert_double_eq(s.loss.w1, published[_i].w1);
    ck_assert_double_eq(s.loss.w2, published[_i].w2);
    ck_assert_double_eq(s.loss.beta, published[_i].beta);
    ck_assert_int_eq(s.epochs, 240);
    ck_assert_int_eq(s.batch, 64);
    ck_assert_double_eq(s.lr, 0.05);
    ck_assert_int_eq(s.schedule, 1);
    ck_assert_double_eq(s.weight_decay, 5e-4);
    ck_assert_double_eq(s.momentum, 0.9);
    criterion_defaults(&s.loss, s.epochs, 100);
    ck_assert_double_eq(s.loss.temperature, 4);
    ck_assert_double_eq(s.loss.warmup, 20);
    ck_assert_int_eq(s.loss.k, 5);
}
END_TEST

START_TEST(what_is_given_wins_over_the_preset) {
    ck_assert_msg(parse_with(COMMAND_DISTILL, PAIR "--w2 3",
                             "{\"preset\": \"res56-res20\", "
                             "\"epochs\": 10}"),
                  "%s", e.text);
    ck_assert_double_eq(s.loss.w2, 3); // command line
    ck_assert_int_eq(s.epochs, 10);    // file
    ck_assert_int_eq(s.schedule, 1);   // preset
    ck_assert_double_eq(s.lr_min, 0);  // default
    ck_assert_str_eq(s.model, "resnet20");
    ck_assert_msg(
        parse_with(COMMAND_DISTILL, PAIR "--preset res110-res32", "{\"preset\": \"res56-res20\"}"),
        "%s", e.text);
    ck_assert_str_eq(s.model, "resnet32");
}
END_TEST

START_TEST(of_two_that_exclude_each_other_the_upper_layer_wins) {
    const char *const network = "--data d --out o --model resnet8 --loss kd --teacher t "
                                "--teacher-model resnet20";
    const char *const logits = "--data d --out o --model resnet8 --loss kd --teacher-logits l";
    char line[256];
    ck_assert_msg(parse_with(COMMAND_DISTILL, network, "{\"teacher-logits\": \"l\"}"), "%s",
                  e.text);
    ck_assert_str_eq(s.teacher, "t");
    ck_assert_ptr_null(s.teacher_logits);
    ck_assert_msg(parse_with(COMMAND_DISTILL, logits,
                             "{\"teacher\": \"t\", \"teacher-model\": \"resnet20\"}"),
                  "%s", e.text);
    ck_assert_str_eq(s.teacher_logits, "l");
    ck_assert_ptr_null(s.teacher);
    ck_assert_ptr_null(s.teacher_model);
    snprintf(line, sizeof line, "%s --preset res56-res20", logits);
    ck_assert_msg(parse(COMMAND_DISTILL, line), "%s", e.text);
    ck_assert_ptr_null(s.teacher_model); // the preset's
    snprintf(line, sizeof line, "%s --teacher t", logits);
    refuses(COMMAND_DISTILL, line, "--teacher and --teacher-logits exclude each other");
    refuses(COMMAND_DISTILL, "--data d --out o --model resnet8 --loss kd",
            "needs --teacher FILE, or --teacher-logits");
    // A part of what was given above is not enough.
    ck_assert(!parse_with(COMMAND_DISTILL, "--data d --out o --model resnet8 --loss kd --teacher t",
                          "{\"teacher-logits\": \"l\"}"));
    ASSERT_SAYS(e, "needs --teacher-model NAME");
}
END_TEST

START_TEST(unknown_presets_are_refused) {
    refuses(COMMAND_DISTILL, "--preset res56-res21",
            "--preset must be one of res56-res20, res110-res32, res32x4-res8x4, wrn40_2-wrn16_2, "
            "wrn40_2-wrn40_1, not 'res56-res21'");
    refuses(COMMAND_TRAIN, "--preset res56-res20", "unknown option --preset");
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
    s.losses = "gdkd:k-file=a/b:kl=reverse,gdkd:k-file=c";
    ck_assert_int_eq(compare_losses(&s, v, &e), 2);
    ck_assert_str_eq(v[0].loss.k_file, "a/b"); // each has a text of its own
    ck_assert_str_eq(v[1].loss.k_file, "c");
    ck_assert_int_eq(v[0].loss.kl, 1);
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
    tcase_add_test(all, the_table_fits_a_layer);
    tcase_add_test(all, defaults_of_a_loss_are_the_references);
    tcase_add_test(all, the_warm_up_fits_the_epochs);
    tcase_add_test(all, the_weights_fit_the_classes);
    tcase_add_test(all, every_loss_is_parsed);
    tcase_add_loop_test(all, presets_are_the_references, 0, sizeof published / sizeof *published);
    tcase_add_test(all, unknown_presets_are_refused);
    tcase_add_test(all, a_setting_without_a_use_is_forgotten);
    tcase_add_test(all, compare_reads_its_lists);
    tcase_add_test(all, compare_refuses_bad_lists);
    suite_add_tcase(suite, all);
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, test_folder_make, test_folder_remove);
    tcase_add_test(files, a_file_holds_options);
    tcase_add_test(files, one_file_serves_several_commands);
    tcase_add_test(files, the_command_line_wins_over_the_file);
    tcase_add_loop_test(files, bad_files_are_refused, 0, sizeof bad_files / sizeof *bad_files);
    tcase_add_test(files, a_missing_file_is_an_error);
    tcase_add_test(files, what_is_written_is_read);
    tcase_add_test(files, what_is_given_wins_over_the_preset);
    tcase_add_test(files, of_two_that_exclude_each_other_the_upper_layer_wins);
    suite_add_tcase(suite, files);
    return test_run(suite);
}
