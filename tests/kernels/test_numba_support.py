"""The section that every Numba kernel shares: products against NumPy, functions against long references."""

import inspect

import mpmath
import numpy as np
import pytest
from kernel_problems import run_python
from numba import njit
from sympy import Eq

from symrnn import Cell, Input, Parameter, State, axes, largest, load
from symrnn.declaration.operations import POINTWISE

n, m = axes("n m")
h, x, q = State("h", m), Input("x", n), Parameter("q", m)
mixed = Parameter("U", m, m) @ h + Parameter("W", m, n) @ x
CALLS = [function(*[1 + mixed**2, q][: function.arity]) for function in POINTWISE]
demo = load(Cell("demo", Eq(h.next, sum(CALLS) + largest(h))), "numba")

DTYPES = (np.float32, np.float64)
GUARD = 12345.0


def tolerance(dtype, depth):
    return 4 * np.finfo(dtype).eps * max(depth, 4)


def layouts(values):
    """The same matrix in several memory layouts."""
    wide = np.full((values.shape[0] * 2 + 1, values.shape[1] * 3 + 2), np.nan, values.dtype)
    view = wide[1 : 1 + 2 * values.shape[0] : 2, 1 : 1 + 3 * values.shape[1] : 3]
    view[...] = values
    backward = np.ascontiguousarray(values[::-1, ::-1])[::-1, ::-1]
    padded = np.full((values.shape[0], values.shape[1] + 3), np.nan, values.dtype)
    padded[:, 1:-2] = values
    return {
        "C": np.ascontiguousarray(values),
        "F": np.asfortranarray(values),
        "strided": view,
        "backward": backward,
        "slice": padded[:, 1:-2],
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 1), (1, 1), (5, 31), (7, 33), (16, 64), (3, 100), (260, 40)])
def test_pack(dtype, shape):
    rng = np.random.default_rng(1)
    values = rng.standard_normal(shape).astype(dtype)
    for name, matrix in layouts(values).items():
        panels = demo._empty_panels(matrix)
        width = demo._panel_width(matrix)
        assert panels.shape == (-(-shape[1] // width), shape[0], width)
        assert panels.dtype == dtype
        panels[...] = np.nan
        demo._pack(matrix, panels)
        flat = panels.transpose(1, 0, 2).reshape(shape[0], panels.shape[0] * width)
        np.testing.assert_array_equal(flat[:, : shape[1]], values, err_msg=name)
        assert not flat[:, shape[1] :].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 8, 9, 16, 19])
@pytest.mark.parametrize("depth", [0, 1, 7, 8, 9, 65])
@pytest.mark.parametrize("columns", [1, 15, 16, 31, 32, 33, 70])
def test_multiply(dtype, accumulate, rows, depth, columns):
    rng = np.random.default_rng(rows * 10000 + depth * 100 + columns)
    left = rng.standard_normal((rows, depth)).astype(dtype)
    matrix = rng.standard_normal((depth, columns)).astype(dtype)
    panels = demo._empty_panels(matrix)
    demo._pack(matrix, panels)
    start = (
        rng.standard_normal((rows, columns)).astype(dtype)
        if accumulate
        else np.full((rows, columns), np.nan, dtype)
    )
    expected = left.astype(float) @ matrix.astype(float) + (start if accumulate else 0)
    for name, view in layouts(left).items():
        before = view.copy()
        for margin in (0, 3):
            frame = np.full((rows + 2, columns + 2 * margin), GUARD, dtype)
            out = frame[1:-1, margin : margin + columns]
            out[...] = start
            demo._multiply(view, panels, out, accumulate)
            np.testing.assert_allclose(out, expected, rtol=0, atol=tolerance(dtype, depth), err_msg=name)
            out[...] = GUARD
            assert (frame == GUARD).all(), "written outside out"
        np.testing.assert_array_equal(view, before)


