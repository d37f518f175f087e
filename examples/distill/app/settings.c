#include "app/settings.h"

#include "app/presets.h"
#include "net/model.h"

#include <math.h>
#include <string.h>

static const char *const schedule_names[] = {"cosine", "step", NULL};
static const char *const split_names[] = {"train", "test", NULL};

// Who knows an option.
enum {
    STUDENTS = COMMAND_DISTILL | COMMAND_COMPARE,
    LEARNING = COMMAND_TRAIN | STUDENTS,
    ON_DATA = LEARNING | COMMAND_EVAL | COMMAND_DATA,
    NETWORKS = LEARNING | COMMAND_EVAL | COMMAND_SPEED,
    ALL = ON_DATA | COMMAND_SPEED,
    ONE_RUN = COMMAND_TRAIN | COMMAND_DISTILL,
};

#define AT(member) offsetof(settings, member)
#define INT_OPTION(option_name, member, who, value_name, start, low, high, text)                   \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_INT, .commands = (who), .offset = AT(member),        \
        .value = (value_name), .initial = (start), .min = (low), .max = (high), .help = (text)     \
    }
#define REAL_OPTION(option_name, member, who, start, low, high, text)                              \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_REAL, .commands = (who), .offset = AT(member),       \
        .value = "X", .initial = (start), .min = (low), .max = (high), .help = (text)              \
    }
// An option whose default depends on the loss.
#define CHOICE_OPTION(option_name, member, who, names, text)                                       \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_CHOICE, .commands = (who), .offset = AT(member),     \
        .value = "NAME", .choices = (names), .help = (text)                                        \
    }
// An option that --teacher-logits replaces.
#define TEACHER_OPTION(option_name, member, who, needed, value_name, text)                         \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_TEXT, .commands = (who), .required = (needed),       \
        .offset = AT(member), .value = (value_name), .help = (text), .instead = "teacher-logits"   \
    }
#define TEXT_OPTION(option_name, member, who, needed, value_name, start, text)                     \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_TEXT, .commands = (who), .required = (needed),       \
        .offset = AT(member), .value = (value_name), .initial = (start), .help = (text)            \
    }

