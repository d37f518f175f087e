#!/usr/bin/env python3
"""Replays the reference cases through gdkd.py in float64 and checks what Python adds.

    python3 test_gdkd.py [LIBRARY [CASES]]
"""

import ctypes
import os
import sys

import numpy as np

import gdkd

TOLERANCE = 1e-10
DIVERGENCES = {"forward": gdkd.DIVERGENCE_FORWARD_KL, "reverse": gdkd.DIVERGENCE_REVERSE_KL,
               "both": gdkd.DIVERGENCE_SYMMETRIC_KL}


def read_cases(path):
    """One dictionary per case; see tests/data/README.md."""
    with open(path, encoding="ascii") as file:
        for line in file:
            key, *fields = line.split()
            if key == "case":
                case = {"name": fields[0], "param": {}, "term": {}}
            elif key == "end":
                yield case
            elif key == "shape":
                case["shape"] = tuple(map(int, fields))
            elif key == "param":
                case["param"][fields[0]] = fields[1]
            elif key == "term":
                case["term"][fields[0]] = float.fromhex(fields[1])
            elif key == "loss":
                case["loss"] = float.fromhex(fields[0])
            elif key in ("student", "teacher", "grad"):
                values = [float.fromhex(field) for field in fields]
                case[key] = np.array(values).reshape(case["shape"])
            else:
                case[key] = np.array(list(map(int, fields)))


def configure(case):
    """The case's Config by a preset, and the arrays that go with it."""
    name, param = case["name"], case["param"]

    def real(key):
        return float.fromhex(param[key])

    def weights():
        return real("w0"), real("w1"), real("w2")

    extra = {}
    if name == "ce":
        return gdkd.preset("ce", real("label_smoothing")), {"target": case["target"]}
    temperature = real("T")
    strategy = param.get("strategy")
    if name in ("dkd", "dkdmod"):
        which = "dkd_top1" if strategy == "top1" else "dkd"
        config = gdkd.preset(which, temperature, real("alpha"), real("beta"))
        extra["target"] = case["target"]
    elif name == "gdkd":
        which = "gdkd_bottom" if strategy == "worst" else "gdkd"
        config = gdkd.preset(which, temperature, int(param["k"]), *weights())
    elif name == "gdkd3":
        config = gdkd.preset("gdkd3", temperature, int(param["k"]), *weights())
    elif name == "gdkd_per_row_k":
        config = gdkd.preset("gdkd", temperature, 1, *weights())
        config.k_rule = gdkd.K_PER_ROW
        extra["k_table"] = case["row_k"]
    elif name == "gdkd_autok":
        config = gdkd.preset("gdkd_autok", temperature, real("ratio"), int(param["topk_max"]),
                             *weights())
    elif name == "gdkd_autow":
        version = int(param["mode"][1])
        first = real("w1") if version == 2 else real("m1")
        second = real("w2") if version == 3 else real("m2")
        config = gdkd.preset("gdkd_autow", temperature, int(param["k"]), version, first, second)
    elif name == "ls_gdkd":
        mode = {"global": gdkd.STANDARDIZE_GLOBAL, "both": gdkd.STANDARDIZE_GROUPS,
                "other": gdkd.STANDARDIZE_OTHER}[param["norm"]]
        config = gdkd.preset("ls_gdkd", temperature, int(param["k"]), mode, *weights())
    elif name == "skd":
        config = gdkd.preset("skd", temperature)
        extra["groups"] = (1 - case["mask"]).astype(np.uint8).reshape(case["shape"])
    elif name == "sgdkd":
        config = gdkd.preset("sgdkd", temperature, real("w0"), real("w1"))
        extra["groups"] = case["groups"].astype(np.uint8).reshape(case["shape"])
    elif name == "adkd":
        config = gdkd.preset("adkd", temperature, real("alpha"), real("gamma"))
        extra["target"] = case["target"]
        extra["low_weight"] = np.array([float.fromhex(v) for v in param["beta"].split(",")])
    else:  # kd, lskd
        config = gdkd.preset(name, temperature)
    config.divergence = DIVERGENCES[param.get("kl", "forward")]
    return config, extra


def reported(case, result, key):
    """A term of the case where the result has it."""
    if key == "high":
        return result.high
    if key.startswith("mass_"):
        return result.teacher_mass[key == "mass_other"]
    if key.startswith("low_"):
        group = {"low_top": 0, "low_1": 1, "low_other": 1}[key]
        return result.low[group + (case["name"] == "gdkd3")]
    return getattr(result, "dist_" + key)  # inter, intra


