#!/usr/bin/python3
"""The numbers of the page about runs, against values worked out by hand, plain loops, and libgdkd itself.

    tests/distill/test_page.py [LIBRARY]
"""

import copy
import json
import math
import os
import re
import sys
import tempfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")
sys.path[:0] = [os.path.join(ROOT, "examples/distill/report"), os.path.join(ROOT, "examples/ffi/python")]
sys.dont_write_bytecode = True
if len(sys.argv) > 1:
    os.environ["GDKD_LIBRARY"] = os.path.abspath(sys.argv[1])
import gdkd  # noqa: E402
import report  # noqa: E402

LABELS = [0, 1, 2, 3, 0, 1, 2, 3]
HEAD = "epoch,lr,train_loss,train_ce,train_kd,train_high,train_top,train_other,train_top1,test_top1,test_top5,seconds," \
       "test_seconds,libgdkd_share\n"
FACTS = {"loss": "gdkd", "seed": "1", "name": "gdkd", "model": "resnet8", "teacher-model": "resnet20", "dataset": "pets",
         "train-images": 100, "temperature": 4, "k": 2, "w0": 1, "w1": 1, "w2": 8, "alpha": 1, "beta": 8, "warmup": 20, "ce-weight": 1,
         "kd-weight": 1, "epochs": 2, "batch": 64, "lr": 0.05, "lr-min": 0, "schedule": "cosine", "momentum": 0.9,
         "weight-decay": 0.0005, "library": "0.1.0", "kernels": "avx2", "teacher-test-logits": "teacher.npy", "classes": 4,
         "class-names": ["ant", "b<e", "cat", "dog"], "labels": LABELS}
random = np.random.default_rng(7)
S, T, TARGET = random.normal(0, 2, (90, 13)), random.normal(0, 3, (90, 13)), random.integers(0, 13, 90)


def make_logits(right):
    """The first `right` images get their own label's logit raised, the others that of the class behind."""
    logits = np.tile(np.float32([0.1, 0.2, 0.3, 0.4]), (8, 1))
    logits[range(8), [label if i < right else (label + 1) % 4 for i, label in enumerate(LABELS)]] = 3
    return logits


def write_run(folder, stem, right, epochs=2, **changes):
    facts = FACTS | {"log": stem + ".csv", "logits": stem + ".npy"} | {key.replace("_", "-"): v for key, v in changes.items()}
    rows = [f"{i},0.05,3,1,2,0.5,0.25,0.125,50,{100 * right / 8 if i == epochs else 12.5},100,2,1,{0.01 * i}\n" for i in range(1, epochs + 1)]
    np.save(f"{folder}/{stem}.npy", make_logits(right))
    np.save(f"{folder}/teacher.npy", make_logits(7))
    for path, text in ((f"{stem}.csv", HEAD + "".join(rows)), (f"{stem}.run.json", json.dumps(facts))):
        with open(f"{folder}/{path}", "w", encoding="utf-8") as file:
            file.write(text)


def write_three(folder):
    """Two seeds of one loss with 4 and 6 of 8 right, one of another; in the order of names they are mixed."""
    write_run(folder, "a", 4)
    write_run(folder, "b", 5, name="gdkd:k=3", k=3)
    write_run(folder, "c", 6, seed="2")


def refused(folder, *words):
    try:
        report.Data([folder])
    except report.Fault as fault:
        assert all(word in str(fault) for word in words), f"{words} not in: {fault}"
        return
    raise AssertionError(f"accepted; expected {words}")


def rewrite(path, change):
    with open(path, "rb") as file:
        before = file.read()
    with open(path, "wb") as file:
        file.write(change(before))
    return before


def test_result_and_every_run(folder):
    write_three(folder)
    write_run(folder, "d", 3, epochs=1, name="k<3", seed="5")
    page = report.make_page(report.Data([folder]))
    assert "<h1>resnet8 from resnet20 on pets</h1>" in page and "teacher resnet20: top-1 87.50\u00a0%" in page
    # 12.5 times the root of 2; 2 s per epoch; (0.01 + 0.02) / 2
    assert "<td>62.50 ± 17.68<td>62.50 ± 17.68<td>2<td>2.0<td>1.50\u00a0%" in page
    assert "T 4, k 2, w 1 1 8, warm-up 20, ce 1, kd 1" in page and "no run has finished yet" in page
    assert "<td>k&lt;3, seed 5<td>1 of 2<td>37.50<td>37.50<td>1<td>100.00" in page and "k<3" not in page
    assert "<dt>lr<dd>0.05\n" in page and "<dt>epochs<dd>2\n" in page and "<dt>test-images<dd>8\n" in page


