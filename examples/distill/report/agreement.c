#include "report/agreement.h"

#include "train/evaluate.h"

#include <math.h>

int predicted_class(const float *logits, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

double top_k_accuracy(const npy_matrix *logits, const int64_t *labels, int k) {
    size_t right = 0;
    for (size_t i = 0; i < logits->rows; i++)
        right += target_rank(npy_row(logits, i), (int)logits->columns, labels[i]) < k;
    return 100.0 * (double)right / (double)logits->rows;
}

void class_accuracies(const npy_matrix *logits, const int64_t *labels, double *accuracies) {
    for (int c = 0; c < (int)logits->columns; c++) {
        size_t right = 0, images = 0;
        for (size_t i = 0; i < logits->rows; i++) {
            if (labels[i] != c) continue;
            images++;
            right += target_rank(npy_row(logits, i), (int)logits->columns, c) == 0;
        }
        accuracies[c] = images ? 100.0 * (double)right / (double)images : NAN;
    }
}

static double log_sum_exp(const float *x, int classes) {
    const double largest = (double)x[predicted_class(x, classes)];
    double sum = 0;
    for (int i = 0; i < classes; i++) sum += exp((double)x[i] - largest);
    return largest + log(sum);
}

static double divergence(const float *teacher, const float *student, int classes) {
    const double of_teacher = log_sum_exp(teacher, classes),
                 of_student = log_sum_exp(student, classes);
    double sum = 0;
    for (int i = 0; i < classes; i++) {
        const double log_q = (double)teacher[i] - of_teacher;
        sum += exp(log_q) * (log_q - ((double)student[i] - of_student));
    }
    return sum;
}

static double percent(size_t part, size_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : NAN;
}

agreement agreement_of(const npy_matrix *student, const npy_matrix *teacher,
                       const int64_t *labels) {
    const int classes = (int)teacher->columns;
    size_t same[2] = {0, 0}, right[2] = {0, 0}, student_only = 0; // [whether the teacher is right]
    double sum = 0;
    for (size_t i = 0; i < teacher->rows; i++) {
        const float *s = npy_row(student, i), *t = npy_row(teacher, i);
        const int by_student = predicted_class(s, classes),
                  by_teacher = predicted_class(t, classes);
        const bool teacher_right = by_teacher == labels[i];
        same[teacher_right] += by_student == by_teacher;
        right[teacher_right]++;
        student_only += !teacher_right && by_student == labels[i];
        sum += divergence(t, s, classes);
    }
    const size_t rows = teacher->rows;
    return (agreement){.agree = percent(same[0] + same[1], rows),
                       .agree_right = percent(same[1], right[1]),
                       .agree_wrong = percent(same[0], right[0]),
                       .student_only = percent(student_only, rows),
                       .teacher_only = percent(right[1] - same[1], rows),
                       .divergence = sum / (double)rows};
}
