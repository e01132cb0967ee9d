"""The interface of an emitted module: what it says of itself, what it refuses, how it draws parameters."""

import inspect
import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from kernel_problems import EXTRA, TARGETS, Call, call, kernel
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State

targets = pytest.mark.parametrize("target", TARGETS)


# ---- What a module says of itself --------------------------------------------------------------------


@targets
def test_the_tables_are_plain_data(target: str) -> None:
    module = kernel("lstm", target)
    assert module.AXES == ("n", "m")
    assert module.INPUTS == {"x": ("n",)}
    assert module.STATES == {"c": ("m",), "h": ("m",)}
    assert list(module.STATES) == ["c", "h"]
    assert module.OUTPUT == ("m",)
    assert module.CONSTANTS == {}
    assert list(module.PARAMETERS) == ["W_i", "b_i", "W_f", "b_f", "W_o", "b_o", "W_g", "b_g"]
    assert module.PARAMETERS["W_i"] == ("m", "m + n")
    assert module.PARAMETERS["b_i"] == ("m",)


@targets
def test_the_tables_know_scalars_matrices_and_constants(target: str) -> None:
    module = kernel("constants", target)
    assert module.CONSTANTS == {"decay": ("m",), "floor": ()}
    assert module.PARAMETERS["scale"] == ()
    assert module.Parameters._fields == (*module.PARAMETERS, *module.CONSTANTS)
    several = kernel("several", target)
    assert several.INPUTS == {"signal": ("n",), "gain": ()}
    assert several.STATES == {"C": ("m", "m"), "norm": (), "h": ("m",)}
    assert several.OUTPUT == ("k",)
    layer = kernel("layer", target)
    assert layer.STATES == {}
    assert layer.State() == ()


@targets
@pytest.mark.parametrize("name", ["lstm", "gru", *EXTRA])
def test_the_tuples_follow_the_tables(name: str, target: str) -> None:
    module = kernel(name, target)
    assert module.Inputs._fields == tuple(module.INPUTS)
    assert module.State._fields == tuple(module.STATES)
    assert module.Parameters._fields == (*module.PARAMETERS, *module.CONSTANTS)
    assert module.Run._fields == ("outputs", "state", "tape")
    assert module.Gradients._fields == ("parameters", "inputs", "state")


@targets
def test_every_target_has_the_same_signatures(target: str) -> None:
    module = kernel("lstm", target)
    threads = ", threads=None" if target == "numba" else ""
    memory = f"out=None, workspace=None{threads}"
    expected = {
        "Workspace": "()",
        "init": "(rng, *, n, m, dtype=<class 'numpy.float32'>)",
        "prepare": "(parameters)",
        "predict": f"(parameters, inputs, state=None, *, lengths=None, {memory})",
        "forward": f"(parameters, inputs, state=None, *, lengths=None, workspace=None{threads})",
        "backward": f"(parameters, tape, d_outputs, d_state=None, *, input_gradients=True, {memory})",
        "step": "(parameters, inputs_t, state)",
    }
    assert {name: str(inspect.signature(getattr(module, name))) for name in expected} == expected


def test_numpy_kernels_have_no_threads() -> None:
    made = call("lstm", "numpy")
    run = made.forward()
    for verb, arguments in {
        made.module.forward: (made.parameters, made.inputs),
        made.module.predict: (made.parameters, made.inputs),
        made.module.backward: (made.parameters, run.tape, made.d_outputs),
        made.module.step: (made.parameters, made.inputs.x[0], made.state),
    }.items():
        with pytest.raises(TypeError, match="unexpected keyword argument 'threads'"):
            verb(*arguments, threads=None)


@targets
def test_results_come_in_the_modules_tuples(target: str) -> None:
    made = call("lstm", target)
    module, run = made.module, made.forward()
    assert isinstance(run, module.Run)
    assert isinstance(run.state, module.State)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs)
    assert isinstance(gradients, module.Gradients)
    assert isinstance(gradients.parameters, module.Parameters)
    assert isinstance(gradients.inputs, module.Inputs)
    assert isinstance(gradients.state, module.State)


# ---- What a module refuses ---------------------------------------------------------------------------