def test_the_page_opens_with_what_was_seen(folder):
    """Of 8 images, an eighth is 12.5 points: gdkd 62.5 with a deviation of 12.5 times the root of 2, kd 50 with none, ce 25."""
    write_run(folder, "a", 4)
    assert "Seen on" not in report.make_page(report.Data([folder]))
    write_run(folder, "b", 6, seed="2")
    for i, (name, right) in enumerate((("kd", 4), ("kd", 4), ("ce", 2), ("ce", 2))):
        write_run(folder, f"c{i}", right, name=name, loss=name, seed=str(i % 2 + 1))
    words = "Seen on the test images, in points of top-1: gdkd and kd are 12.50 apart, within their spread of 17.68; gdkd is 37.50 above ce (spread 17.68)."
    assert f"</h1>\n<p>{words}</p>\n" in report.make_page(report.Data([folder]))
    os.unlink(f"{folder}/c3.run.json")
    assert "gdkd is 37.50 above ce (one seed tells no spread).</p>" in report.make_page(report.Data([folder]))


def test_series_are_told_apart(folder):
    write_three(folder)
    write_run(folder, "d", 4, epochs=5, name="gdkd:k=3", k=3, seed="1")  # has the name of b, but more epochs
    rewrite(f"{folder}/d.run.json", lambda text: text.replace(b'"epochs": 2', b'"epochs": 5'))
    data = report.Data([folder])
    assert [s.name for s in data.series] == ["gdkd", "gdkd:k=3:epochs=2", "gdkd:k=3:epochs=5"]
    assert [len(s.runs) for s in data.series] == [2, 1, 1] and data.series[2].detail.endswith(", epochs 5")
    np.save(f"{folder}/copy.npy", make_logits(7))
    np.save(f"{folder}/other.npy", make_logits(8))
    write_run(folder, "e", 4, seed="3", teacher_test_logits="copy.npy")
    write_run(folder, "f", 4, seed="3", teacher_test_logits="other.npy")
    data = report.Data([folder])
    assert [len(s.runs) for s in data.series] == [3, 1, 1, 1] and len(data.teachers) == 2
    write_run(folder, "f", 4, seed="2")
    refused(folder, "c.run.json", "f.run.json are the same run")


def test_a_run_without_a_teacher_takes_the_only_one(folder):
    write_three(folder)
    write_run(folder, "d", 4, loss="ce", name="ce")
    facts = json.loads(rewrite(f"{folder}/d.run.json", lambda text: text))
    facts = {key: value for key, value in facts.items() if not key.startswith("teacher")}
    rewrite(f"{folder}/d.run.json", lambda _: json.dumps(facts).encode())
    data = report.Data([folder])
    assert data.runs[-1].teacher is None and data.teacher_of(data.runs[-1]) is data.only
    rewrite(f"{folder}/d.run.json", lambda _: json.dumps(facts | {"teacher-logits": "soft.npy"}).encode())
    assert report.Data([folder]).teacher_of(report.Data([folder]).runs[-1]) is None  # it had another


def test_classes_and_agreement(folder):
    write_three(folder)
    page = report.make_page(report.Data([folder]))
    assert "<title>gdkd, mean, epoch 2: 62.5 %</title>" in page and "<title>gdkd:k=3, epoch 2: 62.5 %</title>" in page
    # Images 0 to 3, 0 to 5: of the class b<e (images 1 and 5) one of two, then both.
    assert "<title>gdkd, b&lt;e: 75.00 %</title>" in page and "b<e" not in page
    # 8 images, the teacher has 7 right. With 4 and 6 right, both say the same on 5 and 7 of them.
    assert "<td>gdkd<td>75.00 ± 17.68<td>71.43 ± 20.20<td>100.00 ± 0.00<td>0.00 ± 0.00<td>25.00 ± 17.68<td>" in page
    divergence = 0
    for s, t in zip(S, T):
        p, q = sum(map(math.exp, t)), sum(map(math.exp, s))
        divergence += sum(math.exp(b) / p * math.log(math.exp(b) / p / (math.exp(a) / q)) for a, b in zip(s, t)) / len(S)
    assert math.isclose(report.agreement(S, T, TARGET)[5], divergence, rel_tol=1e-9)
    tied, labels = np.array([[1.0, 1.0, 0.0]] * 2), np.array([0, 1])
    assert report.ranks(tied, labels).tolist() == [0, 1] and math.isnan(report.by_class(tied, labels)[2])
    assert math.isnan(report.agreement(tied, tied, np.array([0, 0]))[2])  # the teacher is never wrong


