#include "report/term_shares.h"

#include <limits.h>
#include <math.h>

// The weighted terms of one image are added up and compared.
static void add_image(const loss_settings *s, const double terms[TERMS], term_shares *sums) {
    int largest = TERM_CE;
    double parts[TERMS];
    for (int i = TERM_CE; i < TERMS; i++) {
        const double weight = criterion_weight(s, (loss_term)i);
        parts[i] = weight != 0 ? weight * terms[i] : 0;
        sums->loss[i] += parts[i];
        if (parts[i] > parts[largest]) largest = i;
    }
    sums->largest[largest]++;
}

bool term_shares_of(const loss_settings *s, const npy_matrix *student, const npy_matrix *teacher,
                    const int64_t *labels, term_shares *shares, error_line *e) {
    criterion *one_row = criterion_create(s, 1, (int)student->columns, TEACHER_F32, e);
    bool fine = one_row;
    *shares = (term_shares){0};
    for (size_t i = 0; fine && i < student->rows; i++) {
        double terms[TERMS];
        fine = criterion_apply(one_row, npy_row(student, i), npy_row(teacher, i), labels + i, 1,
                               INT_MAX, NULL, terms, e);
        if (fine) add_image(s, terms, shares);
    }
    criterion_free(one_row);
    double total = 0;
    for (int i = TERM_CE; i < TERMS; i++) total += shares->loss[i];
    for (int i = 0; i < TERMS; i++) {
        const bool part = i != TERM_TOTAL && criterion_weight(s, (loss_term)i) != 0;
        shares->loss[i] = part ? 100 * shares->loss[i] / total : NAN;
        shares->largest[i] = part ? 100 * shares->largest[i] / (double)student->rows : NAN;
    }
    return fine;
}

bool terms_by_k(double temperature, const npy_matrix *student, const npy_matrix *teacher,
                const int64_t *labels, const int *k, int count, double (*terms)[TERMS],
                error_line *e) {
    const int rows = (int)student->rows;
    loss_settings s = {.kind = LOSS_GDKD,
                       .temperature = temperature,
                       .w0 = 1,
                       .w1 = 1,
                       .w2 = 1,
                       .ce_weight = 0,
                       .kd_weight = 1};
    bool fine = true;
    for (int i = 0; fine && i < count; i++) {
        s.k = k[i];
        criterion *all = criterion_create(&s, rows, (int)student->columns, TEACHER_F32, e);
        fine = all && criterion_apply(all, npy_row(student, 0), npy_row(teacher, 0), labels, rows,
                                      1, NULL, terms[i], e);
        criterion_free(all);
    }
    return fine;
}
