#!/usr/bin/env python3
"""Writes reference cases of other shapes than the authors' file has, for gdkd-replay.

The losses are written down once more from their definitions, in complex arithmetic: the derivative
is the imaginary part of loss(x + i h) / h with h = 1e-100, exact to rounding (the complex step), so
that no formula of a gradient is needed.
"""

import cmath
import random

STEP = 1e-100
SHAPES = [(1, 3), (3, 7), (5, 4), (2, 24), (1, 50)]


def softmax(x):
    top = max(v.real for v in x)
    e = [cmath.exp(v - top) for v in x]
    return [v / sum(e) for v in e]


def kl(q, p):
    return sum(a * cmath.log(a / b) for a, b in zip(q, p))


def low(kind, q, p):
    forward, reverse = kl(q, p), kl(p, q)
    return {"forward": forward, "reverse": reverse, "both": (forward + reverse) / 2}[kind]


def standardised(x, freedom):
    mean = sum(x) / len(x)
    deviation = cmath.sqrt(sum((v - mean) ** 2 for v in x) / freedom)
    return [(v - mean) / (1e-7 + deviation) for v in x]


def largest(t):
    return sorted(range(len(t)), key=lambda i: (-t[i], i))


def decoupled(s, t, case, groups, weights):
    """The terms of one row: high, and the low term of each group, with T^2."""
    p, q, T = softmax([v / case["T"] for v in s]), softmax([v / case["T"] for v in t]), case["T"]
    masses = [[sum(d[i] for i in g) for g in groups] for d in (q, p)]
    terms = [T * T * kl(*masses)]
    for g, weight in zip(groups, weights):
        inside = [softmax([x[i] / T for i in g]) for x in (t, s)]
        terms.append(T * T * low(case.get("kl", "forward"), *inside) if weight else 0)
    return terms


def row_terms(case, s, t, target):
    """(weight, term) of one row."""
    name, T, order = case["name"], case["T"], largest([v.real for v in t])
    everything = list(range(len(t)))
    if name in ("kd", "lskd"):
        if name == "lskd":
            s, t = (standardised(x, len(x) - 1) for x in (s, t))
        return [(1, T * T * kl(softmax([v / T for v in t]), softmax([v / T for v in s])))]
    if name == "dkd":
        top, weights = [target], [case["alpha"], 0, case["beta"]]
    else:
        top, weights = order[:case["k"]], [case["w0"], case["w1"], case["w2"]]
    groups = [top, [i for i in everything if i not in top]]
    if name == "gdkd3":
        groups = [top[:1], top[1:], groups[1]]
        weights = [case["w0"], 0, case["w1"], case["w2"]]
    return list(zip(weights, decoupled(s, t, case, groups, weights[1:])))


def correlation(y, z):
    a, b = ([v - sum(x) / len(x) for v in x] for x in (y, z))
    norms = cmath.sqrt(sum(v * v for v in a)) * cmath.sqrt(sum(v * v for v in b))
    return sum(v * w for v, w in zip(a, b)) / (norms + 1e-8)


def loss(case, student, teacher, targets):
    if case["name"] == "dist":
        y, z = ([softmax([v / case["T"] for v in row]) for row in x] for x in (student, teacher))
        inter, intra = (1 - sum(map(correlation, a, b)) / len(a)
                        for a, b in ((y, z), (list(zip(*y)), list(zip(*z)))))
        return case["T"] ** 2 * (case["beta"] * inter + case["gamma"] * intra)
    rows = [row_terms(case, *row) for row in zip(student, teacher, targets)]
    return sum(w * term for row in rows for w, term in row) / len(rows)


def gradient(case, student, teacher, targets):
    for row in student:
        for i, at in enumerate(row):
            row[i] = at + STEP * 1j
            yield loss(case, student, teacher, targets).imag / STEP
            row[i] = at


def write(case, rows, classes, draw):
    student, teacher = ([[complex(draw.gauss(0, 2)) for _ in range(classes)] for _ in range(rows)]
                        for _ in range(2))
    targets = [draw.randrange(classes) for _ in range(rows)]

    def reals(values):
        return " ".join(float(v.real).hex() for v in values)

    print("case", case["name"])
    print("shape", rows, classes)
    for key, value in case.items():
        if key != "name":
            print("param", key, value.hex() if isinstance(value, float) else value)
    print("student", reals(v for row in student for v in row))
    print("teacher", reals(v for row in teacher for v in row))
    print("target", *targets)
    print("loss", reals([loss(case, student, teacher, targets)]))
    print("grad", reals(gradient(case, student, teacher, targets)))
    print("end")


def main():
    draw = random.Random(1)
    for rows, classes in SHAPES:
        weights = {"w0": draw.uniform(0, 2), "w1": draw.uniform(0, 2), "w2": draw.uniform(0, 2)}
        T = draw.uniform(0.7, 5)
        k = draw.randrange(2, classes)
        write({"name": "kd", "T": T}, rows, classes, draw)
        write({"name": "lskd", "T": T}, rows, classes, draw)
        if rows > 1:
            write({"name": "dist", "T": T, "beta": 1.5, "gamma": 0.5}, rows, classes, draw)
        for kind in ("forward", "reverse", "both"):
            write({"name": "dkd", "T": T, "alpha": 1.25, "beta": 3.5, "kl": kind}, rows, classes, draw)
            write({"name": "gdkd", "T": T, "k": k, **weights, "kl": kind}, rows, classes, draw)
        write({"name": "gdkd3", "T": T, "k": k, **weights}, rows, classes, draw)


main()
