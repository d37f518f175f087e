// What a network gets right, class by class, and how far it agrees with its teacher.
#ifndef DISTILL_AGREEMENT_H
#define DISTILL_AGREEMENT_H

#include "base/npy.h"

#include <stdint.h>

// The largest logit's place, the first of equals.
int predicted_class(const float *logits, int classes);

// Percent of the rows whose label's logit is among the k largest.
double top_k_accuracy(const npy_matrix *logits, const int64_t *labels, int k);

// Percent right of each class, [logits->columns]; NaN for a class without images.
void class_accuracies(const npy_matrix *logits, const int64_t *labels, double *accuracies);

typedef struct {
    double agree;        // percent of the images on which both name the same class
    double agree_right;  // among those that the teacher has right; NaN without any
    double agree_wrong;  // among those that it has wrong
    double student_only; // percent of the images that the student alone has right
    double teacher_only;
    double divergence; // KL(teacher || student) at T = 1, nats, the mean over the images
} agreement;

agreement agreement_of(const npy_matrix *student, const npy_matrix *teacher, const int64_t *labels);

#endif
