// What the settings of a loss mean: its defaults, what it has a use for, how it is described, what
// its terms weigh.
#include "train/class_table.h"
#include "train/criterion.h"
#include "train/losses.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AT(name) offsetof(loss_settings, name)

const char *const term_names[TERMS] = {"loss", "ce", "kd", "high", "top", "other"};
const char *const kl_names[] = {"forward", "reverse", "symmetric", NULL};
const char *const standardize_names[] = {"global", "groups", "other", NULL};
const char *const mass_names[] = {"both", "other", "top", NULL};

// Up to so many classes, the weights of 100 are too large and the k too (examples/README.md).
enum { FEW_CLASSES = 20, PUBLISHED_CLASSES = 100 };

// --- Defaults ------------------------------------------------------------------------------------

static void fill(double *value, double initial) {
    if (isnan(*value)) *value = initial;
}

static void fill_choice(int *value, int initial) {
    if (*value < 0) *value = initial;
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

// k and the weights, of which the best are others with other numbers of classes.
static void fill_by_classes(loss_settings *s, const loss_method *m, int classes) {
    const loss_defaults *d = &m->defaults;
    const bool few = classes <= FEW_CLASSES;
    const bool open = (m->uses & USE_K && s->k == 0 && !s->k_file) ||
                      (m->uses & USE_W12 && (isnan(s->w1) || isnan(s->w2))) ||
                      (m->uses & USE_BETA && isnan(s->beta));
    if (open && !few && classes != PUBLISHED_CLASSES) s->of_100_classes = true;
    if (s->k == 0) s->k = few ? 2 + m->first : d->k ? d->k : 5;
    fill(&s->w1, few ? smaller(d->w1, 1) : d->w1);
    fill(&s->w2, few ? smaller(d->w2, 2) : d->w2);
    fill(&s->beta, few ? smaller(d->beta, 2) : d->beta);
}

void criterion_defaults(loss_settings *s, int epochs, int classes) {
    const loss_method *m = &loss_methods[s->kind];
    const loss_defaults *d = &m->defaults;
    fill_by_classes(s, m, classes);
    fill(&s->temperature, d->temperature);
    fill(&s->teacher_temperature, 0);
    fill_choice(&s->kl, 0);
    fill(&s->k_ratio, 2);
    if (s->k_max == 0) s->k_max = classes;
    fill(&s->w0, 1);
    fill(&s->alpha, 1);
    fill(&s->gamma, d->gamma);
    fill(&s->inter, d->inter);
    fill(&s->intra, d->intra);
    fill_choice(&s->mass, 0);
    fill_choice(&s->standardize, 0);
    fill(&s->warmup, d->warmup ? epochs * 20 / 240.0 : 0);
    fill(&s->ce_weight, d->ce_weight);
    fill(&s->kd_weight, d->kd_weight);
    s->checksum = class_table_checksum(s->k_file) ^ class_table_checksum(s->class_weights) ^
                  class_table_checksum(s->groups);
}

// --- Uses ----------------------------------------------------------------------------------------

static const struct {
    size_t member;
    unsigned use;
} users[] = {
    {AT(kl), USE_KL},
    {AT(teacher_temperature), USE_KL},
    {AT(k), USE_K},
    {AT(k_file), USE_K},
    {AT(k_ratio), USE_K_RATIO},
    {AT(k_max), USE_K_RATIO},
    {AT(w0), USE_W0},
    {AT(w1), USE_W12},
    {AT(w2), USE_W12},
    {AT(alpha), USE_ALPHA},
    {AT(beta), USE_BETA},
    {AT(gamma), USE_GAMMA},
    {AT(inter), USE_CORRELATIONS},
    {AT(intra), USE_CORRELATIONS},
    {AT(mass), USE_MASS},
    {AT(standardize), USE_STANDARDIZE},
    {AT(class_weights), USE_CLASS_WEIGHTS},
    {AT(groups), USE_GROUPS},
    {AT(temperature), USE_TEACHER},
    {AT(warmup), USE_TEACHER},
    {AT(kd_weight), USE_TEACHER},
};

bool criterion_uses(loss_kind kind, size_t member) {
    for (size_t i = 0; i < sizeof users / sizeof *users; i++)
        if (users[i].member == member) return loss_methods[kind].uses & users[i].use;
    return true; // the kind, and the weight of the cross-entropy
}

// --- In words ------------------------------------------------------------------------------------

// Appends, as snprintf would.
static void add(char *text, int size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *text, int size, const char *format, ...) {
    const int used = (int)strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, (size_t)(size - used), format, list);
    va_end(list);
}

