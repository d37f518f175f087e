#include "app/losses_help.h"

#include "app/options.h"
#include "train/losses.h"

void losses_help(FILE *out) {
    fputs("\nLosses:\n", out);
    for (int i = 0; i < LOSS_KINDS; i++) {
        char left[32];
        snprintf(left, sizeof left, "  %s", loss_methods[i].name);
        help_line(left, loss_methods[i].help, out);
    }
}