def structures_agree():
    """The module's structures are the library's: names, offsets and sizes of all fields."""
    library = gdkd.library()
    library.gdkd_struct_size.restype = library.gdkd_field_offset.restype = ctypes.c_size_t
    library.gdkd_field_name.restype = ctypes.c_char_p
    pointers = {"grad_pointer": "grad", "row_loss_pointer": "row_loss"}
    for number, structure in enumerate((gdkd.Config, gdkd.Batch, gdkd.Result, gdkd.DistConfig)):
        assert ctypes.sizeof(structure) == library.gdkd_struct_size(number), structure.__name__
        for index, (name, *_) in enumerate(structure._fields_):
            known = library.gdkd_field_name(number, index)
            assert known == pointers.get(name, name).encode(), f"{name} is {known}"
            assert getattr(structure, name).offset == library.gdkd_field_offset(number, index), name
        assert library.gdkd_field_name(number, len(structure._fields_)) is None


def run_case(case):
    if case["name"] == "dist":
        param = {key: float.fromhex(case["param"][key]) for key in ("T", "beta", "gamma")}
        config = gdkd.dist_config(temperature=param["T"], beta=param["beta"], gamma=param["gamma"])
        result = gdkd.dist(config, case["student"], case["teacher"])
    else:
        config, extra = configure(case)
        result = gdkd.loss(config, case["student"], case["teacher"], **extra)
    size = max(map(abs, [case["loss"], *case["term"].values()]))
    errors = {"loss": abs(result.total - case["loss"]) / size}
    for key, value in case["term"].items():
        errors[key] = abs(reported(case, result, key) - value) / size
    errors["grad"] = np.abs(result.grad - case["grad"]).max() / np.abs(case["grad"]).max()
    for key, error in errors.items():
        assert error <= TOLERANCE, f"{key} is off by {error:.3g}"


def raises(kind, call, *arguments, says=(), **named):
    """The call raises that kind, and its message has the words of `says`."""
    try:
        call(*arguments, **named)
    except kind as error:
        missing = [word for word in says if str(word) not in str(error)]
        assert not missing, f"'{error}' does not say {missing}"
        return
    raise AssertionError(f"{call.__name__} took bad arguments: {arguments} {named}")


def layouts_agree():
    """NCHW as it lies in memory gives what a transposed copy gives, in each type."""
    random = np.random.default_rng(1)
    config = gdkd.preset("gdkd", 4.0, 3, 1.0, 1.0, 2.0)
    for dtype in (np.float16, np.float32, np.float64):
        student = random.normal(size=(2, 19, 5, 7)).astype(dtype)
        teacher = random.normal(size=(2, 19, 5, 7)).astype(dtype)

        def flat(array):
            return np.ascontiguousarray(np.moveaxis(array, 1, -1).reshape(-1, 19))

        image = gdkd.loss(config, student, teacher)
        rows = gdkd.loss(config, flat(student), flat(teacher))
        assert abs(image.total - rows.total) <= 1e-6 * rows.total
        assert np.allclose(flat(image.grad), rows.grad, rtol=1e-3, atol=1e-6)
        assert abs(image.row_loss.mean() - image.total) <= 1e-12 * image.total


def presets_take_names():
    by_place = gdkd.preset("gdkd", 4.0, 5, 1.0, 2.0, 3.0)
    by_name = gdkd.preset("gdkd", temperature=4.0, w0=1.0, w1=2.0, w2=3.0, k=5, ce_weight=0.5,
                          divergence=gdkd.DIVERGENCE_REVERSE_KL)
    assert bytes(by_place) != bytes(by_name)
    assert (by_name.ce_weight, by_name.divergence) == (0.5, gdkd.DIVERGENCE_REVERSE_KL)
    by_name.ce_weight, by_name.divergence = 0.0, gdkd.DIVERGENCE_FORWARD_KL
    assert bytes(by_place) == bytes(by_name)
    assert gdkd.version().count(".") == 2


def gradients_go_where_asked():
    random = np.random.default_rng(2)
    student, teacher = random.normal(size=(2, 6, 9))
    target = np.array([0, 1, -100, 3, 4, 5])
    for call, config in ((gdkd.loss, gdkd.preset("dkd", 2.0, 1.0, 8.0)),
                         (gdkd.dist, gdkd.dist_config(temperature=2.0))):
        plain = call(config, student, teacher, target)
        assert plain.rows_used == 5 and not plain.grad[2].any() and plain.grad[3].any()
        kept = np.ones_like(student)
        call(config, student, teacher, target, out=kept, grad_scale=3.0, accumulate=True)
        assert np.allclose(kept, 1.0 + 3.0 * plain.grad, rtol=0, atol=1e-14)
        own = student.copy()
        assert call(config, own, teacher, target, out=own).grad is own
        assert np.array_equal(own, plain.grad)
        assert call(config, student, teacher, target, want_grad=False).grad is None


