#include "train/schedule.h"

#include <math.h>

double schedule_lr(const schedule *s, int epoch) {
    static const double pi = 3.14159265358979323846;
    const double done = (double)(epoch - 1) / s->epochs;
    if (s->kind == SCHEDULE_COSINE)
        return s->lr_min + (s->lr - s->lr_min) * (1 + cos(pi * done)) / 2;
    double lr = s->lr;
    for (int stage = 150; stage <= 210; stage += 30)
        if ((epoch - 1) * 240L >= (long)stage * s->epochs) lr /= 10;
    return lr;
}
