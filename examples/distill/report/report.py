#!/usr/bin/python3
"""gdkd-report PATH... > page.html: one page about runs of gdkd-distill, made of the files that they left.

A PATH is a folder, all whose runs are read, or a run's own NAME.run.json. All of them must have been tested on the same
images. Exit status: 1 and one line for files that cannot be used, 3 without the packages that this program needs.
"""

import argparse
import io
import json
import math
import os
import re
import sys
import warnings
import xml.etree.ElementTree as ET

try:
    import jinja2
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
except ImportError as missing:
    print(f"gdkd-report: {missing}: python3-matplotlib and python3-jinja2 are needed", file=sys.stderr)
    sys.exit(3)


class Fault(Exception):
    """What the user has to know, in one line."""


# --- One run ----------------------------------------------------------------------------------------------------------

ENDING = ".run.json"
OWN_KEYS = {"teacher-temperature": (int, float), "kl": str, "k-file": str, "k-ratio": (int, float), "k-max": int, "gamma": (int, float),
            "inter": (int, float), "intra": (int, float), "mass": str, "standardize": str, "class-weights": str, "groups": str}
NEEDED_KEYS = ["temperature", "k", "w0", "w1", "w2", "alpha", "beta", "warmup", "ce-weight", "kd-weight"]
LOSS_KEYS = [*NEEDED_KEYS, *OWN_KEYS]
KINDS = (dict.fromkeys("name loss seed model dataset schedule library kernels log logits".split(), str)
         | dict.fromkeys("train-images epochs batch classes k".split(), int)
         | dict.fromkeys([*NEEDED_KEYS[:1], *NEEDED_KEYS[2:], "lr", "lr-min", "momentum", "weight-decay"], (int, float)))
OPTIONAL = dict.fromkeys(["teacher-model", "teacher-logits", "teacher-test-logits"], str) | OWN_KEYS
FILES = {"log", "logits", "teacher-test-logits"}
NO_SETTING = {"name", "loss", "seed", "classes", "labels", "class-names"} | FILES
MAY_DIFFER = {"seed", "library", "kernels", "labels", "class-names"} | FILES  # between the runs of one series

# The parts of a loss beside ce, each with its weight or the setting that is its weight; and the loss's own settings.
SPLIT = {"high": "w0", "top": "w1", "other": "w2"}
DKD = {"high": "alpha", "other": "beta"}
PARTS = {"ce": {}, "kd": {"kd": 1}, "lskd": {"kd": 1}, "dkd": DKD, "dkd-top1": DKD, "adkd": {"high": "alpha", "other": "gamma"}}
PARTS |= dict.fromkeys(["gdkd", "gdkd-bottom", "gdkd3", "gdkd-autok"], SPLIT) | {"gdkd-autow": SPLIT | {"high": 1}}
ALL_PARTS = ["ce", "kd", "high", "top", "other"]
ALPHA, WEIGHTS = "alpha {alpha:g}, ", "w {w0:g} {w1:g} {w2:g}, "
OWN = dict.fromkeys(["gdkd", "gdkd-bottom", "gdkd3"], "k {k}, " + WEIGHTS) | dict.fromkeys(["dkd", "dkd-top1"], ALPHA + "beta {beta:g}, ")
OWN |= {"gdkd-autok": "k by ratio {k-ratio:g} up to {k-max}, " + WEIGHTS, "gdkd-autow": "k {k}, w {w1:g} {w2:g}, mass of {mass}, ",
        "ls-gdkd": "standardised {standardize}, k {k}, " + WEIGHTS, "adkd": ALPHA + "gamma {gamma:g}, ",
        "dist": "inter {inter:g}, intra {intra:g}, "}
TOP_K = {"gdkd", "gdkd3", "gdkd-autow", "ls-gdkd"}  # their k says where the teacher's largest classes end


def wrong_fact(f):
    """The first key that is missing or has a value that cannot be, or None."""
    def fits(value, kind, low=0):
        return isinstance(value, kind) and not isinstance(value, bool) and (
            value != "" and "\0" not in value if kind is str else low <= value < 2**31)
    needed = re.findall(r"{([\w-]+)", OWN.get(f["loss"], "")) if isinstance(f.get("loss"), str) else []
    for key, kind in (KINDS | {key: kind for key, kind in OPTIONAL.items() if key in f or key in needed}).items():
        if not fits(f.get(key), kind, low=int(kind is int)):
            return key
    if not re.fullmatch("[0-9]+", f["seed"]):
        return "seed"
    if f["loss"] in TOP_K | {"gdkd-bottom"} and "k-file" not in f and f["k"] >= f["classes"]:
        return "k"
    names, labels = f.get("class-names", ["name"] * f["classes"]), f.get("labels")
    if not isinstance(names, list) or len(names) != f["classes"] or not all(isinstance(name, str) for name in names):
        return "class-names"
    fine = isinstance(labels, list) and labels and all(fits(n, int) and n < f["classes"] for n in labels)
    return None if fine else "labels"


