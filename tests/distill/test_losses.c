// Every loss of the trainer: its gradient against central differences, and mathematics that ties it
// to the others. Expected values are formulas of their own here, or other losses in a case where
// both are the same by definition.
#include "base/rng.h"
#include "test_files.h"
#include "test_suite.h"
#include "train/criterion.h"
#include "train/losses.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6, CLASSES = 7, NUMBERS = ROWS * CLASSES };

static error_line e;
static float student[NUMBERS], teacher[NUMBERS];
static int64_t labels[ROWS];

static void write_table(const char *name, const int *numbers, int count) {
    char text[256] = "";
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d\n", numbers[i]);
    test_write(name, text, strlen(text));
}

static char ones[256], ks[256], twos[256], all_in[256], some_in[256];

static void setup(void) {
    static const int k[] = {1, 2, 3, 4, 5, 6, 3}, one[] = {1, 1, 1, 1, 1, 1, 1},
                     two[] = {2, 2, 2, 2, 2, 2, 2}, zero[] = {0, 0, 0, 0, 0, 0, 0},
                     some[] = {0, 0, 1, 0, 1, 0, 0};
    rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < NUMBERS; i++) student[i] = (float)(2 * rng_normal(&r));
    for (int i = 0; i < NUMBERS; i++) teacher[i] = (float)(3 * rng_normal(&r));
    for (int i = 0; i < ROWS; i++) labels[i] = rng_below(&r, CLASSES);
    test_folder_make();
    write_table("ones", one, CLASSES);
    write_table("ks", k, CLASSES);
    write_table("twos", two, CLASSES);
    write_table("all", zero, CLASSES);
    write_table("some", some, CLASSES);
    snprintf(ones, sizeof ones, "%s", test_path("ones"));
    snprintf(ks, sizeof ks, "%s", test_path("ks"));
    snprintf(twos, sizeof twos, "%s", test_path("twos"));
    snprintf(all_in, sizeof all_in, "%s", test_path("all"));
    snprintf(some_in, sizeof some_in, "%s", test_path("some"));
}

static loss_settings unset(int kind) {
    return (loss_settings){.kind = kind,
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
                           .kd_weight = NAN,
                           .groups = kind == LOSS_SKD ? some_in : NULL};
}

static double apply(loss_settings s, const float *logits, float *grad, double terms[TERMS]) {
    double own[TERMS];
    criterion_defaults(&s, 12, CLASSES);
    criterion *c = criterion_create(&s, ROWS, CLASSES, TEACHER_F32, &e);
    ck_assert_msg(c != NULL, "%s", e.text);
    const bool fine =
        criterion_apply(c, logits, teacher, labels, ROWS, 12, grad, terms ? terms : own, &e);
    ck_assert_msg(fine, "%s: %s", loss_names[s.kind], e.text);
    criterion_free(c);
    return (terms ? terms : own)[TERM_TOTAL];
}

// The distillation alone.
static double kd_of(loss_settings s) {
    double terms[TERMS];
    apply(s, student, NULL, terms);
    return terms[TERM_KD];
}

static void ties(loss_settings a, loss_settings b) {
    ck_assert_double_eq_tol(kd_of(a), kd_of(b), 1e-6 * fabs(kd_of(b)));
}

// --- Gradients -----------------------------------------------------------------------------------

static void check_gradient(loss_settings s) {
    float grad[NUMBERS], moved[NUMBERS];
    double distance = 0, length = 0;
    const float step = 1.0F / 256;
    apply(s, student, grad, NULL);
    for (int i = 0; i < NUMBERS; i++) {
        double side[2];
        for (int j = 0; j < 2; j++) {
            memcpy(moved, student, sizeof moved);
            moved[i] += j ? step : -step;
            side[j] = apply(s, moved, NULL, NULL);
        }
        const double numeric = (side[1] - side[0]) / (2 * (double)step);
        distance += pow(numeric - (double)grad[i], 2);
        length += numeric * numeric;
    }
    ck_assert_msg(distance <= 1e-6 * length, "%s: off by %g", loss_names[s.kind],
                  sqrt(distance / length));
}

START_TEST(gradients_are_the_losses_own) {
    loss_settings s = unset(_i);
    check_gradient(s);
    s.ce_weight = 0.3;
    s.kd_weight = _i == LOSS_CE ? NAN : 2;
    s.temperature = 3;
    check_gradient(s);
    if (!(loss_methods[_i].uses & USE_KL)) return;
    s.teacher_temperature = 1.5;
    for (s.kl = 0; kl_names[s.kl]; s.kl++) check_gradient(s);
}
END_TEST

