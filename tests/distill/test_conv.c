// The convolution: the plain one against its definition and against central differences, the fast
// one against the plain one, for every instruction set that this CPU has.
#include "layer_maps.h"
#include "net/conv.h"
#include "test_suite.h"

static const int conv_cases[][5] = {
    // in, out, height, width, kernel; each with stride 1 and 2
    {1, 1, 1, 1, 3},     {3, 16, 32, 32, 3},  {5, 33, 7, 7, 3},   {16, 16, 28, 28, 3},
    {16, 5, 13, 9, 3},   {33, 16, 8, 8, 3},   {33, 33, 3, 2, 3},  {16, 48, 1, 17, 3},
    {32, 64, 14, 14, 1}, {16, 3, 31, 1, 3},   {5, 16, 19, 30, 1}, {64, 32, 5, 11, 3},
    {1, 16, 28, 28, 3},  {16, 32, 15, 16, 1}, {17, 1, 6, 25, 3},
};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases };

static conv conv_case(int i) {
    const int *c = conv_cases[i / 2];
    return conv_make((map_shape){c[0], c[2], c[3]}, c[1], c[4], i % 2 + 1);
}

// Plain loops in double, from the definition of a convolution.
static double conv_definition(const conv *c, const float *weights, const float *x, int o, int i,
                              int j) {
    double sum = 0;
    for (int ch = 0; ch < c->in.channels; ch++)
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++) {
                const int y = i * c->stride + ky - c->kernel / 2;
                const int z = j * c->stride + kx - c->kernel / 2;
                if (y < 0 || z < 0 || y >= c->in.height || z >= c->in.width) continue;
                sum += (double)x[map_at(c->in, ch, y, z)] *
                       weights[((o * c->in.channels + ch) * c->kernel + ky) * c->kernel + kx];
            }
    return sum;
}

START_TEST(plain_conv_is_the_definition) {
    seed_dice();
    const conv c = conv_case(_i);
    float *x = random_map(c.in);
    float *start = random_map(c.out);
    float *y = new_floats(map_size(c.out));
    float *weights = new_floats(conv_weights_count(&c));
    fill_random(weights, conv_weights_count(&c));
    ck_assert_int_eq(c.out.height, (c.in.height + c.stride - 1) / c.stride);
    conv_plain_forward(&c, weights, x, start, y);
    for (int o = 0; o < c.out.channels; o++)
        for (int i = 0; i < c.out.height; i++)
            for (int j = 0; j < c.out.width; j++) {
                const size_t at = map_at(c.out, o, i, j);
                const double expected = conv_definition(&c, weights, x, o, i, j) + start[at];
                ck_assert_msg(close_to(y[at], expected), "%g, expected %g", (double)y[at],
                              expected);
            }
    check_frame(c.out, y, "plain conv");
    free(x);
    free(start);
    free(y);
    free(weights);
}
END_TEST

// sum of g * conv(x), in double.
static double conv_objective(const conv *c, const float *weights, const float *x, const float *g) {
    double sum = 0;
    for (int o = 0; o < c->out.channels; o++)
        for (int i = 0; i < c->out.height; i++)
            for (int j = 0; j < c->out.width; j++)
                sum += g[map_at(c->out, o, i, j)] * conv_definition(c, weights, x, o, i, j);
    return sum;
}

// The objective is linear in x and in the weights: a central difference has no error but rounding,
// whatever the step.
static double central_difference(const conv *c, const float *weights, const float *x,
                                 const float *g, float *variable) {
    const float kept = *variable;
    *variable = kept + 1;
    const double after = conv_objective(c, weights, x, g);
    const float above = *variable;
    *variable = kept - 1;
    const double before = conv_objective(c, weights, x, g);
    const double step = (double)above - *variable;
    *variable = kept;
    return (after - before) / step;
}

START_TEST(plain_conv_backward_is_the_difference) {
    seed_dice();
    const conv c = conv_case(_i);
    const size_t count = conv_weights_count(&c);
    float *x = random_map(c.in);
    float *g = random_map(c.out);
    float *grad_x = new_floats(map_size(c.in));
    float *weights = new_floats(count);
    float *gradient = new_floats(count);
    fill_random(weights, count);
    conv_plain_backward(&c, weights, x, g, NULL, grad_x, gradient);
    for (int n = 0; n < 8; n++) {
        const size_t at = map_at(c.in, (int)rng_below(&dice, (uint32_t)c.in.channels),
                                 (int)rng_below(&dice, (uint32_t)c.in.height),
                                 (int)rng_below(&dice, (uint32_t)c.in.width));
        const double dx = central_difference(&c, weights, x, g, &x[at]);
        ck_assert_msg(close_to(grad_x[at], dx), "input: %g, expected %g", (double)grad_x[at], dx);
        const size_t w = rng_below(&dice, (uint32_t)count);
        const double dw = central_difference(&c, weights, x, g, &weights[w]);
        ck_assert_msg(close_to(gradient[w], dw), "weight: %g, expected %g", (double)gradient[w],
                      dw);
    }
    free(x);
    free(g);
    free(grad_x);
    free(weights);
    free(gradient);
}
END_TEST