static void describe_own(const loss_settings *s, unsigned uses, char *text, int size) {
    if (uses & USE_KL && s->teacher_temperature != 0)
        add(text, size, "teacher T %g, ", s->teacher_temperature);
    if (uses & USE_KL && s->kl > 0) add(text, size, "%s KL, ", kl_names[s->kl]);
    if (uses & USE_ALPHA) add(text, size, "alpha %g, ", s->alpha);
    if (uses & USE_BETA) add(text, size, "beta %g, ", s->beta);
    if (uses & USE_GAMMA) add(text, size, "gamma %g, ", s->gamma);
    if (uses & USE_CORRELATIONS) add(text, size, "inter %g, intra %g, ", s->inter, s->intra);
    if (uses & USE_K && !s->k_file) add(text, size, "k %d, ", s->k);
    if (uses & USE_K && s->k_file) add(text, size, "k of a file %08lx, ", s->checksum);
    if (uses & USE_K_RATIO) add(text, size, "k by ratio %g up to %d, ", s->k_ratio, s->k_max);
    if (uses & USE_W0) add(text, size, "w %g %g %g, ", s->w0, s->w1, s->w2);
    if (uses & USE_W12 && !(uses & USE_W0)) add(text, size, "w %g %g, ", s->w1, s->w2);
    if (uses & USE_MASS) add(text, size, "mass of %s, ", mass_names[s->mass]);
    if (uses & USE_STANDARDIZE)
        add(text, size, "standardised %s, ", standardize_names[s->standardize]);
    if (uses & USE_CLASS_WEIGHTS && s->class_weights)
        add(text, size, "weights of a file %08lx, ", s->checksum);
    if (uses & USE_GROUPS) add(text, size, "groups of a file %08lx, ", s->checksum);
}

void criterion_describe(const loss_settings *s, char *text, int size) {
    text[0] = '\0';
    if (!(loss_methods[s->kind].uses & USE_TEACHER)) {
        add(text, size, "ce %g", s->ce_weight);
        return;
    }
    add(text, size, "T %g, ", s->temperature);
    describe_own(s, loss_methods[s->kind].uses, text, size);
    add(text, size, "warm-up %g, ce %g, kd %g", s->warmup, s->ce_weight, s->kd_weight);
}

// --- Terms ---------------------------------------------------------------------------------------

bool criterion_needs_teacher(const loss_settings *s) {
    return loss_methods[s->kind].uses & USE_TEACHER && s->kd_weight != 0;
}

// A part without an option of its own weighs 1.
static double part_weight(const loss_settings *s, size_t member) {
    double weight = 1;
    if (member == 0) return 0;
    if (criterion_uses((loss_kind)s->kind, member))
        memcpy(&weight, (const char *)s + member, sizeof weight);
    return weight;
}

double criterion_weight(const loss_settings *s, loss_term term) {
    const loss_method *m = &loss_methods[s->kind];
    if (term == TERM_TOTAL) return 1;
    if (term == TERM_CE) return s->ce_weight;
    if (!(m->uses & USE_TEACHER)) return 0;
    const size_t members[TERMS] = {
        [TERM_HIGH] = m->high, [TERM_TOP] = m->top, [TERM_OTHER] = m->other};
    const double own = term == TERM_KD ? m->high == 0 : part_weight(s, members[term]);
    return s->kd_weight * own;
}