def test_terms_are_the_library_s(_):
    weights = (1.5, 0.5, 6.0)
    for loss, arguments, changes in (
            ("kd", (2.0,), {}), ("lskd", (2.0,), {}), ("dkd", (2.0, 1.5, 6.0), {}), ("dkd-top1", (2.0, 1.5, 6.0), {}), ("adkd", (2.0, 1.5, 0.5), {"gamma": 0.5}),
            ("gdkd", (2.0, 3, *weights), {}), ("gdkd-bottom", (2.0, 3, *weights), {}), ("gdkd3", (2.0, 4, *weights), {"k": 4}),
            ("gdkd-autok", (2.0, 1.5, 5, *weights), {"k-ratio": 1.5, "k-max": 5}), ("gdkd-autow", (2.0, 3, 1, 0.5, 6.0), {"mass": "both"}),
            ("gdkd-autow", (2.0, 3, 2, 0.5, 6.0), {"mass": "other"}), ("gdkd-autow", (2.0, 3, 3, 0.5, 6.0), {"mass": "top"})):
        facts = FACTS | {"loss": loss, "temperature": 2.0, "k": 3, "w0": 1.5, "w1": 0.5, "w2": 6.0, "classes": 13,
                         "alpha": 1.5, "beta": 6.0, "ce-weight": 0.7, "kd-weight": 0.9} | changes
        parts = report.weighted_parts(facts, S, T, TARGET)
        assert report.weighted_parts(facts | {"kl": "reverse"}, S, T, TARGET) == report.weighted_parts(facts | {"k-file": "k"}, S, T, TARGET) == {}
        config = gdkd.preset(loss.replace("-", "_"), *arguments, ce_weight=0.7, kd_weight=0.9)
        total = gdkd.loss(config, S, T, TARGET, want_grad=False, **({"low_weight": np.ones(13)} if loss == "adkd" else {})).total
        assert math.isclose(sum(parts.values()).mean(), total, rel_tol=1e-9), (loss, changes, sum(parts.values()).mean(), total)
        first, largest = (dict(s) for s in report.shares(parts))
        assert math.isclose(sum(first.values()), 100) and math.isclose(sum(largest.values()), 100)
        for part in parts:
            assert math.isclose(first[part], 100 * parts[part].mean() / total, rel_tol=1e-9)
            assert math.isclose(largest[part], sum(100 / len(S) for i in range(len(S)) if parts[part][i] == max(p[i] for p in parts.values())))
    for k in (1, 4, 12):
        high, low = report.split_terms(S, T, 4, [0, k])
        result = gdkd.loss(gdkd.preset("gdkd", 4.0, k, 1.0, 1.0, 1.0), S, T, TARGET, want_grad=False)
        assert np.allclose([high.mean(), *low.mean(0)], [result.high, result.low[0], result.low[1]], rtol=1e-9, atol=1e-12)


def test_adaptive_k_is_the_library_s(_):
    rows = -np.sort(-np.exp(report.log_softmax(T, 2)), 1)
    for rule, field, find, values in ((gdkd.K_RATIO, "k_ratio", report.k_by_ratio, (1.05, 1.3, 2, 3, 5)),
                                      (gdkd.K_MASS, "k_mass", report.k_by_mass, (0.3, 0.6, 0.9, 0.97))):
        for value in values:
            found = find(rows, value)
            for i, k in enumerate(found):
                config = gdkd.preset("gdkd", 2.0, 1, 1.0, 1.0, 1.0, k_rule=rule, k_max=13, **{field: value})
                mass = gdkd.loss(config, S[i:i + 1], T[i:i + 1], want_grad=False).teacher_mass[0]
                assert abs(rows[i, :k].sum() - mass) < 1e-6, (field, value, i)


def test_table_of_k(folder):
    write_three(folder)
    teacher = S[:8, :4]
    np.save(f"{folder}/teacher.npy", teacher)
    page = report.make_page(report.Data([folder]))
    for k in (1, 2, 3):
        masses = {at: [100 * sum(sorted(math.exp(x / at) for x in row)[-k:]) / sum(math.exp(x / at) for x in row)
                       for row in teacher] for at in (1, 4)}
        label = 100 / 8 * sum(sorted(row, reverse=True).index(row[label]) < k for row, label in zip(teacher.tolist(), LABELS))
        cells = [np.mean(masses[4]), *np.percentile(masses[4], [10, 90]), np.mean(masses[1]), label]
        own = "" if k == 1 else ' class="own"'
        assert f"<tr{own}><td>{k}" + "".join(f"<td>{cell:.2f}" for cell in cells) in page
    assert page.count('<tr class="own">') == 2


