// data: what a data set holds; with --list, every image in the order of its set, which is that of
// the rows of --teacher-logits.
#include "app/commands.h"
#include "app/training_plan.h"

#include <inttypes.h>
#include <stdio.h>

static void print_list(const image_set *set) {
    for (size_t i = 0; i < set->count; i++)
        printf("%zu\t%" PRId64 "%s%s\n", i, set->labels[i], set->names ? "\t" : "",
               set->names ? set->names[i] : "");
}

static void print_channels(const char *name, const float *values, int count) {
    fputs(name, stdout);
    for (int c = 0; c < count; c++) printf(" %.6f", (double)values[c]);
    putchar('\n');
}

static void print_summary(const dataset *d) {
    const image_set *set = &d->train;
    printf("classes %d\ntraining_images %zu\ntest_images %zu\n", d->classes, set->count,
           d->test.count);
    printf("image %d x %d x %d\n", set->channels, set->height, set->width);
    print_channels("mean", d->mean, set->channels);
    print_channels("deviation", d->deviation, set->channels);
    for (int i = 0; d->class_names && i < d->classes; i++)
        printf("class %d %s\n", i, d->class_names[i]);
}

bool command_data(const settings *s, error_line *e) {
    dataset d;
    if (!plan_data(s, DATASET_TRAIN | DATASET_TEST, &d, e)) return false;
    if (s->list)
        print_list(s->split ? &d.test : &d.train);
    else
        print_summary(&d);
    dataset_close(&d);
    return true;
}