// --- What a loss is ------------------------------------------------------------------------------

// KL of the rows' softened distributions, straight from the formula; standardised by n - 1 where
// asked for.
static double plain_kd(double t_student, double t_teacher, bool standardised) {
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
        double x[2][CLASSES], norm[2] = {0, 0};
        for (int m = 0; m < 2; m++) {
            double mean = 0, squares = 0;
            for (int i = 0; i < CLASSES; i++)
                mean += (double)(m ? teacher : student)[row * CLASSES + i] / CLASSES;
            for (int i = 0; i < CLASSES; i++)
                squares += pow((double)(m ? teacher : student)[row * CLASSES + i] - mean, 2);
            const double deviation = sqrt(squares / (CLASSES - 1)) + 1e-7;
            for (int i = 0; i < CLASSES; i++) {
                const double logit = (double)(m ? teacher : student)[row * CLASSES + i];
                x[m][i] = (standardised ? (logit - mean) / deviation : logit) /
                          (m ? t_teacher : t_student);
                norm[m] += exp(x[m][i]);
            }
        }
        for (int i = 0; i < CLASSES; i++) {
            const double q = exp(x[1][i]) / norm[1], p = exp(x[0][i]) / norm[0];
            sum += q * log(q / p);
        }
    }
    return t_student * t_student * sum / ROWS;
}

START_TEST(kd_and_lskd_are_the_formula) {
    loss_settings kd = unset(LOSS_KD), lskd = unset(LOSS_LSKD), skd = unset(LOSS_SKD);
    ck_assert_double_eq_tol(kd_of(kd), plain_kd(4, 4, false), 1e-6);
    ck_assert_double_eq_tol(kd_of(lskd), plain_kd(2, 2, true), 1e-6);
    kd.teacher_temperature = 2;
    ck_assert_double_eq_tol(kd_of(kd), plain_kd(4, 2, false), 1e-6);
    skd.groups = all_in; // among all classes
    ck_assert_double_eq_tol(kd_of(skd), plain_kd(4, 4, false), 1e-6);
    skd.groups = some_in;
    ck_assert_double_gt(fabs(kd_of(skd) - plain_kd(4, 4, false)), 1e-3);
}
END_TEST

static double correlation(const double *a, const double *b, int count) {
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < count; i++) {
        ma += a[i] / count;
        mb += b[i] / count;
    }
    for (int i = 0; i < count; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

START_TEST(dist_is_the_formula) {
    double p[2][ROWS][CLASSES], columns[2][CLASSES][ROWS], inter = 0, intra = 0, terms[TERMS];
    loss_settings s = unset(LOSS_DIST);
    for (int m = 0; m < 2; m++)
        for (int row = 0; row < ROWS; row++) {
            double norm = 0;
            for (int i = 0; i < CLASSES; i++)
                norm += exp((double)(m ? teacher : student)[row * CLASSES + i] / 4);
            for (int i = 0; i < CLASSES; i++)
                columns[m][i][row] = p[m][row][i] =
                    exp((double)(m ? teacher : student)[row * CLASSES + i] / 4) / norm;
        }
    for (int row = 0; row < ROWS; row++)
        inter += (1 - correlation(p[0][row], p[1][row], CLASSES)) / ROWS;
    for (int i = 0; i < CLASSES; i++)
        intra += (1 - correlation(columns[0][i], columns[1][i], ROWS)) / CLASSES;
    s.inter = 3;
    s.intra = 0.5;
    apply(s, student, NULL, terms);
    ck_assert_double_eq_tol(terms[TERM_KD], 16 * (3 * inter + 0.5 * intra), 1e-4);
    ck_assert_double_eq_tol(terms[TERM_TOTAL], terms[TERM_CE] + terms[TERM_KD], 1e-9);
}
END_TEST

START_TEST(losses_agree_where_they_are_the_same) {
    loss_settings gdkd = unset(LOSS_GDKD), dkd = unset(LOSS_DKD), bottom = unset(LOSS_GDKD_BOTTOM),
                  top1 = unset(LOSS_DKD_TOP1), autok = unset(LOSS_GDKD_AUTOK),
                  adkd = unset(LOSS_ADKD), three = unset(LOSS_GDKD3), ls = unset(LOSS_LS_GDKD);
    gdkd.k = 3;
    gdkd.w1 = 2;
    gdkd.w2 = 5;
    // The k smallest are the others of the C - k largest.
    bottom.k = CLASSES - 3;
    bottom.w1 = 5;
    bottom.w2 = 2;
    ties(bottom, gdkd);
    // One class has nothing inside it: GDKD of k 1 is DKD of the largest class, and so is one whose
    // k is at most 1.
    gdkd.k = 1;
    top1.beta = 5;
    ties(gdkd, top1);
    autok.k_max = 1;
    autok.w2 = 5;
    ties(autok, top1);
    autok.k_max = 0; // no limit: others
    ck_assert_double_gt(fabs(kd_of(autok) - kd_of(top1)), 1e-3);
    // A file of ones is k 1, another is not.
    gdkd.k = 4;
    gdkd.k_file = ones;
    ties(gdkd, top1);
    gdkd.k_file = ks;
    ck_assert_double_gt(fabs(kd_of(gdkd) - kd_of(top1)), 1e-3);
    // Without a file all labels weigh the same; weights of 2 are twice the gamma.
    dkd.beta = 4;
    adkd.gamma = 4;
    ties(adkd, dkd);
    adkd.gamma = 2;
    adkd.class_weights = twos;
    ties(adkd, dkd);
    // The three groups of k 1: the largest class, none, the rest.
    three.k = 1;
    three.w2 = 5;
    ties(three, top1);
    // Standardised in each of its ways, GDKD is another.
    double seen[4] = {0};
    for (ls.standardize = 0; ls.standardize < 3; ls.standardize++) seen[ls.standardize] = kd_of(ls);
    seen[3] = kd_of(unset(LOSS_GDKD));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) ck_assert_double_gt(fabs(seen[i] - seen[j]), 1e-3);
}
END_TEST