// clang-format off
const option settings_options[] = {
    {.name = "config", .kind = OPTION_FILE, .commands = ALL | COMMAND_REPORT, .offset = AT(config), .value = "FILE",
     .help = "options from a JSON file, as in {\"epochs\": 20}; the command line wins over it; what only "
             "other commands know is passed over, so that one file can serve several"},
    {.name = "preset", .kind = OPTION_PRESET, .commands = STUDENTS, .offset = AT(preset), .value = "NAME",
     .choices = preset_names,
     .help = "networks, weights of the losses and schedule as the methods' authors have them for a teacher and "
             "its student; other options win over it"},
    TEXT_OPTION("data", data, ON_DATA, ON_DATA, "DATA", NULL,
                "the data set: fashion-mnist[:DIR], mnist:DIR, kmnist:DIR, emnist-PART:DIR, cifar10:DIR, cifar100:DIR, or images:DIR with DIR/train and "
                "DIR/test, each with a folder of PNG, JPEG, WebP and BMP files per class"),
    INT_OPTION("image-size", image_size, ON_DATA, "N", NULL, 8, 1024,
               "images:DIR: the images become N x N pixels (default 32)"),
    TEXT_OPTION("model", model, NETWORKS, NETWORKS, "NAME", NULL,
                "the network (the student); gdkd-distill --help lists them"),
    TEXT_OPTION("weights", weights, COMMAND_EVAL, COMMAND_EVAL, "FILE", NULL,
                "its weights, a safetensors file"),
    TEXT_OPTION("logits", logits, COMMAND_EVAL, 0, "FILE", NULL,
                "writes the logits there too: float32, images x classes, in NumPy's format (.npy)"),
    TEACHER_OPTION("teacher", teacher, COMMAND_DISTILL, COMMAND_DISTILL, "FILE",
                   "the teacher's weights, a safetensors file"),
    TEACHER_OPTION("teacher", teacher, COMMAND_COMPARE, 0, "FILE",
                   "the teacher's weights; without it, one is trained once and kept in --out-dir"),
    TEACHER_OPTION("teacher-model", teacher_model, STUDENTS, STUDENTS, "NAME", "the teacher's network"),
    TEXT_OPTION("teacher-logits", teacher_logits, STUDENTS, 0, "FILE", NULL,
                "instead of a teacher, its logits of the training images: float32 or float16, images x classes, "
                "in NumPy's format (.npy), in the order of gdkd-distill data --list; the images are not augmented"),
    {.name = "teacher-epochs", .kind = OPTION_INT, .commands = COMMAND_COMPARE, .offset = AT(teacher_epochs),
     .value = "N", .min = 1, .max = 100000, .instead = "teacher-logits",
     .help = "how long a teacher is trained that is not there yet (default: as --epochs)"},
    {.name = "teacher-memory", .kind = OPTION_REAL, .commands = COMMAND_COMPARE, .offset = AT(teacher_memory),
     .value = "MB", .initial = "1024", .min = 0, .max = 1e6,
     .help = "memory for the teacher's logits, so that it is asked once per seed instead of once per loss; where "
             "they do not fit, for those of the first epochs; 0: none; the results are the same to the bit"},
    {.name = "loss", .kind = OPTION_CHOICE, .commands = COMMAND_DISTILL, .required = COMMAND_DISTILL,
     .offset = AT(loss.kind), .value = "NAME", .choices = loss_names, .help = "what the student learns from"},
    {.name = "loss", .kind = OPTION_CHOICE, .commands = COMMAND_SPEED, .offset = AT(loss.kind), .value = "NAME",
     .initial = "ce", .choices = loss_names,
     .help = "what the steps learn from; the logits of a teacher are made up, and take no time"},
    TEXT_OPTION("losses", losses, COMMAND_COMPARE, 0, "LIST", "ce,kd,dkd,gdkd",
                "the losses to compare; a loss may carry options of its own, as in gdkd:k=3:w2=4"),
    TEXT_OPTION("seeds", seeds, COMMAND_COMPARE, 0, "LIST", "1,2", "a student for each of them"),
    INT_OPTION("epochs", epochs, LEARNING, "N", "10", 1, 100000, "passes over the training images"),
    TEXT_OPTION("out", out, ONE_RUN, ONE_RUN, "FILE", NULL,
                "where the weights go after every epoch, a safetensors file"),
    TEXT_OPTION("log", log, ONE_RUN, 0, "FILE", NULL,
                "where the CSV goes, a row per epoch (default: as --out, with .csv)"),
    TEXT_OPTION("out-dir", out_dir, COMMAND_COMPARE, 0, "DIR", "gdkd-compare",
                "where weights, CSVs and report.html go"),

    TEXT_OPTION("out", report, COMMAND_REPORT, 0, "FILE", NULL,
                "where the page goes (default: report.html in the first folder)"),

    REAL_OPTION("temperature", loss.temperature, STUDENTS, NULL, 0.01, 1000,
                "T of both softmaxes (default 4; lskd: 2)"),
    REAL_OPTION("teacher-temperature", loss.teacher_temperature, STUDENTS, NULL, 0, 1000,
                "T of the teacher's own (default 0: the same); not for dist"),
    CHOICE_OPTION("kl", loss.kl, STUDENTS, kl_names,
                  "divergence inside the groups of classes, of kd that of all: forward KL, reverse KL or symmetric KL (default forward); not for dist"),
    INT_OPTION("k", loss.k, STUDENTS, "N", NULL, 1, 1000000,
               "the gdkd family: classes in the first group (default 5, gdkd3 4; up to 20 classes 2 and 3)"),
    TEXT_OPTION("k-file", loss.k_file, STUDENTS, 0, "FILE", NULL,
                "in place of --k: a text file with a k for each class, for the images of that label"),
    REAL_OPTION("k-ratio", loss.k_ratio, STUDENTS, NULL, 1e-9, 1e9,
                "gdkd-autok: how far above the mean of the smaller ones a probability begins the first group (default 2)"),
    INT_OPTION("k-max", loss.k_max, STUDENTS, "N", NULL, 1, 1000000, "gdkd-autok: the largest k (default: no limit)"),
    REAL_OPTION("w0", loss.w0, STUDENTS, NULL, 0, 1e6, "the gdkd family: weight of the high term (default 1)"),
    REAL_OPTION("w1", loss.w1, STUDENTS, NULL, 0, 1e6,
                "likewise of the first group's term (default 1; gdkd-autok above 20 classes: 4)"),
    REAL_OPTION("w2", loss.w2, STUDENTS, NULL, 0, 1e6,
                "likewise of the other classes' term (default 8; up to 20 classes 2; gdkd-autow: 1)"),
    CHOICE_OPTION("mass", loss.mass, STUDENTS, mass_names,
                  "gdkd-autow: the terms that the teacher's mass of their group scales, versions 1, 2, 3 (default both)"),
    CHOICE_OPTION("standardize", loss.standardize, STUDENTS, standardize_names,
                  "ls-gdkd: over all classes, in each group, or in the group of the others alone (default global)"),
    REAL_OPTION("alpha", loss.alpha, STUDENTS, NULL, 0, 1e6, "dkd, dkd-top1, adkd: weight of the target's term (default 1)"),
    REAL_OPTION("beta", loss.beta, STUDENTS, NULL, 0, 1e6,
                "dkd, dkd-top1: weight of the other classes' term (default 8; up to 20 classes 2)"),
    REAL_OPTION("gamma", loss.gamma, STUDENTS, NULL, 0, 1e6, "adkd: weight of the other classes' term (default 1)"),
    REAL_OPTION("inter", loss.inter, STUDENTS, NULL, 0, 1e6,
                "dist: weight of the correlation along each image's classes (default 2)"),
    REAL_OPTION("intra", loss.intra, STUDENTS, NULL, 0, 1e6,
                "dist: weight of the correlation along each class's images (default 2)"),
    TEXT_OPTION("class-weights", loss.class_weights, STUDENTS, 0, "FILE", NULL,
                "adkd: a text file with a number for each class, by which gamma is multiplied for its images (default: 1 each)"),
    TEXT_OPTION("groups", loss.groups, STUDENTS, 0, "FILE", NULL,
                "skd: a text file with a number for each class, 0 where it takes part, 1 where it does not"),
    REAL_OPTION("warmup", loss.warmup, STUDENTS, NULL, 0, 1e6,
                "epochs over which the distillation's weight rises to its full value (default: a twelfth of --epochs, as "
                "20 of 240; kd, lskd, dist: 0)"),
    REAL_OPTION("ce-weight", loss.ce_weight, STUDENTS, NULL, 0, 1e6,
                "weight of the cross-entropy (default 1; kd, lskd: 0.1)"),
    REAL_OPTION("kd-weight", loss.kd_weight, STUDENTS, NULL, 0, 1e6,
                "weight of the distillation (default 1; kd: 0.9; lskd: 9; skd: 8)"),

    INT_OPTION("batch", batch, NETWORKS, "N", "64", 1, 4096, "images per step"),
    REAL_OPTION("lr", lr, LEARNING, "0.05", 1e-9, 100, "learning rate of the first epoch"),
    {.name = "schedule", .kind = OPTION_CHOICE, .commands = LEARNING, .offset = AT(schedule), .value = "NAME",
     .initial = "cosine", .choices = schedule_names,
     .help = "how it falls, epoch by epoch; step: a tenth after 5/8, 6/8 and 7/8 of the epochs"},
    REAL_OPTION("lr-min", lr_min, LEARNING, "0", 0, 100, "where the cosine would end"),
    REAL_OPTION("momentum", momentum, LEARNING, "0.9", 0, 1, "of SGD"),
    REAL_OPTION("weight-decay", weight_decay, LEARNING, "5e-4", 0, 1, "of SGD"),
    {.name = "seed", .kind = OPTION_SEED, .commands = ONE_RUN, .offset = AT(seed), .value = "N", .initial = "1",
     .help = "of the first weights, the order of the images and their augmentation"},
    {.name = "seed", .kind = OPTION_SEED, .commands = COMMAND_COMPARE, .offset = AT(seed), .value = "N",
     .initial = "1", .help = "of a teacher that is not there yet"},
    INT_OPTION("threads", threads, ALL, "N", "0", 0, 4096, "0: one per core"),
    INT_OPTION("limit", limit, ON_DATA, "N", "0", 0, 1000000000,
               "use the first N images of the training set and of the test set; 0: all; images:DIR: the first of "
               "every class, together N"),
    INT_OPTION("student-limit", student_limit, COMMAND_COMPARE, "N", "0", 0, 1000000000,
               "the students learn from the first N training images alone, of images:DIR as --limit has them, and a teacher "
               "that is not there yet from all; all are tested on the same images; 0: all"),
    {.name = "split", .kind = OPTION_CHOICE, .commands = COMMAND_EVAL, .offset = AT(split), .value = "NAME",
     .initial = "test", .choices = split_names, .help = "the images to go through, in their order and as they are"},
    {.name = "split", .kind = OPTION_CHOICE, .commands = COMMAND_DATA, .offset = AT(split), .value = "NAME",
     .initial = "train", .choices = split_names, .help = "the images that --list means"},
    {.name = "list", .kind = OPTION_FLAG, .commands = COMMAND_DATA, .offset = AT(list),
     .help = "a line per image instead: its number, its label and its file, in the order of --teacher-logits"},
    {.name = "resume", .kind = OPTION_FLAG, .commands = LEARNING, .offset = AT(resume),
     .help = "go on where the run was stopped, with the same options as before; the result is the same to the bit"},
    {.name = "quiet", .kind = OPTION_FLAG, .commands = LEARNING | COMMAND_EVAL, .offset = AT(quiet),
     .help = "no progress on stderr, results and errors only"},
    {.name = "quiet", .kind = OPTION_FLAG, .commands = COMMAND_SPEED, .offset = AT(quiet),
     .help = "images per second only, not where the time goes"},
    {0},
};
// clang-format on