class Foreign:
    """What a tensor of another library looks like."""

    shape, dtype, ndim = (4, 3, 5), np.dtype(np.float64), 3

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise AssertionError("converted without being asked to")


class Other(NamedTuple):
    a: Any
    b: Any


def changed(made: Call, place: str, value: Any) -> Call:
    """The call with one argument changed; `place` is `group.field`, or the name of a whole argument."""
    other = made.replaced(np.copy)
    group, _, field = place.partition(".")
    if field:
        value = getattr(other, group)._replace(**{field: value})
    setattr(other, group, value)
    return other


def sizes(made: Call) -> tuple[int, int, int, int]:
    T, B, n = made.inputs.x.shape
    return T, B, n, made.state.h.shape[-1]


WRONG_ARRAYS = {
    "dtype": (lambda a: a.astype(np.float32), r"{place} has dtype float32; it should have float64"),
    "half": (lambda a: a.astype(np.float16), r"{place} has dtype float16; it should have float64"),
    "whole numbers": (lambda a: a.astype(np.int64), r"{place} has dtype int64; it should have float64"),
    "complex": (lambda a: a.astype(complex), r"{place} has dtype complex128; it should have float64"),
    "byte order": (lambda a: a.astype(">f8"), r"{place} has dtype >f8; it should have float64"),
    "objects": (lambda a: a.astype(object), r"{place} has dtype object; it should have float64"),
    "longer": (lambda a: np.concatenate([a, a]), r"{place} has shape \(.*\); it should have \(.*\)"),
    "rank": (lambda a: np.asarray(a[0]), r"{place} has shape \(.*\); it should have .*"),
    "more axes": (lambda a: a[None], r"{place} has shape \(.*\); it should have .*"),
    "list": (lambda a: a.tolist(), r"{place} is a list; pass a NumPy array"),
    "number": (lambda a: 1.0, r"{place} is a float; pass a NumPy array"),
    "nothing": (lambda a: None, r"{place} is a NoneType; pass a NumPy array"),
    "tensor": (lambda a: Foreign(), r"{place} is a Foreign; pass a NumPy array"),
}
PLACES = ["state.c", "state.h", "d_outputs", "d_state.c", "d_state.h"]


@targets
@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
@pytest.mark.parametrize("place", PLACES)
def test_wrong_arrays(place: str, wrong: str, target: str) -> None:
    made = call("lstm", target)
    change, message = WRONG_ARRAYS[wrong]
    value: Any = made
    for part in place.split("."):
        value = getattr(value, part)
    with pytest.raises(ValueError, match=message.format(place=place.replace(".", r"\."))):
        changed(made, place, change(value)).results()


@targets
@pytest.mark.parametrize("wrong", [name for name in WRONG_ARRAYS if name != "longer"])
def test_wrong_inputs(wrong: str, target: str) -> None:
    made = call("lstm", target)
    change, message = WRONG_ARRAYS[wrong]
    with pytest.raises(ValueError, match=message.format(place=r"inputs\.x")):
        changed(made, "inputs.x", change(made.inputs.x)).forward()


@targets
@pytest.mark.parametrize("name", ["W_f", "b_g"])
@pytest.mark.parametrize("wrong", ["rank", "more axes", "list", "number", "nothing", "tensor"])
def test_wrong_parameters(name: str, wrong: str, target: str) -> None:
    made = call("lstm", target)
    change, message = WRONG_ARRAYS[wrong]
    with pytest.raises(ValueError, match=message.format(place=rf"parameters\.{name}")):
        changed(made, f"parameters.{name}", change(getattr(made.parameters, name))).forward()


@targets
def test_messages_say_what_there_is_and_what_there_should_be(target: str) -> None:
    made = call("lstm", target)
    T, B, n, m = sizes(made)
    for place, value, found, expected in (
        ("d_outputs", made.d_outputs[:, :, 1:], (T, B, m - 1), (T, B, m)),
        ("state.h", made.state.h[1:], (B - 1, m), (B, m)),
        ("d_state.c", made.d_state.c[:, 1:], (B, m - 1), (B, m)),
        ("inputs.x", made.inputs.x[..., 1:], (T, B, n - 1), (T, B, n)),
        ("parameters.b_i", made.parameters.b_i[1:], (m - 1,), (m,)),
        ("parameters.W_o", made.parameters.W_o.T, (m + n, m), (m, m + n)),
    ):
        message = re.escape(f"{place} has shape {found}; it should have {expected}")
        with pytest.raises(ValueError, match=message):
            changed(made, place, value).results()