def file_name(text):
    """The bytes of a name in JSON: those that are no UTF-8, or control characters, stand there as \\xHH."""
    def byte(match):
        value = int(match[1], 16)
        return bytes([value]) if 0 < value < 32 or value > 126 else match[0]
    return os.fsdecode(re.sub(rb"\\x([0-9a-f]{2})", byte, text.encode("utf-8", "surrogatepass")))


def read_facts(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            facts = json.load(file)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise Fault(f"{path} is damaged: it is no JSON object; train that run again")
    if wrong_fact(facts):
        raise Fault(f'{path} cannot be used: "{wrong_fact(facts)}" is missing or wrong; train that run again')
    return facts


def read_log(path, epochs):
    """A CSV, its columns by name. Only terms may be missing: a loss does not have all of them."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if not {"epoch", "train_top1", "test_top1", "test_top5", "seconds", "libgdkd_share"} <= {*text.split("\n")[0].split(",")}:
        raise Fault(f"{path} is no log of a training run")
    if not text.endswith("\n"):
        raise Fault(f"{path} is cut off in line {text.count(chr(10)) + 1}")
    try:
        log = np.genfromtxt(io.StringIO(text), delimiter=",", names=True, ndmin=1, comments=None, loose=False)
    except ValueError as error:
        raise Fault(f"{path} is damaged: {error}") from error
    if not 1 <= len(log) <= epochs:
        raise Fault(f"{path} has {len(log)} epochs, its run was to have {epochs}")
    needed = [log[key] for key in log.dtype.names if key == "train_top1" or not key.startswith("train_")]
    fine = np.isfinite(needed).all(0) & (log["epoch"] == np.arange(1, len(log) + 1)) & (log["seconds"] > 0)
    if not fine.all():
        raise Fault(f"{path} is damaged in line {fine.argmin() + 2}")
    return log


def read_logits(path, facts):
    """None when they are not there: logits are large, so people remove them."""
    if not os.path.exists(path):
        return None
    try:
        logits = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Fault(f"{path} is damaged, or no file of NumPy's: {error}") from error
    shape = (len(facts["labels"]), facts["classes"])
    if logits.shape != shape or logits.dtype.kind != "f":
        raise Fault(f"{path} holds {logits.dtype} of {logits.shape}, its run had logits of {shape}: images x classes")
    if not np.isfinite(logits).all():
        raise Fault(f"{path} cannot be used: a logit of image {np.isfinite(logits).all(1).argmin()} is not finite")
    return logits.astype(float)


class Run:
    def __init__(self, path):
        self.path, self.facts, self.teacher = path, read_facts(path), None
        self.labels = np.array(self.facts["labels"])
        self.log = read_log(self.beside("log"), self.facts["epochs"])
        self.logits = read_logits(self.beside("logits"), self.facts)
        self.epochs = len(self.log)
        self.finished = self.epochs == self.facts["epochs"]
        found, logged = 0 if self.logits is None else top(self.logits, self.labels, 1), self.log["test_top1"][-1]
        if self.logits is not None and abs(found - logged) > 1e-3:  # the CSV has three decimals
            raise Fault(f"{self.beside('logits')} is not of the last epoch of {self.facts['log']} (top-1 {found:.2f}, not"
                        f" {logged:.2f}): go on with that run's --resume, or train it again")

    def beside(self, key):
        return os.path.join(os.path.dirname(self.path), file_name(self.facts[key]))

    def settings(self):
        """In words, as the command line has them."""
        facts = {key: value for key, value in self.facts.items() if key not in NO_SETTING}
        return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in facts.items()}


# --- All runs ---------------------------------------------------------------------------------------------------------


class Teacher:
    def __init__(self, path, logits, run):
        self.path, self.logits, self.name = path, logits, f"teacher {run.facts.get('teacher-model', '')}"
        self.top1, self.top5 = top(logits, run.labels, 1), top(logits, run.labels, 5)


class Series:
    """Runs that differ in their seed alone."""

    def __init__(self, runs):
        self.runs, self.facts, self.epochs = runs, runs[0].facts, runs[0].facts["epochs"]
        for i, run in enumerate(runs):
            for other in runs[:i]:
                if other.facts["seed"] == run.facts["seed"]:
                    raise Fault(f"{other.path} and {run.path} are the same run; name one of them")

    def describe(self, runs, names):
        """gdkd:k=3, the name and what sets it apart from others of that name; and the settings in words."""
        f, own, others = self.facts, self.runs[0].settings(), [run.settings() for run in runs]
        alike = [run.settings() for run in runs if run.facts["name"] == f["name"]]
        base = f["name"] + "".join(f":{key}={own[key]}" for key in own if {o.get(key) for o in alike} != {own[key]})
        self.name = base + (f" ({names.count(base) + 1})" if base in names else "")
        given = (f.get("teacher-temperature") and "teacher T {teacher-temperature:g}, ", f.get("kl", "forward") != "forward" and "{kl} KL, ")
        own_words = "".join(words for words in given if words) + OWN.get(f["loss"], "").replace("k {k}", "k of a file" if "k-file" in f else "k {k}")
        words = "" if f["loss"] == "ce" else "T {temperature:g}, " + own_words + "warm-up {warmup:g}, "
        self.detail = (words + "ce {ce-weight:g}" + (", kd {kd-weight:g}" if words else "")).format_map(f) + "".join(
            f", {key} {own[key]}" for key in own if key not in LOSS_KEYS and {o.get(key, own[key]) for o in others} != {own[key]})
        return base

    def summary(self):
        """Of the finished runs: last and best accuracies, seconds per epoch, and libgdkd's share of them."""
        logs = [run.log for run in self.runs if run.finished]
        seconds = sum(log["seconds"].sum() for log in logs)
        in_library = sum((log["libgdkd_share"] * log["seconds"]).sum() for log in logs)
        return {"runs": len(logs), "last": [log["test_top1"][-1] for log in logs], "best": [log["test_top1"].max() for log in logs],
                "seconds": seconds / (len(logs) * self.epochs or 1), "share": 100 * in_library / (seconds or 1)}


def find_facts(path):
    if not os.path.isdir(path):
        return [path]
    found = sorted(name for name in os.listdir(path) if name.endswith(ENDING))
    if not found:
        raise Fault(f"{path} has no run to report: no *{ENDING} there; train, distill and compare leave one for each run")
    return [os.path.join(path, name) for name in found]


def check_together(a, b):
    for key, what in (("dataset", "are about different data sets"), ("classes", "have different numbers of classes"),
                      ("labels", "were tested on different images")):
        if a.facts[key] != b.facts[key]:
            raise Fault(f"{a.path} and {b.path} {what}: they do not fit into one report; name one of them alone")


class Data:
    def __init__(self, paths):
        self.runs, self.teachers, groups = [], [], {}
        for path in [facts for path in paths for facts in find_facts(path)]:
            run = Run(path)
            self.runs.append(run)
            check_together(self.runs[0], run)
            run.teacher = self.find_teacher(run)
            alike = {key: value for key, value in run.facts.items() if key not in MAY_DIFFER}
            groups.setdefault((json.dumps(alike, sort_keys=True), id(run.teacher)), []).append(run)
        self.series, names = [Series(runs) for runs in groups.values()], []
        for series in self.series:
            names.append(series.describe(self.runs, names))
        self.runs, self.labels, self.classes = sum(groups.values(), []), self.runs[0].labels, self.runs[0].facts["classes"]
        self.only = self.teachers[0] if len(self.teachers) == 1 else None

    def find_teacher(self, run):
        """Teachers are told apart by what they say: one file may stand beside every student."""
        if "teacher-test-logits" not in run.facts:
            return None
        path = run.beside("teacher-test-logits")
        known = [t for t in self.teachers if t.path == path]
        logits = None if known else read_logits(path, run.facts)
        if logits is not None:
            known = [t for t in self.teachers if (t.logits == logits).all()] or [Teacher(path, logits, run)]
            self.teachers += [t for t in known if t not in self.teachers]
        return known[0] if known else None

    def teacher_of(self, run):
        """Its own, or the only one where it has none; None without either, or without logits."""
        only = None if "teacher-logits" in run.facts else self.only
        return None if run.logits is None else run.teacher or only

    def temperatures(self, teacher):
        """Those at which runs distil from this teacher."""
        return list(dict.fromkeys(run.facts["temperature"] for run in self.runs
                                  if self.teacher_of(run) is teacher and run.facts["loss"] != "ce"))


# --- Numbers ----------------------------------------------------------------------------------------------------------


def ranks(logits, labels):
    """Classes before the label's; among equals the lower one comes first."""
    own = logits[np.arange(len(labels)), labels][:, None]
    return ((logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < labels[:, None]))).sum(1)