def with_columns(array, margin):
    """The same array inside a larger one that is full of GUARD; also the larger one."""
    frame = np.full((*array.shape[:-1], array.shape[-1] + 2 * margin), GUARD, array.dtype)
    inner = frame[..., margin : frame.shape[-1] - margin]
    inner[...] = array
    return inner, frame


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", ["nothing", "out", "row"])
@pytest.mark.parametrize(
    ("steps", "batch", "depth", "columns"),
    [
        (0, 3, 4, 5),
        (3, 0, 4, 5),
        (1, 1, 1, 1),
        (2, 3, 0, 33),
        (5, 1, 9, 16),
        (4, 2, 7, 33),
        (3, 8, 8, 70),
        (2, 19, 65, 31),
        (30, 9, 5, 15),
    ],
)
def test_multiply_steps(dtype, start, steps, batch, depth, columns):
    rng = np.random.default_rng([steps, batch, depth, columns])
    matrix = rng.standard_normal((depth, columns)).astype(dtype)
    panels = demo._empty_panels(matrix)
    demo._pack(matrix, panels)
    row = rng.standard_normal(columns).astype(dtype)
    for samples in (slice(None), slice(1, batch + 1)):  # all of the batch, and a slice of a larger one
        whole = batch if samples == slice(None) else batch + 2
        rows = rng.standard_normal((steps, whole, depth)).astype(dtype)
        before = rng.standard_normal((steps, whole, columns)).astype(dtype)
        product = rows.astype(float) @ matrix.astype(float)
        expected = {"nothing": product, "out": product + before, "row": product + row}[start]
        wide = np.full((steps, whole, 2 * depth + 1), np.nan, dtype)
        wide[..., 1::2] = rows
        for left in (rows, wide[..., 1::2], rows[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]):
            for margin in (0, 3):
                out, frame = with_columns(np.full_like(before, np.nan) if start != "out" else before, margin)
                inside = out[:, samples]
                begin = row if start == "row" else inside
                demo._multiply_steps(left[:, samples], panels, inside, start != "nothing", begin)
                np.testing.assert_allclose(
                    inside, expected[:, samples], rtol=0, atol=tolerance(dtype, depth + 1)
                )
                inside[...] = GUARD
                if samples != slice(None):
                    out[:, [0, -1]] = GUARD
                assert (frame == GUARD).all(), "written outside out"


