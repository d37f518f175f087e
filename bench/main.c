// gdkd-bench: the speed of the losses beside that of the memory and of the exponential.
#include <stdio.h>
#include <stdlib.h>

#include "case.h"
#include "options.h"
#include "system.h"

// What is left out of the full product, unless its axis was chosen on the command line: other
// element types and instruction sets than the first, but for GDKD; and DIST where batches are not
// those of a classifier.
static int wanted(const bench_options *o, const bench_shape *shape, const bench_loss *loss,
                  int32_t dtype, int32_t isa) {
    const int64_t dist_elements = INT64_C(1) << 20U;
    int is_gdkd = !loss->is_dist && loss->config.partition == GDKD_PARTITION_TOP &&
                  loss->config.divergence == GDKD_DIVERGENCE_FORWARD_KL &&
                  loss->config.ce_weight == 0.0 &&
                  loss->config.standardize == GDKD_STANDARDIZE_NONE;
    if (loss->is_dist) {
        if (isa != o->isas[0]) return 0; // it takes the best
        if (!o->shapes_given && shape_elements(shape) > dist_elements) return 0;
    }
    if (!o->dtypes_given && dtype != o->dtypes[0] && !is_gdkd) return 0;
    if (!o->isas_given && isa != o->isas[0] && !(is_gdkd && dtype == o->dtypes[0])) return 0;
    return 1;
}

static void print_case(const bench_data *data, const bench_loss *loss, int32_t isa, int threads,
                       const bench_options *o) {
    if (o->calls > 0) {
        double total = repeat_case(data, loss, isa, threads, o->calls);
        printf("%s\t%s\t%s\t%s\t%d\t%.9g\n", data->shape.name, loss->name, dtype_names[data->dtype],
               gdkd_isa_name(isa), threads, total);
        return;
    }
    bench_outcome outcome = run_case(data, loss, isa, threads, o->plan);
    printf("%s\t%s\t%s\t%s\t%d\t%.4f\t%.4f\t%.3f\t%.3f\t%zu\n", data->shape.name, loss->name,
           dtype_names[data->dtype], gdkd_isa_name(isa), threads, outcome.least, outcome.median,
           outcome.stream_ratio, outcome.exp_ratio, outcome.workspace_bytes);
    fflush(stdout);
}

static void print_shape(const bench_options *o, const bench_shape *shape, int32_t dtype) {
    bench_data data = {0};
    for (int l = 0; l < o->loss_count; l++) {
        for (int i = 0; i < o->isa_count; i++) {
            if (!wanted(o, shape, &o->losses[l], dtype, o->isas[i])) continue;
            if (!data.student) data = make_data(shape, dtype, o->logits);
            for (int t = 0; t < o->thread_count; t++)
                print_case(&data, &o->losses[l], o->isas[i], o->threads[t], o);
        }
    }
    free_data(&data);
}

static void print_in_turn(const bench_options *o, const bench_shape *shape, int32_t dtype) {
    bench_data data = make_data(shape, dtype, o->logits);
    bench_comparison found[MOST_CHOICES];
    for (int i = 0; i < o->isa_count; i++)
        for (int t = 0; t < o->thread_count; t++) {
            compare_cases(&data, o->losses, o->loss_count, o->isas[i], o->threads[t], o->plan,
                          found);
            for (int l = 0; l < o->loss_count; l++)
                printf("%s\t%s\t%s\t%s\t%d\t%.4f\t%.2f\t%.2f\t%.2f\n", shape->name,
                       o->losses[l].name, dtype_names[dtype], gdkd_isa_name(o->isas[i]),
                       o->threads[t], found[l].least, found[l].times, found[l].times_low,
                       found[l].times_high);
            fflush(stdout);
        }
    free_data(&data);
}

int main(int argc, char **argv) {
    bench_options options;
    parse_options(argc, argv, &options);
    if (options.calls == 0) print_system(argc, argv, &options);
    printf("shape\tloss\tdtype\tisa\tthreads\t%s\n",
           options.calls > 0 ? "loss_total"
           : options.in_turn ? "ns_min\ttimes_first\tlower_quartile\tupper_quartile"
                             : "ns_min\tns_median\tstream_ratio\texp_ratio\tworkspace_bytes");
    fflush(stdout);
    for (int s = 0; s < options.shape_count; s++)
        for (int d = 0; d < options.dtype_count; d++)
            (options.in_turn ? print_in_turn : print_shape)(&options, &options.shapes[s],
                                                            options.dtypes[d]);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("gdkd-bench: standard output could not be written\n", stderr);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