// With all of the weights 1, GDKD whose two terms are scaled by the teacher's masses is KD: Q_g
// low_g and high add up to it.
START_TEST(the_masses_are_where_they_are_said_to_be) {
    loss_settings autow = unset(LOSS_GDKD_AUTOW), kd = unset(LOSS_KD), gdkd = unset(LOSS_GDKD);
    double both[TERMS], none[TERMS], terms[TERMS];
    ties(autow, kd);
    gdkd.w2 = 1;
    apply(autow, student, NULL, both);
    apply(gdkd, student, NULL, none);
    autow.mass = 1; // other
    apply(autow, student, NULL, terms);
    ck_assert_double_eq_tol(terms[TERM_TOP], none[TERM_TOP], 1e-6);
    ck_assert_double_eq_tol(terms[TERM_OTHER], both[TERM_OTHER], 1e-6);
    autow.mass = 2; // top
    apply(autow, student, NULL, terms);
    ck_assert_double_eq_tol(terms[TERM_TOP], both[TERM_TOP], 1e-6);
    ck_assert_double_eq_tol(terms[TERM_OTHER], none[TERM_OTHER], 1e-6);
}
END_TEST

// The terms and their weights, as they are told, add up to the total.
START_TEST(terms_add_up) {
    double terms[TERMS], sum = 0;
    loss_settings s = unset(_i);
    criterion_defaults(&s, 12, CLASSES);
    apply(s, student, NULL, terms);
    for (int i = TERM_CE; i < TERMS; i++) {
        const double weight = criterion_weight(&s, (loss_term)i);
        if (weight != 0) sum += weight * terms[i];
    }
    ck_assert_double_eq_tol(sum, terms[TERM_TOTAL], 1e-9 * fabs(sum) + 1e-9);
}
END_TEST

// --- What is said of it
// ----------------------------------------------------------------------------

// A setting that a loss has a use for changes its description, which tells checkpoints apart; no
// other one does.
START_TEST(descriptions_have_every_setting) {
    char before[256], after[256];
    for (int i = 0; i < 19; i++) {
        loss_settings s = unset(_i);
        criterion_defaults(&s, 12, CLASSES);
        criterion_describe(&s, before, sizeof before);
        const struct {
            void *at;
            bool choice;
        } members[] = {{&s.temperature, 0}, {&s.teacher_temperature, 0},
                       {&s.kl, 1},          {&s.k, 1},
                       {&s.k_ratio, 0},     {&s.k_max, 1},
                       {&s.w0, 0},          {&s.w1, 0},
                       {&s.w2, 0},          {&s.alpha, 0},
                       {&s.beta, 0},        {&s.gamma, 0},
                       {&s.mass, 1},        {&s.standardize, 1},
                       {&s.warmup, 0},      {&s.ce_weight, 0},
                       {&s.kd_weight, 0},   {&s.inter, 0},
                       {&s.intra, 0}};
        const size_t member = (size_t)((char *)members[i].at - (char *)&s);
        if (members[i].choice)
            ++*(int *)members[i].at;
        else
            *(double *)members[i].at += 0.5;
        criterion_describe(&s, after, sizeof after);
        ck_assert_msg((strcmp(before, after) != 0) == criterion_uses((loss_kind)_i, member),
                      "%s, member %d: %s", loss_names[_i], i, after);
    }
}
END_TEST

