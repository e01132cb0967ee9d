"""The tangent of a cell and its step Jacobians, against JAX in float64."""

import operator
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from sympy import Eq, sqrt

import symrnn as sr
from symrnn.checking.formulas import formula, jax_library
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Input, Parameter, State, Value
from symrnn.derivation.jacobian import step_jacobian
from symrnn.derivation.numeric import evaluate, evaluate_cell, size_value
from symrnn.derivation.operators import Block, Diag
from symrnn.derivation.reverse import derive
from symrnn.derivation.tangent import Tangent, dotted_latex, tangent
from symrnn.vocabulary.families import POINTWISE
from symrnn.zoo import CELLS, elman

SIZES = {"n": 3, "m": 4, "k": 2}
n, m, k = sr.axes("n m k")
x, h, c, s, C = Input("x", n), State("h", m), State("c", m), State("s"), State("C", m, m)
W, U, b = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m)
p, q, v = Parameter("p", m), Parameter("q", m), Parameter("v", n)
i, f, o, y = (Value(name) for name in "ifoy")


def peephole_lstm() -> Cell:
    W_i, W_f, W_o, W_c = (Parameter(f"W_{g}", m, m + n) for g in "ifoc")
    p_i, p_f, p_o = (Parameter(f"p_{g}", m) for g in "ifo")
    return Cell(
        "peephole",
        Eq(i, sr.sigmoid(W_i @ [h, x] + p_i * c)),
        Eq(f, sr.sigmoid(W_f @ [h, x] + p_f * c)),
        Eq(c.next, f * c + i * sr.tanh(W_c @ [h, x])),
        Eq(o, sr.sigmoid(W_o @ [h, x] + p_o * c.next)),
        Eq(h.next, o * sr.tanh(c.next)),
        output=h.next,
    )


def summed_factors() -> Cell:
    """A product whose other operands are summed to a number."""
    return Cell("summed_factors", Eq(h.next, sr.tanh(sr.einsum("i,j->j", h, h) / 2) + W @ x))


def dotted_products() -> Cell:
    """Scalars on the way from vector to vector, stacks with what does not move, transposes."""
    scale = Parameter("scale")
    return Cell(
        "dotted_products",
        Eq(y, sr.dot(p, h) / sqrt(m)),
        Eq(
            h.next,
            sr.tanh(y * q + scale * (h @ U) + sr.total(h) * b + W @ x),
        ),
    )


def scalar_state() -> Cell:
    return Cell(
        "scalar_state", Eq(s.next, sr.tanh(sr.dot(v, x) * s + s**2)), Eq(h.next, s * h + b), output=h.next
    )


def matrix_state() -> Cell:
    key, query, W_f = Value("key"), Value("query"), Parameter("w_f", n)
    return Cell(
        "matrix_state",
        Eq(f, sr.sigmoid(sr.dot(W_f, x))),
        Eq(key, W @ x),
        Eq(query, U @ h),
        Eq(C.next, f * C + sr.outer(sr.tanh(key), h)),
        Eq(h.next, C.next @ query),
        output=h.next,
    )


def choices() -> Cell:
    """Everything with a kink or a pole, away from it."""
    first, second = Value("first"), Value("second")
    return Cell(
        "choices",
        Eq(first, sr.where(h > 0, sr.exp(h), sr.softplus(U @ h))),
        Eq(second, sr.maximum(first, W @ x) + sr.minimum(h, 0.1) + abs(h) - sr.stop_gradient(h)),
        Eq(
            h.next,
            sr.relu(second) / (1 + first**2) + sr.sqrt(1 + h**2) + sr.log(2 + h**2) ** 3 + (1 + first) ** 0.3,
        ),
    )


def constant_in_a_stack() -> Cell:
    fixed, V = sr.Constant("fixed", k, value=0.5), Parameter("V", m, m + k)
    return Cell("constant_in_a_stack", Eq(h.next, sr.tanh(V @ [h, fixed] + W @ x) + sr.total(h)))


def attention() -> Cell:
    """Functions of a vector: a softmax on the way, and numbers per sample from vectors."""
    share = Value("share")
    return Cell(
        "attention",
        Eq(share, sr.softmax(U @ h + W @ x)),
        Eq(
            h.next,
            sr.tanh(U @ (share * h)) + sr.logsumexp(U @ h) * b - sr.largest(h) + sr.log_softmax(W @ x),
        ),
    )


def numbers_among_vectors() -> Cell:
    """A number that is repeated inside a product, a stack, a choice and a sum, where it alone moves."""
    V, y = Parameter("V", m, 2 * m), Input("y", m)
    part = sr.where(s > 0, h, y)
    return Cell(
        "numbers_among_vectors",
        Eq(h.next, sr.tanh(V @ sr.concatenate(y + s, part + h) + U @ (b + s) + W @ x)),
        Eq(s.next, sr.tanh(sr.total(sr.where(y > 0, h, s)) + sr.dot(h, b + s))),
        output=h.next,
    )


