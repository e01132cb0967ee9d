"""What every function of the vocabulary must do, drawn from its record: who adds one has tests of it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from latex_proofs import PARTS, prove
from latex_reader import Document
from onnx_runs import checked, in_onnxruntime, in_reference
from sympy import Eq, Expr, Mod, ceiling, floor, zeta

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, axes
from symrnn.checking.problem import draw_problem
from symrnn.declaration.operations import POINTWISE, VECTOR_FUNCTIONS, PointwiseFunction
from symrnn.derivation.reverse import derive
from symrnn.fuzzing.constructs import BINARY, UNARY, VECTOR
from symrnn.onnx_graphs.arrays import Array, Recorder
from symrnn.onnx_graphs.operations import Operations
from symrnn.onnx_graphs.protos import LEAST_OPSET, model_of
from symrnn.papers.document import latex_document
from symrnn.papers.terminal import derivation_picture
from symrnn.publishing.pages import page
from symrnn.vocabulary.families import COMPOSED, NAMED

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W, U, p, q = Parameter("W", m, n), Parameter("U", m, m), Parameter("p", m), Parameter("q", m)
s = Parameter("s", init=0.5)
ALL = (*POINTWISE, *VECTOR_FUNCTIONS)
functions = pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
pointwise = pytest.mark.parametrize("function", POINTWISE, ids=lambda function: function.name)
POINTS = np.array([-2.5, -1.25, -0.5, -0.01, 0.02, 0.75, 1.5, 3.0])


def is_positive(function: type[PointwiseFunction]) -> bool:
    """Whether it is taken of positive numbers."""
    return function.facts.at_zero_singular is not None


def points_of(function: type[PointwiseFunction]) -> list[np.ndarray]:
    """Arguments, none of them where the function has a kink."""
    first = POINTS + (3 if is_positive(function) else 0)
    return [first, POINTS[::-1] / 2][: function.arity]


def call(function: Any, argument: Expr, other: Expr = q) -> Expr:
    """The function of an argument, and of a parameter if it has two."""
    if function in VECTOR_FUNCTIONS:
        return function(argument)
    first = (
        1 + argument**2 if is_positive(function) else sr.tanh(argument) if function is sr.tan else argument
    )
    return function(first, other) if function.arity == 2 else function(first)


@cache
def cell_with(function: Any) -> Cell:
    """A cell whose next state has the function of what comes in, of the state, and of parameters alone."""
    fixed = call(function, q) + (call(function, s, s) if function in POINTWISE else 0)
    return Cell("called", Eq(h.next, p * call(function, W @ x + U @ h) + fixed))


@pointwise
def test_the_value_is_what_sympy_says(function: type[PointwiseFunction]) -> None:
    facts = function.facts
    arrays = points_of(function)
    values = facts.value(*arrays)
    if facts.number is not None:
        exact = [float(facts.number(*map(float, numbers))) for numbers in zip(*arrays, strict=True)]
        np.testing.assert_allclose(values, exact, rtol=1e-14, atol=1e-15)
    low, high = facts.range
    assert np.all((values >= low) & (values <= high))


@pointwise
def test_the_formula_for_autodiff_gives_the_value(function: type[PointwiseFunction]) -> None:
    facts = function.facts
    if facts.reference is not None:
        arrays = points_of(function)
        np.testing.assert_allclose(facts.reference(np, *arrays), facts.value(*arrays), rtol=1e-14)


@functions
def test_what_is_known_at_zero_and_far_away(function: Any) -> None:
    facts = function.facts
    with np.errstate(all="ignore"):
        if facts.at_zero is not None:
            assert float(facts.value(np.float64(0))) == pytest.approx(float(facts.at_zero), rel=1e-15)
        for far, limit in zip((1e300, -1e300), facts.limits, strict=bool(facts.limits)):
            assert float(facts.value(np.float64(far))) == pytest.approx(float(limit), abs=1e-15)
        if isinstance(facts.turns, tuple):
            for point in facts.turns:
                others = [-0.5] * (function.arity - 1)  # such that those that may turn do
                around = facts.value(np.array([point - 1e-3, point, point + 1e-3]), *others)
                assert (around[1] - around[0]) * (around[2] - around[1]) <= 0


EVERYWHERE = np.array(
    [-np.inf, -1e30, -100, -2.5, -1, -1e-3, -1e-9, -0.0, 0, 1e-9, 0.3, 1, 2.5, 50, 100, 1e30, np.inf, np.nan]
)
"""Arguments of all sizes."""

IN_ONNX = [(run, *dtype) for run in (in_onnxruntime, in_reference) for dtype in (("f4", 4e-7), ("f8", 1e-14))]


def graph_of(
    dtype: str, shapes: list[tuple[int, ...]], call: Callable[[Operations, list[Array]], Array]
) -> Any:
    """The ONNX graph of a function of inputs with these shapes."""
    recorder = Recorder(dtype)
    made = call(
        Operations(recorder), [recorder.input(dtype, shape, f"x{i}") for i, shape in enumerate(shapes)]
    )
    recorder.give(recorder.blocks[0], [made])
    recorder.blocks[0].outputs[0].name = "y"
    return checked(model_of(recorder, LEAST_OPSET, "function", "", {"version": ""}))


@pytest.mark.parametrize(("run", "dtype", "bound"), IN_ONNX)
@pointwise
def test_its_operator_or_its_formula_in_onnx(
    function: type[PointwiseFunction], run: Callable[..., Any], dtype: str, bound: float
) -> None:
    pairs = np.meshgrid(*[EVERYWHERE] * function.arity)
    arrays = [pair.ravel().astype(dtype) for pair in pairs]
    with np.errstate(all="ignore"):
        wanted = function.facts.value(*(array.astype(np.float64) for array in arrays)).astype(dtype)
    graph = graph_of(dtype, [array.shape for array in arrays], lambda made, x: made.of_arrays(function)(*x))
    (found,) = run(graph, {f"x{i}": array for i, array in enumerate(arrays)})
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_allclose(found, wanted, rtol=bound, atol=1e-37, equal_nan=True)


@pytest.mark.parametrize("run", [in_onnxruntime, in_reference])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_largest_element_in_onnx(run: Callable[..., Any], dtype: str) -> None:
    x = np.array([[1, np.nan, 0], [np.nan, 2, 1], [1, 2, np.nan], [-np.inf] * 3, [3, 3, 1]]).astype(dtype)
    (found,) = run(graph_of(dtype, [x.shape], lambda made, given: made.numpy.max(*given, -1)), {"x0": x})
    np.testing.assert_array_equal(found, np.max(x, -1))


@pytest.mark.parametrize("run", [in_onnxruntime, in_reference])
@pytest.mark.parametrize("function", VECTOR_FUNCTIONS, ids=lambda function: function.name)
def test_functions_of_a_vector_in_onnx(function: Any, run: Callable[..., Any]) -> None:
    cell = cell_with(function)
    kernel, rng = sr.load(cell, "numpy"), np.random.default_rng(0)
    parameters = kernel.init(rng, n=2, m=3, dtype=np.float64)
    inputs, state = rng.standard_normal((4, 2, 2)), rng.standard_normal((2, 3))
    wanted, final = kernel.predict(parameters, inputs, state)
    given = {"x": inputs, "h": state, "lengths": np.array([4, 4])}
    for found, right in zip(
        run(checked(sr.onnx(cell, parameters).model), given), (wanted, *final), strict=True
    ):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)


@pointwise
def test_a_symbol_of_sympy_means_the_same(function: type[PointwiseFunction]) -> None:
    if function.facts.equivalent is not None and function.arity == 1:
        assert Cell("one", Eq(h.next, function.facts.equivalent(U @ h + W @ x))) == Cell(
            "one", Eq(h.next, function(U @ h + W @ x))
        )


@functions
def test_numpy_kernels_agree_with_autodiff(function: Any) -> None:
    for dtype in ("float64", "float32"):
        sr.check(cell_with(function), "numpy", dtype=dtype).raise_if_failed()


def test_one_numba_kernel_of_all_functions_agrees_with_autodiff() -> None:
    g = State("g", m)
    terms = [call(function, W @ x + U @ h) for function in ALL] + [call(f, s, s) for f in POINTWISE]
    drive = sum(terms) / len(terms)  # where tanh is saturated, rounding is all that is left of its derivative
    whole = Cell("all", Eq(g.next, sr.tanh(drive) + call(sr.tanh, q)), Eq(h.next, sr.tanh(g)), output=g)
    sr.check(whole, "numba").raise_if_failed()  # in float32, functions are held against long references


@pointwise
def test_what_is_not_a_number_stays_so_in_its_sample(function: type[PointwiseFunction]) -> None:
    kernel = sr.load(cell_with(function), "numpy")
    parameters = kernel.init(np.random.default_rng(0), n=2, m=3, dtype=np.float64)
    parameters = parameters._replace(q=np.full(3, 0.5))  # a power of 0 is 1, whatever the base
    inputs = np.ones((2, 2, 2))
    inputs[0, 1] = np.nan
    outputs, _ = kernel.predict(parameters, inputs)
    assert np.isfinite(outputs[:, 0]).all()
    assert np.isnan(outputs[0, 1]).all()


@pointwise
def test_gradients_at_zero_are_those_of_the_formula(function: type[PointwiseFunction]) -> None:
    """A rule says what happens at ties, where JAX differentiates the formula."""
    facts = function.facts
    if facts.reference is None or not any(facts.rules) or facts.at_zero_singular is not None:
        return
    zero = jnp.zeros(3)
    gradient = jax.grad(lambda *a: facts.reference(jnp, *a).sum())(*[zero] * function.arity)
    kernel = sr.load(cell_with(function), "numpy")
    parameters = kernel.Parameters(
        **{
            name: np.zeros(shape) if name in "Wq" else np.eye(3) if name == "U" else np.ones(shape)
            for name, shape in {"W": (3, 2), "U": (3, 3), "p": (3,), "q": (3,), "s": ()}.items()
            if name in kernel.PARAMETERS
        }
    )
    run = kernel.forward(parameters, np.zeros((1, 1, 2)))
    made = kernel.backward(parameters, run.tape, np.ones((1, 1, 3)))
    np.testing.assert_allclose(made.state.h[0], gradient, rtol=1e-6)


@functions
def test_the_paper_says_what_autodiff_says(function: Any) -> None:
    right = p * call(function, W @ x + U @ h, s) + call(function, q, s)
    cell = Cell("called", Eq(h.next, right))
    document = Document(latex_document(derive(cell)))
    for part in PARTS:
        prove(document, draw_problem(cell, T=3, B=2, seed=1, eager=True), part)


@functions
def test_every_view_shows_it(function: Any) -> None:
    cell = cell_with(function)
    document = sr.latex(cell)
    spelled = function.facts.spelling
    assert not spelled.latex or spelled.latex in document
    stem = function.facts.words.definition.partition("<")[0].lstrip("$")
    assert stem in document
    assert function.name in str(cell) or function.name in ("reciprocal", "power", "abs")
    assert "<math" in page(cell)
    assert derivation_picture(derive(cell), 80)


@pointwise
def test_it_refuses_other_numbers_of_arguments(function: type[PointwiseFunction]) -> None:
    with pytest.raises(sr.DeclarationError, match=rf"{function.name} takes {function.arity} argument"):
        function(*[h] * (function.arity + 1))
    with pytest.raises(sr.DeclarationError, match=rf"{function.name} got the list"):
        function(*[[h, h]] * function.arity)


def test_names_are_public_and_drawn_by_the_generator() -> None:
    for function in ALL:
        assert getattr(sr, function.__name__) is function
        assert NAMED[function.name] is function
        assert function.name in (*UNARY, *BINARY, *VECTOR)
    with pytest.raises(sr.DeclarationError, match=", ".join(NAMED)):
        Cell("wrong", Eq(h.next, zeta(U @ h + W @ x)))


AS_ELSEWHERE = {
    "silu": jax.nn.silu,
    "gelu": lambda v: jax.nn.gelu(v, approximate=False),
    "log_softmax": jax.nn.log_softmax,
    "mod": lambda v: jnp.mod(v, jnp.array([0.7, -1.1, 2.0])),
}
"""Functions that are formulas of others, as another library has them; `mod` by these numbers."""


@pytest.mark.parametrize("name", COMPOSED)
def test_functions_that_are_formulas_of_others(name: str) -> None:
    made = COMPOSED[name]
    assert getattr(sr, name) is made
    cell = Cell("called", Eq(h.next, W @ x + (made(h, q) if name == "mod" else made(h))))
    kernel = sr.load(cell, "numpy")
    numbers = {"W": np.zeros((3, 2)), "q": np.array([0.7, -1.1, 2.0])}
    parameters = kernel.Parameters(**{key: numbers[key] for key in kernel.PARAMETERS})
    state = np.array([[-2.5, 0.3, 5.5]])
    found, _ = kernel.predict(parameters, np.zeros((1, 1, 2)), state)
    with jax.enable_x64(True):
        np.testing.assert_allclose(found[0], AS_ELSEWHERE[name](jnp.asarray(state)), rtol=1e-14, atol=1e-15)
    sr.check(cell, "numpy").raise_if_failed()


def test_sympys_remainder_and_ceiling_mean_the_same() -> None:
    a = W @ x + U @ h
    theirs = Cell("called", Eq(h.next, Mod(a, q) + a % 2 + a // q + ceiling(a) * Mod(m, 2) + ceiling(n / 2)))
    ours = Cell(
        "called",
        Eq(
            h.next,
            sr.mod(a, q)
            + sr.mod(a, 2)
            + sr.floor(a / q)
            - sr.floor(-a) * (m - 2 * floor(m / 2))
            - floor(-n / 2),
        ),
    )
    assert theirs == ours
    sr.check(theirs, "numpy").raise_if_failed()