@targets
def test_matrices_too_short_for_their_sum_of_axes(target: str) -> None:
    made = call("elman", target)
    m = made.parameters.b_s.shape[0]
    wrong = made.parameters._replace(W_s=np.ones((m, m - 1)))
    with pytest.raises(ValueError, match=r"parameters\.W_s has shape .* too short"):
        made.module.forward(wrong, made.inputs)


@targets
@pytest.mark.parametrize(
    "dtype", ["float16", "int64", "complex128", ">f8", ">f4", "longdouble", "object", "bool"]
)
def test_parameters_of_dtypes_that_no_kernel_computes_in(dtype: str, target: str) -> None:
    made = call("lstm", target)
    wrong = made.module.Parameters(*(array.astype(dtype) for array in made.parameters))
    with pytest.raises(
        ValueError, match=r"parameters' dtype is .*; this kernel computes in float32 or float64"
    ):
        made.module.forward(wrong, made.inputs, made.state)


@targets
def test_parameters_of_two_dtypes(target: str) -> None:
    made = call("lstm", target)
    wrong = made.parameters._replace(b_f=made.parameters.b_f.astype(np.float32))
    with pytest.raises(ValueError, match=r"dtypes differ: W_i float64, .*b_f float32"):
        made.module.prepare(wrong)


@targets
@pytest.mark.parametrize("verb", ["forward", "predict", "prepare"])
@pytest.mark.parametrize(
    "value",
    [None, 3.0, "W", {}, (), Other(1, 2), (1, 2), [np.ones(3)], np.ones((3, 3))],
    ids=lambda v: type(v).__name__,
)
def test_parameters_that_are_no_parameters(value: Any, verb: str, target: str) -> None:
    made = call("lstm", target)
    arguments = () if verb == "prepare" else (made.inputs,)
    with pytest.raises(ValueError, match=r"parameters is a .*; pass Parameters\(W_i=\.\.\., b_i="):
        getattr(made.module, verb)(value, *arguments)


@targets
@pytest.mark.parametrize("place", ["state", "d_state"])
@pytest.mark.parametrize("kind", ["array", "one of two", "too many", "other", "number", "dict"])
def test_states_that_are_no_state(place: str, kind: str, target: str) -> None:
    made = call("lstm", target)
    h = made.state.h
    value = {
        "array": h, "one of two": (h,), "too many": [h, h, h],
        "other": Other(h, h), "number": 0.0, "dict": {"c": h, "h": h},
    }[kind]  # fmt: skip
    with pytest.raises(ValueError, match=rf"^{place} is a .*; pass State\(c=\.\.\., h=\.\.\.\)"):
        changed(made, place, value).results()


@targets
def test_inputs_that_are_no_inputs(target: str) -> None:
    made = call("several", target)
    signal = made.inputs.signal
    for value in (signal, (signal,), None, Other(signal, signal), made.state):
        with pytest.raises(ValueError, match=r"inputs is a .*; pass Inputs\(signal=\.\.\., gain=\.\.\.\)"):
            made.module.forward(made.parameters, value, made.state)


@targets
def test_inputs_that_disagree(target: str) -> None:
    made = call("several", target)
    T, B = made.inputs.gain.shape
    for wrong, shape in (
        (made.inputs.gain[1:], rf"\({T - 1}, {B}\)"),
        (made.inputs.gain[:, 1:], rf"\({T}, {B - 1}\)"),
    ):
        with pytest.raises(ValueError, match=rf"inputs\.gain has shape {shape}; it should have \({T}, {B}\)"):
            made.module.forward(made.parameters, made.inputs._replace(gain=wrong), made.state)