def bfloat16_is_taken():
    class Bfloat16:  # what is asked of ml_dtypes.bfloat16, which may not be installed
        name = "bfloat16"

    assert gdkd._code(gdkd._TYPES, type("", (), {"dtype": Bfloat16}), "student") == 2


def refusals_raise():
    student = np.zeros((2, 3), np.float32)
    for arguments, kinds in (
        ((gdkd.preset("kd", -1.0), student, student), gdkd.Error),
        ((gdkd.preset("dkd", 1.0, 1.0, 1.0), student, student, np.array([0, 3])), gdkd.Error),
        ((gdkd.preset("kd", 1.0), student, student[:1]), ValueError),
        ((gdkd.preset("kd", 1.0), student.astype(int), student), TypeError),
        ((gdkd.preset("kd", 1.0), student.T, student.T), ValueError),
        ((gdkd.preset("kd", 1.0), [[1.0, 2.0]], [[1.0, 2.0]]), TypeError),
    ):
        raises(kinds, gdkd.loss, *arguments)
    raises(ValueError, gdkd.preset, "gkd", 1.0)
    raises(TypeError, gdkd.preset, "gdkd", 1.0)
    raises(TypeError, gdkd.preset, "kd", 1.0, 2.0)
    raises(TypeError, gdkd.preset, "kd", 1.0, ce_wieght=2.0)
    raises(AttributeError, setattr, gdkd.preset("kd", 1.0), "ce_wieght", 2.0)
    raises(ValueError, gdkd.loss, gdkd.preset("kd", 1.0), student, student, accumulate=True)
    frozen = np.zeros((2, 3), np.float32)
    frozen.flags.writeable = False
    raises(ValueError, gdkd.loss, gdkd.preset("kd", 1.0), student, student, out=frozen)
    try:
        gdkd.loss(gdkd.preset("dkd", 1.0, 1.0, 1.0), student, student, np.array([0, 3]))
    except gdkd.Error as error:
        assert error.row == 1 and "target" in str(error) and "row 1" in str(error)


INTEGERS = {ctypes.c_int32: (-2147483648, 2147483647), ctypes.c_uint32: (0, 4294967295),
            ctypes.c_int64: (-9223372036854775808, 9223372036854775807)}


def check_integer(kind, name, assign, read):
    least, most = INTEGERS[kind]
    for good in (least, most, 1, np.int64(0), np.uint8(1), True, np.bool_(True), np.array(1)):
        assign(good)
        assert read() == int(good), f"{name} = {good!r} reads {read()}"
    kept = read()
    for bad in (least - 1, most + 1, 2**70, -2**70, 2**64, 2**32 if most < 2**32 else 2**65):
        raises(ValueError, assign, bad, says=(name, bad, least, most))
    for bad in (float("nan"), float("inf"), 1.0, np.float32(1), "1", b"1", None, [1], 1j):
        raises(TypeError, assign, bad, says=(name, repr(bad), least, most))
    assert read() == kept, f"{name} has changed"


def check_double(name, assign, read):
    for good in (2.5, 3, np.float32(0.1), np.float16(0.1), np.int8(-4), True, float("inf")):
        assign(good)
        assert read() == float(good), f"{name} = {good!r} reads {read()}"
    for bad in ("1", b"1", None, [1.0], 1j):
        raises(TypeError, assign, bad, says=(name, repr(bad)))
    raises(ValueError, assign, 10**400, says=(name, 10**400))
    assert read() == float("inf"), f"{name} has changed"


def check_groups(name, assign, read):
    for good in (range(8), (1.0, 2.0), [], np.arange(3.0)):
        assign(good)
        assert list(read()) == list(good) + [0.0] * (8 - len(good))
    raises(ValueError, assign, range(9), says=(name, 8))
    raises(ValueError, assign, 1.0, says=(name, 8))
    raises(TypeError, assign, (1.0, "2"), says=(f"{name}[1]", "'2'"))


