#!/usr/bin/env python3
"""Prints the coefficients of lib/exp2.h: polynomials of 2^f on |f| <= 1/2 with constant term 1.

Remez exchange on the relative error 1 + f q(f) against 2^f, in 60-digit arithmetic. The coefficients are
rounded to the type one after the other, and the rest is fitted anew after each: rounded all at once, they
would lose three bits. Needs mpmath (PyPI). Usage: exp2_coefficients.py DEGREE f32|f64
"""
import sys
from mpmath import cos, log, lu_solve, matrix, mp, mpf, nstr, pi

mp.dps = 60
EDGE = mpf(1) / 2 + mpf(2) ** -20  # the rounding to nearest may leave f a little outside 1/2
GRID = [-EDGE + 2 * EDGE * i / 2000 for i in range(2001)]


def error(c, f):
    p = mpf(0)
    for a in reversed(c):
        p = p * f + a
    return (1 + f * p) / mpf(2) ** f - 1


def worst(c):
    return max(abs(error(c, f)) for f in GRID)


def solve(fixed, degree, points):
    """The free coefficients for which the error alternates with equal height over the points."""
    free = degree - len(fixed)
    a, b = matrix(free + 1, free + 1), matrix(free + 1, 1)
    for i, f in enumerate(points):
        for j in range(free):
            a[i, j] = f ** (len(fixed) + j + 1) / mpf(2) ** f
        a[i, free] = (-1) ** i
        b[i] = -error(fixed, f)
    x = lu_solve(a, b)
    return fixed + [x[j] for j in range(free)]


def extremes(c, count):
    """The largest error between each two changes of sign."""
    found = []
    for f in GRID:
        e = error(c, f)
        if not found or (e > 0) != (found[-1][1] > 0):
            found.append((f, e))
        elif abs(e) > abs(found[-1][1]):
            found[-1] = (f, e)
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return [f for f, _ in found]


def fit(fixed, degree):
    count = degree - len(fixed) + 1
    points = [EDGE * cos(pi * (2 * i + 1) / (2 * count)) for i in range(count)][::-1]
    best = None
    for _ in range(12):
        c = solve(fixed, degree, points)
        if best is None or worst(c) < worst(best):
            best = c
        new = extremes(c, count)
        if len(new) < count or new == points:
            break
        points = new
    return best


def rounded(a, bits):
    m, e = mp.frexp(a)
    return mp.ldexp(mp.nint(mp.ldexp(m, bits)), int(e) - bits)


def main():
    degree, bits = int(sys.argv[1]), {"f32": 24, "f64": 53}[sys.argv[2]]
    fixed = [rounded(log(2), bits)]
    current = fit(fixed, degree)
    while len(fixed) < degree:
        # The exchange does not settle where few coefficients are left: then the fit before stands.
        kept = fixed + current[len(fixed):]
        current = min(fit(fixed, degree), kept, key=worst)
        fixed.append(rounded(current[len(fixed)], bits))
    print("degree %d: largest relative error 2^%s" % (degree, nstr(log(worst(fixed), 2), 6)))
    for i, a in enumerate(fixed):
        print("c%d = %s" % (i + 1, float(a).hex()))


main()
