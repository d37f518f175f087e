#!/usr/bin/env python3
"""The error of float32 calls against float64, with PyTorch's own float32 beside it.

    python3 bench/numerics.py [--loss gdkd|dkd|kd] [--kl forward|reverse|symmetric]
                              [--isa best|scalar|avx2|avx512] [--inner 1] [--elements 1000000]
                              [--classes 2,10,...] [--temperatures 0.05,...] [--kinds unit,...]
                              [--seed 1] [--table FILE] [--summary FILE] [--quiet]

The same float32 logits go to libgdkd in float32 and in float64 and to PyTorch in float32. The truth is
a plain float64 log-softmax in NumPy, written so that it stays relatively exact where a probability is
almost 1. The script stops where libgdkd's float64 is further from it than 1e-10 of the sizes below plus
1e-12 T^2 (the rounding of a double). Each row counts as a batch of one:

    loss      |error| / the sum of the absolute values of its terms, q_i |log q_i - log p_i| and so on
    gradient  the largest |error| of the row / the row's largest term before terms are subtracted

A row on which PyTorch gives NaN or inf is counted and left out of PyTorch's numbers, not of ours; the
findings at the end compare the rows that both have. Rows whose terms are below 1e-7 T^2 (two models
that are certain and agree: there is nothing to learn) are left out of the loss columns of both; "tiny"
counts them, and the findings have their absolute error.
Needs NumPy; PyTorch (Debian: python3-torch) is left out where it is not installed.
"""

import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "ffi",
                                "python"))
import gdkd  # noqa: E402 (the path comes first)

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

CLASSES = [2, 10, 100, 1000, 10000, 32000, 151936]
TEMPERATURES = [0.05, 0.5, 1.0, 4.0, 20.0]
KINDS = ["unit", "wide", "peaked", "multimodal", "offset", "near"]
WEIGHTS = {"gdkd": (1.0, 1.0, 2.0), "dkd": (1.0, 0.0, 8.0), "kd": (0.0, 1.0)}  # high, low groups
TOP_K = 5
MOST_ROWS, LEAST_ROWS = 1000, 24
TINY = 1e-7  # times T^2: a loss below this is compared by its absolute error


# --- Logits -------------------------------------------------------------------------------------


def logits(kind, rows, classes, rng):
    """Student and teacher, float32."""
    s, t = rng.standard_normal((2, rows, classes))
    some = np.arange(rows)
    if kind == "wide":
        s, t = 30 * s, 30 * t
    elif kind == "peaked":  # both sure of one class, mostly the same one
        best = rng.integers(classes, size=rows)
        t[some, best] += 18
        s[some, np.where(rng.random(rows) < 0.8, best, (best + 1) % classes)] += 12
    elif kind == "multimodal":  # a few classes stand out, not quite the same ones
        for _ in range(4):
            mode = rng.integers(classes, size=rows)
            t[some, mode] += 10
            s[some, np.where(rng.random(rows) < 0.7, mode, rng.integers(classes, size=rows))] += 8
    elif kind == "offset":
        s, t = s + 1e4, t + 1e4
    elif kind == "near":  # a student that has almost learnt
        s = t + 1e-2 * s
    return s.astype(np.float32), t.astype(np.float32)


def partition(loss, teacher, target):
    """The group of every class; ties at the k-th place go to the lower index, as in gdkd.h."""
    rows, classes = teacher.shape
    groups = np.zeros((rows, classes), np.uint8)
    if loss == "dkd":
        groups[:] = 1
        groups[np.arange(rows), target] = 0
    elif loss == "gdkd":
        k = min(TOP_K, classes - 1)
        groups[:] = 1
        best = np.argsort(-teacher, axis=1, kind="stable")[:, :k]
        np.put_along_axis(groups, best, 0, axis=1)
    return groups


# --- Plain NumPy, float64 -----------------------------------------------------------------------


def scaled(logits_, temperature):
    """x = s / T less the row's largest, which changes no loss."""
    wide = logits_.astype(np.float64)
    return (wide - wide.max(axis=1, keepdims=True)) / temperature


def log_softmax(x, mask):
    """Within a group; 0 outside it. Relatively exact even for a class that has nearly all the weight."""
    inside = np.where(mask, x, -np.inf)
    best = inside.argmax(axis=1)[:, None]
    top = np.take_along_axis(inside, best, axis=1)
    others = np.exp(inside - top)
    np.put_along_axis(others, best, 0, axis=1)
    sum_of_others = others.sum(axis=1, keepdims=True)
    return np.where(mask, x - top - np.log1p(sum_of_others), 0), top + np.log1p(sum_of_others)


