// What a report computes from logits: against values worked out by hand, against plain
// implementations straight from the formulas, and the adaptive k against the library's own.
#include "agreement.h"
#include "class_names.h"
#include "distribution.h"
#include "term_shares.h"
#include "test_files.h"
#include "test_suite.h"

#include <gdkd.h>
#include <math.h>

#define EPS 1e-12

// --- Distributions -------------------------------------------------------------------------------

START_TEST(spreads) {
    double values[] = {10, 0, 9, 1, 8, 2, 7, 3, 6, 4, 5};
    const spread s = spread_of(values, 11);
    ck_assert_double_eq_tol(s.mean, 5, EPS);
    ck_assert_double_eq_tol(s.low, 1, EPS);
    ck_assert_double_eq_tol(s.median, 5, EPS);
    ck_assert_double_eq_tol(s.high, 9, EPS);
    double pair[] = {4, 2}; // a tenth of the way from 2 to 4
    ck_assert_double_eq_tol(spread_of(pair, 2).low, 2.2, EPS);
    double single[] = {7};
    ck_assert_double_eq_tol(spread_of(single, 1).high, 7, EPS);
}
END_TEST

START_TEST(softmax_is_sorted) {
    // Weights 1, 4, 3 and a large offset; with T = 2 their roots.
    float values[] = {1000, 1000 + (float)log(4), 1000 + (float)log(3)};
    const npy_matrix logits = {.rows = 1, .columns = 3, .values = values};
    double *sorted = sorted_softmax(&logits, 1);
    ck_assert_double_eq_tol(sorted[0], 4 / 8.0, 1e-4); // float32 at 1000
    ck_assert_double_eq_tol(sorted[1], 3 / 8.0, 1e-4);
    ck_assert_double_eq_tol(sorted[2], 1 / 8.0, 1e-4);
    free(sorted);
    sorted = sorted_softmax(&logits, 2);
    ck_assert_double_eq_tol(sorted[0], 2 / (3 + sqrt(3)), 1e-4);
    ck_assert_double_eq_tol(sorted[2], 1 / (3 + sqrt(3)), 1e-4);
    free(sorted);
}
END_TEST

START_TEST(adaptive_k_by_hand) {
    // Ascending 0.125, 0.25, 0.625: over the running means 1, 4/3, 15/8.
    const double sorted[] = {0.625, 0.25, 0.125};
    ck_assert_int_eq(k_by_ratio(sorted, 3, 1), 3);
    ck_assert_int_eq(k_by_ratio(sorted, 3, 1.3), 2);
    ck_assert_int_eq(k_by_ratio(sorted, 3, 1.4), 1);
    ck_assert_int_eq(k_by_ratio(sorted, 3, 1.9), 1); // none: 1
    ck_assert_int_eq(k_by_mass(sorted, 3, 0.5), 1);
    ck_assert_int_eq(k_by_mass(sorted, 3, 0.625), 1);
    ck_assert_int_eq(k_by_mass(sorted, 3, 0.63), 2);
    ck_assert_int_eq(k_by_mass(sorted, 3, 0.9), 3);
    ck_assert_int_eq(k_by_mass(sorted, 3, 1), 3);
}
END_TEST

enum { ROWS = 120, CLASSES = 13 };
static float student_values[ROWS * CLASSES], teacher_values[ROWS * CLASSES];
static int64_t labels[ROWS];
static uint32_t state;
static const npy_matrix student = {.rows = ROWS, .columns = CLASSES, .values = student_values};
static const npy_matrix teacher = {.rows = ROWS, .columns = CLASSES, .values = teacher_values};

// The constants of Numerical Recipes; the upper bits are the good ones.
static int draw(int below) {
    state = state * 1664525U + 1013904223U;
    return (int)(state >> 8) % below;
}

