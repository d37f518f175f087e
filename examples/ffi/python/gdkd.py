"""libgdkd from Python: ctypes and NumPy, no compilation.

    import gdkd
    config = gdkd.preset("gdkd", temperature=4.0, k=5, w0=1.0, w1=1.0, w2=2.0, ce_weight=1.0)
    result = gdkd.loss(config, student, teacher, target)
    result.total, result.grad

Logits are NumPy arrays (rows, classes) or (N, classes, ...), of float16, float32, float64 or
ml_dtypes' bfloat16. All arrays are passed as they lie in memory: C-contiguous, aligned, in the
machine's byte order and without a mask. Others are refused rather than copied, since a gradient
could not go back into a copy, and a copy in each step would go unnoticed. Numbers that do not fit
their field are refused too. include/gdkd.h says what everything means.
"""

import ctypes
import inspect
import operator
import os
from ctypes import (POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32,
                    c_uint8, c_void_p, sizeof)

import numpy as np

MAX_GROUPS = 8
Groups = c_double * MAX_GROUPS

PARTITION_ALL, PARTITION_TARGET, PARTITION_TOP = 0, 1, 2
PARTITION_BOTTOM, PARTITION_TOP1_TOPK, PARTITION_MAP = 3, 4, 5
K_FIXED, K_PER_ROW, K_PER_CLASS, K_RATIO, K_MASS = range(5)
DIVERGENCE_FORWARD_KL, DIVERGENCE_REVERSE_KL, DIVERGENCE_SYMMETRIC_KL, DIVERGENCE_TOTAL_VARIATION = range(4)
STANDARDIZE_NONE, STANDARDIZE_GLOBAL, STANDARDIZE_GROUPS, STANDARDIZE_OTHER = range(4)
REDUCTION_MEAN, REDUCTION_SUM, REDUCTION_NONE = range(3)
LOW_WEIGHT_NONE, LOW_WEIGHT_PER_ROW, LOW_WEIGHT_PER_CLASS = range(3)
_TYPES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}
_TARGETS = {"int64": 0, "int32": 1}


def _converted(kind, name, value):
    """value as a number of that C type. ctypes would cut integers off; name is for the message."""
    if kind is Groups:
        if not np.iterable(value) or len(values := list(value)) > MAX_GROUPS:
            raise ValueError(f"{name} must be a list of at most {MAX_GROUPS} numbers, not {value!r}")
        return Groups(*(_converted(c_double, f"{name}[{g}]", v) for g, v in enumerate(values)))
    if kind is c_double:
        try:
            return c_double(value).value
        except TypeError:
            raise TypeError(f"{name} must be a number, not {value!r}") from None
        except OverflowError:
            raise ValueError(f"{name} must be a number in the range of a double, not {value!r}") from None
    bits = 8 * sizeof(kind)
    least, most = (-1 << bits - 1, (1 << bits - 1) - 1) if kind(-1).value < 0 else (0, (1 << bits) - 1)
    expected = f"{name} must be an integer from {least} to {most}, not {value!r}"
    try:
        number = int(value) if isinstance(value, np.bool_) else operator.index(value)
    except TypeError:
        raise TypeError(expected) from None
    if not least <= number <= most:
        raise ValueError(expected)
    return number


class _Structure(ctypes.Structure):
    """Whose fields take no number that does not fit them."""

    __slots__ = ()

    def __setattr__(self, name, value):
        kind = dict(self._fields_).get(name, c_void_p)
        super().__setattr__(name, value if kind is c_void_p else _converted(kind, name, value))


