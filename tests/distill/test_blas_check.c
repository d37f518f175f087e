// The start-up check of the BLAS: a right one passes, a wrong one is refused. The wrong one is made
// here: this program's own cblas_sgemm stands before the library's, calls it, and spoils an
// element.
#include "net/blas_check.h"
#include "test_suite.h"

#include <cblas.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int rows; // spoil only products with at least so many rows; 0: none
    float factor;
    float offset;
} fault;

void cblas_sgemm(const CBLAS_ORDER order, const CBLAS_TRANSPOSE ta, const CBLAS_TRANSPOSE tb,
                 const int m, const int n, const int k, const float alpha, const float *a,
                 const int lda, const float *b, const int ldb, const float beta, float *c,
                 const int ldc) {
    ck_assert(order == CblasRowMajor);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int p = 0; p < k; p++)
                sum += (ta == CblasTrans ? a[p * lda + i] : a[i * lda + p]) *
                       (tb == CblasTrans ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
        }
    if (fault.rows > 0 && m >= fault.rows) {
        float *last = &c[(m - 1) * ldc + n - 1];
        *last = *last * fault.factor + fault.offset;
    }
}

START_TEST(a_right_blas_passes) {
    ck_assert_ptr_null(blas_check());
    ck_assert_ptr_nonnull(blas_core());
}
END_TEST

static const struct {
    int rows;
    float factor;
    float offset;
} faults[] = {{1, 1, 0.1F}, {200, 1, 0.1F}, {17, 0.5F, 0}, {64, 0, NAN}};

START_TEST(a_wrong_blas_is_named) {
    fault.rows = faults[_i].rows;
    fault.factor = faults[_i].factor;
    fault.offset = faults[_i].offset;
    const char *message = blas_check();
    ck_assert_ptr_nonnull(message);
    ck_assert_ptr_nonnull(strstr(message, "OPENBLAS_CORETYPE"));
    ck_assert_ptr_null(strchr(message, '\n'));
}
END_TEST

int main(void) {
    Suite *s = suite_create("blas check");
    TCase *c = tcase_create("blas check");
    tcase_add_test(c, a_right_blas_passes);
    tcase_add_loop_test(c, a_wrong_blas_is_named, 0, sizeof faults / sizeof *faults);
    suite_add_tcase(s, c);
    return test_run(s);
}