def top(logits, labels, k):
    return 100 * (ranks(logits, labels) < k).mean()


def percent(part, of=slice(None)):
    """NaN of nothing."""
    return 100 * part[of].mean() if len(part[of]) else math.nan


def by_class(logits, labels):
    right = ranks(logits, labels) == 0
    return np.array([percent(right, labels == c) for c in range(logits.shape[1])])


def log_softmax(logits, temperature=1.0):
    z = (logits - logits.max(1, keepdims=True)) / temperature
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def agreement(student, teacher, labels):
    """In the order of the page's columns."""
    s, t, p, q = student.argmax(1), teacher.argmax(1), log_softmax(teacher), log_softmax(student)
    right = t == labels
    return [percent(s == t), percent(s == t, right), percent(s == t, ~right), percent((s == labels) & ~right),
            percent((s != labels) & right), (np.exp(p) * (p - q)).sum(1).mean()]


def split_terms(student, teacher, temperature, begins, first=None, sign=1):
    """KL(teacher || student) of each image, times T^2, split into groups of classes: the term between the groups, and a
    column for each group's own. They begin at these places of the teacher's order, from the
    largest down (sign -1: from the smallest up), in which the classes `first` lead."""
    key = -sign * teacher
    if first is not None:
        key[np.arange(len(key)), first] = -np.inf
    order = np.argsort(key, axis=1, kind="stable")
    p, q = (np.take_along_axis(log_softmax(logits, temperature), order, 1) for logits in (teacher, student))
    in_p, in_q, in_both = (np.add.reduceat(x, begins, axis=1) for x in (np.exp(p), np.exp(q), np.exp(p) * (p - q)))
    tiny = np.finfo(float).tiny  # the mass of a group may underflow; it has no term then
    gap = np.log(np.maximum(in_p, tiny)) - np.log(np.maximum(in_q, tiny))
    return temperature**2 * (in_p * gap).sum(1), temperature**2 * (in_both / np.maximum(in_p, tiny) - gap)