class Config(_Structure):
    """gdkd_config"""

    __slots__ = ()  # a misspelt field is an error
    _fields_ = [
        ("struct_size", c_uint32), ("partition", c_int32), ("k_rule", c_int32),
        ("divergence", c_int32), ("standardize", c_int32), ("reduction", c_int32), ("k", c_int64), ("k_max", c_int64),
        ("k_ratio", c_double), ("k_mass", c_double), ("temperature", c_double),
        ("teacher_temperature", c_double), ("temperature_squared", c_int32),
        ("mass_scaled_groups", c_uint32), ("low_weight_groups", c_uint32),
        ("low_weight_index", c_int32), ("w_high", c_double), ("w_low", Groups),
        ("kd_weight", c_double), ("ce_weight", c_double), ("label_smoothing", c_double),
        ("ignore_index", c_int64), ("target_from_teacher", c_int32), ("num_threads", c_int32),
        ("isa", c_int32), ("divisor", c_double),
    ]


class Batch(_Structure):
    """gdkd_batch"""

    _fields_ = [
        ("struct_size", c_uint32), ("student_dtype", c_int32), ("teacher_dtype", c_int32),
        ("target_dtype", c_int32), ("outer", c_int64), ("classes", c_int64), ("inner", c_int64),
        ("student", c_void_p), ("teacher", c_void_p), ("student_stride", c_int64),
        ("teacher_stride", c_int64), ("target", c_void_p), ("k_table", c_void_p),
        ("groups", c_void_p), ("groups_stride", c_int64), ("low_weight", c_void_p),
        ("row_weight", c_void_p),
    ]


class Result(_Structure):
    """gdkd_result; its pointers are grad_pointer and row_loss_pointer, grad and row_loss the arrays"""

    _fields_ = [
        ("struct_size", c_uint32), ("accumulate", c_int32), ("want_norms", c_int32),
        ("grad_pointer", c_void_p), ("grad_stride", c_int64), ("grad_scale", c_double),
        ("row_loss_pointer", c_void_p), ("total", c_double), ("ce", c_double), ("kd", c_double),
        ("high", c_double), ("low", Groups), ("student_mass", Groups), ("teacher_mass", Groups),
        ("dist_inter", c_double), ("dist_intra", c_double),
        ("grad_norm_ce", c_double), ("grad_norm_high", c_double), ("grad_norm_low", Groups), ("divisor", c_double),
        ("rows_used", c_int64), ("rows_nonfinite", c_int64), ("first_nonfinite", c_int64),
        ("error_row", c_int64), ("grad_nonfinite", c_int64),
    ]
    grad = None  # NumPy array, like the student
    row_loss = None  # NumPy array, (N, ...) without the classes

    def __repr__(self):
        return (f"<gdkd.Result total={self.total:.6g} ce={self.ce:.6g} kd={self.kd:.6g} "
                f"rows_used={self.rows_used} rows_nonfinite={self.rows_nonfinite}>")


class DistConfig(_Structure):
    """gdkd_dist_config"""

    __slots__ = ()
    _fields_ = [
        ("struct_size", c_uint32), ("temperature_squared", c_int32), ("temperature", c_double),
        ("beta", c_double), ("gamma", c_double), ("ignore_index", c_int64),
        ("num_threads", c_int32),
    ]


class Error(ValueError):
    """A status other than GDKD_OK; .status is the number, .row the row at fault or -1."""

    def __init__(self, status, row=-1):
        text = library().gdkd_status_string(status).decode()
        super().__init__(text if row < 0 else f"{text} (row {row})")
        self.status = status
        self.row = row


# The arguments of each preset after config and struct_size.
_PRESETS = {
    "kd": "temperature",
    "dkd": "temperature alpha beta",
    "dkd_top1": "temperature alpha beta",
    "gdkd": "temperature k w0 w1 w2",
    "gdkd_bottom": "temperature k w0 w1 w2",
    "gdkd3": "temperature k w0 w1 w2",
    "gdkd_autok": "temperature ratio k_max w0 w1 w2",
    "gdkd_autow": "temperature k version w1 w2",
    "lskd": "temperature",
    "ls_gdkd": "temperature k standardize w0 w1 w2",
    "skd": "temperature",
    "sgdkd": "temperature w0 w1",
    "adkd": "temperature alpha gamma",
    "ce": "label_smoothing",
}
_ARGUMENTS = {"k": c_int64, "k_max": c_int64, "version": c_int32, "standardize": c_int32}

