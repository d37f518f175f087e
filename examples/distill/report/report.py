#!/usr/bin/python3
"""One page about runs of gdkd-distill, made of the files that they left.

    gdkd-report [--out FILE] PATH...

A PATH is a folder, all whose runs are read, or a run's own NAME.run.json. All of them must have been tested on the same
images. The page is FILE, or report.html in the first folder: one file without scripts and links.
Exit status: 0, 1 for files that cannot be used, 2 for a wrong call, 3 without the packages python3-matplotlib and python3-numpy.
"""

import argparse
import fcntl
import html
import io
import json
import math
import os
import re
import stat
import sys
import warnings
import xml.etree.ElementTree as ET

try:
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
except ImportError as missing:
    sys.exit(print(f"gdkd-report: {missing}: install python3-matplotlib", file=sys.stderr) or 3)


class Fault(Exception):
    """One line for the user, and the exit status."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


# --- One run ----------------------------------------------------------------------------------------------------------

ENDING = ".run.json"
LOSS_KEYS = ["temperature", "k", "w0", "w1", "w2", "alpha", "beta", "warmup", "ce-weight", "kd-weight"]
WHOLE = {"train-images", "k", "epochs", "batch", "classes"}
REAL = {*LOSS_KEYS, "lr", "lr-min", "momentum", "weight-decay"} - WHOLE
TEXT = {"name", "loss", "seed", "model", "dataset", "schedule", "library", "kernels", "log", "logits"}
OPTIONAL = {"teacher-model", "teacher-logits", "teacher-test-logits"}
FILES = ["log", "logits", "teacher-test-logits"]
OWN = {"seed", "library", "kernels", *FILES}  # may differ between the runs of one series
NO_SETTING = {"name", "loss", "seed", "classes", "labels", "class-names", *FILES}

# The parts of each loss that come beside ce, each with its weight or the setting that is its weight; and its own settings.
SPLIT = {"high": "w0", "top": "w1", "other": "w2"}
PARTS = {"ce": {}, "kd": {"kd": 1}, "dkd": {"high": "alpha", "other": "beta"}, "gdkd": SPLIT, "gdkd3": SPLIT}
DETAIL = {"dkd": "alpha {alpha:g}, beta {beta:g}, ", "gdkd": "k {k}, w {w0:g} {w1:g} {w2:g}, "}
DETAIL["gdkd3"] = DETAIL["gdkd"]


def read(path):
    """The bytes of a regular file: others may have no end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Fault(f"{path} is not a regular file")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Fault(f"{path} cannot be opened: {error.strerror}") from error


def printable(value):
    """Texts of JSON without control characters and halves of surrogates."""
    if isinstance(value, list):
        return [printable(item) for item in value]
    return "".join(c for c in value if c.isprintable()) if isinstance(value, str) else value


def number(value, low, whole):
    return type(value) in ((int,) if whole else (int, float)) and low <= value < 2**31 and math.isfinite(value)


def wrong_fact(f):
    """The first key that is missing or has a value that cannot be, or None."""
    for key in sorted(TEXT | OPTIONAL & f.keys()):
        if not isinstance(f.get(key), str) or not f[key]:
            return key
    for key in sorted(WHOLE | REAL):
        if not number(f.get(key), 1 if key in WHOLE else 0, key in WHOLE):
            return key
    if not re.fullmatch("[0-9]+", f["seed"]):
        return "seed"
    if f["loss"] in ("gdkd", "gdkd3") and f["k"] >= f["classes"]:
        return "k"
    names, labels = f.get("class-names"), f.get("labels")
    if names is not None and not (isinstance(names, list) and len(names) == f["classes"] and all(isinstance(n, str) for n in names)):
        return "class-names"
    fine = isinstance(labels, list) and labels and all(number(label, 0, True) and label < f["classes"] for label in labels)
    return None if fine else "labels"


def read_facts(path):
    try:
        facts = json.loads(read(path).decode(errors="replace"))
        if not isinstance(facts, dict):
            raise ValueError
    except ValueError as error:
        raise Fault(f"{path} is damaged: it is no JSON object; train that run again") from error
    facts = {key: printable(value) for key, value in facts.items()}
    key = wrong_fact(facts)
    if key:
        raise Fault(f'{path} cannot be used: "{key}" is missing or wrong; train that run again')
    return facts


def read_log(path, epochs):
    """The columns of a CSV, by name."""
    lines = read(path).decode(errors="replace").split("\n")
    columns = lines[0].split(",")
    if lines[-1]:
        raise Fault(f"{path} is cut off in line {len(lines)}")
    if len(lines) > 1 and not {"epoch", "train_loss", "train_top1", "test_top1", "test_top5", "seconds", "libgdkd_share"} <= {*columns}:
        raise Fault(f"{path} is no log of a training run")
    rows = []
    for at, line in enumerate(lines[1:-1], 2):
        if at - 1 > epochs:
            raise Fault(f"{path} has more epochs than the {epochs} of its run")
        try:
            row = dict(zip(columns, [float(cell) if cell else math.nan for cell in line.split(",")], strict=True))
        except ValueError as error:
            raise Fault(f"{path} is damaged in line {at}") from error
        needed = [value for name, value in row.items() if not name.startswith("train_") or name == "train_top1"]
        if not all(map(math.isfinite, needed)) or row["epoch"] != at - 1 or row["seconds"] <= 0:
            raise Fault(f"{path} is damaged in line {at}")
        rows.append(row)
    if not rows:
        raise Fault(f"{path} has no epoch")
    return {name: np.array([row[name] for row in rows]) for name in columns}