def standardised(logits):
    return (logits - logits.mean(1, keepdims=True)) / (logits.std(1, ddof=1, keepdims=True) + 1e-7)


def low_scale(facts, teacher):
    """What GDKD's terms inside the groups are multiplied with: the teacher's mass of their group, for some losses."""
    if facts["loss"] != "gdkd-autow":
        return 1, 1
    top_mass = np.exp(-np.sort(-log_softmax(teacher, facts["temperature"]), 1))[:, :facts["k"]].sum(1)
    return top_mass if facts["mass"] != "other" else 1, 1 - top_mass if facts["mass"] != "top" else 1


def by_found_k(facts, student, teacher, labels):
    """As weighted_parts, of a loss with a k for each image."""
    found = np.minimum(k_by_ratio(np.exp(-np.sort(-log_softmax(teacher, facts["temperature"]), 1)), facts["k-ratio"]), facts["k-max"])
    parts = {}
    for k in np.unique(found):
        rows = found == k
        own = weighted_parts(facts | {"loss": "gdkd", "k": min(k, facts["classes"] - 1)}, student[rows], teacher[rows], labels[rows])
        for part, values in own.items():
            parts.setdefault(part, np.zeros(len(labels)))[rows] = values
    return parts


def weighted_parts(facts, student, teacher, labels):
    """Each part of a loss for each image, weights included, after the warm-up; nothing for a loss that is not known here, or
    that the facts do not tell whole."""
    loss, at, k = facts["loss"], facts["temperature"], facts["k"]
    if {"k-file", "class-weights", "groups"} & facts.keys() or facts.get("teacher-temperature") or facts.get("kl", "forward") != "forward":
        return {}
    if loss == "gdkd-autok":
        return by_found_k(facts, student, teacher, labels)
    weights = {"ce": facts["ce-weight"]} | {part: facts["kd-weight"] * facts.get(w, w) for part, w in PARTS.get(loss, {}).items()}
    begins = {"kd": [0], "gdkd": [0, k], "gdkd3": sorted({0, 1, k})}
    begins |= dict.fromkeys(["dkd", "dkd-top1", "adkd"], [0, 1]) | {"lskd": [0], "gdkd-autow": [0, k], "gdkd-bottom": [0, k]}
    if loss not in begins:
        return {}
    shown = (standardised(student), standardised(teacher)) if loss == "lskd" else (student, teacher)
    high, low = split_terms(*shown, at, begins[loss], labels if loss in ("dkd", "adkd") else None, -1 if loss == "gdkd-bottom" else 1)
    top_scale, other_scale = low_scale(facts, teacher)
    terms = {"ce": -log_softmax(student)[np.arange(len(labels)), labels], "kd": low[:, 0], "high": high,
             "top": top_scale * low[:, max(0, low.shape[1] - 2)], "other": other_scale * low[:, -1]}
    return {part: weight * terms[part] for part, weight in weights.items() if weight}


def shares(parts):
    """Of each part: its share of the mean loss, and of the images in which it is the largest; percent."""
    values = np.array(list(parts.values()))
    return [dict(zip(parts, 100 * values.sum(1) / values.sum())),
            dict(zip(parts, 100 * np.bincount(values.argmax(0), minlength=len(parts)) / values.shape[1]))]


def k_by_ratio(rows, ratio):
    """The k of GDKD_K_RATIO without a k_max, of probabilities sorted from the largest down."""
    up = rows[:, ::-1]
    hit = up * np.arange(1, up.shape[1] + 1) >= ratio * up.cumsum(1)
    return np.where(hit.any(1), up.shape[1] - hit.argmax(1), 1)


def k_by_mass(rows, mass):
    """The k of GDKD_K_MASS, likewise."""
    hit = rows.cumsum(1)[:, :-1] >= mass
    return np.where(hit.any(1), hit.argmax(1) + 1, rows.shape[1])