_library = None


def _candidates(path):
    if path:
        return [path]
    if os.environ.get("GDKD_LIBRARY"):
        return [os.environ["GDKD_LIBRARY"]]
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    return [os.path.join(top, "build", "lib", "libgdkd.so"), "libgdkd.so.0"]


def load(path=None):
    """Loads the library: `path`, or $GDKD_LIBRARY, or build/lib/libgdkd.so, or the installed one."""
    global _library
    for candidate in _candidates(path):
        try:
            lib = ctypes.CDLL(candidate)
            break
        except OSError as error:
            reason = error
    else:
        raise OSError(f"libgdkd was not found ({reason}); run make, or set GDKD_LIBRARY")
    lib.gdkd_status_string.argtypes = [c_int32]
    lib.gdkd_status_string.restype = c_char_p
    lib.gdkd_version_string.restype = c_char_p
    lib.gdkd_version_string.argtypes = []
    for name in ("gdkd_config_init", "gdkd_batch_init", "gdkd_result_init", "gdkd_dist_config_init"):
        getattr(lib, name + "_sized").argtypes = [c_void_p, c_size_t]
    for name, arguments in _PRESETS.items():
        types = [_ARGUMENTS.get(argument, c_double) for argument in arguments.split()]
        getattr(lib, f"gdkd_config_{name}_sized").argtypes = [POINTER(Config), c_size_t] + types
    lib.gdkd_loss.argtypes = [POINTER(Config), POINTER(Batch), POINTER(Result), c_void_p, c_size_t]
    lib.gdkd_dist.argtypes = [POINTER(DistConfig)] + lib.gdkd_loss.argtypes[1:]
    _library = lib
    return lib


def library():
    return _library or load()


def version():
    """The library's, such as "0.1.0"."""
    return library().gdkd_version_string().decode()


def _check(status, row=-1):
    if status != 0:
        raise Error(status, row)


def _made(structure, init):
    # A struct_size that no version of the library had is refused: a field that is missing here would show.
    value = structure()
    _check(getattr(library(), init + "_sized")(byref(value), sizeof(value)))
    return value


def _set(config, fields):
    known = {field[0] for field in config._fields_}
    for field, value in fields.items():
        if field not in known:
            raise TypeError(f"{type(config).__name__} has no field {field}")
        setattr(config, field, value)
    return config


