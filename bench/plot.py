#!/usr/bin/env python3
"""Draws the benchmark's tables as SVG.

    build/bin/gdkd-bench --curve C > C.tsv;  bench/plot.py C.tsv docs/img/classes.svg
    build/bin/gdkd-bench --curve k > k.tsv;  bench/plot.py k.tsv docs/img/k.svg
    bench/compare_pytorch.py > r.tsv;        bench/plot.py r.tsv docs/img/ratios.svg

What is drawn follows from the table: ns per element against k where the losses have one (gdkd:k=50),
against the number of classes otherwise, and the ratios for the table of compare_pytorch.py. Needs
matplotlib (Debian: python3-matplotlib).
"""

import os
import sys

USAGE = 2


def fail(text, status=1):
    print(f"plot.py: {text}", file=sys.stderr)
    sys.exit(status)


def read_table(path):
    """The table as a list of dictionaries, and the lines with '#'."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} could not be read: {error}")
    notes = [line[2:] for line in lines if line.startswith("#")]
    table = [line.split("\t") for line in lines if line and not line.startswith("#")]
    if len(table) < 2 or "ns_min" not in table[0]:
        fail(f"{path} is no table of gdkd-bench or compare_pytorch.py")
    for row in table[1:]:
        if len(row) != len(table[0]):
            fail(f"{path}: a row has {len(row)} columns instead of {len(table[0])}: {row[0]}")
    return [dict(zip(table[0], row)) for row in table[1:]], notes


def note_with(notes, text):
    return next((note for note in notes if text in note), "")


def add_curve(axes, rows, x_of, label):
    points = sorted((x_of(row), float(row["ns_min"])) for row in rows)
    axes.plot(*zip(*points), marker="o", markersize=4, label=label)


def draw_curve(axes, rows, x_of, x_label, loss_of):
    """One line per loss, ISA, type and number of threads; x is logarithmic, y begins at 0."""
    keys = {}
    for row in rows:
        key = (loss_of(row), row["dtype"], row["isa"], row["threads"])
        keys.setdefault(key, []).append(row)
    for (loss, dtype, isa, threads), chosen in keys.items():
        plural = "" if threads == "1" else "s"
        add_curve(axes, chosen, x_of, f"{loss} {dtype}, {isa}, {threads} thread{plural}")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel("ns per element")
    axes.legend()


def draw_classes(axes, rows, notes):
    draw_curve(axes, rows, lambda row: int(row["shape"].split("x")[1]),
               "classes C, at a constant number of elements", lambda row: row["loss"])
    axes.set_title(f"Time per element against C\n{note_with(notes, 'cpu:')}", fontsize=10)


def draw_k(axes, rows, notes):
    draw_curve(axes, rows, lambda row: int(row["loss"].split(":k=")[1]), "k",
               lambda row: f"{row['loss'].split(':')[0]} {row['shape']}")
    axes.set_title(f"Time per element against k\n{note_with(notes, 'cpu:')}", fontsize=10)


def draw_ratios(axes, rows, notes):
    """Bars in groups, one group per shape: how many times libgdkd's time each peer takes."""
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    peers = [who for who in dict.fromkeys(row["who"] for row in rows) if who != "libgdkd"]
    width = 0.8 / max(1, len(peers))
    for i, who in enumerate(peers):
        times = {row["shape"]: float(row["times_libgdkd"]) for row in rows if row["who"] == who}
        at = [shapes.index(shape) + (i - (len(peers) - 1) / 2) * width for shape in times]
        bars = axes.bar(at, list(times.values()), width, label=note_with(notes, who + ":") or who)
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1)
    axes.set_xticks(range(len(shapes)), shapes)
    axes.set_ylabel("times the time of libgdkd")
    axes.set_title(f"GDKD with its gradient, float32, one thread\n{notes[0] if notes else ''}",
                   fontsize=10)
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(peers), frameon=False)


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        fail("takes a table and the SVG to write: plot.py C.tsv docs/img/classes.svg", USAGE)
    source, target = sys.argv[1:]
    try:
        import matplotlib
    except ImportError:
        fail("matplotlib is missing: install python3-matplotlib, or pip install matplotlib")
    matplotlib.use("svg")
    # Text stays text, and the same table gives the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gdkd"})
    from matplotlib import pyplot

    rows, notes = read_table(source)
    draw = (draw_ratios if "who" in rows[0] else
            draw_k if all(":k=" in row["loss"] for row in rows) else draw_classes)
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    try:
        draw(axes, rows, notes)
    except (KeyError, ValueError, IndexError) as error:
        fail(f"{source} has a row that cannot be drawn: {error}")
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    part = target + ".part"
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        figure.savefig(part, format="svg", metadata={"Date": None})
        os.replace(part, target)
    except OSError as error:
        fail(f"{target} could not be written: {error}")


if __name__ == "__main__":
    main()
