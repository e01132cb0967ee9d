"""What a model's module refuses: a message names the model's argument, what it has, what it should have."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS
from model_problems import MODELS, drawn, module
from sympy import Eq

import symrnn as sr
from symrnn import Feed, Layer, Model, zoo

targets = pytest.mark.parametrize("target", TARGETS)
FUNCTIONS = ("loss", "loss_and_gradients", "predict")


def message_of(
    name: str,
    function: str = "loss",
    target: str = "numpy",
    lengths: Any = None,
    **changes: Callable[[Any], Any],
) -> str:
    """The ValueError of a function of a model's module, given its arguments changed."""
    made, batch = module(name, target), drawn(MODELS[name])
    given = dict(zip(("parameters", "inputs", "state"), batch.given(made), strict=True))
    for argument, change in changes.items():
        given[argument] = change(given[argument])
    with pytest.raises(ValueError) as found:  # noqa: PT011  (the tests match the message)
        getattr(made, function)(*given.values(), lengths=lengths)
    return str(found.value)


def replaced(**changes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A NamedTuple with some of its fields changed."""
    return lambda given: given._replace(**{name: f(getattr(given, name)) for name, f in changes.items()})


def transposed(array: Any) -> Any:
    return array.T


def wider(array: Any) -> Any:
    return np.concatenate([array, array[..., :1]], -1)


def ints(array: Any) -> Any:
    return array.astype(int)


def single(array: Any) -> Any:
    return array.astype(np.float32)


PARAMETERS = [
    # n = 3, m = 5, forwards_m = 4, p = 6
    (
        "bidirectional",
        {"forwards_W_r": transposed},
        "parameters.forwards_W_r has shape (7, 4); it should have (forwards_m, forwards_m + n) = (4, "
        "7), with "
        "forwards_m = 4 by parameters.forwards_b_r, n = 3 by inputs.x.",
    ),
    (
        "bidirectional",
        {"backwards_W_r": wider},
        "parameters.backwards_W_r has shape (5, 9); it should have (m, m + n) = (5, 8), with m = 5 by "
        "parameters.backwards_b_r, n = 3 by inputs.x.",
    ),
    (
        "bidirectional",
        {"forwards_b_u": wider},
        "parameters.forwards_b_u has shape (5,); it should have (forwards_m,) = (4,), with forwards_m = 4 by "
        "parameters.forwards_W_r.",
    ),
    (
        "bidirectional",
        {"W_y": wider},
        "parameters.W_y has shape (6, 10); it should have (p, forwards_m + m) = (6, 9), with forwards_m = 4 "
        "by parameters.forwards_W_r, m = 5 by parameters.backwards_W_r.",
    ),
    (
        "bidirectional",
        {"backwards_W_u": lambda W: W[0]},
        "parameters.backwards_W_u has shape (8,); it should have 2 axes, (m, m + n).",
    ),
    (
        "bidirectional",
        {"b_y": lambda b: b[None]},
        "parameters.b_y has shape (1, 6); it should have one axis, (p,).",
    ),
    (
        "bidirectional",
        {"b_y": lambda b: b[:0]},
        "parameters.b_y has shape (0,); all of (p,) are at least 1.",
    ),
    ("bidirectional", {"W_y": lambda W: W.tolist()}, "parameters.W_y is a list; pass a NumPy array."),
    ("bidirectional", {"W_y": lambda W: None}, "parameters.W_y is a NoneType; pass a NumPy array."),
    (
        "bidirectional",
        {"forwards_W_r": single},
        "parameters.forwards_W_r has dtype float32; it should have float64, that of "
        "parameters.backwards_W_r.",
    ),
    (
        "bidirectional",
        {"backwards_W_r": single},
        "parameters.backwards_W_r has dtype float32; it should have float64, that of "
        "parameters.backwards_b_r.",
    ),
    # m = 5: what goes into the layer is what the embedding gives; nothing else tells v
    (
        "language_model",
        {"E": wider},
        "parameters.E has shape (3, 6); it should have (v, m) = (v, 5), with m = 5 by parameters.W_i.",
    ),
    (
        "language_model",
        {"E": lambda E: np.ones((5, 3))},
        "parameters.E has shape (5, 3); it should have (v, m) = (v, 5), with m = 5 by parameters.W_i.",
    ),
    (
        "tied",
        {"layer_W_s": wider},
        "parameters.layer_W_s has shape (5, 11); it should have (m, 2*m) = (5, 10), with "
        "m = 5 by parameters.W_y.",
    ),
]


@pytest.mark.parametrize(("name", "changes", "message"), PARAMETERS)
def test_wrong_parameters(name: str, changes: dict[str, Any], message: str) -> None:
    assert message_of(name, parameters=replaced(**changes)) == message


def test_all_parameters_of_a_foreign_dtype() -> None:
    whole = message_of("plain", parameters=lambda p: type(p)(*map(ints, p)))
    assert whole == "parameters.W_i has dtype int64; it should have float32 or float64."


INPUTS = [
    # n = 3, m = 5, p = 4; six steps, four samples
    (
        "plain",
        {"x": lambda x: x[:, :2]},
        "inputs.x has shape (6, 2, 3); it should have (T, B, n) = (6, 4, 3), with B = 4 by inputs.target.",
    ),
    (
        "plain",
        {"target": lambda y: y[:3]},
        "inputs.target has shape (3, 4, 4); it should have (T, B, p) = (6, 4, 4), with T = 6 by inputs.x.",
    ),
    (
        "plain",
        {"x": wider},
        "inputs.x has shape (6, 4, 4); it should have (T, B, n) = (6, 4, 3), with n = 3 by parameters.W_i.",
    ),
    (
        "plain",
        {"target": wider},
        "inputs.target has shape (6, 4, 5); it should have (T, B, p) = (6, 4, 4), with p = 4 by "
        "parameters.W_y.",
    ),
    ("plain", {"x": lambda x: x[0]}, "inputs.x has shape (4, 3); it should have 3 axes, (T, B, n)."),
    ("plain", {"x": lambda x: x.tolist()}, "inputs.x is a list; pass a NumPy array."),
    ("plain", {"x": single}, "inputs.x has dtype float32; it should have float64, that of parameters.W_i."),
    ("plain", {"x": ints}, "inputs.x has dtype int64; it should have float64, that of parameters.W_i."),
    (
        "plain",
        {"x": lambda x: x[:, :0]},
        "inputs.x has shape (6, 0, 3); all of (T, B, n) are at least 1: a batch needs at least one sample "
        "and one step.",
    ),
    (
        "plain",
        {"x": lambda x: x[:0]},
        "inputs.x has shape (0, 4, 3); all of (T, B, n) are at least 1: a batch needs at least one sample "
        "and one step.",
    ),
    (
        "many_to_one",
        {"target": lambda y: y[None]},
        "inputs.target has shape (1, 4, 4); it should have 2 axes, (B, p).",
    ),
    (
        "encoder_decoder",
        {"source": lambda x: x[:, :3]},
        "inputs.source has shape (7, 3, 3); it should have (S, B, n) = (S, 4, 3), with B = 4 by "
        "inputs.given.",
    ),
    (
        "language_model",
        {"following": lambda k: k + 6},
        "inputs.following has the class 6; it should be from 0 to 5, for 6 classes.",
    ),
    (
        "language_model",
        {"k": lambda k: k - 3},
        "inputs.k has the class -3; it should be from 0 to 2, for 3 classes.",
    ),
    (
        "language_model",
        {"k": lambda k: k.astype(float)},
        "inputs.k has dtype float64; pass an array of integers, the numbers of the classes.",
    ),
    (
        "language_model",
        {"k": lambda k: k[..., None]},
        "inputs.k has shape (6, 4, 1); it should have 2 axes, (T, B).",
    ),
]


@pytest.mark.parametrize(("name", "changes", "message"), INPUTS)
def test_wrong_inputs(name: str, changes: dict[str, Any], message: str) -> None:
    if "has the class" in message:
        changes = {what: lambda k, change=change: change(0 * k) for what, change in changes.items()}
    assert message_of(name, inputs=replaced(**changes)) == message


STATES = [
    ({"lstm_c": 0}, "state is a dict; pass State(c=..., h=...)."),
    ({"c": lambda c: c.tolist()}, "state.c is a list; pass a NumPy array."),
    ({"c": lambda c: c[0]}, "state.c has shape (5,); it should have 2 axes, (B, m)."),
    (
        {"h": wider},
        "state.h has shape (4, 6); it should have (B, m) = (4, 5), with m = 5 by parameters.W_i.",
    ),
    (
        {"h": lambda h: h[:1]},
        "state.h has shape (1, 5); it should have (B, m) = (4, 5), with B = 4 by inputs.x.",
    ),
    ({"c": single}, "state.c has dtype float32; it should have float64, that of parameters.W_i."),
]


@pytest.mark.parametrize(("changes", "message"), STATES)
def test_wrong_states(changes: dict[str, Any], message: str) -> None:
    change = (lambda _: changes) if "lstm_c" in changes else replaced(**changes)
    assert message_of("plain", state=change) == message


LENGTHS = [
    ([1, 2, 3, 4], "lengths is a list; pass a NumPy array."),
    (np.array([1, 2, 3]), "lengths has shape (3,); it should have (4,), one number for every sample."),
    (np.array([1, 2, 7, 4]), "lengths[2] is 7; it should be from 0 to 6, the number of time steps."),
    (np.array([1, -1, 6, 4]), "lengths[1] is -1; it should be from 0 to 6, the number of time steps."),
    (np.array([1.0, 2, 3, 4]), "lengths has dtype float64; pass an array of integers."),
    (np.array([True] * 4), "lengths has dtype bool; pass an array of integers."),
]


@pytest.mark.parametrize(("lengths", "message"), LENGTHS)
def test_wrong_lengths(lengths: Any, message: str) -> None:
    assert message_of("plain", lengths=lengths) == message


def test_lengths_of_several_time_axes_go_by_name() -> None:
    four = np.ones(4, int)
    assert message_of("encoder_decoder", lengths=four) == "lengths is a ndarray; pass Lengths(T=..., S=...)."
    Lengths = module("encoder_decoder", "numpy").Lengths
    found = message_of("encoder_decoder", lengths=Lengths(T=four, S=8 * four))
    assert found == "lengths.S[0] is 8; it should be from 0 to 7, the number of time steps."
    assert message_of("encoder_decoder", lengths=Lengths(S=four[:2])).startswith("lengths.S has shape (2,)")


@targets
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_checks(function: str, target: str) -> None:
    """One slip in each argument; the message is that of the model, before a layer runs."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"parameters": replaced(b_y=wider)}, "parameters.b_y"),
        ({"parameters": tuple}, "parameters is a tuple; pass Parameters(W_i=..., b_i=..."),
        ({"inputs": replaced(x=wider)}, "inputs.x"),
        ({"inputs": tuple}, "inputs is a tuple; pass Inputs(x=..., target=...)."),
        ({"state": replaced(c=wider)}, "state.c"),
        ({"lengths": -np.ones(4, int)}, "lengths[0]"),
    ]
    for changes, start in wrong:
        assert message_of("plain", function, target, **changes).startswith(start)