void settings_init(settings *s) {
    *s = (settings){0};
    s->loss = (loss_settings){.kind = LOSS_CE,
                              .temperature = NAN,
                              .teacher_temperature = NAN,
                              .kl = -1,
                              .k_ratio = NAN,
                              .w0 = NAN,
                              .w1 = NAN,
                              .w2 = NAN,
                              .alpha = NAN,
                              .beta = NAN,
                              .gamma = NAN,
                              .inter = NAN,
                              .intra = NAN,
                              .mass = -1,
                              .standardize = -1,
                              .warmup = NAN,
                              .ce_weight = NAN,
                              .kd_weight = NAN};
}

bool settings_parse(settings *s, option_parser *p, int argc, char **argv, error_line *e) {
    *p = (option_parser){.options = settings_options,
                         .target = s,
                         .command = s->command,
                         .name = s->command_name,
                         .preset = preset_value,
                         .words = s->command == COMMAND_REPORT ? &s->runs : NULL};
    s->given = p->given;
    return options_parse(p, argc, argv, e);
}

ptrdiff_t settings_of_loss(const option *o) {
    const size_t first = offsetof(settings, loss), end = first + sizeof(loss_settings);
    return o->offset >= first && o->offset < end ? (ptrdiff_t)(o->offset - first) : -1;
}