OTHERS: tuple[Callable[[], Cell], ...] = (
    peephole_lstm,
    scalar_state,
    matrix_state,
    choices,
    constant_in_a_stack,
    dotted_products,
    summed_factors,
    attention,
    numbers_among_vectors,
    lambda: elman("relu"),
)
ALL = [*CELLS.values(), *(make() for make in OTHERS)]


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def draw(cell: Cell, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {}
    for quantity in (*cell.inputs, *cell.states, *cell.parameters):
        shape = tuple(size_value(size, SIZES) for size in quantity.shape)
        drawn[quantity.name] = rng.standard_normal(shape)
    for constant in cell.constants:
        drawn[constant.name] = np.full(tuple(size_value(s, SIZES) for s in constant.shape), constant.value)
    return drawn


FORMULAS: dict[str, Callable[..., Any]] = {
    **{function.name: formula(function, jax_library(eager=True)) for function in POINTWISE},
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "exp": jnp.exp,
    "log": jnp.log,
    "softplus": jax.nn.softplus,
    "sqrt": jnp.sqrt,
    "abs": jnp.abs,
    "reciprocal": jnp.reciprocal,
    "power": jnp.power,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "stop_gradient": jax.lax.stop_gradient,
    "logsumexp": jax.nn.logsumexp,
    "largest": jnp.max,
    "softmax": jax.nn.softmax,
    "Add": lambda *terms: reduce(operator.add, terms),
    "Mul": lambda *factors: reduce(operator.mul, factors),
    "Pow": lambda base, exponent: base ** int(exponent),
    "concatenate": lambda *parts: jnp.concatenate(parts),
}


def jax_value(expr: Any, known: dict[str, Any]) -> Any:
    """The author's equation in JAX, written apart from what is tested."""
    kind = type(expr).__name__
    if getattr(expr, "role", None) is not None:
        return known[expr.name]
    fixed = all(type(symbol).__name__ == "Axis" for symbol in expr.free_symbols)
    if fixed and kind not in ("ones", "identity"):
        return float(expr.subs({symbol: SIZES[symbol.name] for symbol in expr.free_symbols}))
    if kind == "ones":
        return jnp.ones([size_value(size, SIZES) for size in expr.args])
    if kind == "Contract":
        return jnp.einsum(expr.spec, *(jax_value(a, known) for a in expr.operands))
    if kind == "where":
        left, right = (jax_value(side, known) for side in expr.args[0].args)
        holds = left > right if type(expr.args[0]).__name__ == "StrictGreaterThan" else left < right
        return jnp.where(holds, jax_value(expr.args[1], known), jax_value(expr.args[2], known))
    args = [jax_value(arg, known) for arg in expr.args]
    return FORMULAS[getattr(expr, "name", kind)](*args)


def jax_step(cell: Cell, given: dict[str, Any]) -> dict[str, Any]:
    """All values and next states of one step, by name."""
    known, waiting = dict(given), list(cell.equations)
    while waiting:
        for equation in waiting:
            if all(atom.name in known for atom in equation.rhs.atoms(sr.Value, State, type(h.next))):
                shape = tuple(size_value(size, SIZES) for size in equation.shape)
                known[equation.target.name] = jnp.broadcast_to(jax_value(equation.rhs, known), shape)
                waiting.remove(equation)
                break
    return {equation.target.name: known[equation.target.name] for equation in cell.equations}


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: cell.name)
def test_the_tangent_is_the_derivative_along_a_direction(cell: Cell) -> None:
    made = Tangent(cell)
    given = draw(made.cell)
    partners = {quantity.name: partner.name for quantity, partner in made.dotted.items()}
    primal = {name: jnp.asarray(value) for name, value in draw(cell).items()}
    given.update(primal)
    along = {
        name: jnp.asarray(given.get(partners.get(name, ""), np.zeros_like(value)))
        for name, value in primal.items()
    }
    values, changes = jax.jvp(lambda point: jax_step(cell, point), (primal,), (along,))
    ours = evaluate_cell(made.cell, given, SIZES)
    assert {*changes} >= {state.next.name for state in cell.states}
    for name, change in changes.items():
        np.testing.assert_allclose(ours[name], values[name], rtol=1e-12, atol=1e-12)
        if name in partners:
            np.testing.assert_allclose(ours[partners[name]], change, rtol=1e-11, atol=1e-12)
        else:
            assert not np.any(change)


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: cell.name)
def test_the_step_jacobian_is_that_of_autodiff(cell: Cell) -> None:
    point = {name: jnp.asarray(value) for name, value in draw(cell).items()}
    found = step_jacobian(cell)
    assert [(j.of, j.wrt) for j in found] == [(a, z) for a in cell.states for z in cell.states]
    for jacobian in found:
        wrt, of = jacobian.wrt.name, jacobian.of.next.name
        truth = jax.jacobian(lambda value: jax_step(cell, {**point, wrt: value})[of])(point[wrt])  # noqa: B023
        ours = jacobian.evaluate({name: np.asarray(value) for name, value in point.items()}, SIZES)
        np.testing.assert_allclose(ours, truth, rtol=1e-11, atol=1e-12, err_msg=str(jacobian))


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: cell.name)
def test_a_tangent_is_a_cell_that_can_be_derived_and_moved_again(cell: Cell) -> None:
    made = tangent(cell)
    assert derive(made).equations
    again = tangent(made)
    names = [quantity.name for quantity in (*again.inputs, *again.states, *again.parameters, *again.values)]
    assert len(set(names)) == len(names)


