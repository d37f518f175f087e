#!/usr/bin/env python3
"""Prints the coefficients of lib/exp2.h: minimax polynomials of 2^f on |f| <= 1/2, constant term 1.

Remez exchange on the relative error (1 + f q(f)) / 2^f - 1 in 60-digit arithmetic; the coefficients
are then rounded to the type. Needs mpmath (PyPI). Usage: exp2_coefficients.py DEGREE f32|f64
"""
import sys
from mpmath import mp, mpf, matrix, lu_solve, chebyt, log, cos, pi, nstr

mp.dps = 60
EDGE = mpf(1) / 2 + mpf(2) ** -20  # the rounding to nearest may leave f a little outside 1/2


def error(c, f):
    p = mpf(0)
    for a in reversed(c):
        p = p * f + a
    return (1 + f * p) / mpf(2) ** f - 1


def remez(degree):
    n = degree  # unknown coefficients c_1..c_degree, and the level of the error
    points = [EDGE * cos(pi * (2 * i + 1) / (2 * (n + 1))) for i in range(n + 1)][::-1]
    for _ in range(30):
        a, b = matrix(n + 1, n + 1), matrix(n + 1, 1)
        for i, f in enumerate(points):
            for j in range(n):
                a[i, j] = f ** (j + 1) / mpf(2) ** f
            a[i, n] = (-1) ** i
            b[i] = 1 - 1 / mpf(2) ** f
        x = lu_solve(a, b)
        c = [x[j] for j in range(n)]
        # Move each point to the largest error between its neighbours, on a fine grid.
        grid = [-EDGE + 2 * EDGE * i / 4000 for i in range(4001)]
        errors = [error(c, f) for f in grid]
        new, best = [], None
        for f, e in zip(grid, errors):
            if best is None or (e > 0) != (best[1] > 0):
                if best is not None:
                    new.append(best[0])
                best = (f, e)
            elif abs(e) > abs(best[1]):
                best = (f, e)
        new.append(best[0])
        while len(new) > n + 1:
            new.pop(0 if abs(error(c, new[0])) < abs(error(c, new[-1])) else -1)
        if len(new) < n + 1 or new == points:
            break
        points = new
    return c, max(abs(e) for e in errors)


def main():
    degree, kind = int(sys.argv[1]), sys.argv[2]
    c, worst = remez(degree)
    print("degree %d: largest relative error 2^%s" % (degree, nstr(log(worst, 2), 6)))
    for i, a in enumerate(c):
        if kind == "f32":
            m, e = mp.frexp(a)
            print("c%d = %sF" % (i + 1, float(mp.ldexp(mp.nint(mp.ldexp(m, 24)), int(e) - 24)).hex()))
        else:
            print("c%d = %s" % (i + 1, float(a).hex()))


main()
