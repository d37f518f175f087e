// What compare is to run: the lists of its command line.
#ifndef DISTILL_COMPARE_LIST_H
#define DISTILL_COMPARE_LIST_H

#include "app/settings.h"

enum { MAX_VARIANTS = 32, MAX_SEEDS = 32, VARIANT_NAME = 64 };

typedef struct {
    char name[VARIANT_NAME];  // as written: "gdkd:k=3:w2=4"
    char words[VARIANT_NAME]; // cut into pieces, of which the loss may hold some
    loss_settings loss;       // what the defaults are to fill in is open
} variant;

// "ce,gdkd:k=3:w2=4": losses, each with options of its own behind colons; others come from *s.
// Returns how many, or 0.
int compare_losses(const settings *s, variant list[MAX_VARIANTS], error_line *e);

// "1,2,7". Returns how many, or 0.
int compare_seeds(const char *text, uint64_t list[MAX_SEEDS], error_line *e);

#endif