static void check_fast_forward(const conv *c, const kernels *k, const float *weights,
                               const float *x, const float *start) {
    float *packed = new_floats(conv_packed_size(c));
    float *expected = new_floats(map_size(c->out));
    float *got = new_floats(map_size(c->out));
    conv_pack_forward(c, weights, packed);
    conv_plain_forward(c, weights, x, start, expected);
    if (start) memcpy(got, start, map_size(c->out) * sizeof *got);
    conv_forward(c, k, packed, x, start ? got : NULL, got);
    check_same_maps(c->out, got, expected, k->name);
    free(packed);
    free(expected);
    free(got);
}

static void check_fast_backward(const conv *c, const kernels *k, const float *weights,
                                const float *x, const float *g, const float *start) {
    float *packed = new_floats(conv_packed_size(c));
    float *unused = new_floats(conv_weights_count(c));
    float *expected = new_floats(map_size(c->in));
    float *got = new_floats(map_size(c->in));
    conv_pack_backward(c, weights, packed);
    conv_plain_backward(c, weights, x, g, start, expected, unused);
    conv_backward(c, k, packed, g, start, got);
    check_same_maps(c->in, got, expected, k->name);
    free(packed);
    free(unused);
    free(expected);
    free(got);
}

START_TEST(fast_conv_is_the_plain_one) {
    seed_dice();
    const conv c = conv_case(_i);
    float *x = random_map(c.in);
    float *g = random_map(c.out);
    float *start_x = random_map(c.in);
    float *start_y = random_map(c.out);
    float *weights = new_floats(conv_weights_count(&c));
    fill_random(weights, conv_weights_count(&c));
    const kernels *k;
    for (int n = 0; (k = kernels_number(n)) != NULL; n++) {
        check_fast_forward(&c, k, weights, x, NULL);
        check_fast_forward(&c, k, weights, x, start_y);
        check_fast_backward(&c, k, weights, x, g, NULL);
        check_fast_backward(&c, k, weights, x, g, start_x);
    }
    free(x);
    free(g);
    free(start_x);
    free(start_y);
    free(weights);
}
END_TEST

static void check_gradient(const conv *c, const kernels *k, int count, const float *x,
                           const float *g, const float *expected) {
    const size_t weights = conv_weights_count(c);
    float *partial = new_floats(conv_partial_size(c));
    float *got = new_floats(weights);
    for (int part = 0; part < conv_parts(c); part++)
        for (int slice = 0; slice < conv_slices(c); slice++)
            conv_gradient_piece(c, k, part, slice, count, x, g, partial);
    for (int o = 0; o < c->out.channels; o++) conv_gradient_sum(c, partial, o, got);
    for (size_t i = 0; i < weights; i++)
        ck_assert_msg(close_to(got[i], expected[i]), "%s [%zu]: %g, expected %g", k->name, i,
                      (double)got[i], (double)expected[i]);
    free(partial);
    free(got);
}

START_TEST(fast_gradient_is_the_plain_one) {
    seed_dice();
    const conv c = conv_case(_i);
    const int counts[] = {1, 5};
    for (int n = 0; n < 2; n++) {
        float *x = random_batch(c.in, counts[n]);
        float *g = random_batch(c.out, counts[n]);
        float *expected = new_floats(conv_weights_count(&c));
        for (int i = 0; i < counts[n]; i++)
            conv_plain_backward(&c, NULL, x + (size_t)i * map_size(c.in),
                                g + (size_t)i * map_size(c.out), NULL, NULL, expected);
        const kernels *k;
        for (int t = 0; (k = kernels_number(t)) != NULL; t++)
            check_gradient(&c, k, counts[n], x, g, expected);
        free(x);
        free(g);
        free(expected);
    }
}
END_TEST

static Suite *conv_suite(void) {
    Suite *s = suite_create("convolution");
    TCase *c = tcase_create("convolution");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, plain_conv_is_the_definition, 0, 2 * CONV_CASES);
    tcase_add_loop_test(c, plain_conv_backward_is_the_difference, 0, 2 * CONV_CASES);
    tcase_add_loop_test(c, fast_conv_is_the_plain_one, 0, 2 * CONV_CASES);
    tcase_add_loop_test(c, fast_gradient_is_the_plain_one, 0, 2 * CONV_CASES);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return test_run(conv_suite());
}
