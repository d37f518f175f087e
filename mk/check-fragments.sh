#!/bin/sh
# check-fragments.sh FILE COMPILER...: the C fragments of docs/integration.md compile: one after the other, as the body of
# the function below. What they leave open are its parameters.
set -eu
file=$1
shift
{
    cat << 'END'
#include <gdkd.h>
#include <stdio.h>
#include <stdlib.h>
int train(int epochs, int steps, int warmup, int64_t batch_size, int64_t rows_of_this_batch, int64_t classes, int pieces,
          int64_t rows_of_all_pieces, int64_t tokens, const float *teacher_logits, const float *student_logits,
          const int64_t *labels, float *student_gradient);
int train(int epochs, int steps, int warmup, int64_t batch_size, int64_t rows_of_this_batch, int64_t classes, int pieces,
          int64_t rows_of_all_pieces, int64_t tokens, const float *teacher_logits, const float *student_logits,
          const int64_t *labels, float *student_gradient) {
END
    awk -v file="$file" '/^```c$/ { on = 1; print "#line " (NR + 1) " \"" file "\""; next } /^```/ { on = 0 } on' "$file"
    cat << 'END'
    printf("%g\n", total);
    free(workspace);
    return 0;
}
END
} | "$@" -fsyntax-only -x c -
