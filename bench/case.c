#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "yardstick.h"

bench_data make_data(const bench_shape *shape, int32_t dtype, logits_kind kind) {
    bench_data data = {.shape = *shape, .dtype = dtype};
    size_t bytes = (size_t)shape_elements(shape) * (size_t)dtype_bytes[dtype];
    int64_t rows = shape->outer * shape->inner;
    data.student = allocate(bytes);
    data.teacher = allocate(bytes);
    data.grad = allocate(bytes);
    data.target = allocate((size_t)rows * sizeof *data.target);
    data.groups = allocate((size_t)shape->classes);
    fill_logits(kind, shape, dtype, data.student, data.teacher);
    memset(data.grad, 0, bytes); // so that its pages exist
    // Fibonacci hashing: scattered, and every class and group about as often as any other.
    for (int64_t r = 0; r < rows; r++)
        data.target[r] =
            (int64_t)(((uint64_t)r * 2654435769U & 0xffffffffU) % (uint64_t)shape->classes);
    for (int64_t c = 0; c < shape->classes; c++)
        data.groups[c] = (uint8_t)(((uint64_t)c * 2654435769U & 0xffffffffU) >> 30U);
    return data;
}

void free_data(bench_data *data) {
    free(data->student);
    free(data->teacher);
    free(data->grad);
    free(data->target);
    free(data->groups);
    *data = (bench_data){0};
}

typedef struct {
    const bench_loss *loss;
    gdkd_config config;
    gdkd_dist_config dist;
    gdkd_batch batch;
    gdkd_result result;
    void *workspace;
    size_t workspace_bytes;
    gdkd_status status;
} loss_call;

static void run_loss(void *context) {
    loss_call *call = context;
    call->status = call->loss->is_dist ? gdkd_dist(&call->dist, &call->batch, &call->result,
                                                   call->workspace, call->workspace_bytes)
                                       : gdkd_loss(&call->config, &call->batch, &call->result,
                                                   call->workspace, call->workspace_bytes);
}

static loss_call make_call(const bench_data *data, const bench_loss *loss, int32_t isa,
                           int threads) {
    loss_call call = {.loss = loss, .config = loss->config, .dist = loss->dist};
    call.config.isa = isa;
    call.config.num_threads = threads;
    call.dist.num_threads = threads;
    gdkd_batch_init(&call.batch);
    call.batch.student_dtype = call.batch.teacher_dtype = data->dtype;
    call.batch.outer = data->shape.outer;
    call.batch.classes = data->shape.classes;
    call.batch.inner = data->shape.inner;
    call.batch.student = data->student;
    call.batch.teacher = data->teacher;
    call.batch.groups = data->groups;
    // GDKD and KD need no target, and would check what they are given.
    if (call.config.partition == GDKD_PARTITION_TARGET || call.config.ce_weight > 0.0)
        call.batch.target = data->target;
    gdkd_result_init(&call.result);
    call.result.grad = data->grad;
    call.workspace_bytes = loss->is_dist ? gdkd_dist_workspace_size(&call.dist, &call.batch)
                                         : gdkd_workspace_size(&call.config, &call.batch);
    call.workspace = allocate(call.workspace_bytes);
    return call;
}

// A time says nothing about a call that failed.
static void check_call(const loss_call *call, const bench_data *data) {
    if (call->status == GDKD_OK && call->result.rows_nonfinite == 0) return;
    fprintf(stderr, "gdkd-bench: %s at %s, %s: %s\n", call->loss->name, data->shape.name,
            dtype_names[data->dtype],
            call->status == GDKD_OK ? "the loss is not finite" : gdkd_status_string(call->status));
    exit(EXIT_FAILURE);
}

bench_outcome run_case(const bench_data *data, const bench_loss *loss, int32_t isa, int threads,
                       repetition_plan plan) {
    double elements = (double)shape_elements(&data->shape);
    loss_call call = make_call(data, loss, isa, threads);
    run_loss(&call);
    check_call(&call, data);

    // The stream loop works in the loss's own arrays: neither evicts the other's from the caches.
    stream_yardstick stream = {.a = data->student,
                               .b = data->teacher,
                               .c = data->grad,
                               .elements = shape_elements(&data->shape),
                               .element_bytes = dtype_bytes[data->dtype],
                               .threads = threads};
    exp_yardstick exponentials = {.threads = threads};
    timed_job jobs[] = {
        {.run = run_loss, .context = &call, .elements = elements},
        {.run = run_stream, .context = &stream, .elements = elements},
        {.run = run_exp, .context = &exponentials, .elements = exp_elements(threads)},
    };
    measure(jobs, 3, plan);
    check_call(&call, data);
    free(call.workspace);
    return (bench_outcome){.least = jobs[0].least,
                           .median = jobs[0].median,
                           .stream_ratio = jobs[0].least / jobs[1].least,
                           .exp_ratio = jobs[0].least / (2.0 * jobs[2].least),
                           .workspace_bytes = call.workspace_bytes};
}

double repeat_case(const bench_data *data, const bench_loss *loss, int32_t isa, int threads,
                   int calls) {
    loss_call call = make_call(data, loss, isa, threads);
    call.batch.target = data->target; // as a trainer has it: 80 instructions per row, to check it
    for (int i = 0; i < calls; i++) run_loss(&call);
    check_call(&call, data);
    free(call.workspace);
    return call.result.total;
}

void compare_cases(const bench_data *data, const bench_loss *losses, int count, int32_t isa,
                   int threads, repetition_plan plan, bench_comparison *out) {
    loss_call *calls = allocate((size_t)count * sizeof *calls);
    timed_job *jobs = allocate((size_t)count * sizeof *jobs);
    for (int i = 0; i < count; i++) {
        calls[i] = make_call(data, &losses[i], isa, threads);
        run_loss(&calls[i]);
        check_call(&calls[i], data);
        jobs[i] = (timed_job){.run = run_loss,
                              .context = &calls[i],
                              .elements = (double)shape_elements(&data->shape)};
    }
    measure(jobs, count, plan);
    for (int i = 0; i < count; i++) {
        check_call(&calls[i], data);
        free(calls[i].workspace);
        out[i] =
            (bench_comparison){jobs[i].least, jobs[i].times, jobs[i].times_low, jobs[i].times_high};
    }
    free(jobs);
    free(calls);
}