static void make_logits(void) {
    state = 7;
    for (int i = 0; i < ROWS * CLASSES; i++) {
        student_values[i] = (float)(draw(10007)) / 1500;
        teacher_values[i] = (float)(draw(10007)) / 1000;
    }
    for (int i = 0; i < ROWS; i++) labels[i] = draw(CLASSES);
}

// The library tells the mass of its top group; the k whose classes have this mass is its k.
static int library_k(int32_t rule, double parameter, double temperature, int row,
                     const double *sorted) {
    gdkd_config config;
    gdkd_batch batch;
    gdkd_result result;
    gdkd_config_gdkd(&config, sizeof config, temperature, 1, 1, 1, 1);
    config.k_rule = rule;
    config.k_max = CLASSES;
    if (rule == GDKD_K_RATIO) config.k_ratio = parameter;
    if (rule == GDKD_K_MASS) config.k_mass = parameter;
    gdkd_batch_init(&batch, sizeof batch);
    gdkd_result_init(&result, sizeof result);
    batch.outer = batch.inner = 1;
    batch.classes = CLASSES;
    batch.student = student_values + row * CLASSES;
    batch.teacher = teacher_values + row * CLASSES;
    ck_assert_int_eq(gdkd_loss(&config, &batch, &result, NULL, 0), GDKD_OK);
    double mass = 0;
    for (int k = 1; k <= CLASSES; k++)
        if (fabs((mass += sorted[k - 1]) - result.teacher_mass[0]) < 1e-6) return k;
    return -1;
}

START_TEST(adaptive_k_is_the_library_s) {
    static const double ratios[] = {1.05, 1.3, 2, 3, 5}, masses[] = {0.3, 0.6, 0.9, 0.97};
    make_logits();
    for (int t = 1; t <= 4; t += 3) {
        double *sorted = sorted_softmax(&teacher, t);
        for (int row = 0; row < ROWS; row++) {
            const double *own = sorted + row * CLASSES;
            for (int i = 0; i < 5; i++)
                ck_assert_int_eq(k_by_ratio(own, CLASSES, ratios[i]),
                                 library_k(GDKD_K_RATIO, ratios[i], t, row, own));
            for (int i = 0; i < 4; i++)
                ck_assert_int_eq(k_by_mass(own, CLASSES, masses[i]),
                                 library_k(GDKD_K_MASS, masses[i], t, row, own));
        }
        free(sorted);
    }
}
END_TEST

// --- Agreement -----------------------------------------------------------------------------------

static float four_students[] = {2, 1, 0, 0, 3, 1, 1, 0, 5, 0, 1, 0};
static float four_teachers[] = {3, 0, 1, 1, 0, 2, 0, 2, 4, 0, 1, 0};
static const npy_matrix of_student = {
    .rows = 4, .columns = 3, .values = four_students}; // says 0 1 2 1
static const npy_matrix of_teacher = {
    .rows = 4, .columns = 3, .values = four_teachers}; // says 0 2 2 1
static const int64_t four_labels[] = {0, 1, 2, 2};

START_TEST(agreement_by_hand) {
    const agreement a = agreement_of(&of_student, &of_teacher, four_labels);
    ck_assert_double_eq_tol(a.agree, 75, EPS);
    ck_assert_double_eq_tol(a.agree_right, 100, EPS); // images 0 and 2
    ck_assert_double_eq_tol(a.agree_wrong, 50, EPS);  // 3, but not 1
    ck_assert_double_eq_tol(a.student_only, 25, EPS); // 1
    ck_assert_double_eq_tol(a.teacher_only, 0, EPS);
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double p = 0, q = 0;
        for (int c = 0; c < 3; c++) {
            p += exp((double)four_students[3 * i + c]);
            q += exp((double)four_teachers[3 * i + c]);
        }
        for (int c = 0; c < 3; c++)
            sum += exp((double)four_teachers[3 * i + c]) / q *
                   log(exp((double)four_teachers[3 * i + c]) / q /
                       (exp((double)four_students[3 * i + c]) / p));
    }
    ck_assert_double_eq_tol(a.divergence, sum / 4, EPS);
}
END_TEST