static bool used_by(const option *o, const loss_kind *losses, int count) {
    const ptrdiff_t member = settings_of_loss(o);
    bool used = member < 0;
    for (int i = 0; i < count && !used; i++) used = criterion_uses(losses[i], (size_t)member);
    return used;
}

void settings_tell_unused(const settings *s, const loss_kind *losses, int count) {
    for (int i = 0; settings_options[i].name; i++)
        if (s->given[i] && !used_by(&settings_options[i], losses, count))
            note_line("--%s has no effect on %s", settings_options[i].name,
                      s->losses ? s->losses : loss_names[losses[0]]);
}

void settings_forget_unused(settings *s, const loss_kind *losses, int count) {
    settings unset;
    settings_init(&unset);
    for (const option *o = settings_options; o->name; o++) {
        const size_t size = o->kind == OPTION_REAL   ? sizeof(double)
                            : o->kind == OPTION_TEXT ? sizeof(char *)
                                                     : sizeof(int);
        if (!used_by(o, losses, count))
            memcpy((char *)s + o->offset, (const char *)&unset + o->offset, size);
    }
}

static bool check_model(const char *option_name, const char *name, error_line *e) {
    if (network_find(name)) return true;
    const char *names[MAX_NETWORKS];
    size_t count = 0;
    for (; networks[count].name; count++) names[count] = networks[count].name;
    const char *near = nearest_word(name, names, count);
    if (near)
        return error_usage(e, "--%s %s: unknown model; did you mean %s?", option_name, name, near);
    return error_usage(e, "--%s %s: unknown model; gdkd-distill --help lists them", option_name,
                       name);
}

bool settings_check(const settings *s, error_line *e) {
    if (s->lr_min > s->lr) return error_usage(e, "--lr-min %g is above --lr %g", s->lr_min, s->lr);
    return (!s->model || check_model("model", s->model, e)) &&
           (!s->teacher_model || check_model("teacher-model", s->teacher_model, e));
}