def test_points_lie_where_their_words_say(folder):
    """Of every figure: the positions of the y axis's numbers give the scale, on which every point has the value it tells."""
    write_three(folder)
    page, checked = report.make_page(report.Data([folder])), 0
    for figure in re.findall(r"<figure>.*?</figure>", page, re.S):
        # Matplotlib writes the numbers as text, anchored at the end, and their baseline at y: the offset is the same for all.
        ticks = re.findall(r'text-anchor: end[^>]*x="[\d.]+" y="([\d.]+)"[^>]*>([\d.]+)<', figure)
        points = re.findall(r'<use[^>]*y="([\d.]+)"[^>]*><title>[^<]*: ([\d.e-]+)(?: %)?</title>', figure)
        if len(ticks) < 2 or "Accuracy by class" in figure:
            continue
        ys, values = np.array([[float(a), float(b)] for a, b in ticks]).T
        f = np.log if not np.allclose(np.diff(values), values[1] - values[0]) else float
        slope = (ys[-1] - ys[0]) / (f(values[-1]) - f(values[0]))
        lines = [y - slope * f(value) for y, value in [(float(a), float(b)) for a, b in points] if value > 0]
        assert max(lines) - min(lines) < 1 and abs(np.mean(lines) - (ys[0] - slope * f(values[0]))) < 6, figure[:300]
        checked += len(lines)
    assert checked > 100


def test_what_has_no_value_is_a_dash(folder):
    write_run(folder, "a", 7, loss="kd", name="kd", ce_weight=0)  # says what its teacher says: no term has a share
    page = report.make_page(report.Data([folder]))
    assert "<td>100.00<td>100.00<td>100.00<td>0.00<td>0.00<td>0.00" in page and "nan" not in page
    assert re.search(r"<small>share of the loss</small>.*<td>–<td>–<td>–<td>–<td>–\n", page)


def test_losses_and_names_not_known_here(folder):
    write_run(folder, "a", 5, loss="new", name="new", strength=3)
    rewrite(f"{folder}/a.run.json", lambda text: text.replace(b"cat", b"c\xff\x01t\\u0007").replace(b"\x01", b""))
    page = report.make_page(report.Data([folder]))
    assert "<td>new<td>75.00<td>" in page and "<small>share of the loss" not in page and "<dt>strength<dd>3\n" in page
    assert "<td>c\ufffdt<td>" in page and "\x07" not in page


def test_names_are_bytes(folder):
    write_run(folder, "a", 5)
    for key, ending in (("log", ".csv"), ("logits", ".npy")):
        os.rename(f"{folder}/a{ending}".encode(), f"{folder}/\xe9\\x41".encode() + b"\xff\x07" + ending.encode())
        rewrite(f"{folder}/a.run.json", lambda text, ending=ending: text.replace(b'"a' + ending.encode(), b'"\\u00e9\\\\x41\\\\xff\\\\x07' + ending.encode()))
    assert "<td>62.50<td>62.50<td>1<td>" in report.make_page(report.Data([folder]))


def test_losses_are_told_apart_in_words(folder):
    for i, (changes, words) in enumerate((
            ({"loss": "gdkd", "kl": "reverse", "teacher-temperature": 2}, "T 4, teacher T 2, reverse KL, k 2, w 1 1 8, warm-up 20, ce 1, kd 1"),
            ({"loss": "gdkd", "k": 9, "k-file": "k.txt", "kl": "forward"}, "T 4, k of a file, w 1 1 8, "),
            ({"loss": "gdkd-autok", "k-ratio": 2, "k-max": 3}, "k by ratio 2 up to 3, w 1 1 8, "), ({"loss": "adkd", "gamma": 3}, "alpha 1, gamma 3, "),
            ({"loss": "dist", "inter": 1, "intra": 2}, "T 4, inter 1, intra 2, "), ({"loss": "gdkd-autow", "mass": "top"}, "k 2, w 1 8, mass of top, "),
            ({"loss": "ls-gdkd", "standardize": "groups"}, "standardised groups, k 2, "))):
        write_run(folder, "a", 4, name=f"x{i}", **changes)
        page = report.make_page(report.Data([folder]))
        assert ("<small>" if words.startswith("T") else "<small>T 4, ") + words in page, words
        for key in changes.keys() - {"loss", "kl", "k", "k-file", "teacher-temperature"}:
            rewrite(f"{folder}/a.run.json", lambda text, key=key: text.replace(f'"{key}"'.encode(), b'"x"'))
            refused(folder, f'"{key}"')
            rewrite(f"{folder}/a.run.json", lambda text, key=key: text.replace(b'"x"', f'"{key}"'.encode()))