START_TEST(nothing_is_nothing) {
    const int64_t right[] = {0, 2, 2, 1}; // the teacher has all of them
    const agreement a = agreement_of(&of_student, &of_teacher, right);
    ck_assert(isnan(a.agree_wrong));
    ck_assert_double_eq_tol(a.teacher_only, 25, EPS);
    ck_assert_double_eq_tol(agreement_of(&of_teacher, &of_teacher, right).divergence, 0, EPS);
}
END_TEST

START_TEST(class_accuracies_by_hand) {
    double right[3];
    class_accuracies(&of_student, four_labels, right); // of class 2, one of two
    ck_assert_double_eq(right[0], 100);
    ck_assert_double_eq(right[1], 100);
    ck_assert_double_eq(right[2], 50);
    const int64_t no_ones[] = {0, 0, 2, 2};
    class_accuracies(&of_student, no_ones, right);
    ck_assert(isnan(right[1]));
    ck_assert_double_eq_tol(top_k_accuracy(&of_teacher, four_labels, 1), 50, EPS);
    // Image 1: classes 0 and 1 of 1, 0, 2: the label 1 is third. Image 3: 2 ties with 0 behind it.
    ck_assert_double_eq_tol(top_k_accuracy(&of_teacher, four_labels, 2), 50, EPS);
    ck_assert_double_eq_tol(top_k_accuracy(&of_teacher, four_labels, 3), 100, EPS);
}
END_TEST

// --- Terms ---------------------------------------------------------------------------------------

static bool in_top(const float *t, int k, int i) {
    int before = 0;
    for (int j = 0; j < CLASSES; j++) before += t[j] > t[i] || (t[j] == t[i] && j < i);
    return before < k;
}

// Straight from the formulas: {ce, high, top, other} of one row, the factor T^2 included.
static void plain_terms(int row, double temperature, int k, double terms[4]) {
    const float *s = student_values + row * CLASSES, *t = teacher_values + row * CLASSES;
    double p[2] = {0, 0}, q[2] = {0, 0}, all = 0;
    for (int i = 0; i < CLASSES; i++) {
        p[!in_top(t, k, i)] += exp((double)s[i] / temperature);
        q[!in_top(t, k, i)] += exp((double)t[i] / temperature);
        all += exp((double)s[i]);
    }
    terms[0] = log(all) - (double)s[labels[row]];
    terms[1] = terms[2] = terms[3] = 0;
    const double squared = temperature * temperature;
    for (int g = 0; g < 2; g++) {
        const double own = q[g] / (q[0] + q[1]);
        terms[1] += squared * own * log(own / (p[g] / (p[0] + p[1])));
    }
    for (int i = 0; i < CLASSES; i++) {
        const int g = !in_top(t, k, i);
        const double own = exp((double)t[i] / temperature) / q[g];
        terms[2 + g] += squared * own * log(own / (exp((double)s[i] / temperature) / p[g]));
    }
}

START_TEST(shares_by_the_formulas) {
    const double weights[4] = {2, 2 * 2.5, 2 * 1, 2 * 0.5};
    double sums[4] = {0}, total = 0;
    int largest[4] = {0};
    error_line e;
    term_shares shares;
    loss_settings s = {.kind = LOSS_GDKD,
                       .temperature = 2,
                       .k = 3,
                       .w0 = 2.5,
                       .w1 = 1,
                       .w2 = 0.5,
                       .warmup = 20,
                       .ce_weight = 2,
                       .kd_weight = 2};
    make_logits();
    for (int row = 0; row < ROWS; row++) {
        double terms[4];
        int first = 0;
        plain_terms(row, 2, 3, terms);
        for (int i = 0; i < 4; i++) {
            terms[i] *= weights[i];
            sums[i] += terms[i];
            total += terms[i];
            if (terms[i] > terms[first]) first = i;
        }
        largest[first]++;
    }
    ck_assert_msg(term_shares_of(&s, &student, &teacher, labels, &shares, &e), "%s", e.text);
    static const loss_term parts[] = {TERM_CE, TERM_HIGH, TERM_TOP, TERM_OTHER};
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(shares.loss[parts[i]], 100 * sums[i] / total, 1e-3);
        ck_assert_double_eq_tol(shares.largest[parts[i]], 100.0 * largest[i] / ROWS, EPS);
        ck_assert_int_gt(largest[i], 0); // or the comparison says nothing
    }
    ck_assert(isnan(shares.loss[TERM_KD]) && isnan(shares.largest[TERM_TOTAL]));
}
END_TEST

