#include "net/head.h"

#include <cblas.h>
#include <string.h>

void pool_forward(map_shape s, const float *x, float *features) {
    const float scale = 1 / ((float)s.height * (float)s.width);
    memset(features, 0, map_padded(s) * sizeof *features);
    for (size_t c = 0; c < map_padded(s); c += MAP_LANES)
        for (int i = 0; i < s.height; i++) {
            const float *row = x + map_pixel(s, c / MAP_LANES, i, 0);
            for (int j = 0; j < s.width; j++, row += MAP_LANES)
                for (size_t lane = 0; lane < MAP_LANES; lane++) features[c + lane] += row[lane];
        }
    for (size_t c = 0; c < map_padded(s); c++) features[c] *= scale;
}

void pool_backward(map_shape s, const float *grad_features, float *grad_x) {
    const float scale = 1 / ((float)s.height * (float)s.width);
    for (size_t c = 0; c < map_padded(s); c += MAP_LANES)
        for (int i = 0; i < s.height; i++) {
            float *row = grad_x + map_pixel(s, c / MAP_LANES, i, 0);
            for (int j = 0; j < s.width; j++, row += MAP_LANES)
                for (size_t lane = 0; lane < MAP_LANES; lane++)
                    row[lane] = grad_features[c + lane] * scale;
        }
}

void linear_forward(const linear *l, int count, const float *features, float *logits) {
    for (int i = 0; i < count; i++)
        memcpy(logits + (size_t)i * (size_t)l->classes, l->bias,
               (size_t)l->classes * sizeof *logits);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, l->classes, l->features, 1,
                features, (int)l->feature_step, l->weight, l->features, 1, logits, l->classes);
}

void linear_backward(const linear *l, int count, const float *features, const float *grad_logits,
                     float *grad_features) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, l->classes, l->features, count, 1,
                grad_logits, l->classes, features, (int)l->feature_step, 0, l->grad_weight,
                l->features);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, l->features, l->classes, 1,
                grad_logits, l->classes, l->weight, l->features, 0, grad_features,
                (int)l->feature_step);
    memset(l->grad_bias, 0, (size_t)l->classes * sizeof *l->grad_bias);
    for (int i = 0; i < count; i++)
        for (int c = 0; c < l->classes; c++)
            l->grad_bias[c] += grad_logits[(size_t)i * (size_t)l->classes + (size_t)c];
}