def test_the_page_stands_alone(folder):
    write_three(folder)
    page = report.make_page(report.Data([folder]))
    assert not re.search(r"https?:|<script|<link|src=|\bnan\b|\binf\b", page)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page)[0]) - {""} <= set(ids)
    light, dark = (set(re.findall(r"(--\w+):", rule)) for rule in re.findall(r":root\{([^}]*)\}", page))
    assert light == dark and set(re.findall(r"var\((--\w+)\)", page)) <= light | {"--c"}
    assert not re.search(r"(fill|stroke): #", page)  # every colour follows the reader's scheme
    for name in ("a", "b", "c", "teacher"):
        os.unlink(f"{folder}/{name}.npy")
    page = report.make_page(report.Data([folder]))
    assert "62.50 ± 17.68" in page and "3 of the 3 runs have no logits" in page
    assert not re.search("<h2>(Classes|Student|What)", page)


def test_damage_is_named(folder):
    refused(folder, "has no run to report")
    write_three(folder)
    whole = rewrite(f"{folder}/a.run.json", lambda text: text)
    for cut in range(0, len(whole), 7):
        rewrite(f"{folder}/a.run.json", lambda _, cut=cut: whole[:cut])
        refused(folder, "a.run.json is damaged", "train that run again")
    for key, value in (("loss", 3), ("seed", "-1"), ("model", 8), ("temperature", None), ("k", 2.5), ("k", 4), ("epochs", 0), ("epochs", 1e99),
                       ("lr", float("nan")), ("log", ""), ("log", "a\0"), ("class-names", ["a"]), ("class-names", [1, 2, 3, 4]), ("labels", [0, 4]),
                       ("labels", [-1]), ("labels", []), ("labels", 3), ("batch", True)):
        facts = copy.deepcopy(FACTS) | {"log": "a.csv", "logits": "a.npy"} | {key: value}
        rewrite(f"{folder}/a.run.json", lambda _, facts=facts: json.dumps(facts).encode())
        refused(folder, "a.run.json cannot be used", f'"{key}"')
    rewrite(f"{folder}/a.run.json", lambda _: whole)
    for change, words in ((lambda t: t[:-5], "is cut off in line 3"), (lambda t: t.replace(b"\n2,", b"\n3,"), "is damaged in line 3"),
                          (lambda t: t.replace(b",50,", b",x,"), "is damaged: "), (lambda t: t.replace(b",50,", b",50,0,", 1), "is damaged: "), (lambda t: t[:len(HEAD)], "has 0 epochs"),
                          (lambda t: t + t[len(HEAD):], "has 4 epochs"), (lambda t: b"x\n", "is no log")):
        before = rewrite(f"{folder}/c.csv", change)
        refused(folder, "c.csv " + words)
        rewrite(f"{folder}/c.csv", lambda _, before=before: before)
    np.save(f"{folder}/c.npy", make_logits(5))
    refused(folder, "c.npy is not of the last epoch of c.csv (top-1 62.50, not 75.00)")
    rewrite(f"{folder}/c.npy", lambda data: data[:-4])
    refused(folder, "c.npy is damaged")
    np.save(f"{folder}/c.npy", np.where(np.arange(8)[:, None] == 6, np.nan, make_logits(6)))
    refused(folder, "c.npy cannot be used: a logit of image 6 is not finite")
    write_run(folder, "c", 6, seed="2", dataset="plants")
    refused(folder, "are about different data sets")
    write_run(folder, "c", 6, seed="2", labels=LABELS[::-1])
    os.unlink(f"{folder}/c.npy")  # it would not fit
    refused(folder, "were tested on different images")


def main():
    tests, failed = [(name, test) for name, test in globals().items() if name.startswith("test_")], 0
    for name, test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED: {name}, line {error.__traceback__.tb_next.tb_lineno}: {type(error).__name__} {error}", file=sys.stderr)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