def test_the_jacobian_of_the_usual_lstm_reads_as_in_a_textbook() -> None:
    found = {(j.of.name, j.wrt.name): str(j) for j in step_jacobian(CELLS["lstm"])}
    assert found["c", "c"] == "d c.next / d c = diag(f)"
    assert found["h", "c"] == "d h.next / d c = diag(f*o*(1 - tanh(c.next)**2))"
    assert all(j.is_matrix for cell in CELLS.values() for j in step_jacobian(cell))


def test_diagonals_in_front_of_one_matrix_are_collected() -> None:
    (jacobian,) = step_jacobian(CELLS["gru_simplified"])
    assert len(jacobian.expr.atoms(Block)) == 2
    assert len(jacobian.expr.atoms(Diag)) == 3


def test_the_jacobian_of_a_matrix_state_is_a_linear_map() -> None:
    found = {(j.of.name, j.wrt.name): j for j in step_jacobian(matrix_state())}
    assert not found["C", "C"].is_matrix
    assert str(found["C", "C"]) == "d C.next / d C: C_dot -> C_dot*f"
    assert str(found["h", "C"]) == "d h.next / d C: C_dot -> (C_dot*f) @ query"


def test_names_of_directions_give_way_to_the_authors() -> None:
    h_dot = Input("h_dot", m)
    made = tangent(Cell("taken", Eq(h.next, sr.tanh(U @ h + h_dot))))
    assert [state.name for state in made.states] == ["h", "h_dot_2"]
    assert {quantity.name for quantity in made.inputs} == {"h_dot", "h_dot_dot"}


@pytest.mark.parametrize(
    ("latex", "dotted"),
    [
        ("W_r", r"\dot{W}_r"),
        (r"\Gamma_u", r"\dot{\Gamma}_u"),
        (r"\tilde{c}", r"\dot{\tilde{c}}"),
        ("h'", r"\dot{h}'"),
    ],
)
def test_the_dot_stands_on_the_letter(latex: str, dotted: str) -> None:
    assert dotted_latex(latex) == dotted


def test_the_reverse_of_a_tangent_is_the_hessian_vector_product() -> None:
    """One step of gru with the loss sum(c.next * weights)."""
    cell = CELLS["gru"]
    made = Tangent(cell)
    given = draw(made.cell, seed=3)
    derivation = derive(made.cell)
    weights = np.random.default_rng(5).standard_normal(SIZES["m"])
    known = evaluate_cell(made.cell, given, SIZES)
    known[derivation.output.name] = weights
    known.update({symbol.name: np.zeros(SIZES["m"]) for _, symbol in derivation.later})
    for equation in derivation.equations:
        shape = tuple(size_value(size, SIZES) for size in equation.shape)
        known[equation.symbol.name] = np.broadcast_to(evaluate(equation.expr, known, SIZES), shape)
    names = [q.name for q in (*cell.parameters, *cell.states)]
    point = {name: jnp.asarray(given[name]) for name in names}
    along = {q.name: jnp.asarray(given[made.dotted[q].name]) for q in (*cell.parameters, *cell.states)}
    x_dot = jnp.asarray(given[made.dotted[cell.inputs[0]].name])

    def loss(values: dict[str, Any], x_value: Any) -> Any:
        return jnp.vdot(jax_step(cell, {**values, "x": x_value})["c.next"], weights)

    gradient = jax.grad(loss)
    _, product = jax.jvp(gradient, (point, jnp.asarray(given["x"])), (along, x_dot))
    for name in names:
        quantity = next(q for q in (*made.cell.parameters, *made.cell.states) if q.name == name)
        ours = known[derivation.of(quantity).symbol.name]
        np.testing.assert_allclose(ours, product[name], rtol=1e-10, atol=1e-12, err_msg=name)