def preset(name, *arguments, **named):
    """A Config by one of the header's presets, and then other fields by name:
    preset("dkd", 4.0, alpha=1.0, beta=8.0, ce_weight=1.0, divergence=DIVERGENCE_REVERSE_KL)."""
    if name not in _PRESETS:
        raise ValueError(f"there is no preset {name}; known are {', '.join(_PRESETS)}")
    wanted = _PRESETS[name].split()
    kinds = [_ARGUMENTS.get(argument, c_double) for argument in wanted]
    signature = inspect.Signature([inspect.Parameter(parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                                   for parameter in wanted])
    values = signature.bind(*arguments, **{key: named.pop(key) for key in wanted if key in named})
    config = Config()
    checked = map(_converted, kinds, wanted, values.args)
    _check(getattr(library(), f"gdkd_config_{name}_sized")(byref(config), sizeof(config), *checked))
    return _set(config, named)


def dist_config(**fields):
    """A DistConfig: dist_config(temperature=4.0, beta=1.0, gamma=2.0)."""
    return _set(_made(DistConfig, "gdkd_dist_config_init"), fields)


def _pointer(array, dtype=None, shape=None, name="array"):
    if array is None:
        return None
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, and its mask would be left out; fill it first")
    if not array.dtype.isnative:
        raise TypeError(f"{name} must be in the machine's byte order, not {array.dtype.str}; "
                        f"{name}.astype({name}.dtype.newbyteorder('=')) is")
    if dtype is not None and array.dtype != dtype:
        raise TypeError(f"{name} must be {np.dtype(dtype).name}, not {array.dtype.name}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {array.shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous; np.ascontiguousarray({name}) is")
    if not array.flags.aligned:
        raise ValueError(f"{name} must be aligned to its elements' size; {name}.copy() is")
    return array.ctypes.data


def _code(types, array, name):
    if array.dtype.name not in types:
        raise TypeError(f"{name} must be {' or '.join(types)}, not {array.dtype.name}")
    return types[array.dtype.name]


def _made_batch(student, teacher, target):
    batch = _made(Batch, "gdkd_batch_init")
    if student is None:
        raise TypeError("student must be a NumPy array, not None")
    batch.student = _pointer(student, name="student")
    batch.teacher = _pointer(teacher, name="teacher")
    if student.ndim < 2 or (teacher is not None and teacher.shape != student.shape):
        raise ValueError("student and teacher must have one shape, (N, classes, ...)")
    batch.outer, batch.classes = student.shape[:2]
    batch.inner = int(np.prod(student.shape[2:], dtype=np.int64))
    batch.student_dtype = _code(_TYPES, student, "student")
    if teacher is not None:
        batch.teacher_dtype = _code(_TYPES, teacher, "teacher")
    if target is not None:
        batch.target = _pointer(target, shape=student.shape[:1] + student.shape[2:], name="target")
        batch.target_dtype = _code(_TARGETS, target, "target")
    return batch


def _made_result(student, want_grad, out, grad_scale, accumulate):
    result = _made(Result, "gdkd_result_init")
    if accumulate and out is None:
        raise ValueError("accumulate adds to out, which is None")
    if want_grad:
        result.grad = np.empty_like(student) if out is None else out
        result.grad_pointer = _pointer(result.grad, student.dtype, student.shape, "out")
        if not result.grad.flags.writeable:
            raise ValueError("out must be writeable")
    result.grad_scale, result.accumulate = grad_scale, accumulate
    return result


def _call(function, config, batch, result):
    _check(function(byref(config), byref(batch), byref(result), None, 0), result.error_row)
    return result


def loss(config, student, teacher=None, target=None, *, groups=None, k_table=None, low_weight=None,
         row_weight=None, want_grad=True, want_norms=False, out=None, grad_scale=1.0,
         accumulate=False):
    """gdkd_loss: loss, terms and gradient. Raises Error for what the library refuses.

    out: an array for the gradient, which may be the student's own; accumulate adds to it.
    """
    batch = _made_batch(student, teacher, target)
    result = _made_result(student, want_grad, out, grad_scale, accumulate)
    rows = student.shape[:1] + student.shape[2:]
    if groups is not None:
        per_row = np.ndim(groups) > 1
        batch.groups = _pointer(groups, np.uint8, student.shape if per_row else student.shape[1:2],
                                "groups")
        batch.groups_stride = batch.classes * batch.inner if per_row else 0
    by_class = student.shape[1:2]
    batch.k_table = _pointer(k_table, np.int64,
                             by_class if config.k_rule == K_PER_CLASS else rows, "k_table")
    batch.low_weight = _pointer(low_weight, np.float64,
                                by_class if config.low_weight_index == LOW_WEIGHT_PER_CLASS
                                else rows, "low_weight")
    batch.row_weight = _pointer(row_weight, np.float64, rows, "row_weight")
    result.want_norms = want_norms
    result.row_loss = np.zeros(rows)
    result.row_loss_pointer = result.row_loss.ctypes.data
    return _call(library().gdkd_loss, config, batch, result)


def dist(config, student, teacher, target=None, *, want_grad=True, out=None, grad_scale=1.0,
         accumulate=False):
    """gdkd_dist: DIST's loss, its terms dist_inter and dist_intra, and the gradient. A target only says which
    rows are left out (config.ignore_index)."""
    batch = _made_batch(student, teacher, target)
    result = _made_result(student, want_grad, out, grad_scale, accumulate)
    return _call(library().gdkd_dist, config, batch, result)
