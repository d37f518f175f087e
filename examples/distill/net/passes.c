// Carries the nodes out. Batch normalisation needs the whole batch, everything else one image at a
// time. So the nodes between two normalisations are a segment: every image goes through all of it
// while its maps are still in the cache. The images go in CHUNKS pieces over the threads, and no
// sum depends on who computed what.
#include "net/graph.h"

#include <time.h>

// --- Clock ---------------------------------------------------------------------------------------

typedef struct {
    bool on;
    double last;
    model_times times;
} stopwatch;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static stopwatch watch_start(const model *m) {
    return (stopwatch){.on = m->profiling, .last = m->profiling ? seconds() : 0};
}

// Books the time since the last call.
static void watch_book(stopwatch *w, double *kind) {
    if (!w->on) return;
    const double now = seconds();
    *kind += now - w->last;
    w->last = now;
}

static void watch_end(model *m, const stopwatch *w) {
    if (!w->on) return;
#pragma omp critical(model_watch)
    {
        m->times.conv_forward += w->times.conv_forward;
        m->times.conv_backward += w->times.conv_backward;
        m->times.conv_weights += w->times.conv_weights;
        m->times.norm += w->times.norm;
        m->times.head += w->times.head;
        m->times.other += w->times.other;
    }
}

// --- Maps ----------------------------------------------------------------------------------------

typedef struct {
    int first;
    int end;
} image_range;

static image_range chunk_images(int chunk, int count) {
    return (image_range){count * chunk / CHUNKS, count * (chunk + 1) / CHUNKS};
}

static float *value_map(const model *m, int v, size_t slot) {
    return m->values[v].data + slot * map_size(m->values[v].shape);
}

static float *gradient_map(const model *m, float *gradients, int v, size_t image) {
    return gradients + image * map_size(m->values[v].shape);
}

static size_t image_features(const model *m) {
    return m->linear.feature_step;
}

// --- Forward -------------------------------------------------------------------------------------

static void pack_weights(const model *m, bool training) {
#pragma omp parallel for schedule(dynamic)
    for (int k = 0; k < m->node_count; k++) {
        const node *n = &m->nodes[k];
        if (n->kind != NODE_CONV) continue;
        conv_pack_forward(&n->conv, m->tensors[n->weight].data, n->packed_forward);
        if (training && n->packed_backward)
            conv_pack_backward(&n->conv, m->tensors[n->weight].data, n->packed_backward);
    }
}

static void node_forward(const model *m, const node *n, size_t slot, stopwatch *w) {
    const float *in = value_map(m, n->in, slot);
    const float *add = n->add == NONE ? NULL : value_map(m, n->add, slot);
    float *out = value_map(m, n->out, slot);
    if (n->kind == NODE_CONV) {
        conv_forward(&n->conv, m->kernels, n->packed_forward, in, add, out);
        watch_book(w, &w->times.conv_forward);
    } else {
        const norm *b = &n->norm;
        m->kernels->norm_apply(b->shape, in, b->mean, b->scale, b->offset, add, n->relu, out);
        watch_book(w, &w->times.norm);
    }
}

// The sums that the norm behind this value will need.
static void value_sums(const model *m, int v, size_t image, stopwatch *w) {
    if (m->values[v].norm == NONE) return;
    const norm *b = &m->nodes[m->values[v].norm].norm;
    m->kernels->norm_sums(b->shape, value_map(m, v, image), norm_image_sums(b, image));
    watch_book(w, &w->times.norm);
}

typedef struct {
    const float *images;
    int count;
    bool training;
    int first; // nodes of the segment
    int end;
} forward_segment;

static void forward_image(const model *m, const forward_segment *s, int image, size_t slot,
                          stopwatch *w) {
    if (s->first == 0) {
        const size_t size =
            (size_t)m->shape.channels * (size_t)m->shape.height * (size_t)m->shape.width;
        map_pack(m->values[0].shape, s->images + (size_t)image * size, value_map(m, 0, slot));
        watch_book(w, &w->times.other);
    }
    for (int k = s->first; k < s->end; k++) {
        node_forward(m, &m->nodes[k], slot, w);
        if (s->training) value_sums(m, m->nodes[k].out, slot, w);
    }
    if (s->end == m->node_count) {
        const int last = m->value_count - 1;
        pool_forward(m->values[last].shape, value_map(m, last, slot),
                     m->features + (size_t)image * image_features(m));
        watch_book(w, &w->times.head);
    }
}

static void forward_images(model *m, const forward_segment *s) {
#pragma omp parallel for schedule(dynamic)
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        stopwatch w = watch_start(m);
        const image_range r = chunk_images(chunk, s->count);
        for (int image = r.first; image < r.end; image++)
            forward_image(m, s, image, (size_t)(m->shape.training ? image : chunk), &w);
        watch_end(m, &w);
    }
}

// A norm must wait for the batch when the segment itself makes what it normalises.
static bool waits(const model *m, const node *n, int first) {
    return n->kind == NODE_NORM && m->values[n->in].producer >= first;
}