class Plain:
    """Loss and gradient per row, and the sizes that errors are measured against."""

    def __init__(self, student, teacher, groups, temperature, kl, weights):
        x, z = (scaled(v, temperature) for v in (student, teacher))
        rows = student.shape[0]
        self.temperature = temperature
        self.loss, self.loss_size = np.zeros(rows), np.zeros(rows)
        self.grad, self.grad_size = np.zeros(x.shape), np.zeros(rows)
        masks = [groups == g for g in range(int(groups.max()) + 1)]
        students, teachers = ([log_softmax(v, mask) for mask in masks] for v in (x, z))
        if weights[0] != 0:
            everywhere = np.ones((rows, len(masks)), bool)
            log_mass_p, log_mass_q = (
                log_softmax(np.hstack([total for _, total in parts]), everywhere)[0]
                for parts in (students, teachers))
        for g, mask in enumerate(masks):
            log_p, log_q = students[g][0], teachers[g][0]
            p, q = np.where(mask, np.exp(log_p), 0), np.where(mask, np.exp(log_q), 0)
            difference = log_q - log_p
            if weights[0] != 0:
                self.high(weights[0], p, log_mass_p[:, g:g + 1], log_mass_q[:, g:g + 1])
            for share, reverse in ((kl != "reverse", False), (kl != "forward", True)):
                weight = weights[1 + g] * share * (0.5 if kl == "symmetric" else 1)
                if weight != 0:
                    self.low(weight, p, q, difference, reverse)

    def add(self, weight, terms, grad, grad_size):
        self.loss += weight * self.temperature ** 2 * terms.sum(axis=1)
        self.loss_size += weight * self.temperature ** 2 * np.abs(terms).sum(axis=1)
        self.grad += weight * self.temperature * grad
        self.grad_size = np.maximum(self.grad_size, weight * self.temperature * grad_size.max(axis=1))

    def high(self, weight, p, log_mass_p, log_mass_q):
        mass_p, mass_q = np.exp(log_mass_p), np.exp(log_mass_q)
        self.add(weight, mass_q * (log_mass_q - log_mass_p), p * (mass_p - mass_q),
                 p * np.maximum(mass_p, mass_q))

    def low(self, weight, p, q, difference, reverse):
        if not reverse:
            self.add(weight, q * difference, p - q, np.maximum(p, q))
            return
        terms = -p * difference
        total, size = terms.sum(axis=1, keepdims=True), np.abs(terms).sum(axis=1, keepdims=True)
        self.add(weight, terms, p * (-difference - total),
                 p * np.maximum(1, np.maximum(np.abs(difference), size)))


# --- PyTorch, float32 ---------------------------------------------------------------------------


def torch_divergence(log_p, log_q, kl):
    forward = F.kl_div(log_p, log_q, reduction="none", log_target=True).sum(dim=1)
    if kl == "forward":
        return forward
    reverse = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)
    return reverse if kl == "reverse" else 0.5 * (forward + reverse)


def torch_loss(student, teacher, groups, temperature, kl, weights):
    """As the reference has it: softmax, sums, log; and log-softmax with 1000 off the other group."""
    x, z = student / temperature, teacher / temperature
    if weights[0] == 0:  # one group
        low = torch_divergence(F.log_softmax(x, dim=1), F.log_softmax(z, dim=1), kl)
        return weights[1] * low * temperature ** 2
    masks = [groups == g for g in (0, 1)]
    p, q = F.softmax(x, dim=1), F.softmax(z, dim=1)
    mass_p = torch.stack([(p * m).sum(dim=1) for m in masks], dim=1)
    mass_q = torch.stack([(q * m).sum(dim=1) for m in masks], dim=1)
    loss = F.kl_div(torch.log(mass_p), mass_q, reduction="none").sum(dim=1) * weights[0]
    for weight, others in zip(weights[1:], reversed(masks)):
        if weight != 0:
            loss = loss + weight * torch_divergence(F.log_softmax(x - 1000.0 * others, dim=1),
                                                    F.log_softmax(z - 1000.0 * others, dim=1), kl)
    return loss * temperature ** 2


def torch_call(student, teacher, groups, temperature, kl, weights):
    s = torch.from_numpy(student).requires_grad_()
    loss = torch_loss(s, torch.from_numpy(teacher), torch.from_numpy(groups), temperature, kl,
                      weights)
    loss.sum().backward()
    return loss.detach().numpy().astype(np.float64), s.grad.numpy().astype(np.float64)


# --- libgdkd ------------------------------------------------------------------------------------