@pytest.mark.parametrize("dtype", DTYPES)
def test_multiply_steps_leaves_other_samples_alone(dtype):
    """As a thread calls it, while others write the other samples."""
    rows, matrix = np.ones((4, 12, 3), dtype), np.ones((3, 20), dtype)
    panels = demo._empty_panels(matrix)
    demo._pack(matrix, panels)
    out = np.full((4, 12, 20), GUARD, dtype)
    demo._multiply_steps(rows[:, 2:11], panels, out[:, 2:11], False, out[:, 2:11])
    assert (out[:, 2:11] == 3).all()
    out[:, 2:11] = GUARD
    assert (out == GUARD).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_multiply_reads_only_its_operands(dtype, tmp_path):
    """At the end of a page whose successor may not be touched, a read or write past the array is a crash."""
    (tmp_path / "demo.py").write_text(inspect.getsource(demo))
    program = f"""
import ctypes, mmap, sys
import numpy as np
sys.path.insert(0, ".")
import demo
def at_end_of_page(shape):
    dtype = np.dtype({np.dtype(dtype).name!r})
    nbytes = int(np.prod(shape)) * dtype.itemsize
    pages = -(-nbytes // 4096) + 1
    memory = mmap.mmap(-1, pages * 4096)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(base + (pages - 1) * 4096), 4096, 0) == 0
    keep.append(memory)
    return np.frombuffer(memory, dtype, int(np.prod(shape)), (pages - 1) * 4096 - nbytes).reshape(shape)
keep = []
for m, k, n in ((9, 7, 33), (8, 5, 1), (1, 9, 70), (16, 16, 48)):
    a, w, out = at_end_of_page((m, k)), at_end_of_page((k, n)), at_end_of_page((m, n))
    panels = at_end_of_page(demo._empty_panels(w).shape)
    a[...] = 1; w[...] = 2
    demo._pack(w, panels); demo._pack(np.asarray(w.T), demo._empty_panels(w.T))
    demo._multiply(a, panels, out, False); demo._multiply(a, panels, out, True)
    assert (out == 4 * k).all()
    row = at_end_of_page((n,)); row[...] = 3
    demo._multiply_steps(a.reshape(1, m, k), panels, out.reshape(1, m, n), True, row)
    assert (out == 2 * k + 3).all()
    b = at_end_of_page((1, m, n)); g = at_end_of_page((k, n)); b[...] = 1; g[...] = 0
    width = demo._panel_width(a)
    scratch = at_end_of_page((1 - (-n // width), m, width))
    demo._add_outer(a.reshape(1, m, k), b, g, scratch)
    assert (g == m).all()
sys.stdout.write("fine"); sys.stdout.flush()
import os
os._exit(0)  # the interpreter may not touch such pages while it ends
"""
    assert run_python(program, tmp_path) == "fine"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("steps", "batch", "height", "width"),
    [
        (0, 3, 4, 5),
        (1, 1, 1, 1),
        (3, 0, 4, 5),
        (50, 1, 33, 65),
        (10, 16, 40, 31),
        (7, 100, 9, 70),
        (2, 600, 65, 33),
        (300, 3, 32, 32),
    ],
)
@pytest.mark.parametrize("room", [1, 7, 256])
def test_add_outer(dtype, steps, batch, height, width, room):
    """Whatever number of rows the scratch memory has room for, more panels than needed included."""
    rng = np.random.default_rng(3)
    a = rng.standard_normal((steps, batch + 2, height)).astype(dtype)[:, 1 : batch + 1]
    b = rng.standard_normal((steps, batch + 2, width)).astype(dtype)[:, 1 : batch + 1]
    frame = np.full((height + 2, width + 5), GUARD, dtype)
    start = rng.standard_normal((height, width)).astype(dtype)
    out = frame[1:-1, 2:-3]
    out[...] = start
    lanes = demo._panel_width(out)
    scratch = np.full((2 - (-width // lanes), room, lanes), np.nan, dtype)
    demo._add_outer(a, b, out, scratch)
    expected = start + np.einsum("tbm,tbn->mn", a.astype(float), b.astype(float))
    np.testing.assert_allclose(out, expected, rtol=0, atol=tolerance(dtype, steps * batch))
    column_slice = np.zeros((height, width), dtype)  # as a thread would call it
    for lo, hi in ((0, width // 2), (width // 2, width)):
        demo._add_outer(a, b[:, :, lo:hi], column_slice[:, lo:hi], scratch)
    np.testing.assert_allclose(column_slice + start, expected, rtol=0, atol=tolerance(dtype, steps * batch))
    out[...] = GUARD
    assert (frame == GUARD).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_in_its_row(dtype):
    rows = np.ones((11, 13), dtype)
    rows[4, 5] = np.nan
    matrix = np.ones((13, 37), dtype)
    panels = demo._empty_panels(matrix)
    demo._pack(matrix, panels)
    out = np.empty((11, 37), dtype)
    demo._multiply(rows, panels, out, False)
    assert np.isnan(out[4]).all()
    assert (np.delete(out, 4, 0) == 13).all()


# ---- functions ----

UNARY = ("tanh", "sigmoid", "exp", "log", "expm1", "softplus", "relu", "sqrt", "abs", "sign")


def looped(name):
    function = getattr(demo, "_" + name)

    @njit(error_model="numpy", fastmath={"contract"})
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    def apply(x):
        y = np.empty_like(x)
        with np.errstate(all="ignore"):  # plain functions warn, those that are compiled do not
            loop(x, y)
        return y

    apply.loop = loop
    return apply


def sigmoid_reference(x):
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-x))


REFERENCE = {
    "tanh": np.tanh,
    "sigmoid": sigmoid_reference,
    "exp": np.exp,
    "log": np.log,
    "expm1": np.expm1,
    "softplus": lambda x: np.where(x > 0, x, 0) + np.log1p(np.exp(-abs(x))),
    "relu": lambda x: np.where(x < 0, 0, x),
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
}
FAST = {name: looped(name) for name in UNARY}


def ordered_floats(first, count, step=1):
    """float32 numbers by bit pattern, in increasing order of value: index 0 is the most negative NaN."""
    index = np.arange(first, first + count * step, step, dtype=np.int64)
    bits = np.where(index < 2**31, 0xFFFFFFFF - index, index - 2**31).astype(np.uint32)
    return bits.view(np.float32)


def float32_errors(name, x):
    """Largest absolute and relative error over finite x, and the largest fall between sorted neighbours."""
    y = FAST[name](x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x.astype(np.float64))
        expected = exact.astype(np.float32)
    infinite = np.isinf(expected) | np.isinf(y)
    ulp_ok = (
        (expected == y)
        | (np.nextafter(y, np.float32(np.inf)) == expected)
        | (np.nextafter(expected, np.float32(np.inf)) == y)
    )
    assert ulp_ok[infinite].all(), "overflow in the wrong place"
    x, y, exact = x[~infinite], y[~infinite].astype(np.float64), exact[~infinite]
    error = abs(y - exact)
    normal = abs(exact) >= 2.0**-126
    relative = (error[normal] / abs(exact[normal])).max(initial=0)
    denormal = error[~normal].max(initial=0)
    fall = (
        -np.diff(y).min(initial=0)
        if name != "exp"
        else -(np.diff(y) / np.maximum(y[1:], 2.0**-126)).min(initial=0)
    )
    return error.max(initial=0), relative, denormal, fall, y.min(initial=0), y.max(initial=0)


def check32(name, absolute, relative, denormal, fall, least, most):
    if name == "exp":
        assert relative <= 2.5e-7
        assert denormal <= 2.0**-149
    else:
        assert absolute <= 3.5e-7
        assert least >= -1
        assert most <= 1
        assert name == "tanh" or least >= 0
    assert fall <= 5e-7


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_float32_over_a_stride_of_all_numbers(name):
    check32(name, *float32_errors(name, ordered_floats(0, 2**32 // 1009, 1009)))
    middle = int(np.float32(0.3).view(np.int32)) + 2**31
    check32(name, *float32_errors(name, ordered_floats(middle, 2_000_000)))


@pytest.mark.parametrize(("name", "bound"), [("tanh", 5e-16), ("sigmoid", 5e-16), ("exp", 5e-16)])
def test_float64_against_mpmath(name, bound):
    """Relative bounds, so the left tail of sigmoid and the neighbourhood of 0 of tanh count in full."""
    rng = np.random.default_rng(5)
    x = np.concatenate(
        [
            rng.uniform(-30, 30, 3000),
            rng.uniform(-1, 1, 3000),
            10.0 ** rng.uniform(-300, 0, 2000),
            rng.uniform(-700, 700, 2000),
        ]
    )
    y = FAST[name](x)
    with mpmath.workdps(60):
        function = {"tanh": mpmath.tanh, "exp": mpmath.exp, "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v))}[
            name
        ]
        exact = [function(mpmath.mpf(float(v))) for v in x]
        errors = np.array([float(abs(mpmath.mpf(float(a)) / b - 1)) for a, b in zip(y, exact, strict=False)])
        np.array([float(abs(mpmath.mpf(float(a)) - b)) for a, b in zip(y, exact, strict=False)])
    assert errors.max() <= bound
    if name != "exp":
        assert abs(y).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_special_values_dtype_and_sanity(name, dtype):
    largest, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    x = np.array(
        [
            np.nan,
            np.inf,
            -np.inf,
            0,
            -0.0,
            1,
            -1,
            largest,
            -largest,
            tiny,
            -tiny,
            0.5,
            88,
            89,
            -88,
            -104,
            709,
            710,
            -745,
            -760,
        ],
        dtype,
    )
    with np.errstate(all="ignore"):
        expected = REFERENCE[name](x.astype(np.longdouble)).astype(dtype)
    y = FAST[name](x)
    np.testing.assert_allclose(
        y, expected, rtol=4 * np.finfo(dtype).eps, atol=2 * np.finfo(dtype).smallest_normal
    )
    assert np.isnan(y[0])
    single = getattr(demo, "_" + name)(dtype(0.5))
    assert abs(single - FAST[name](np.array([0.5], dtype))[0]) <= np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_odd(dtype):
    x = np.random.default_rng(6).uniform(0, 20, 20000).astype(dtype)
    np.testing.assert_array_equal(FAST["tanh"](-x), -FAST["tanh"](x))
    assert FAST["tanh"](np.zeros(1, dtype))[0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_maximum_and_minimum_let_nan_through(dtype):
    a = np.array([1, 2, np.nan, 3, np.inf, np.nan], dtype)
    b = np.array([2, 1, 3, np.nan, 1, np.nan], dtype)
    for name in ("maximum", "minimum"):
        function = getattr(demo, "_" + name)
        y = np.array([function(p, q) for p, q in zip(a, b, strict=False)])
        np.testing.assert_array_equal(y, getattr(np, name)(a, b))


@pytest.mark.parametrize("name", UNARY)
def test_float32_stays_float32(name):
    FAST[name](np.ones(3, np.float32))
    text = "".join(ir for types, ir in FAST[name].loop.inspect_llvm().items() if "float32" in str(types))
    assert text
    assert "double" not in text