void pass_forward(model *m, const float *images, int count, bool training, float *logits) {
    forward_segment s = {.images = images, .count = count, .training = training};
    stopwatch w = watch_start(m);
    m->count = training ? count : 0;
    pack_weights(m, training);
    watch_book(&w, &w.times.other);
    while (s.end < m->node_count) {
        s.first = s.end;
        do {
            node *n = &m->nodes[s.end++];
            if (n->kind == NODE_NORM && training) norm_begin_training(&n->norm, count);
            if (n->kind == NODE_NORM && !training) norm_begin_evaluation(&n->norm);
        } while (s.end < m->node_count && !(training && waits(m, &m->nodes[s.end], s.first)));
        forward_images(m, &s);
    }
    w.last = w.on ? seconds() : 0;
    linear_forward(&m->linear, count, m->features, logits);
    watch_book(&w, &w.times.head);
    watch_end(m, &w);
}

// --- Backward ------------------------------------------------------------------------------------

static void norm_reduce_image(const model *m, const node *n, size_t image) {
    const norm *b = &n->norm;
    m->kernels->norm_reduce(b->shape, value_map(m, n->in, image), b->mean,
                            n->relu ? value_map(m, n->out, image) : NULL,
                            gradient_map(m, n->grad_out, n->out, image), norm_image_sums(b, image));
}

static void norm_backward_image(const model *m, const node *n, size_t image) {
    const norm *b = &n->norm;
    float *to = gradient_map(m, n->grad_in, n->in, image);
    m->kernels->norm_backward(b->shape, value_map(m, n->in, image),
                              gradient_map(m, n->grad_out, n->out, image), b->mean, b->scale,
                              b->shift, b->slope, n->accumulate ? to : NULL, to);
}

static void conv_backward_image(const model *m, const node *n, size_t image) {
    float *to = gradient_map(m, n->grad_in, n->in, image);
    conv_backward(&n->conv, m->kernels, n->packed_backward,
                  gradient_map(m, n->grad_out, n->out, image), n->accumulate ? to : NULL, to);
}

// Nodes from `last` down to `first`. The norm at `last` knows its batch's sums already, unless this
// is the first segment of all; the norm at `first` gathers them.
typedef struct {
    int last;
    int first;
} backward_segment;

static void backward_image(const model *m, const backward_segment *s, size_t image, stopwatch *w) {
    if (s->last == m->node_count) {
        const int v = m->value_count - 1;
        pool_backward(m->values[v].shape, m->grad_features + image * image_features(m),
                      gradient_map(m, m->grad_last, v, image));
        watch_book(w, &w->times.head);
    }
    for (int k = s->last; k >= s->first; k--) {
        if (k == m->node_count) continue;
        const node *n = &m->nodes[k];
        if (n->kind == NODE_NORM) {
            if (k == s->last)
                norm_backward_image(m, n, image);
            else
                norm_reduce_image(m, n, image);
            watch_book(w, &w->times.norm);
        } else if (n->grad_in) {
            conv_backward_image(m, n, image);
            watch_book(w, &w->times.conv_backward);
        }
    }
}

static void backward_images(model *m, const backward_segment *s) {
#pragma omp parallel for schedule(dynamic)
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        stopwatch w = watch_start(m);
        const image_range r = chunk_images(chunk, m->count);
        for (int image = r.first; image < r.end; image++) backward_image(m, s, (size_t)image, &w);
        watch_end(m, &w);
    }
}

static void weights_gradient(model *m, const node *n) {
    const int slices = conv_slices(&n->conv);
#pragma omp parallel
    {
        stopwatch w = watch_start(m);
#pragma omp for schedule(dynamic)
        for (int piece = 0; piece < conv_parts(&n->conv) * slices; piece++)
            conv_gradient_piece(&n->conv, m->kernels, piece / slices, piece % slices, m->count,
                                m->values[n->in].data, n->grad_out, m->partial);
#pragma omp for schedule(static)
        for (int channel = 0; channel < n->conv.out.channels; channel++)
            conv_gradient_sum(&n->conv, m->partial, channel, m->tensors[n->weight].grad);
        watch_book(&w, &w.times.conv_weights);
        watch_end(m, &w);
    }
}

void pass_backward(model *m, const float *grad_logits) {
    stopwatch w = watch_start(m);
    linear_backward(&m->linear, m->count, m->features, grad_logits, m->grad_features);
    watch_book(&w, &w.times.head);
    watch_end(m, &w);
    backward_segment s = {.last = m->node_count};
    while (s.last > 0) {
        s.first = s.last - 1;
        while (s.first > 0 && m->nodes[s.first].kind != NODE_NORM) s.first--;
        backward_images(m, &s);
        for (int k = s.first; k <= s.last && k < m->node_count; k++)
            if (m->nodes[k].kind == NODE_CONV) weights_gradient(m, &m->nodes[k]);
        if (m->nodes[s.first].kind == NODE_NORM)
            norm_begin_backward(&m->nodes[s.first].norm, m->count);
        s.last = s.first;
    }
}