def config_of(args, temperature, classes):
    high, *low = WEIGHTS[args.loss]
    if args.loss == "gdkd":
        config = gdkd.preset("gdkd", temperature, min(TOP_K, classes - 1), high, *low)
    elif args.loss == "dkd":
        config = gdkd.preset("dkd", temperature, high, low[1])
    else:
        config = gdkd.preset("kd", temperature)
    config.divergence = ["forward", "reverse", "symmetric"].index(args.kl)
    config.reduction = gdkd.REDUCTION_SUM
    config.isa = ["best", "scalar", "avx2", "avx512"].index(args.isa)
    return config


def library_call(config, student, teacher, target, inner):
    """Loss and gradient per row, of logits laid out as [rows / inner][classes][inner]."""
    rows, classes = student.shape

    def lay(x):
        return np.ascontiguousarray(x.reshape(rows // inner, inner, classes).transpose(0, 2, 1))

    target = target.reshape(rows // inner, inner)
    result = gdkd.loss(config, lay(student), lay(teacher), target)
    grad = result.grad.transpose(0, 2, 1).reshape(rows, classes)
    return result.row_loss.reshape(rows), grad.astype(np.float64)


# --- One cell -----------------------------------------------------------------------------------


class Errors:
    """Of one implementation: relative errors per row, NaN for rows that do not count."""

    def __init__(self, loss, grad, plain):
        one = plain.temperature ** 2
        fine = np.isfinite(loss) & np.isfinite(grad).all(axis=1)
        tiny = plain.loss_size < TINY * one
        error = np.abs(loss - plain.loss)
        self.loss = np.where(fine & ~tiny, error / np.where(tiny, 1, plain.loss_size), np.nan)
        self.grad = np.where(fine, np.abs(grad - plain.grad).max(axis=1) / plain.grad_size, np.nan)
        self.broken = int((~fine).sum())
        self.tiny_error = error[fine & tiny].max(initial=0) / one

    def numbers(self, rows=None):
        """Worst and median of the loss, then of the gradient."""
        samples = [x if rows is None else x[rows] for x in (self.loss, self.grad)]
        samples = [x[~np.isnan(x)] for x in samples]
        return [f(x) if x.size else np.nan for x in samples for f in (np.max, np.median)]


def check_truth(loss, grad, plain, where):
    """The library's float64 against NumPy's."""
    floor = 1e-12 * plain.temperature ** 2
    loss_error = np.abs(loss - plain.loss) / (1e-10 * plain.loss_size + floor)
    grad_error = np.abs(grad - plain.grad).max(axis=1) / (1e-10 * plain.grad_size)
    worst = max(loss_error.max(), grad_error.max())
    if not worst <= 1:
        sys.exit(f"numerics.py: the library's float64 is {worst:.3g} times as far from NumPy's as it may "
                 f"be at {where}: there is no truth to measure against; run make check")


def cell(args, kind, classes, temperature):
    rng = np.random.default_rng([args.seed, KINDS.index(kind), classes, int(1000 * temperature)])
    rows = max(LEAST_ROWS, min(MOST_ROWS, args.elements // classes))
    rows = -(-rows // args.inner) * args.inner
    student, teacher = logits(kind, rows, classes, rng)
    target = rng.integers(classes, size=rows)
    groups = partition(args.loss, teacher, target)
    weights = WEIGHTS[args.loss]
    plain = Plain(student, teacher, groups, temperature, args.kl, weights)
    config = config_of(args, temperature, classes)
    exact = library_call(config, student.astype(np.float64), teacher.astype(np.float64), target, 1)
    check_truth(*exact, plain, f"{kind}, C = {classes}, T = {temperature:g}")
    ours = Errors(*library_call(config, student, teacher, target, args.inner), plain)
    theirs = None
    if torch:
        theirs = Errors(*torch_call(student, teacher, groups, temperature, args.kl, weights), plain)
    return {"kind": kind, "classes": classes, "temperature": temperature, "rows": rows,
            "largest": float(max(np.abs(student).max(), np.abs(teacher).max()) / temperature),
            "tiny": int((plain.loss_size < TINY * temperature ** 2).sum()), "ours": ours,
            "torch": theirs}


# --- The table ----------------------------------------------------------------------------------

COLUMNS = ("loss worst | PyTorch | loss median | PyTorch | gradient worst | PyTorch | gradient median "
           "| PyTorch | PyTorch NaN, inf | tiny |\n")
HEAD = "| logits | C | T | rows | " + COLUMNS + "|---" * 14 + "|"
SUMMARY_HEAD = "| logits | C | rows | " + COLUMNS + "|---" * 13 + "|"


def number(x):
    return "-" if np.isnan(x) else "0" if x == 0 else f"{x:.1e}"


def pairs(ours, theirs):
    return " | ".join(f"{number(a)} | {number(b)}" for a, b in zip(ours, theirs))


def line(c):
    theirs = c["torch"].numbers() if c["torch"] else [np.nan] * 4
    broken = c["torch"].broken if c["torch"] else "-"
    return (f"| {c['kind']} | {c['classes']} | {c['temperature']:g} | {c['rows']} "
            f"| {pairs(c['ours'].numbers(), theirs)} | {broken} | {c['tiny']} |")


def summary(cells):
    """A line per kind and C, over all temperatures."""
    lines = [SUMMARY_HEAD]
    for key in dict.fromkeys((c["kind"], c["classes"]) for c in cells):
        some = [c for c in cells if (c["kind"], c["classes"]) == key]
        both = []
        for who in ("ours", "torch"):
            there = [c[who] for c in some if c[who]]
            samples = [np.concatenate([getattr(e, what) for e in there] or [[np.nan]])
                       for what in ("loss", "grad")]
            both.append([f(x) for x in samples for f in (np.nanmax, np.nanmedian)])
        broken = sum(c["torch"].broken for c in some if c["torch"])
        lines.append(f"| {key[0]} | {key[1]} | {sum(c['rows'] for c in some)} | {pairs(*both)} "
                     f"| {broken} | {sum(c['tiny'] for c in some)} |")
    return lines


def findings(cells):
    """Where ours is the worse one, and where it breaks its own promise."""
    names = ["loss worst", "loss median", "gradient worst", "gradient median"]
    for c in cells:
        where = f"{c['kind']}, C = {c['classes']}, T = {c['temperature']:g}"
        ours, theirs = c["ours"], c["torch"]
        for name, a in zip(names, ours.numbers()):
            promise = 2e-6 if c["largest"] > 30 else 3e-7 if name.startswith("loss") else 5e-7
            if a > promise:
                yield f"over {promise:g}: {where}: {name} {a:.2e}"
        if ours.broken:
            yield f"not finite: {where}: {ours.broken} rows"
        if theirs is None:
            continue
        rows = ~np.isnan(theirs.grad)
        for name, a, b in zip(names, ours.numbers(rows), theirs.numbers(rows)):
            if a > b:
                yield f"worse than PyTorch: {where}: {name} {a:.2e} against {b:.2e}"
        if ours.tiny_error > max(1e-13, theirs.tiny_error):
            yield f"tiny losses: {where}: {ours.tiny_error:.1e} T^2 against {theirs.tiny_error:.1e} T^2"


def write_lines(name, lines):
    with open(name, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def arguments():
    def listed(kind):
        return lambda text: [kind(x) for x in text.split(",")]

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--loss", choices=sorted(WEIGHTS), default="gdkd")
    p.add_argument("--kl", choices=["forward", "reverse", "symmetric"], default="forward")
    p.add_argument("--isa", choices=["best", "scalar", "avx2", "avx512"], default="best")
    p.add_argument("--inner", type=int, default=1, help="rows that lie beside each other, as in NCHW")
    p.add_argument("--elements", type=int, default=1000000, help="about so many logits per cell")
    p.add_argument("--classes", type=listed(int), default=CLASSES)
    p.add_argument("--temperatures", type=listed(float), default=TEMPERATURES)
    p.add_argument("--kinds", type=listed(str), default=KINDS)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--table", metavar="FILE", help="also write the table there")
    p.add_argument("--summary", metavar="FILE", help="write a line per kind and C there, over all T")
    p.add_argument("--quiet", action="store_true", help="the findings alone")
    args = p.parse_args()
    unknown = sorted(set(args.kinds) - set(KINDS))
    if unknown or args.inner < 1:
        p.error(f"unknown kind {unknown[0]}; there are {', '.join(KINDS)}" if unknown
                else "--inner must be at least 1")
    return args


def main():
    args = arguments()
    cells = []
    lines = [HEAD]
    if not args.quiet:
        print(HEAD)
    for kind in args.kinds:
        for classes in args.classes:
            for temperature in args.temperatures:
                cells.append(cell(args, kind, classes, temperature))
                lines.append(line(cells[-1]))
                if not args.quiet:
                    print(lines[-1], flush=True)
    if args.table:
        write_lines(args.table, lines)
    if args.summary:
        write_lines(args.summary, summary(cells))
    found = list(findings(cells))
    print(f"\n{len(cells)} cells, {len(found)} findings")
    for text in found:
        print("  " + text)
    return 0


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main())