START_TEST(parts_that_a_loss_does_not_have) {
    error_line e;
    term_shares shares;
    make_logits();
    loss_settings kd = {.kind = LOSS_KD, .temperature = 4, .ce_weight = 0.1, .kd_weight = 0.9};
    ck_assert(term_shares_of(&kd, &student, &teacher, labels, &shares, &e));
    ck_assert_double_eq_tol(shares.loss[TERM_CE] + shares.loss[TERM_KD], 100, 1e-9);
    ck_assert(isnan(shares.loss[TERM_HIGH]));
    loss_settings dkd = {.kind = LOSS_DKD, .temperature = 4, .alpha = 1, .beta = 8, .kd_weight = 1};
    ck_assert(term_shares_of(&dkd, &student, &teacher, labels, &shares, &e));
    ck_assert_double_eq_tol(shares.loss[TERM_HIGH] + shares.loss[TERM_OTHER], 100, 1e-9);
    ck_assert(isnan(shares.loss[TERM_CE]) && isnan(shares.loss[TERM_TOP]));
}
END_TEST

START_TEST(terms_at_every_k) {
    const int k[] = {1, 4, 12};
    double terms[3][TERMS];
    error_line e;
    make_logits();
    ck_assert(terms_by_k(4, &student, &teacher, labels, k, 3, terms, &e));
    for (int i = 0; i < 3; i++) {
        double sums[4] = {0};
        for (int row = 0; row < ROWS; row++) {
            double own[4];
            plain_terms(row, 4, k[i], own);
            for (int j = 0; j < 4; j++) sums[j] += own[j] / ROWS;
        }
        for (int j = 1; j < 4; j++)
            ck_assert_double_eq_tol(terms[i][TERM_HIGH + j - 1], sums[j], 1e-5);
    }
}
END_TEST

// --- Names ---------------------------------------------------------------------------------------

START_TEST(class_names_are_read) {
    test_folder_make();
    test_write("names", "apple\r\naquarium fish\n\n", 22);
    char **names;
    error_line e = {0};
    ck_assert(class_names_read(&names, test_folder, "names", 2, &e));
    ck_assert_str_eq(names[0], "apple");
    ck_assert_str_eq(names[1], "aquarium fish");
    free(names);
    ck_assert(class_names_read(&names, test_folder, "names", 3, &e) && !names);
    ck_assert(class_names_read(&names, test_folder, "names", 1, &e) && !names);
    ck_assert(class_names_read(&names, test_folder, "nothing", 2, &e) && !names);
    test_folder_remove();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("choice");
    TCase *all = tcase_create("all");
    tcase_add_test(all, spreads);
    tcase_add_test(all, softmax_is_sorted);
    tcase_add_test(all, adaptive_k_by_hand);
    tcase_add_test(all, adaptive_k_is_the_library_s);
    tcase_add_test(all, agreement_by_hand);
    tcase_add_test(all, nothing_is_nothing);
    tcase_add_test(all, class_accuracies_by_hand);
    tcase_add_test(all, shares_by_the_formulas);
    tcase_add_test(all, parts_that_a_loss_does_not_have);
    tcase_add_test(all, terms_at_every_k);
    tcase_add_test(all, class_names_are_read);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
