// What the stages in double need besides the vector operations: a logarithm, signs, special values.
#ifndef GDKD_LOG_H
#define GDKD_LOG_H

#include "exp2.h"

// log x for x normal, 0 (gives -inf) or NaN. x = 2^e m; with u = (m - 1) / (m + 1),
// log m = 2 (u + u^3 / 3 + u^5 / 5 + ...), |u| < 0.172: the term after the last is below 2^-58 of
// the sum.
OP vec v_log(vec x) {
    vec m, e = v_exponent(x, &m), one = v_splat(1);
    vec u = v_div(v_sub(m, one), v_add(m, one)), z = v_mul(u, u), series = v_splat(2.0 / 21);
    for (int k = 19; k >= 3; k -= 2) series = v_fma(series, z, v_splat(2.0 / k));
    // log 2 in two parts, the first with 21 zero bits at its end, so that its product with e is
    // exact.
    vec small = v_fma(e, v_splat(0x1.a39ef35793c76p-33), v_mul(v_mul(u, z), series));
    vec log = v_fma(e, v_splat(0x1.62e42fee00000p-1), v_add(v_add(u, u), small));
    vec nothing = v_sub(v_mul(x, v_splat(0)), v_splat((real)INFINITY)); // -inf for 0, NaN for NaN
    return v_select(v_lt(v_splat(0), x), log, nothing);
}

OP vec v_abs(vec a) { return v_max(a, v_sub(v_splat(0), a)); }
OP mask v_positive(vec a) { return v_lt(v_splat(0), a); }
OP vec v_lowest(void) { return v_splat(-(real)INFINITY); }
OP vec v_add_where(vec sum, mask m, vec a) { return v_select(m, v_add(sum, a), sum); }
OP vec finite_or_0(vec a) { return v_only(v_lt(v_lowest(), a), a); }

#endif