def test_what_predict_does_not_read_is_not_looked_at() -> None:
    made, batch = module("plain", "numpy"), drawn(MODELS["plain"])
    parameters, inputs, state = batch.given(made)
    made.predict(parameters, inputs._replace(target="nothing"), state)


def test_whoever_is_alone_is_wrong_whatever_the_order() -> None:
    """A size that one array has and the others have not is that array's fault."""
    made, batch = module("bidirectional", "numpy"), drawn(MODELS["bidirectional"])
    parameters, inputs, state = batch.given(made)
    for name, array in parameters._asdict().items():
        if name in ("W_y", "b_y"):  # two arrays and the target
            continue
        longer = np.concatenate([array, array[:1]])
        with pytest.raises(ValueError, match=rf"^parameters\.{name} has shape \({len(array) + 1},"):
            made.loss(parameters._replace(**{name: longer}), inputs, state)


SIZES = [
    ({"n": 3, "m": 4}, TypeError, "missing 1 required keyword-only argument: 'p'"),
    ({"n": 3, "m": 4, "p": 2, "q": 1}, TypeError, "unexpected keyword argument 'q'"),
    ({"n": 3, "m": 4, "p": 2.0}, ValueError, "p is 2.0; a size is a whole number."),
    ({"n": 3, "m": "4", "p": 2}, ValueError, "m is '4'; a size is a whole number."),
    ({"n": True, "m": 4, "p": 2}, ValueError, "n is True; a size is a whole number."),
    ({"n": 3, "m": 0, "p": 2}, ValueError, "m is 0; a size is at least 1."),
    ({"n": 3, "m": 4, "p": np.int64(-2)}, ValueError, "p is -2; a size is at least 1."),
    ({"n": 3, "m": 4, "p": 2, "dtype": int}, ValueError, "dtype is int64; it should be float32 or float64."),
]