def read_logits(path, facts):
    """None when they are not there: logits are large, so people remove them."""
    if not os.path.exists(path):
        return None
    try:
        logits = np.load(io.BytesIO(read(path)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Fault(f"{path} is damaged, or no file of NumPy's: {str(error).splitlines()[0]}") from error
    expected = (len(facts["labels"]), facts["classes"])
    if logits.shape != expected or logits.dtype.kind != "f":
        raise Fault(f"{path} holds {' x '.join(map(str, logits.shape))} of {logits.dtype}, but its run had logits of"
                    f" {expected[0]} images and {expected[1]} classes")
    broken = np.flatnonzero(~np.isfinite(logits).all(1))
    if len(broken):
        raise Fault(f"{path} cannot be used: a logit of image {broken[0]} is not finite")
    return logits.astype(float)


class Run:
    def __init__(self, path):
        self.path = path
        self.facts = read_facts(path)
        self.labels = np.array(self.facts["labels"])
        self.log = read_log(self.file("log"), self.facts["epochs"])
        self.logits = read_logits(self.file("logits"), self.facts)
        self.epochs = len(self.log["epoch"])
        self.finished = self.epochs == self.facts["epochs"]
        self.teacher = None
        found, logged = math.nan if self.logits is None else top(self.logits, self.labels, 1), self.log["test_top1"][-1]
        if abs(found - logged) > 1e-3:  # the CSV has three decimals
            raise Fault(f"{self.file('logits')} is not of the last epoch of {self.facts['log']} (top-1 {found:.2f}, not"
                        f" {logged:.2f}): go on with that run's --resume, or train it again")

    def file(self, key):
        return os.path.join(os.path.dirname(self.path), self.facts[key])

    def tell(self, key):
        value = self.facts.get(key)
        return f"{value:g}" if isinstance(value, float) else None if value is None else str(value)

    def settings(self):
        return [key for key, value in self.facts.items() if key not in NO_SETTING and not isinstance(value, (list, dict))]


class Teacher:
    def __init__(self, path, logits, run):
        self.path, self.logits = path, logits
        self.name = f"teacher {run.facts.get('teacher-model', '')}".strip()
        self.top1, self.top5 = top(logits, run.labels, 1), top(logits, run.labels, 5)


# --- All runs ---------------------------------------------------------------------------------------------------------


class Series:
    """Runs that differ in their seed alone."""

    def __init__(self, runs):
        self.runs, self.facts, self.epochs = runs, runs[0].facts, runs[0].facts["epochs"]
        self.name = self.detail = ""


def find_facts(path):
    if not os.path.exists(path):
        raise Fault(f"{path} is not there")
    if not os.path.isdir(path):
        return [path]
    try:
        found = sorted(name for name in os.listdir(path) if name.endswith(ENDING) and name != ENDING)
    except OSError as error:
        raise Fault(f"the folder {path} cannot be read: {error.strerror}") from error
    if not found:
        raise Fault(f"{path} has no run to report: no *{ENDING} there; train, distill and compare leave one for each run")
    return [os.path.join(path, name) for name in found]


def check_together(a, b):
    def unless(same, what):
        if not same:
            raise Fault(f"{what}: they do not fit into one report; name one of them alone")
    f, g = a.facts, b.facts
    unless((f["dataset"], f["classes"]) == (g["dataset"], g["classes"]),
           f"{a.path} is about {f['dataset']} and {b.path} about {g['dataset']}")
    unless(len(a.labels) == len(b.labels), f"{a.path} was tested on {len(a.labels)} images and {b.path} on {len(b.labels)}")
    unless((a.labels == b.labels).all(), f"{a.path} and {b.path} were tested on different images")


def find_teacher(run, teachers):
    """Teachers are told apart by what they say: one file may stand beside every student."""
    if "teacher-test-logits" not in run.facts:
        return None
    path = run.file("teacher-test-logits")
    known = [t for t in teachers if t.path == path]
    logits = None if known else read_logits(path, run.facts)
    known += [] if logits is None else [t for t in teachers if (t.logits == logits).all()] or [Teacher(path, logits, run)]
    teachers += [t for t in known if t not in teachers]
    return known[0] if known else None


class RunSet:
    def __init__(self, paths):
        self.runs, self.teachers, groups = [], [], {}
        for path in [facts for path in paths for facts in find_facts(path)]:
            run = Run(path)
            check_together((self.runs or [run])[0], run)
            run.teacher = find_teacher(run, self.teachers)
            self.runs.append(run)
        for run in self.runs:
            alike = [(key, value) for key, value in run.facts.items() if key not in OWN | {"labels", "class-names"}]
            groups.setdefault((json.dumps(sorted(alike)), id(run.teacher)), []).append(run)
        self.series = [Series(runs) for runs in groups.values()]
        self.runs = [run for series in self.series for run in series.runs]
        for series in self.series:
            for i, run in enumerate(series.runs):
                for other in series.runs[:i]:
                    if other.facts["seed"] == run.facts["seed"]:
                        raise Fault(f"{other.path} and {run.path} are the same run; name one of them")
            self.name(series)

    def differs(self, run, key, among):
        """Whether one of these runs has another value; `among` None: any run that has one."""
        return any(other.tell(key) not in ((run.tell(key),) if among else (run.tell(key), None)) for other in among or self.runs)

    def name(self, series):
        """gdkd:k=3: the name and what sets it apart from others of that name; and its settings in words."""
        run, f = series.runs[0], series.facts
        namesakes = [other for other in self.runs if other.facts["name"] == f["name"]]
        name = f["name"] + "".join(f":{key}={run.tell(key)}" for key in run.settings() if self.differs(run, key, namesakes))
        count = sum(re.sub(r" \(\d+\)$", "", other.name) == name for other in self.series)
        series.name = name + (f" ({count + 1})" if count else "")
        own = "" if f["loss"] == "ce" else "T {temperature:g}, " + DETAIL.get(f["loss"], "") + "warm-up {warmup:g}, "
        series.detail = (own + "ce {ce-weight:g}" + (", kd {kd-weight:g}" if own else "")).format_map(f) + "".join(
            f", {key} {run.tell(key)}" for key in run.settings() if key not in LOSS_KEYS and self.differs(run, key, None))

    def teacher_of(self, run):
        """Its own, or the only one where it has none; None without either, or without logits."""
        only = self.teachers[0] if len(self.teachers) == 1 and "teacher-logits" not in run.facts else None
        return None if run.logits is None else run.teacher or only

    def temperatures(self, teacher):
        """Those at which runs distil from this teacher."""
        return list(dict.fromkeys(run.facts["temperature"] for run in self.runs
                                  if self.teacher_of(run) is teacher and run.facts["loss"] != "ce"))

    def ks(self):
        return sorted({run.facts["k"] for run in self.runs if run.facts["loss"] in ("gdkd", "gdkd3")})


# --- Numbers ----------------------------------------------------------------------------------------------------------


def ranks(logits, labels):
    """Classes before the label's; among equals the lower one comes first."""
    own = logits[np.arange(len(labels)), labels][:, None]
    return ((logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < labels[:, None]))).sum(1)


def top(logits, labels, k):
    return 100 * (ranks(logits, labels) < k).mean()


def by_class(logits, labels):
    right = ranks(logits, labels) == 0
    return np.array([100 * right[labels == c].mean() if (labels == c).any() else math.nan for c in range(logits.shape[1])])


def mean_spread(values):
    """Mean and standard deviation (n - 1), NaN left out."""
    values = np.array([v for v in values if not math.isnan(v)])
    return (values.mean() if len(values) else math.nan, values.std(ddof=1) if len(values) > 1 else math.nan)


def summarise(series):
    """last, best, runs, seconds per epoch, libgdkd's share of them: of finished runs."""
    logs = [run.log for run in series.runs if run.finished]
    seconds = sum(log["seconds"].sum() for log in logs)
    return {"last": [log["test_top1"][-1] for log in logs], "best": [log["test_top1"].max() for log in logs], "runs": len(logs),
            "seconds": seconds / max(1, len(logs)) / series.epochs,
            "share": 100 * sum((log["libgdkd_share"] * log["seconds"]).sum() for log in logs) / (seconds or 1)}


def log_softmax(logits, temperature=1.0):
    z = logits / temperature
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def agreement(student, teacher, labels):
    """In the order of the page's columns."""
    def percent(part, of=None):
        part = part if of is None else part[of]
        return 100 * part.mean() if len(part) else math.nan
    s, t = student.argmax(1), teacher.argmax(1)
    right = t == labels
    p, q = log_softmax(teacher), log_softmax(student)
    return [percent(s == t), percent(s == t, right), percent(s == t, ~right), percent((s == labels) & ~right),
            percent((s != labels) & right), (np.exp(p) * (p - q)).sum(1).mean()]


def split_terms(student, teacher, temperature, begins, first=None):
    """KL(teacher || student) split into groups of classes: T^2 times the term between the groups, and one column for
    each group's own. Groups begin at these places of the teacher's order, in which the classes `first` precede."""
    key = teacher.copy()
    if first is not None:
        key[np.arange(len(key)), first] = np.inf
    order = np.argsort(-key, axis=1, kind="stable")
    p = np.take_along_axis(log_softmax(teacher, temperature), order, 1)
    q = np.take_along_axis(log_softmax(student, temperature), order, 1)
    tiny = np.finfo(float).tiny  # a group's mass may underflow to nothing, and has no term then
    sums = [np.add.reduceat(x, begins, axis=1) for x in (np.exp(p), np.exp(q), np.exp(p) * (p - q))]
    gap = np.log(np.maximum(sums[0], tiny)) - np.log(np.maximum(sums[1], tiny))
    return temperature**2 * (sums[0] * gap).sum(1), temperature**2 * (sums[2] / np.maximum(sums[0], tiny) - gap)


def weighted_parts(facts, student, teacher, labels):
    """Each part of a loss for each image, weights included, after the warm-up. None for a loss that this page does not know."""
    parts = PARTS.get(facts["loss"])
    if parts is None:
        return None
    weights = {"ce": facts["ce-weight"]} | {part: facts["kd-weight"] * facts.get(w, w) for part, w in parts.items()}
    terms, at = {"ce": -log_softmax(student)[np.arange(len(labels)), labels]}, facts["temperature"]
    if facts["loss"] == "kd":
        terms["kd"] = split_terms(student, teacher, at, [0])[1][:, 0]
    elif parts:
        begins = {"dkd": [0, 1], "gdkd": [0, facts["k"]], "gdkd3": sorted({0, 1, facts["k"]})}[facts["loss"]]
        terms["high"], low = split_terms(student, teacher, at, begins, labels if facts["loss"] == "dkd" else None)
        terms["top"], terms["other"] = low[:, -2], low[:, -1]
    return {part: weight * terms[part] for part, weight in weights.items() if weight}


def shares(parts):
    """For each part: its share of the mean loss, and of the images in which it is the largest; percent."""
    values = np.array(list(parts.values()))
    largest = np.bincount(values.argmax(0), minlength=len(parts)) / values.shape[1]
    return {part: (100 * values[i].sum() / values.sum(), 100 * largest[i]) for i, part in enumerate(parts)}


def k_by_ratio(rows, ratio):
    """GDKD_K_RATIO without a k_max, for probabilities sorted from the largest down."""
    up = rows[:, ::-1]
    hit = up * np.arange(1, up.shape[1] + 1) >= ratio * up.cumsum(1)
    return np.where(hit.any(1), up.shape[1] - hit.argmax(1), 1)


def k_by_mass(rows, mass):
    hit = rows.cumsum(1)[:, :-1] >= mass
    return np.where(hit.any(1), hit.argmax(1) + 1, rows.shape[1])


def profile(columns):
    """Mean, median and the 10th and 90th percentile of each column."""
    low, median, high = np.percentile(columns, [10, 50, 90], axis=0)
    return {"mean": columns.mean(0), "median": median, "low": low, "high": high}


def chosen_ks(classes):
    """Every k below the classes, or about equal steps of its logarithm where there are many."""
    ks = [1]
    while ks[-1] < classes:
        ks.append(ks[-1] + 1 + (ks[-1] // 6 if classes > 20 else 0))
    return ks[:-1]


# --- Pictures ---------------------------------------------------------------------------------------------------------

# Colours after Okabe and Ito (2008), which stay apart for colour-blind eyes; darker on white, lighter on black where the
# original would be faint. Matplotlib draws in the first ones; the page has variables in their place.
COLOURS = ["#0072b2", "#c24e00", "#007f5f", "#a8478a", "#8a6d00", "#58a9dd", "#6b4fbb", "#444444"]
ON_DARK = ["#56b4e9", "#ff9a4d", "#2fce9f", "#e48bc4", "#f0d34a", "#9ad0f5", "#b6a2ff", "#cccccc"]
DIM, LINE, CARD = "#5b6270", "#dfe2e8", "#f7f8fa"
VARIABLES = {**{c: f"var(--c{i})" for i, c in enumerate(COLOURS)}, DIM: "var(--dim)", LINE: "var(--line)", CARD: "var(--card)"}
MARKERS = ["o", "s", "^", "D"]
KEYS = ['<circle cx="14" cy="6" r="3.5"/>', '<path d="M10.8 2.8h6.4v6.4h-6.4z"/>', '<path d="M14 1.4l4.2 7.4h-8.4z"/>',
        '<path d="M14 1.6l4.4 4.4l-4.4 4.4l-4.4-4.4z"/>']
WIDTH, MOST_MARKED = 400, 40
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gdkd", "font.size": 12, "text.parse_math": False,
                            "axes.edgecolor": LINE, "xtick.color": DIM, "ytick.color": DIM, "axes.labelcolor": DIM, "text.color": DIM,
                            "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0})
warnings.filterwarnings("ignore", "Glyph")  # the reader's browser has the fonts


def log_label(value, _):
    exponent = round(math.log10(value))
    return f"{value:g}" if 1e-4 < value < 1e5 else "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


class Plot:
    """A figure of the page. Sizes are pixels of a figure that is shown WIDTH wide."""

    count = 0

    def __init__(self, title, x, y="", unit="", height=250, left=60):
        self.title, self.x, self.unit, self.size, self.tips = title, x, unit, (WIDTH, height), {}
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
        self.axes = self.figure.add_axes([left / WIDTH, 42 / height, (WIDTH - 14 - left) / WIDTH, (height - 60) / height], facecolor="none")
        self.axes.set_xlabel(x)
        self.axes.set_ylabel(y)
        self.axes.xaxis.set_label_coords(0.5, -27 / (height - 60))
        self.axes.yaxis.set_label_coords(-42 / (WIDTH - 14 - left), 0.5)
        self.axes.grid(axis="y", color=LINE, linewidth=1)
        self.axes.set_axisbelow(True)
        for spine in self.axes.spines.values():
            spine.set_visible(False)

    def scale(self, axis, log=False, low=None, high=None, whole=False):
        axis_of = self.axes.xaxis if axis == "x" else self.axes.yaxis
        getattr(self.axes, f"set_{axis}scale")("log" if log else "linear")
        if low is not None:
            pad = 0.02 if axis == "x" and not log else 0
            getattr(self.axes, f"set_{axis}lim")(low - pad * (high - low), high + pad * (high - low) or 1)
        if not log:
            axis_of.set_major_locator(MaxNLocator(7 if axis == "x" else 5, integer=whole, steps=[1, 2, 5, 10]))
            return
        low, high = sorted(axis_of.get_view_interval())
        if axis == "y":
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
            self.axes.set_ylim(low, high)
        axis_of.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 10**2.5 else (1,), numticks=9))
        axis_of.set_minor_locator(NullLocator())
        axis_of.set_major_formatter(FuncFormatter(log_label))

    def line(self, x, y, style, name, faint=False):
        mark = None if faint or len(x) > MOST_MARKED else MARKERS[style % len(MARKERS)]
        self.axes.plot(x, y, color=COLOURS[style % len(COLOURS)], linewidth=1 if faint else 2, alpha=0.4 if faint else None,
                       marker=mark, markersize=7, markeredgecolor=CARD, markeredgewidth=0.8)
        if not faint:
            self.tip(x, y, [f"{name}, {self.x} {a:.4g}: {b:.4g}{self.unit}" for a, b in zip(x, y)])

    def tip(self, x, y, texts):
        """Words at each point, and a disc around it that a pointer or a finger can hit."""
        there = [i for i, value in enumerate(y) if math.isfinite(value) and math.isfinite(x[i])]
        gid = f"tip{len(self.tips)}"
        self.axes.plot([x[i] for i in there], [y[i] for i in there], "o", markersize=16, gid=gid, scalex=False, scaley=False)
        self.tips[gid] = [texts[i] for i in there]

    def html(self):
        out = io.StringIO()
        self.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", out.getvalue()[out.getvalue().index("<svg"):]).replace("xlink:href", "href")
        text = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", text)
        text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui,sans-serif", text)
        Plot.count += 1
        text = re.sub(r'(id="|#)([mp][0-9a-f]{10})', rf"\g<1>f{Plot.count}\2", text)  # once on a page
        for colour, variable in VARIABLES.items():
            text = text.replace(colour, variable)
        root = ET.fromstring(text)
        for child in list(root):
            if child.tag == "metadata" or child.find("style") is not None:
                root.remove(child)
        root.attrib = {"viewBox": f"0 0 {self.size[0]} {self.size[1]}", "role": "img", "aria-label": self.title}
        for group in root.iter("g"):
            texts = self.tips.get(group.attrib.pop("id", None))
            if texts is None:
                continue
            group.set("class", "hit")
            for element in [*group.iter("path"), *group.iter("use")]:
                element.attrib.pop("style", None)
            for point, words in zip(group.iter("use"), texts, strict=True):
                ET.SubElement(point, "title").text = words
        svg = ET.tostring(root, encoding="unicode")
        return f"<figure><figcaption>{html.escape(self.title)}</figcaption>\n{svg}</figure>\n"


# --- The page ---------------------------------------------------------------------------------------------------------

STYLE = """
:root{--ink:#1d2025;--dim:#5b6270;--line:#dfe2e8;--page:#fff;--card:#f7f8fa;--shade:#1d202538;LIGHT}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaee;--dim:#a2a9b6;--line:#353a44;--page:#14161a;--card:#1c1f25;--shade:#e8eaee38;DARK}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:20px 16px 40px;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px}h2{font-size:1.15rem;margin:36px 0 8px}h3{font-size:1rem;margin:24px 0 6px}
p{margin:6px 0;max-width:75ch}.dim{color:var(--dim);font-size:.9rem}
/* A shadow at the edge behind which there is more of a table; covers that scroll along hide it. */
.scroll{overflow-x:auto;background:linear-gradient(90deg,var(--page) 40%,transparent) 0/40px 100% no-repeat local,
linear-gradient(270deg,var(--page) 40%,transparent) 100%/40px 100% no-repeat local,
linear-gradient(90deg,var(--shade),transparent) 0/14px 100% no-repeat,linear-gradient(270deg,var(--shade),transparent) 100%/14px 100% no-repeat}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--dim);font-weight:600;font-size:.85rem;vertical-align:bottom;white-space:normal;min-width:7ch}
th:first-child,td:first-child{text-align:left;padding-left:0}
td small{display:block;color:var(--dim);white-space:normal;min-width:15ch}tr.own td{font-weight:600}th.wide{width:34%}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:10px 0}.legend span{display:inline-flex;align-items:center;gap:6px}
.key{width:34px;height:15px;flex:none;fill:var(--c);stroke:var(--c);stroke-width:0}.key .line{stroke-width:2}
.dashed{stroke-dasharray:5 4}.swatch{width:14px;height:14px;border-radius:3px;background:var(--c)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:14px;align-items:start}
figure{margin:0;background:var(--card);border-radius:8px;padding:10px 8px 4px}figcaption{font-weight:600;font-size:.85rem;padding-left:6px}
figure svg{display:block;width:100%;height:auto;overflow:visible}figure svg *{stroke-linejoin:round}figure text{fill:var(--dim)}
.hit use{fill:transparent}.hit use:hover{fill:var(--line);fill-opacity:.6}
.bar{display:flex;min-width:120px;height:14px;border-radius:3px;overflow:hidden}.bar i{background:var(--c)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
details{margin:12px 0}summary{cursor:pointer;color:var(--dim)}
@media (max-width:480px){th,td{padding:6px 7px}body{font-size:15px}}@media print{figure{break-inside:avoid}}
"""
for _word, _colours in (("LIGHT", COLOURS), ("DARK", ON_DARK)):
    STYLE = STYLE.replace(_word, ";".join(f"--c{i}:{c}" for i, c in enumerate(_colours)))
escape = html.escape


def cell(value, decimals=2):
    return f"{value:.{decimals}f}" if math.isfinite(value) else "–"


def with_spread(values):
    mean, spread = mean_spread(values)
    return cell(mean) if math.isnan(spread) else f"{mean:.2f} ± {spread:.2f}"


def table(head, rows):
    """Cells are HTML; a row is a list of them, or a text that is the whole row."""
    lines = [row if isinstance(row, str) else "<tr>" + "".join(f"<td>{c}" for c in row) for row in rows]
    heads = "".join(h if h.startswith("<th") else f"<th>{h}" for h in head)
    return f'<div class="scroll"><table><thead><tr>{heads}</thead><tbody>\n' + "\n".join(lines) + "\n</tbody></table></div>\n"


def section(title, words):
    return f"<h2>{title}</h2>\n" + (f'<p class="dim">{words}</p>\n' if words else "")


def legend(names, dashed=""):
    def entry(style, inner, name):
        return f'<span><svg class="key" style="--c:{style}" viewBox="0 0 28 12" aria-hidden="true">{inner}</svg>{escape(name)}</span>'
    entries = [entry(f"var(--c{i % len(COLOURS)})", '<path class="line" d="M1 6H27"/>' + KEYS[i % len(KEYS)], n) for i, n in enumerate(names)]
    if dashed:
        entries.append(entry("var(--dim)", '<path class="line dashed" d="M1 6H27"/>', dashed))
    return f'<div class="legend">{"".join(entries)}</div>\n'


def plots(figures):
    return '<div class="plots">\n' + "".join(figure.html() for figure in figures) + "</div>\n"


def write_result(data):
    rows = []
    for series in data.series:
        s, name = summarise(series), f"{escape(series.name)}<small>{escape(series.detail)}</small>"
        rows.append([name, with_spread(s["last"]), with_spread(s["best"]), s["runs"], f"{s['seconds']:.1f}", f"{s['share']:.2f}&nbsp;%"]
                    if s["runs"] else f'<tr><td>{name}<td colspan="5">no run has finished yet')
    missing = sum(run.logits is None for run in data.runs)
    return section("Result", "") + table(
        ["loss", "top-1 last&nbsp;%", "top-1 best&nbsp;%", "runs", "s/epoch", "time in<br>libgdkd"], rows) + (
        '<p class="dim">Mean ± standard deviation over the seeds, of the last epoch and of each run\'s best one. The best epoch is chosen '
        "by the test images, so it flatters. s/epoch: training alone; where losses share what a teacher said (--teacher-memory), the "
        "first of them bears its time.</p>\n") + (
        f'<p class="dim">{missing} of the {len(data.runs)} runs have no logits any more: they are left out of the classes and of the '
        "comparison with the teacher.</p>\n" if missing else "")


def curve_plot(data, title, column, ylabel, unit, reference=None):
    """A strong line for the mean of all seeds that got as far as an epoch, and a faint one for each seed; None without any."""
    plot, drawn, longest = Plot(title, "epoch", ylabel, unit), False, max(s.epochs for s in data.series)
    for style, series in enumerate(data.series):
        values = np.full((len(series.runs), series.epochs), np.nan)
        for row, run in zip(values, series.runs):
            row[:run.epochs] = run.log.get(column, math.nan)
        reached = np.isfinite(values).any(0)
        if not reached.any():
            continue
        drawn, epochs = True, np.arange(1, series.epochs + 1)
        for row in values if len(series.runs) > 1 else []:
            plot.line(epochs, row, style, series.name, faint=True)
        mean = np.nanmean(values[:, reached], 0)
        plot.line(epochs[reached], mean, style, series.name + (", mean" if len(series.runs) > 1 else ""))
    if reference is not None:
        plot.axes.axhline(reference, color=DIM, linewidth=1, linestyle=(0, (5, 4)))
    plot.scale("y")
    plot.scale("x", low=1, high=longest, whole=True)
    return plot if drawn else None


def write_curves(data):
    names, only = [s.name for s in data.series], data.teachers[0] if len(data.teachers) == 1 else None
    known = {"loss": "loss: the weighted sum", "ce": "ce: cross-entropy with the labels", "kd": "kd: the whole distillation term",
             "high": "high: between the groups", "top": "top: among the top classes", "other": "other: among the other classes"}
    columns = dict.fromkeys(c for run in data.runs for c in run.log if c.startswith("train_") and c != "train_top1")
    terms = [curve_plot(data, known.get(c[6:], c[6:]), c, {"loss": "weighted", "ce": "nats"}.get(c[6:], "T² · nats"), "") for c in columns]
    return (section("Accuracy", "Thick lines: means over the seeds. Thin lines: single seeds.") + legend(names, only.name if only else "")
            + plots([curve_plot(data, "Test top-1", "test_top1", "top-1, %", " %", only.top1 if only else None),
                     curve_plot(data, "Test top-5", "test_top5", "top-5, %", " %"),
                     curve_plot(data, "Training top-1", "train_top1", "top-1, %", " %")])
            + section("Terms of the loss", "Means over the training images of each epoch, before the weights; the distillation terms with "
                      "the factor T².") + legend(names) + plots([plot for plot in terms if plot]))


def class_plot(data, title, names, rows, values, teacher, low):
    """Dots for these classes: the mean over the seeds, on a line from the least to the most."""
    step = 12 + 6 * len(data.series)
    plot = Plot(title, "right, % of the class's test images", height=60 + step * len(rows), left=112)
    for i, c in enumerate(rows):
        for style, own in enumerate(values):
            y, colour = i + (style + 1) / (len(data.series) + 1), COLOURS[style % len(COLOURS)]
            if own is not None and not np.isnan(own[:, c]).all():
                plot.axes.plot([own[:, c].min(), own[:, c].max()], [y, y], color=colour, linewidth=1, alpha=0.4)
                plot.axes.plot(own[:, c].mean(), y, MARKERS[style % len(MARKERS)], color=colour, markersize=7, markeredgecolor=CARD,
                               markeredgewidth=0.8)
                plot.tip([own[:, c].mean()], [y], [f"{data.series[style].name}, {names[c]}: {own[:, c].mean():.2f} %"])
        if teacher is not None and not math.isnan(teacher[c]):
            plot.axes.plot([teacher[c]] * 2, [i + 0.1, i + 0.9], color=DIM, linewidth=2.5)
            plot.tip([teacher[c]], [i + 0.5], [f"{data.teachers[0].name}, {names[c]}: {teacher[c]:.2f} %"])
    plot.scale("x", low=low, high=100)
    plot.axes.set_ylim(len(rows), 0)
    plot.axes.set_yticks(np.arange(len(rows)) + 0.5, [names[c] if len(names[c]) <= 15 else names[c][:14] + "…" for c in rows])
    plot.axes.yaxis.grid(False)
    plot.axes.hlines(np.arange(len(rows) + 1), *plot.axes.get_xlim(), color=LINE, linewidth=1)
    plot.axes.xaxis.grid(True, color=LINE)
    return plot


def write_classes(data):
    if all(run.logits is None for run in data.runs):
        return ""
    labels, facts, only = data.runs[0].labels, data.runs[0].facts, len(data.teachers) == 1
    names = facts.get("class-names") or [f"class {c}" for c in range(facts["classes"])]
    values = [np.array([by_class(run.logits, labels) for run in s.runs if run.logits is not None]) for s in data.series]
    values = [own if len(own) else None for own in values]
    teacher = by_class(data.teachers[0].logits, labels) if only else None
    means = [np.full(len(names), np.nan) if own is None else own.mean(0) for own in values]
    all_means = np.array(means)
    hardness = np.where(np.isnan(all_means).all(0), np.inf, np.nansum(all_means, 0) / np.maximum(1, np.isfinite(all_means).sum(0)))
    order = np.argsort(hardness, kind="stable")
    least = np.nanmin([np.nanmin(own) for own in values if own is not None] + ([np.nanmin(teacher)] if only else []))
    low, count = min(math.floor(least / 10) * 10, 90), math.ceil(len(order) / 25)
    figures = []
    for chunk, begin in zip(np.array_split(order, count), np.cumsum([0] + [len(c) for c in np.array_split(order, count)])):
        title = "Accuracy by class, hardest first" if count == 1 else \
            f"Classes {begin + 1} to {begin + len(chunk)} of {len(order)}, hardest first"
        figures.append(class_plot(data, title, names, chunk, values, teacher, low))
    numbers = table(["class, right&nbsp;%"] + ["teacher"] * only + [escape(s.name) for s in data.series],
                    [[escape(names[c])] + [cell(teacher[c])] * only + [cell(mean[c]) for mean in means] for c in order]
                    if only else [[escape(names[c])] + [cell(mean[c]) for mean in means] for c in order])
    others = f"<details><summary>The other classes</summary>\n{plots(figures[1:])}</details>\n" if count > 1 else ""
    return (section("Classes", "After the last epoch. Dots: means over the seeds, on a line from the least to the most."
                    + (" Grey ticks: the teacher." if only else "")) + legend([s.name for s in data.series]) + plots(figures[:1])
            + others + f"<details><summary>The numbers</summary>\n{numbers}</details>\n")


def write_students(data):
    held = [[(run, data.teacher_of(run)) for run in s.runs if data.teacher_of(run)] for s in data.series]
    if not any(held):
        return ""
    labels, known, agreements, rows = data.runs[0].labels, ["ce", "kd", "high", "top", "other"], [], []
    for series, pairs in zip(data.series, held):
        columns = zip(*[agreement(run.logits, teacher.logits, labels) for run, teacher in pairs])
        if pairs:
            agreements.append([escape(series.name)] + [with_spread(column) for column in columns])
        parts = [weighted_parts(run.facts, run.logits, teacher.logits, labels) for run, teacher in pairs
                 if run.facts["loss"] != "ce" and run.facts["kd-weight"]]
        of_runs = [shares(p) for p in parts if p]
        for which, what in enumerate(["share of the loss", "images where it is the largest"] if of_runs else []):
            means = {part: np.mean([one[part][which] for one in of_runs]) for part in of_runs[0]}
            bar = "".join(f'<i style="--c:var(--c{known.index(p)});flex:{m:.3f} 0 0" title="{p} {m:.1f} %"></i>' for p, m in means.items())
            rows.append([f"{escape(series.name)}<small>{what}</small>", f'<div class="bar">{bar}</div>']
                        + [cell(means.get(part, math.nan), 1) for part in known])
    swatches = "".join(f'<span><i class="swatch" style="--c:var(--c{i})"></i>{part}</span>' for i, part in enumerate(known))
    return (section("Student and teacher", "") + table(
                ["loss", "same class&nbsp;%", "where the teacher is right&nbsp;%", "where it is wrong&nbsp;%", "student alone right&nbsp;%",
                 "teacher alone right&nbsp;%", "KL at T&nbsp;=&nbsp;1, nats"], agreements)
            + '<p class="dim">On the test images, after the last epoch. Same class: both name it, of all images, of those that the teacher '
              "has right, of those that it has wrong. KL: of the teacher's distribution to the student's.</p>\n"
            + section("What the weights come to", "Of each finished loss on the test images, weights included, after the warm-up: the share "
                      "of every term in its mean, and the share of the images in which a term is the largest. A term that is next to nothing "
                      "teaches next to nothing; one that drowns the others may weigh too much.")
            + f'<div class="legend">{swatches}</div>\n' + table(["loss", '<th class="wide">'] + [f"{p}&nbsp;%" for p in known], rows)
            + write_terms_by_k(data, held))


def write_terms_by_k(data, held):
    figures, classes = [], data.runs[0].facts["classes"]
    for series, pairs in zip(data.series, held):
        if not pairs or classes < 3:
            continue
        (run, teacher), ks = pairs[0], chosen_ks(classes)
        at = series.facts["temperature"] if series.facts["loss"] != "ce" else (data.temperatures(teacher) or [series.facts["temperature"]])[0]
        terms = []
        for k in ks:
            high, low = split_terms(run.logits, teacher.logits, at, [0, k])
            terms.append([high.mean(), low[:, 0].mean(), low[:, 1].mean()])
        terms = np.array(terms)
        terms[:, 1][np.array(ks) == 1] = terms[:, 2][np.array(ks) == classes - 1] = np.nan  # a group of one class has no term
        plot = Plot(f"{series.name}, T = {at:g}", "k", "T² · nats")
        for style, name in enumerate(["high", "top", "other"]):
            plot.line(ks, np.where(terms[:, style] > 0, terms[:, style], np.nan), style, name)
        plot.scale("y", log=True)
        plot.scale("x", log=classes > 20, low=1, high=ks[-1], whole=True)
        mark_ks(plot, [series.facts["k"]] if series.facts["loss"] == "gdkd" else [])
        figures.append(plot)
    return ("<h3>GDKD's terms by k</h3>\n<p class=\"dim\">What is left between each student (its first seed) and its teacher on the test "
            "images, split at every k, before the weights: where a term is, and how large its weight must be to count.</p>\n"
            + legend(["high: between the groups", "top: among the top k", "other: among the other classes"], "the run's own k")
            + plots(figures)) if figures else ""


def mark_ks(plot, ks):
    """Dashed lines with their k above; a k that would touch the one before is left to the line alone."""
    last = -math.inf
    for k in ks:
        plot.axes.axvline(k, color=DIM, linewidth=1, linestyle=(0, (5, 4)))
        at = plot.axes.transData.transform((k, 0.1))[0] * 72 / plot.figure.dpi
        if at - last >= 18:
            plot.axes.annotate(str(k), (k, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
            last = at


def profile_plot(title, xlabel, ylabel, unit, x, p, others=()):
    plot = Plot(title, xlabel, ylabel, unit)
    plot.axes.fill_between(x, p["low"], p["high"], color=COLOURS[0], alpha=0.16, linewidth=0)
    for style, (name, values) in enumerate([("mean", p["mean"]), ("median", p["median"]), *others]):
        if values is not None:
            plot.line(x, values, style, name)
    return plot


def teacher_plots(data, logits, labels, at):
    """Pictures by rank, k, ratio and mass; and the numbers of the table of k."""
    classes, soft = logits.shape[1], -np.sort(-np.exp(log_softmax(logits, at)), 1)
    plain, many, ks = -np.sort(-np.exp(log_softmax(logits)), 1), classes > 20, [k for k in data.ks() if k < classes]
    mass, plain_mass = profile(100 * soft.cumsum(1)), 100 * plain.cumsum(1).mean(0)
    label = 100 * (ranks(logits, labels)[:, None] < np.arange(1, classes + 1)).mean(0)
    x, part = np.arange(1, classes + 1), np.arange(26) / 25
    at_one = ("mean at T = 1", plain.mean(0) if at != 1 else None)
    by_rank = profile_plot("Probability by rank", "rank of the class, 1: the teacher's first", "probability", "", x, profile(soft), [at_one])
    by_mass = profile_plot("Mass of the top k classes", "k", "mass, %", " %", x, mass,
                           [("mean at T = 1", plain_mass if at != 1 else None), ("label among the top k", label)])
    by_rank.scale("y", log=True)
    by_mass.scale("y", low=0, high=100)
    for plot in (by_rank, by_mass):
        plot.scale("x", log=many, low=1, high=classes, whole=True)
        mark_ks(plot, ks)
    ratios, masses = classes**part, 0.5 + 0.49 * part
    adaptive = [profile_plot("Adaptive k by ratio", "ratio", "k", "", ratios, profile(np.array([k_by_ratio(soft, r) for r in ratios]).T)),
                profile_plot("Adaptive k by mass", "mass, %", "k", "", 100 * masses, profile(np.array([k_by_mass(soft, m) for m in masses]).T))]
    for plot, log, low, high in ((adaptive[0], True, 1, classes), (adaptive[1], False, 50, 100)):
        plot.scale("y", log=many, low=1 if many else 0, high=classes)
        plot.scale("x", log=log, low=low, high=high)
        for k in ks if len(ks) == 1 else []:
            plot.axes.axhline(k, color=DIM, linewidth=1, linestyle=(0, (5, 4)))
    rows = []
    for k in sorted({k for k in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50) if k < classes} | set(ks)):
        cells = [mass["mean"][k - 1], mass["low"][k - 1], mass["high"][k - 1]] + [plain_mass[k - 1]] * (at != 1) + [label[k - 1]]
        rows.append(f"<tr{' class=' + repr('own') if k in ks else ''}><td>{k}" + "".join(f"<td>{c:.2f}" for c in cells))
    return [by_rank, by_mass, *adaptive], rows, plain[:, 0], soft[:, 0]


def confidence_plot(right, plain, soft, at):
    """Of all images, the percentage in each twentieth of [0, 1] of the first class's probability."""
    groups = [("right answers, T = 1", plain[right]), ("wrong answers, T = 1", plain[~right])] + [(f"all, T = {at:g}", soft)] * (at != 1)
    plot = Plot("Confidence: probability of the first class", "probability, in steps of 0.05", "% of the images", " %")
    for style, (name, values) in enumerate(groups):
        bins = np.bincount(np.minimum((values * 20).astype(int), 19), minlength=20)
        plot.line((np.arange(20) + 0.5) / 20, 100 * bins / len(right), style, name)
    plot.scale("y")
    plot.scale("x", low=0, high=1)
    return legend([name for name, _ in groups]) + plots([plot])


def write_teachers(data):
    text, labels = "", data.runs[0].labels
    for teacher in data.teachers:
        for at in data.temperatures(teacher)[:4] or [1]:
            figures, rows, plain, soft = teacher_plots(data, teacher.logits, labels, at)
            text += (f"<h3>{escape(teacher.name)} at T = {at:g}</h3>\n"
                     + legend(["mean", "median"] + ["mean at T = 1"] * (at != 1) + ["label among the top k"], "the runs' k" if data.ks() else "")
                     + plots(figures)
                     + table(["k", "mass of the top&nbsp;k, mean&nbsp;%", "10th percentile&nbsp;%", "90th percentile&nbsp;%"]
                             + ["mean at T&nbsp;=&nbsp;1&nbsp;%"] * (at != 1) + ["label among the top&nbsp;k&nbsp;%"], rows)
                     + confidence_plot(ranks(teacher.logits, labels) == 0, plain, soft, at))
    return section("What the teacher knows, and at which k it splits",
                   "The teacher's softmax of the test images, classes sorted from its first choice down. A good k takes the classes that are "
                   "still told apart from the noise of the rest: look for the bend of the ranks. Shaded: from the 10th to the 90th percentile "
                   "of the images. Dashed, and bold in the table: the runs' k. Adaptive k: as libgdkd finds it for each image, without an "
                   "upper bound.") + text if text else ""


def write_runs(data):
    rows = []
    for series in data.series:
        for run in series.runs:
            top1, top5 = run.log["test_top1"], run.log["test_top5"]
            of = "" if run.finished else f" of {series.epochs}"
            rows.append([f"{escape(series.name)}, seed {run.facts['seed']}", f"{run.epochs}{of}", cell(top1[-1]), cell(top1.max()),
                         top1.argmax() + 1, cell(top5[-1])])
    keys = dict.fromkeys(key for run in data.runs for key in run.settings() if key not in LOSS_KEYS)
    told = {key: dict.fromkeys(run.tell(key) for run in data.runs if run.tell(key) is not None) for key in keys}
    told["test-images"] = [str(len(data.runs[0].labels))]
    return (section("Every run", "") + table(
                ["run", "epochs", "top-1 last&nbsp;%", "top-1 best&nbsp;%", "best epoch", "top-5 last&nbsp;%"], rows)
            + section("Settings", "") + "<dl>\n"
            + "\n".join(f"<dt>{escape(key)}<dd>{escape(', '.join(values))}" for key, values in told.items()) + "\n</dl>\n")


def write_page(data):
    f, models = data.runs[0].facts, {run.facts["model"] for run in data.runs}
    teachers = [run.facts["teacher-model"] for run in data.runs if "teacher-model" in run.facts]
    one = teachers and len(data.teachers) == 1 and not any("teacher-logits" in run.facts for run in data.runs)
    title = escape((f["model"] + (f" from {teachers[-1]}" if one else "") if len(models) == 1 else f"{len(data.runs)} runs")
                   + f" on {f['dataset']}")
    said = "".join(f"<p>{escape(t.name)}: top-1 {t.top1:.2f}&nbsp;%, top-5 {t.top5:.2f}&nbsp;% on the {len(t.logits)} test images.</p>\n"
                   for t in data.teachers)
    return ('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, '
            'initial-scale=1">\n<meta name="color-scheme" content="light dark">\n' f"<style>{STYLE}</style>\n<title>{title}</title>\n</head>\n"
            f"<body>\n<h1>{title}</h1>\n{said}" + write_result(data) + write_curves(data) + write_classes(data) + write_students(data)
            + write_teachers(data) + write_runs(data) + "</body>\n</html>\n")


# --- The file ---------------------------------------------------------------------------------------------------------


def same_file(a, b):
    return os.path.realpath(a) == os.path.realpath(b) or os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)


def check_out(data, out):
    for run in data.runs:
        stem = run.path.removesuffix(ENDING)
        beside = [stem + ending for ending in (".safetensors", ".checkpoint", ".config.json")] if stem != run.path else []
        for path in [run.path, *beside, *(run.file(key) for key in FILES if key in run.facts)]:
            if same_file(path, out):
                raise Fault(f"{out} belongs to a run and would be overwritten; give another --out", 2)


def save(out, page):
    """As the trainer writes: FILE.part under a lock, brought to disk and renamed. A device or a link is left alone."""
    part = out + ".part"
    for path in (out, part):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise Fault(f"{path} is not a regular file; name another")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666), "wb") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Fault(f"{out} is being written by another program") from error
            try:
                file.truncate(0)
                file.write(page.encode())
                file.flush()
                os.fsync(file.fileno())
                os.rename(part, out)
            except OSError:
                os.unlink(part)
                raise
    except OSError as error:
        raise Fault(f"{out} cannot be written: {error.strerror}") from error


def main():
    parser = argparse.ArgumentParser(prog="gdkd-report", description="One page about runs of gdkd-distill.")
    parser.add_argument("--out", metavar="FILE", help="the page (report.html in the first folder)")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a folder of runs, or one run's NAME.run.json")
    options = parser.parse_args()
    first = options.paths[0]
    out = options.out or os.path.join(first if os.path.isdir(first) else os.path.dirname(first), "report.html")
    try:
        data = RunSet(options.paths)
        check_out(data, out)
        save(out, write_page(data))
    except Fault as fault:
        print("gdkd-report:", fault, file=sys.stderr)
        return fault.status
    print("report:", out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