START_TEST(files_are_told_apart_by_what_is_in_them) {
    char before[256], after[256];
    loss_settings s = unset(LOSS_GDKD), t;
    s.k_file = ks;
    t = s;
    criterion_defaults(&s, 12, CLASSES);
    criterion_describe(&s, before, sizeof before);
    test_write("ks", "1\n1\n1\n1\n1\n1\n2\n", 14);
    criterion_defaults(&t, 12, CLASSES);
    criterion_describe(&t, after, sizeof after);
    ck_assert_str_ne(before, after);
}
END_TEST

// --- Bad files -----------------------------------------------------------------------------------

static const struct {
    const char *text, *words;
    int kind;
} bad[] = {
    {"1 2 3 4 5 6", "holds 6 numbers, but there are 7 classes", LOSS_GDKD},
    {"1 2 3 4 5 6 7 8", "holds 8 numbers, but there are 7 classes", LOSS_GDKD},
    {"", "holds 0 numbers", LOSS_GDKD},
    {"1\n2\nx\n4\n5\n6\n7", "'x' in line 3 is no whole number from 1", LOSS_GDKD},
    {"1 2 3 0 5 6 7", "'0' in line 1 is no whole number from 1", LOSS_GDKD},
    {"1 2 3 2.5 5 6 7", "'2.5' in line 1", LOSS_GDKD},
    {"1 2 3 4x 5 6 7", "'4x' in line 1", LOSS_GDKD},
    {"1 2 3 nan 5 6 7", "'nan' in line 1 is no number from", LOSS_ADKD},
    {"1 2 3 inf 5 6 7", "'inf' in line 1 is no number from", LOSS_ADKD},
    {"0 1 2 0 0 0 0", "'2' in line 1 is no whole number from 0 to 1", LOSS_SKD},
};

START_TEST(bad_tables_are_refused) {
    loss_settings s = unset(bad[_i].kind);
    static char path[256];
    test_write("bad", bad[_i].text, strlen(bad[_i].text));
    snprintf(path, sizeof path, "%s", test_path("bad"));
    *(bad[_i].kind == LOSS_GDKD   ? &s.k_file
      : bad[_i].kind == LOSS_ADKD ? &s.class_weights
                                  : &s.groups) = path;
    criterion_defaults(&s, 12, CLASSES);
    ck_assert_ptr_null(criterion_create(&s, ROWS, CLASSES, TEACHER_F32, &e));
    ASSERT_SAYS(e, bad[_i].words);
    ASSERT_SAYS(e, path);
}
END_TEST

START_TEST(missing_tables_are_refused) {
    loss_settings s = unset(LOSS_SKD);
    s.groups = NULL;
    criterion_defaults(&s, 12, CLASSES);
    ck_assert_ptr_null(criterion_create(&s, ROWS, CLASSES, TEACHER_F32, &e));
    ASSERT_SAYS(e, "skd wants --groups FILE");
    s.groups = "/nowhere/g";
    ck_assert_ptr_null(criterion_create(&s, ROWS, CLASSES, TEACHER_F32, &e));
    ASSERT_SAYS(e, "/nowhere/g cannot be opened");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("losses");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, test_folder_remove);
    tcase_add_loop_test(all, gradients_are_the_losses_own, 0, LOSS_KINDS);
    tcase_add_test(all, kd_and_lskd_are_the_formula);
    tcase_add_test(all, dist_is_the_formula);
    tcase_add_test(all, losses_agree_where_they_are_the_same);
    tcase_add_test(all, the_masses_are_where_they_are_said_to_be);
    tcase_add_loop_test(all, terms_add_up, 0, LOSS_KINDS);
    tcase_add_loop_test(all, descriptions_have_every_setting, 0, LOSS_KINDS);
    tcase_add_test(all, files_are_told_apart_by_what_is_in_them);
    tcase_add_loop_test(all, bad_tables_are_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(all, missing_tables_are_refused);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
