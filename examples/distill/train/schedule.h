// The learning rate of an epoch.
#ifndef DISTILL_SCHEDULE_H
#define DISTILL_SCHEDULE_H

typedef enum { SCHEDULE_COSINE, SCHEDULE_STEP } schedule_kind;

typedef struct {
    schedule_kind kind;
    int epochs;
    double lr;     // of the first epoch
    double lr_min; // cosine: what the rate would be after the last one
} schedule;

// epoch counts from 1. It changes between epochs only, as the reference's schedulers are stepped:
//     cosine   lr_min + (lr - lr_min) (1 + cos(pi (epoch - 1) / epochs)) / 2
//     step     a tenth after 150/240, 180/240 and 210/240 of the epochs (the reference's stages)
double schedule_lr(const schedule *s, int epoch);

#endif