def chosen_ks(classes):
    """Every k below the classes, or about equal steps of its logarithm where there are many."""
    ks = [1]
    while ks[-1] < classes:
        ks.append(ks[-1] + 1 + (ks[-1] // 6 if classes > 20 else 0))
    return ks[:-1]


# --- Pictures ---------------------------------------------------------------------------------------------------------

# After Okabe and Ito (2008), which stay apart for colour-blind eyes; darker on white, lighter on black where the original
# would be faint. Matplotlib draws with those on white; the page has variables in their place.
ON_WHITE = ["#0072b2", "#c24e00", "#007f5f", "#a8478a", "#8a6d00", "#58a9dd", "#6b4fbb", "#444444"]
ON_BLACK = ["#56b4e9", "#ff9a4d", "#2fce9f", "#e48bc4", "#f0d34a", "#9ad0f5", "#b6a2ff", "#cccccc"]
DIM, LINE, CARD = "#5b6270", "#dfe2e8", "#f7f8fa"
VARIABLES = {c: f"var(--c{i})" for i, c in enumerate(ON_WHITE)} | {DIM: "var(--dim)", LINE: "var(--line)", CARD: "var(--card)"}
WIDTH, MOST_MARKED, FEW_CLASSES = 400, 40, 20
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gdkd", "text.parse_math": False, "font.size": 12})
matplotlib.rcParams.update({key: DIM for key in ("xtick.color", "ytick.color", "axes.labelcolor", "text.color")})
matplotlib.rcParams.update({f"{axis}tick.{which}.size": 0 for axis in "xy" for which in ("major", "minor")})
matplotlib.rcParams.update({"xtick.major.pad": 7, "ytick.major.pad": 9})
matplotlib.rcParams.update({f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")})
np.seterr(invalid="ignore", divide="ignore")  # what has no value is shown as a dash
warnings.filterwarnings("ignore", "Glyph")  # it is the reader's browser that needs the fonts


def style_of(which):
    return {"color": ON_WHITE[which % 8], "markersize": 7, "markeredgecolor": CARD, "markeredgewidth": 0.8}, "os^D"[which % 4]


def log_label(value, _):
    power = str(round(math.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:g}" if 1e-3 <= value <= 1e3 else "10" + power


class Plot:
    """A figure of the page. Sizes are pixels of a figure that is shown WIDTH wide."""

    count = 0

    def __init__(self, title, x, y="", unit="", height=248, left=58):
        self.title, self.x, self.unit, self.size, self.tips, self.shown = title, x, unit, (WIDTH, height), [], []
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
        wide, high = WIDTH - left - 14, height - 60
        self.axes = self.figure.add_axes([left / WIDTH, 40 / height, wide / WIDTH, high / height], facecolor="none")
        self.axes.set(xlabel=x, ylabel=y, axisbelow=True)
        self.axes.xaxis.set_label_coords(0.5, -24 / high)
        self.axes.yaxis.set_label_coords(-44 / wide, 0.5)
        self.axes.grid(axis="y", color=LINE, linewidth=1)

    def scale(self, name, log=False, limits=None, whole=False):
        axis = self.axes.xaxis if name == "x" else self.axes.yaxis
        self.axes.set(**{name + "scale": "log" if log else "linear"})
        if not log:
            axis.set_major_locator(MaxNLocator(7 if name == "x" else 5, integer=whole, steps=[1, 2, 5, 10]))
        if limits and limits[0] < limits[1]:
            self.axes.set(**{name + "lim": limits})
        if log:
            if not limits:  # from the power of ten below the lines to the one above
                powers = [math.log10(y) for y in self.shown if y > 0] or [0]
                limits = 10.0 ** math.floor(min(powers)), 10.0 ** max(math.ceil(max(powers)), math.floor(min(powers)) + 1)
                self.axes.set(ylim=limits)
            low, high = limits
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 10**2.5 else (1,), numticks=8))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(log_label))

    def line(self, x, y, style, name, faint=False):
        look, marker = style_of(style)
        if faint:
            self.axes.plot(x, y, color=look["color"], linewidth=1, alpha=0.4)
            return
        self.axes.plot(x, y, linewidth=2, marker=marker if len(x) <= MOST_MARKED else None, clip_on=False, **look)
        self.shown += list(y)
        self.tip(x, y, [f"{name}, {self.x} {a:.4g}: {b:.4g}{self.unit}" for a, b in zip(x, y)])

    def tip(self, x, y, texts):
        """Words at each point, and a disc around it that a pointer or a finger can hit."""
        there = [i for i in range(len(y)) if math.isfinite(y[i])]
        self.axes.plot([x[i] for i in there], [y[i] for i in there], "o", markersize=16, gid=f"tip{len(self.tips)}",
                       scalex=False, scaley=False, clip_on=False)
        self.tips.append([texts[i] for i in there])

    def dashed(self, x=None, y=None):
        draw = self.axes.axhline if x is None else self.axes.axvline
        draw(y if x is None else x, color=DIM, linewidth=1, linestyle=(0, (5, 4)))

    def mark_ks(self, ks):
        """Dashed lines with their k above; a k that would touch the one before is left to the line alone."""
        last = -math.inf
        for k in ks:
            self.dashed(x=k)
            at = self.axes.transData.transform((k, 1))[0] * 72 / self.figure.dpi
            if at - last >= 18:
                self.axes.text(k, 1.02, str(k), transform=self.axes.get_xaxis_transform(), ha="center")
                last = at

    def svg(self):
        """Without what a page has once: names, sizes, fonts, colours. Identifiers get the figure's number."""
        out, Plot.count = io.StringIO(), Plot.count + 1
        self.figure.savefig(out, format="svg", metadata={key: None for key in ("Date", "Creator", "Format", "Type")})
        text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", out.getvalue()[out.getvalue().index("<svg"):]).replace("xlink:href", "href")
        text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui,sans-serif", text)
        text = re.sub(r'(id="|#)([mp][0-9a-f]{10})', rf"\1f{Plot.count}\2", text)
        root = ET.fromstring(re.sub("|".join(VARIABLES), lambda found: VARIABLES[found[0]], text))
        for child in [child for child in root if child.tag == "metadata" or child.find("style") is not None]:
            root.remove(child)
        root.attrib = {"viewBox": f"0 0 {self.size[0]} {self.size[1]}", "role": "img", "aria-label": self.title}
        for element in root.iter():
            for key in {"d", "x", "y"} & element.attrib.keys():
                element.set(key, re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", element.get(key)))
        for group in root.iter("g"):
            name = group.attrib.pop("id", "")
            if name.startswith("tip"):
                group.set("class", "hit")
                for element in [*group.iter("path"), *group.iter("use")]:
                    element.attrib.pop("style", None)
                for point, words in zip(group.iter("use"), self.tips[int(name[3:])], strict=True):
                    ET.SubElement(point, "title").text = words
        return jinja2.utils.markupsafe.Markup(ET.tostring(root, encoding="unicode"))


# --- The parts of the page --------------------------------------------------------------------------------------------


def curve_plot(data, column, title, ylabel, unit="", reference=None):
    """A strong line for the mean of all seeds that got as far as an epoch, a faint one for each; None without any."""
    plot, longest = Plot(title, "epoch", ylabel, unit), max(series.epochs for series in data.series)
    for style, series in enumerate(data.series):
        values = np.full((len(series.runs), series.epochs), np.nan)
        for row, run in zip(values, series.runs):
            row[:run.epochs] = run.log[column] if column in run.log.dtype.names else math.nan
        reached, several = np.isfinite(values).any(0), len(values) > 1
        for row in values if several and reached.any() else []:
            plot.line(np.arange(1, len(row) + 1), row, style, series.name, faint=True)
        if reached.any():
            plot.line(np.flatnonzero(reached) + 1, np.nanmean(values[:, reached], 0), style, series.name + ", mean" * several)
    if reference:
        plot.dashed(y=reference.top1)
    plot.scale("y")
    plot.scale("x", limits=(1, longest), whole=True)
    return plot if plot.tips else None


def term_plots(data):
    known = {"loss": "loss: the weighted sum", "ce": "ce: cross-entropy with the labels", "kd": "kd: the whole distillation term",
             "high": "high: between the groups", "top": "top: among the top classes", "other": "other: among the other classes"}
    columns = dict.fromkeys(c[6:] for run in data.runs for c in run.log.dtype.names if c.startswith("train_") and c != "train_top1")
    made = [curve_plot(data, "train_" + c, known.get(c, c), {"loss": "weighted", "ce": "nats"}.get(c, "T² · nats")) for c in columns]
    return [plot for plot in made if plot]


def class_plot(data, title, names, chosen, values, teacher, low):
    """Dots for these classes: the mean over the seeds, on a line from the least to the most."""
    plot = Plot(title, "right, % of the class's test images", height=60 + (12 + 6 * len(values)) * len(chosen), left=112)
    for at, c in enumerate(chosen):
        for style, own in enumerate(values):
            if len(own) and np.isfinite(own[:, c]).all():
                (look, marker), y, mean = style_of(style), at + (style + 1) / (len(values) + 1), own[:, c].mean()
                plot.axes.plot([own[:, c].min(), own[:, c].max()], [y, y], color=look["color"], linewidth=1, alpha=0.4)
                plot.axes.plot(mean, y, marker, clip_on=False, **look)
                plot.tip([mean], [y], [f"{data.series[style].name}, {names[c]}: {mean:.2f} %"])
        if teacher is not None and np.isfinite(teacher[c]):
            plot.axes.plot([teacher[c]] * 2, [at + 0.1, at + 0.9], color=DIM, linewidth=2.5)
            plot.tip([teacher[c]], [at + 0.5], [f"{data.only.name}, {names[c]}: {teacher[c]:.2f} %"])
    plot.scale("x", limits=(low, 100))
    plot.axes.set_yticks(np.arange(len(chosen)) + 0.5, [names[c] if len(names[c]) < 16 else names[c][:14] + "…" for c in chosen])
    plot.axes.set(ylim=(len(chosen), 0))
    plot.axes.yaxis.grid(False)
    plot.axes.xaxis.grid(True, color=LINE, linewidth=1)
    plot.axes.hlines(np.arange(len(chosen) + 1), low, 100, color=LINE, linewidth=1)
    return plot


def classes(data):
    if all(run.logits is None for run in data.runs):
        return None
    names = data.runs[0].facts.get("class-names", [f"class {c}" for c in range(data.classes)])
    names = ["".join(c for c in name if c.isprintable()) for name in names]
    values = [np.array([by_class(run.logits, data.labels) for run in s.runs if run.logits is not None]) for s in data.series]
    means = np.array([own.mean(0) if len(own) else [math.nan] * data.classes for own in values])
    teacher = by_class(data.only.logits, data.labels) if data.only else None
    order = np.argsort(np.nansum(means, 0), kind="stable")  # hardest first
    order = np.array(sorted(order, key=lambda c: np.isnan(means[:, c]).all()))  # without images: last
    every = np.concatenate([own.ravel() for own in values] + ([teacher] if data.only else []))
    low, figures, parts = min(math.floor(np.nanmin(every) / 10) * 10, 90), [], np.array_split(order, math.ceil(data.classes / 25))
    for chosen in parts:
        begin = sum(len(plotted) for plotted in parts[:len(figures)])
        title = f"Classes {begin + 1} to {begin + len(chosen)} of {data.classes}, hardest first" if len(parts) > 1 else \
            "Accuracy by class, hardest first"
        figures.append(class_plot(data, title, names, chosen, values, teacher, low))
    columns = ([teacher] if data.only else []) + list(means)
    return {"figures": figures, "rows": [[names[c]] + [number(column[c]) for column in columns] for c in order]}


def students(data):
    """The students beside their teacher, what their losses consist of, and GDKD's terms at every k."""
    agreements, of_losses, by_k = [], [], []
    for series in data.series:
        pairs = [(run, data.teacher_of(run)) for run in series.runs if data.teacher_of(run)]
        if not pairs:
            continue
        columns = zip(*[agreement(run.logits, teacher.logits, data.labels) for run, teacher in pairs])
        agreements.append([series.name] + [with_spread(column) for column in columns])
        if series.facts["kd-weight"]:
            parts = [weighted_parts(run.facts, run.logits, teacher.logits, data.labels) for run, teacher in pairs]
            for what, of_runs in zip(["share of the loss", "images where it is the largest"], zip(*[shares(p) for p in parts if p])):
                of_losses.append((series.name, what, {part: np.mean([one[part] for one in of_runs]) for part in of_runs[0]}))
        by_k += [plot_by_k(data, series, *pairs[0])] if data.classes > 2 else []
    return {"agreements": agreements, "shares": of_losses, "by_k": by_k} if agreements else None


def plot_by_k(data, series, run, teacher):
    ks, at = np.array(chosen_ks(data.classes)), series.facts["temperature"]
    if series.facts["loss"] == "ce":
        at = (data.temperatures(teacher) + [at])[0]
    split = [split_terms(run.logits, teacher.logits, at, [0, k]) for k in ks]
    terms = [[high.mean() for high, _ in split], [low[:, 0].mean() for _, low in split], [low[:, 1].mean() for _, low in split]]
    has_term = [ks > 0, ks > 1, ks < data.classes - 1]  # a group of one class has none
    plot = Plot(f"{series.name}, T = {at:g}", "k", "T² · nats")
    for style, name in enumerate(["high", "top", "other"]):
        plot.line(ks, np.where(has_term[style] & (np.array(terms[style]) > 0), terms[style], np.nan), style, name)
    plot.scale("y", log=True)
    plot.scale("x", log=data.classes > FEW_CLASSES, limits=(1, ks[-1]), whole=True)
    plot.mark_ks([series.facts["k"]] if series.facts["loss"] == "gdkd" and "k-file" not in series.facts else [])
    return plot


def profile_plot(title, xlabel, ylabel, unit, x, values, others=()):
    """Mean, median, and a band from the 10th to the 90th percentile of each column; and other lines."""
    plot, (low, median, high) = Plot(title, xlabel, ylabel, unit), np.percentile(values, [10, 50, 90], axis=0)
    plot.axes.fill_between(x, low, high, color=ON_WHITE[0], alpha=0.16, linewidth=0)
    plot.line(x, values.mean(0), 0, "mean")
    plot.line(x, median, 1, "median")
    for style, name, other in others:
        plot.line(x, other, style, name)
    return plot


def view(data, teacher, at, ks):
    """A teacher's distribution at one temperature, by rank, k, ratio and mass."""
    logits, many, x = teacher.logits, data.classes > FEW_CLASSES, np.arange(1, data.classes + 1)
    soft, plain = (-np.sort(-np.exp(log_softmax(logits, t)), 1) for t in (at, 1))
    mass, plain_mass, rank = 100 * soft.cumsum(1), 100 * plain.cumsum(1).mean(0), ranks(logits, data.labels)
    label = 100 * (rank[:, None] < x).mean(0)
    figures = [profile_plot("Probability by rank", "rank of the class, 1: the teacher's first", "probability", "", x, soft,
                            [(3, "mean at T = 1", plain.mean(0))][:at != 1]),
               profile_plot("Mass of the top k classes", "k", "mass, %", " %", x, mass,
                            [(2, "label among the top k", label)] + [(3, "mean at T = 1", plain_mass)][:at != 1])]
    figures[0].scale("y", log=True)
    figures[1].scale("y", limits=(0, 100))
    for plot in figures:
        plot.scale("x", log=many, limits=(1, data.classes), whole=True)
        plot.mark_ks(ks)
    part = np.arange(26) / 25
    for what, find, steps, shown, limits in (("ratio", k_by_ratio, data.classes**part, data.classes**part, (1, data.classes)),
                                             ("mass", k_by_mass, 0.5 + 0.49 * part, 50 + 49 * part, (50, 100))):
        plot = profile_plot(f"Adaptive k by {what}", what + ", %" * (what == "mass"), "k", "", shown,
                            np.array([find(soft, step) for step in steps]).T)
        plot.scale("y", log=many, limits=(1 if many else 0, data.classes))
        plot.scale("x", log=what == "ratio", limits=limits)
        for k in ks if len(ks) == 1 else []:
            plot.dashed(y=k)
        figures.append(plot)
    groups = {"right answers, T = 1": plain[rank == 0, 0], "wrong answers, T = 1": plain[rank > 0, 0]}
    groups |= {f"all, T = {at:g}": soft[:, 0]} if at != 1 else {}
    confidence = Plot("Confidence: probability of the first class", "probability, in steps of 0.05", "% of the images", " %")
    for style, (name, values) in enumerate(groups.items()):
        bins = np.bincount(np.minimum((values * 20).astype(int), 19), minlength=20)
        confidence.line((np.arange(20) + 0.5) / 20, 100 * bins / len(rank), style, name)
    confidence.scale("y")
    confidence.scale("x", limits=(0, 1))
    chosen = sorted({k for k in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50) if k < data.classes} | set(ks))
    columns = [mass.mean(0), *np.percentile(mass, [10, 90], axis=0), *[plain_mass][:at != 1], label]
    return {"name": teacher.name, "at": at, "figures": figures, "rows": [(k, [column[k - 1] for column in columns]) for k in chosen],
            "confidence": confidence, "confidence_names": list(groups)}


def number(value, decimals=2):
    return f"{value:.{decimals}f}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def with_spread(values):
    """Mean and standard deviation (n - 1), NaN left out."""
    values = np.array([value for value in values if math.isfinite(value)])
    return number(values.mean() if len(values) else math.nan) + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def make_title(data):
    models, f = {run.facts["model"] for run in data.runs}, data.runs[0].facts
    teachers = [run.facts["teacher-model"] for run in data.runs if "teacher-model" in run.facts]
    one = data.only and teachers and not any("teacher-logits" in run.facts for run in data.runs)
    what = f["model"] + (f" from {teachers[-1]}" if one else "") if len(models) == 1 else f"{len(data.runs)} runs"
    return f"{what} on {f['dataset']}"


def sentence(data):
    """What was seen: as gdkd-distill says it (report/summary.c), of the finished runs."""
    def lead(first, other):
        """In words, and whether it is more than the spread, or nobody can judge."""
        ahead, spread = first[1] - other[1], max(first[2], other[2])
        if math.isinf(spread):
            return f"{first[0]} is {ahead:.2f} above {other[0]} (one seed tells no spread)", True
        if ahead > spread:
            return f"{first[0]} is {ahead:.2f} above {other[0]} (spread {spread:.2f})", True
        return f"{first[0]} and {other[0]} are {ahead:.2f} apart, within their spread of {spread:.2f}", False
    found = [(series.name, series.summary()["last"]) for series in data.series]
    found = [(name, np.mean(last), np.std(last, ddof=1) if len(last) > 1 else np.inf) for name, last in found if last]
    found.sort(key=lambda place: (-place[1], place[0]))
    words, first = [], found[:1]
    for place in found[1:]:
        text, clear = lead(first[0], place)
        words.append(text)
        first = [place] if clear else first
    return "Seen on the test images, in points of top-1: " + "; ".join(words) + "." if words else ""


def make_page(data):
    every_run, settings = [], {}
    for series in data.series:
        for run in series.runs:
            top1, epochs = run.log["test_top1"], f"{run.epochs}" + ("" if run.finished else f" of {series.epochs}")
            every_run.append([f"{series.name}, seed {run.facts['seed']}", epochs, number(top1[-1]), number(top1.max()),
                              top1.argmax() + 1, number(run.log["test_top5"][-1])])
            for key, value in run.settings().items():
                settings.setdefault(key, {})[value] = True
    ks = sorted({run.facts["k"] for run in data.runs if run.facts["loss"] in TOP_K and "k-file" not in run.facts})
    accuracies = [curve_plot(data, "test_top1", "Test top-1", "top-1, %", " %", data.only),
                  curve_plot(data, "test_top5", "Test top-5", "top-5, %", " %"),
                  curve_plot(data, "train_top1", "Training top-1", "top-1, %", " %")]
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(os.path.dirname(os.path.realpath(__file__))), autoescape=True,
                                   trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    templates.filters |= {"f": number, "spread": with_spread}
    return templates.get_template("page.html").render(
        data=data, title=make_title(data), sentence=sentence(data), only=data.only, names=[series.name for series in data.series],
        on_white=ON_WHITE, on_black=ON_BLACK, missing=sum(run.logits is None for run in data.runs), accuracies=accuracies,
        terms=term_plots(data), classes=classes(data), students=students(data), parts=ALL_PARTS, ks=ks, every_run=every_run,
        views=[view(data, teacher, at, ks) for teacher in data.teachers for at in data.temperatures(teacher)[:4] or [1]],
        settings={key: values for key, values in settings.items() if key not in LOSS_KEYS} | {"test-images": [len(data.labels)]})


def main():
    parser = argparse.ArgumentParser(prog="gdkd-report", description="One page about runs of gdkd-distill, on stdout.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a folder of runs, or one run's NAME.run.json")
    try:
        sys.stdout.reconfigure(encoding="utf-8")
        print(make_page(Data(parser.parse_args().paths)))
    except (Fault, OSError) as error:
        text = f"{error.filename} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        print("gdkd-report:", " ".join(text.split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