@targets
def test_wrong_scalars(target: str) -> None:
    made = call("constants", target)
    for wrong, message in (
        ("1", r"parameters\.scale is a str; pass a number"),
        (True, r"parameters\.scale is a bool; pass a number"),
        (1j, r"parameters\.scale is a complex; pass a number"),
        (None, r"parameters\.scale is a NoneType; pass a number"),
        ([1.0], r"parameters\.scale is a list; pass a number"),
        (np.ones(1), r"parameters\.scale has shape \(1,\); it should have \(\)"),
        (
            np.ones((), np.float32),
            r"parameters\.scale has dtype float32; it should have float64|dtypes differ",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            made.module.forward(made.parameters._replace(scale=wrong), made.inputs)


@targets
@pytest.mark.parametrize("value", [None, (), 1, np.ones(3)], ids=lambda v: type(v).__name__)
def test_tapes_that_are_no_tape(value: Any, target: str) -> None:
    made = call("lstm", target)
    with pytest.raises(ValueError, match=r"tape is a .*; pass the tape of a forward\(\)"):
        made.module.backward(made.parameters, value, made.d_outputs)


@targets
def test_a_run_is_no_tape(target: str) -> None:
    made = call("lstm", target)
    with pytest.raises(ValueError, match="tape is a Run"):
        made.module.backward(made.parameters, made.forward(), made.d_outputs)


def test_tapes_of_another_module() -> None:
    made = call("lstm", "numpy")
    for name, target in (("lstm", "numba"), ("gru", "numpy")):
        tape = call(name, target).forward().tape
        with pytest.raises(ValueError, match=r"tape is a Tape.*this module"):
            made.module.backward(made.parameters, tape, made.d_outputs)


@targets
def test_prepared_parameters_of_another_module(target: str) -> None:
    made, other = call("lstm", target), call("lstm_notes", target)
    with pytest.raises(ValueError, match=r"parameters is a Prepared; pass Parameters\("):
        made.module.forward(other.module.prepare(other.parameters), made.inputs)


@targets
def test_tapes_made_with_parameters_of_other_sizes_or_dtype(target: str) -> None:
    made = call("lstm", target)
    tape = made.forward().tape
    for other in (call("lstm", target, m=2), call("lstm", target, "float32")):
        with pytest.raises(ValueError, match="The tape was made with sizes"):
            made.module.backward(other.parameters, tape, made.d_outputs)


@targets
def test_steps_with_wrong_arguments(target: str) -> None:
    made = call("lstm", target)
    x = made.inputs.x[0]
    step = made.module.step
    with pytest.raises(ValueError, match=r"inputs_t\.x is a list; pass a NumPy array"):
        step(made.parameters, made.module.Inputs(x.tolist()), made.state)
    with pytest.raises(ValueError, match=r"inputs_t\.x has shape"):
        step(made.parameters, made.inputs.x, made.state)
    with pytest.raises(ValueError, match=r"inputs_t\.x has shape"):
        step(made.parameters, x[:, 1:], made.state)
    with pytest.raises(ValueError, match=r"inputs_t\.x has dtype float32; it should have float64"):
        step(made.parameters, x.astype(np.float32), made.state)
    with pytest.raises(ValueError, match=r"state is a ndarray; pass State\(c=\.\.\., h=\.\.\.\)"):
        step(made.parameters, x, made.state.h)


@targets
def test_a_size_that_only_a_state_tells(target: str) -> None:
    q = sr.axes("q")
    u, s = Input("u"), State("s", q)
    cell = Cell("told_by_state", Eq(s.next, sr.tanh(s * u)))
    module = sr.load(cell, target)
    run = module.forward(module.Parameters(), np.ones((2, 3)), np.ones((3, 4)))
    assert run.outputs.shape == (2, 3, 4)
    assert module.init(np.random.default_rng(0), q=4) == ()
    with pytest.raises(ValueError, match="state is needed"):
        module.forward(module.Parameters(), np.ones((2, 3)))


# ---- Fresh parameters --------------------------------------------------------------------------------


def drawn() -> Cell:
    n, m = sr.axes("n m")
    x, h = Input("x", n), State("h", m)
    return Cell(
        "drawn",
        Eq(
            h.next,
            sr.tanh(
                Parameter("glorot", m, n) @ x
                + Parameter("square", m, m, init="orthogonal") @ h
                + Parameter("tall", m, n, init="orthogonal") @ x
                + Parameter("normal", m, n + m, init="normal") @ [x, h]
                + Parameter("ones", m, init="ones")
                + Parameter("number", m, init=-0.5)
                + Parameter("zeros", m)
                + Parameter("scalar", init=2) * h
            ),
        ),
    )


@targets
@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float64"])
def test_fresh_parameters(dtype: Any, target: str) -> None:
    module = sr.load(drawn(), target)
    n, m = 40, 60
    p = module.init(np.random.default_rng(0), n=n, m=m, dtype=dtype)
    assert isinstance(p, module.Parameters)
    assert all(isinstance(array, np.ndarray) and array.dtype == dtype for array in p)
    lengths = {"m": m, "n": n, "m + n": m + n, "n + m": m + n}
    assert {name: array.shape for name, array in p._asdict().items()} == {
        name: tuple(lengths[size] for size in shape) for name, shape in module.PARAMETERS.items()
    }
    limit = np.sqrt(6 / (n + m))
    assert 0.95 * limit < np.abs(p.glorot).max() <= limit * (1 + 1e-6)
    assert abs(p.glorot.mean()) < 0.05 * limit
    np.testing.assert_allclose(p.square @ p.square.T, np.eye(m), atol=1e-5)
    np.testing.assert_allclose(p.tall.T @ p.tall, np.eye(n), atol=1e-5)
    np.testing.assert_allclose(p.normal.std(), 1 / np.sqrt(n + m), rtol=0.05)
    assert (p.ones == 1).all()
    assert (p.number == -0.5).all()
    assert (p.zeros == 0).all()
    assert p.scalar == 2
    module.prepare(p)


@targets
def test_fresh_parameters_follow_the_generator(target: str) -> None:
    module = kernel("lstm", target)
    one, same, other = (module.init(np.random.default_rng(seed), n=3, m=4) for seed in (1, 1, 2))
    assert all(a.dtype == np.float32 for a in one)
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.W_i, other.W_i)
    assert not np.array_equal(one.W_i, one.W_f)


def test_targets_draw_the_same_parameters() -> None:
    drawn_by = [kernel("constants", target).init(np.random.default_rng(3), n=3, m=4) for target in TARGETS]
    for one, other in zip(*drawn_by, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (drawn_by[0].decay == 0.75).all()
    assert drawn_by[0].floor == 0.25
    assert drawn_by[0].scale == 1.5


@targets
def test_wrong_calls_of_init(target: str) -> None:
    init = kernel("lstm", target).init
    rng = np.random.default_rng(0)
    for dtype in (np.float16, int, ">f8", complex):
        with pytest.raises(ValueError, match="it should be float32 or float64"):
            init(rng, n=3, m=4, dtype=dtype)
    with pytest.raises(TypeError, match="'m'"):
        init(rng, n=3)
    with pytest.raises(TypeError, match="'k'"):
        init(rng, n=3, m=4, k=5)
    for size, message in ((2.5, r"m is 2\.5; a size is a whole number"), (0, "m is 0; a size is at least 1")):
        with pytest.raises(ValueError, match=message):
            init(rng, n=3, m=size)


@targets
def test_prepared_holds_copies(target: str) -> None:
    made = call("lstm", target)
    parameters = made.module.Parameters(*(array.copy() for array in made.parameters))
    prepared = made.module.prepare(parameters)
    before, _ = made.module.predict(prepared, made.inputs)
    for array in parameters:
        np.multiply(array, 2, out=array)
    after, _ = made.module.predict(prepared, made.inputs)
    np.testing.assert_array_equal(before, after)


@targets
def test_a_plain_tuple_of_several_arrays_is_refused(target: str) -> None:
    made = call("lstm", target)
    state = (np.zeros((1, 1)), np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"state is a tuple; pass State\(c=\.\.\., h=\.\.\.\)"):
        made.module.forward(made.parameters, made.inputs, state)