def fields_take_what_fits():
    seen = set()
    for structure in (gdkd.Config(), gdkd.DistConfig(), gdkd.Batch(), gdkd.Result()):
        for name, kind in structure._fields_:
            seen.add(kind)

            def assign(value, structure=structure, name=name):
                setattr(structure, name, value)

            def read(structure=structure, name=name):
                return getattr(structure, name)

            if kind in INTEGERS:
                check_integer(kind, name, assign, read)
            elif kind is ctypes.c_double:
                check_double(name, assign, read)
            elif kind is gdkd.Groups:
                check_groups(name, assign, read)
    assert seen == {*INTEGERS, ctypes.c_double, gdkd.Groups, ctypes.c_void_p}
    raises(ValueError, gdkd.Config, k=2**70, says=("k",))
    raises(ValueError, gdkd.dist_config, num_threads=2**32, says=("num_threads",))


def presets_take_what_fits():
    good = {"k": 2, "k_max": 3, "version": 2, "standardize": 1}
    for preset, arguments in gdkd._PRESETS.items():
        usual = {name: good.get(name, 0.5) for name in arguments.split()}
        gdkd.preset(preset, **usual)
        for name in usual:
            big = 2**70 if name in good else 10**400
            raises(ValueError, gdkd.preset, preset, says=(name, big), **{**usual, name: big})
            raises(TypeError, gdkd.preset, preset, says=(name, "'1'"), **{**usual, name: "1"})
        raises(ValueError, gdkd.preset, preset, says=("ignore_index",), ignore_index=2**63, **usual)


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    memory[...] = array
    return memory


def arrays_are_passed_or_refused():
    """Each array of a call in turn, as it cannot be passed: never read as something else."""
    spoilt = {
        "byte order": (TypeError, lambda a: a.astype(a.dtype.newbyteorder("S"))),
        "aligned": (ValueError, misaligned),
        "contiguous": (ValueError, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]),
        "mask": (TypeError, np.ma.array),
        "NumPy array": (TypeError, lambda a: a.tolist()),
    }
    random = np.random.default_rng(3)
    rows, classes = 4, 6
    target, weight = np.arange(rows), np.ones(rows)
    adkd = gdkd.preset("adkd", temperature=2.0, alpha=1.0, gamma=1.0)
    by_map = gdkd.preset("sgdkd", temperature=2.0, w0=1.0, w1=1.0)
    per_row = gdkd.preset("gdkd", 2.0, 1, 1.0, 1.0, 2.0, k_rule=gdkd.K_PER_ROW)
    table = np.array([1, 2, 3, 4])
    for dtype in (np.float16, np.float32, np.float64):
        student, teacher, out = random.normal(size=(3, rows, classes)).astype(dtype)
        logits = {"student": student, "teacher": teacher, "out": out}
        low = np.ones(classes if adkd.low_weight_index == gdkd.LOW_WEIGHT_PER_CLASS else rows)
        for call, config, arrays in (
            (gdkd.loss, adkd, {**logits, "target": target, "low_weight": low, "row_weight": weight}),
            (gdkd.loss, by_map, {**logits, "groups": np.array([0, 1, 0, 1, 0, 1], np.uint8)}),
            (gdkd.loss, by_map, {**logits, "groups": np.zeros((rows, classes), np.uint8)}),
            (gdkd.loss, per_row, {**logits, "k_table": table, "target": target.astype(np.int32)}),
            (gdkd.dist, gdkd.dist_config(), {**logits, "target": target}),
        ):
            call(config, **arrays)
            kept = out.copy()
            for name, array in arrays.items():
                for word, (kind, spoil) in spoilt.items():
                    if array.itemsize == 1 and word in ("byte order", "aligned"):
                        continue
                    raises(kind, call, config, says=(name, word), **{**arrays, name: spoil(array)})
            assert np.array_equal(out, kept)
    raises(TypeError, gdkd.loss, per_row, None, says=("student",))


def main(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "..", "..", "..", "tests", "data", "reference_cases.txt")
    gdkd.load(arguments[0] if arguments else None)
    passed = failed = 0
    checks = [(f"case {number} ({case['name']})", lambda case=case: run_case(case))
              for number, case in enumerate(read_cases(arguments[1] if arguments[1:] else path), 1)]
    checks.append(("structures_agree", structures_agree))
    more = (layouts_agree, presets_take_names, gradients_go_where_asked, bfloat16_is_taken,
            refusals_raise, fields_take_what_fits, presets_take_what_fits, arrays_are_passed_or_refused)
    for name, check in checks + [(check.__name__, check) for check in more]:
        try:
            check()
            passed += 1
        except Exception as error:  # every failure is reported, whatever it is
            failed += 1
            print(f"FAILED: {name}: {error}", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