@pytest.mark.parametrize(("sizes", "kind", "message"), SIZES)
def test_sizes_that_init_refuses(sizes: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as found:
        module("plain", "numpy").init(np.random.default_rng(0), **sizes)
    assert message in str(found.value)


@targets
def test_a_kernel_refuses_sizes_alike(target: str) -> None:
    with pytest.raises(ValueError, match=r"^m is 2\.5; a size is a whole number\.$"):
        sr.load(zoo.cell("elman"), target).init(np.random.default_rng(0), n=3, m=2.5)


def test_numpy_integers_are_sizes() -> None:
    made = module("plain", "numpy").init(np.random.default_rng(0), n=np.int32(3), m=np.uint8(4), p=2)
    assert made.W_i.shape == (4, 7)


@targets
def test_a_foreign_workspace_is_refused(target: str) -> None:
    made, batch = module("plain", target), drawn(MODELS["plain"])
    with pytest.raises(ValueError, match=r"workspace is a dict; pass a Workspaces\(\) of this module\."):
        made.loss(*batch.given(made), workspace={})


def test_a_time_axis_and_an_axis_of_one_name_stay_apart() -> None:
    """A feed over time `m`: the units, which would be m, get another name."""
    layer = Layer(zoo.cell("gru"), Feed("x", over="m"))
    loss = Layer(zoo.squared_error, {"a": layer, "y": Feed("y", over="m")})
    assert "m" not in [axis.name for axis in Model("timed", loss).axes]


def scaled(name: str, *shared: Any) -> Model:
    """A model of one layer: the squared difference of two feeds, times what is shared."""
    m = sr.axes("m")
    a, y, error = sr.Input("a", m), sr.Input("y", m), sr.Value("error")
    factor = math.prod(shared)
    return Model(
        name,
        Layer(sr.Cell(name, Eq(error, factor * sr.total((a - y) ** 2)), output=error)),
        output=Layer(zoo.dropout, {"a": Feed("a")}),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_parameters_the_first_input_tells_the_dtype(dtype: str) -> None:
    made = sr.load(scaled("bare"), "numpy")
    a, y, mask = (np.full((2, 3, 4), value, dtype) for value in (3, 1, 0))
    assert made.loss(made.Parameters(), made.Inputs(a=a, y=y, mask=mask)) == 16
    found = made.loss_and_gradients(made.Parameters(), made.Inputs(a=a, y=y, mask=mask))
    assert (found.loss, found.gradients) == (16, made.Parameters())
    other = {"float32": "float64", "float64": "float32"}[dtype]
    with pytest.raises(ValueError, match=rf"^inputs\.y has dtype {other}; .* {dtype}, that of inputs\.a\.$"):
        made.loss(made.Parameters(), made.Inputs(a=a, y=y.astype(other), mask=mask))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scalar_parameters_may_be_numbers(dtype: str) -> None:
    made = sr.load(scaled("scaled", sr.Parameter("s"), sr.Parameter("u")), "numpy")
    inputs = made.Inputs(*(np.full((2, 3, 4), value, dtype) for value in (3, 1, 0)))
    for s, u in ((0.5, 3), (np.dtype(dtype).type(0.5), 3), (np.asarray(0.5, dtype), np.asarray(3, dtype))):
        found = made.loss_and_gradients(made.Parameters(s=s, u=u), inputs)
        np.testing.assert_allclose((found.loss, *found.gradients), (24, 48, 8), rtol=1e-6)
        assert found.gradients.s.shape == ()
    places = made.Parameters(*(np.empty((), dtype) for _ in range(2)))
    assert made.loss_and_gradients(made.Parameters(s=0.5, u=3), inputs, out=places).gradients.s is places.s
    for wrong, message in (
        ("0.5", r"^parameters\.s is a str; pass a number or an array without axes\.$"),
        (np.ones(1, dtype), r"^parameters\.s has shape \(1,\); it should have \(\)\.$"),
    ):
        with pytest.raises(ValueError, match=message):
            made.loss(made.Parameters(s=wrong, u=3.0), inputs)
