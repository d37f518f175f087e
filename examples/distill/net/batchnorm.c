#include "net/batchnorm.h"

#include <math.h>

static const double eps = 1e-5;
static const double running_share = 0.1; // PyTorch calls it momentum

enum { ARRAYS = 6 };

size_t norm_buffer_size(map_shape shape, int images) {
    return map_padded(shape) * (ARRAYS + (size_t)images * NORM_SUMS);
}

void norm_set_buffers(norm *n, map_shape shape, float *buffers) {
    const size_t padded = map_padded(shape);
    float **arrays[ARRAYS] = {&n->mean, &n->scale, &n->offset, &n->deviation, &n->shift, &n->slope};
    n->shape = shape;
    for (int i = 0; i < ARRAYS; i++) *arrays[i] = buffers + (size_t)i * padded;
    n->sums = buffers + ARRAYS * padded;
}

static void set_channel(norm *n, int channel, double mean, double variance) {
    const double deviation = 1 / sqrt(variance + eps);
    n->mean[channel] = (float)mean;
    n->deviation[channel] = (float)deviation;
    n->scale[channel] = (float)(n->weight[channel] * deviation);
    n->offset[channel] = n->bias[channel];
}

void norm_begin_evaluation(norm *n) {
    for (int c = 0; c < n->shape.channels; c++)
        set_channel(n, c, n->running_mean[c], n->running_var[c]);
}

// Mean and sum of squared deviations of the batch, put together image by image (Chan, Golub and
// LeVeque 1979): no large squares are subtracted from each other.
static void merge_images(const norm *n, int channel, int count, double *mean, double *squares) {
    const size_t padded = map_padded(n->shape);
    const double pixels = (double)n->shape.height * n->shape.width;
    *mean = 0;
    *squares = 0;
    for (int i = 0; i < count; i++) {
        const float *sums = norm_image_sums(n, (size_t)i) + channel;
        const double off = sums[padded] / pixels;
        const double delta = sums[0] + off - *mean;
        *squares += sums[2 * padded] - pixels * off * off + delta * delta * pixels * i / (i + 1);
        *mean += delta / (i + 1);
    }
}

void norm_begin_training(norm *n, int count) {
    const double values = (double)count * n->shape.height * n->shape.width;
    for (int c = 0; c < n->shape.channels; c++) {
        double mean;
        double squares;
        merge_images(n, c, count, &mean, &squares);
        if (squares < 0) squares = 0; // rounding, where all values are equal
        set_channel(n, c, mean, squares / values);
        const double unbiased = squares / (values > 1 ? values - 1 : 1);
        n->running_mean[c] += (float)(running_share * (mean - n->running_mean[c]));
        n->running_var[c] += (float)(running_share * (unbiased - n->running_var[c]));
    }
    ++*n->steps;
}

// With m = mean over the batch: grad_x = scale * (g - m(g) - (x - mean) * m(g (x - mean)) /
// variance).
void norm_begin_backward(norm *n, int count) {
    const size_t padded = map_padded(n->shape);
    const double values = (double)count * n->shape.height * n->shape.width;
    for (int c = 0; c < n->shape.channels; c++) {
        double sum = 0;
        double product = 0;
        for (int i = 0; i < count; i++) {
            const float *sums = norm_image_sums(n, (size_t)i) + c;
            sum += sums[0];
            product += sums[padded];
        }
        const double deviation = n->deviation[c];
        n->grad_bias[c] = (float)sum;
        n->grad_weight[c] = (float)(product * deviation);
        n->shift[c] = (float)(sum / values);
        n->slope[c] = (float)(product * deviation * deviation / values);
    }
}
