"""What is said about vanishing and exploding gradients: bounds hold on numbers, and gates do what is said."""

import re

import numpy as np
import pytest
from random_cells import random_cell
from sympy import Eq
from unshipped_cells import layer_normalised_lstm, matrix_memory, minimal_gated_unit, peephole_lstm

import symrnn as sr
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Constant, Input, Parameter, State, Value
from symrnn.derivation.bounds import Bounds, Interval
from symrnn.derivation.gradient_paths import gate_effects, gradient_paths
from symrnn.derivation.jacobian import step_jacobian
from symrnn.derivation.numeric import evaluate, evaluate_cell
from symrnn.derivation.reverse import derive
from symrnn.mathematics.sections import derivation_parts
from symrnn.mathematics.style import Style
from symrnn.notation.rendering.latex import latex
from symrnn.papers.lines import prose_latex
from symrnn.zoo import CELLS

n, m = sr.axes("n m")
x, h = Input("x", n), State("h", m)
A, U, W, u = Parameter("A", m, m), Parameter("U", m, m), Parameter("W", m, n), Parameter("u", m)
f, alpha = Value("f"), Constant("alpha", value=0.1)

linear = Cell("linear", Eq(h.next, A @ h + W @ x))
leaky = Cell("leaky", Eq(h.next, (1 - alpha) * h + alpha * sr.tanh(A @ h + W @ x)))
residual = Cell("residual", Eq(h.next, h + sr.tanh(A @ h + W @ x)))
independent = Cell("independent", Eq(h.next, sr.relu(u * h + W @ x)))
exponential = Cell("exponential", Eq(f, sr.exp(W @ x)), Eq(h.next, f * h + W @ x))
gated = Cell("gated", Eq(f, sr.sigmoid(W @ x)), Eq(h.next, f * (A @ h) + W @ x))
memoryless = Cell("memoryless", Eq(h.next, sr.tanh(W @ x)))
OTHERS = (minimal_gated_unit(), peephole_lstm(), matrix_memory(), leaky, residual, independent, gated)


def drawn(cell: Cell, sizes: dict[str, int], seed: int, **filled: float) -> dict[str, np.ndarray]:
    """Values of inputs, states, parameters and constants; `filled` fills some with a number."""
    rng = np.random.default_rng(seed)
    values = {}
    for quantity in (*cell.inputs, *cell.states, *cell.parameters, *cell.constants):
        shape = [int(size.subs({axis: sizes[axis.name] for axis in cell.axes})) for size in quantity.shape]
        values[quantity.name] = rng.standard_normal(shape)
    for name, number in filled.items():
        values[name] = np.full_like(values[name], number)
    return values


def told(cell: Cell) -> str:
    """The words below the Jacobians."""
    parts = derivation_parts(derive(cell), Style("subscript"))
    (section,) = (section for section in parts.sections if section.name == "jacobian")
    return " ".join(prose_latex(passage.text) for passage in section.passages if not passage.equations)


RANDOM = [cell for cell in map(random_cell, range(40)) if not any(q.role == "index" for q in cell.inputs)]


@pytest.mark.parametrize("cell", [*CELLS.values(), *OTHERS, *RANDOM[:20]], ids=lambda cell: cell.name)
def test_no_factor_leaves_its_bounds(cell: Cell) -> None:
    sizes = {axis.name: size for axis, size in zip(cell.axes, (3, 4, 2, 5), strict=False)}
    bounds, paths = Bounds(cell), gradient_paths(cell, step_jacobian(cell))
    for seed in range(3):
        known = evaluate_cell(cell, drawn(cell, sizes, seed), sizes)
        for path in paths:
            for factor in path.factors:
                interval = bounds(factor)
                value = evaluate(factor, known, sizes)
                assert np.all(value >= interval.low - 1e-12), factor
                assert np.all(value <= interval.high + 1e-12), factor


rate = Value("rate")
decayed = Cell(
    "decayed",
    Eq(rate, sr.sigmoid(Parameter("r", m))),
    Eq(h.next, rate * h + sr.tanh(Parameter("U", m, m) @ h + Input("x", m))),
)


def test_what_parameters_determine_has_bounds_too() -> None:
    assert Bounds(decayed)(rate) == Interval(0.0, 1.0)


def test_intervals() -> None:
    gate, bounds = Value("f"), Bounds(gated)
    assert bounds(gate) == Interval(0.0, 1.0)
    assert bounds(1 - gate) == Interval(0.0, 1.0)
    assert bounds(gate * (1 - gate)) == Interval(0.0, 0.25)
    assert bounds(2 * gate - 1) == Interval(-1.0, 1.0)
    assert bounds(-3 * gate**2) == Interval(-3.0, 0.0)
    assert bounds(sr.tanh(h) ** 2) == Interval(0.0, 1.0)
    assert bounds(sr.where(h > 0, 2, gate)) == Interval(0.0, 2.0)
    low, high = sr.where(h > 0, 0, 1), sr.where(h > 0, 1, 0)
    assert bounds(high + low / 4) == Interval(0.25, 1.0)
    assert bounds(high - 2 * low * gate + 1) == Interval(-1.0, 2.0)
    assert bounds(high + 2 * sr.where(h > 1, 0, 1)) == Interval(0.0, 3.0)
    assert bounds(h * gate).size == np.inf
    assert bounds(sr.exp(-sr.softplus(h))) == Interval(0.0, 1.0)
    assert bounds(sr.maximum(gate, sr.tanh(h))) == Interval(0.0, 1.0)


def jacobians(cell: Cell, **filled: float) -> dict[tuple[str, str], np.ndarray]:
    """All step Jacobians at a point."""
    sizes = {"n": 3, "m": 4}
    values = drawn(cell, sizes, 0, **filled)
    return {(j.of.name, j.wrt.name): j.evaluate(values, sizes) for j in step_jacobian(cell)}


OPEN = r"only the direct path from $STATE_{t-1}$ to $STATE_{t}$ is open and passes the gradient on unchanged"


@pytest.mark.parametrize(
    ("cell", "gate", "end", "filled"),
    [
        (CELLS["gru"], r"\Gamma_{u,t}", 0, {"b_u": -60.0}),
        (CELLS["gru_simplified"], r"\Gamma_{u,t}", 0, {"b_u": -60.0}),
        (CELLS["gru_reset_after"], "z_{t}", 1, {"b_z": 60.0}),
    ],
    ids=lambda value: value.name if isinstance(value, Cell) else None,
)
def test_where_a_path_is_said_to_be_alone_the_jacobian_is_the_identity(
    cell: Cell, gate: str, end: int, filled: dict[str, float]
) -> None:
    (sentence,) = re.findall(rf"Where \${re.escape(gate)}\$ is near.*?\.", told(cell))
    clauses = [part for part in sentence.split(";") if f"near ${end}$" in part]
    assert OPEN.replace("STATE", cell.states[0].name) in clauses[0]
    for matrix in jacobians(cell, **filled).values():
        np.testing.assert_allclose(matrix, np.eye(4), atol=1e-12)


def test_the_gates_of_lstm_do_what_is_said() -> None:
    cell, text = CELLS["lstm"], told(CELLS["lstm"])
    assert "Where $o_{t}$ is near $0$, $h_{t}$ does not depend on the state before" in text
    shut = jacobians(cell, b_o=-60.0)
    for wrt in "ch":
        np.testing.assert_allclose(shut["h", wrt], 0.0, atol=1e-12)
    assert (
        "where it is near $1$, the direct path from $c_{t-1}$ to $c_{t}$ passes the gradient on unchanged"
        in text
    )
    np.testing.assert_allclose(jacobians(cell, b_f=60.0)["c", "c"], np.eye(4), atol=1e-12)
    assert "Where $f_{t}$ is near $0$, the direct path from $c_{t-1}$ to $c_{t}$, the direct path" in text
    np.testing.assert_allclose(jacobians(cell, b_f=-60.0)["c", "c"], 0.0, atol=1e-12)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "lstm_notes"])
def test_closed_paths_are_zero(name: str) -> None:
    cell, sizes = CELLS[name], {"n": 3, "m": 4}
    known = dict(evaluate_cell(cell, drawn(cell, sizes, 0), sizes))
    for effect in gate_effects(cell, gradient_paths(cell, step_jacobian(cell))):
        for end, paths in ((0.0, effect.at_zero), (1.0, effect.at_one)):
            ended = {**known, effect.gate.name: np.full(4, end)}
            for path in paths:
                values = [np.max(np.abs(evaluate(factor, ended, sizes))) for factor in path.factors]
                assert min(values) == 0.0


def test_the_bound_by_norms_holds() -> None:
    assert r"at most $\lVert W_{s}^{(s)} \rVert$" in told(CELLS["elman"])
    sizes, (jacobian,) = {"n": 3, "m": 4}, step_jacobian(CELLS["elman"])
    for seed in range(20):
        values = drawn(CELLS["elman"], sizes, seed)
        block = values["W_s"][:, 3:]
        assert np.linalg.norm(jacobian.evaluate(values, sizes), 2) <= np.linalg.norm(block, 2) + 1e-12


@pytest.mark.parametrize(
    ("cell", "said", "unsaid"),
    [
        (linear, ["the product is its power", "eigenvalues are less than $1$"], ["direct", "derivative"]),
        (leaky, [r"by $1 - \alpha$ at every step", "The other term leads through $A$"], ["Where"]),
        (residual, ["passes the gradient on unchanged", "What it adds grows with $A$"], ["lies between"]),
        (
            independent,
            ["The only term leads through $u$", r"$\operatorname{relu}'$ is $0$ or $1$", r"\lVert u \rVert"],
            ["direct path"],
        ),
        (exponential, ["by $f_{t}$: what it carries vanishes while this stays below $1$"], ["lies between"]),
        (
            gated,
            ["The only term leads through $A$.", "Where $f_{t}$ is near $0$, $h_{t}$ does not"],
            ["direct"],
        ),
        (memoryless, ["No state depends on the state before it"], ["vanishes"]),
        (
            matrix_memory(),
            [r"multiplies the gradient by $f_{t}$, which lies between $0$ and $1$"],
            ["matrices"],
        ),
        (
            peephole_lstm(),
            ["element by element by $f_{t}$", "The other terms lead through $p_{f}$, $p_{i}$, $U_{c}$"],
            ["has no bound"],
        ),
        (
            minimal_gated_unit(),
            [
                "by $1 - f_{t}$",
                "the ways through $W_{f}^{(h)}$ and $W_{h}^{(h)}$ with $W_{f}^{(h)}$ are closed",
            ],
            [],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Cell) else "",
)
def test_the_words_follow_from_the_symbols(cell: Cell, said: list[str], unsaid: list[str]) -> None:
    text = told(cell)
    for words in said:
        assert words in text, text
    for words in unsaid:
        assert words not in text, text


X, v, g = Input("X", m), Parameter("v", m), Parameter("g", m)
c, z = State("c", m), State("z", m)
OF_ONES = r"\mathbf{1}"
normalised = Cell("normalised", Eq(h.next, sr.tanh(g * (A @ h - sr.mean(A @ h))) + X))
softened = Cell("softened", Eq(h.next, sr.softmax(A @ h) + X))
totalled = Cell("totalled", Eq(h.next, sr.tanh(sr.total(h) * v + X)))
halved = Cell("halved", Eq(h.next, 0.5 * abs(h) + sr.tanh(X)))
tenths = Cell("tenths", Eq(h.next, 0.3 * abs(h) + sr.tanh(X)))
chained = Cell("chained", Eq(z.next, c), Eq(c.next, h), Eq(h.next, sr.tanh(A @ z + X)), output=h.next)
kept = Cell("kept", Eq(h.next, h + sr.tanh(X)))
exchanged = Cell("exchanged", Eq(c.next, h), Eq(h.next, c + X), output=h.next)
alike = Cell("alike", Eq(c.next, c + X), Eq(h.next, h + X), output=h.next)


@pytest.mark.parametrize(
    ("cell", "said", "unsaid"),
    [
        (
            normalised,
            ["All terms lead through $A$ and $g$.", "What they add grows with $A$ and $g$;"],
            [OF_ONES],
        ),
        (
            softened,
            [
                "The only terms lead through $A$.",
                r"\lVert \mathbf{1}_{m} \rVert_{2}",
                "where that value is less",
            ],
            ["power of this", r"\lVert \bigl("],
        ),
        (
            totalled,
            [
                "The only term leads through $v$.",
                r"at most $\lVert v \odot \bigl(1 - (h_{t})^{2}\bigr) \rVert_{2} \, \lVert \mathbf{1}_{m}",
                "the $k$-th power of its largest value over the steps",
            ],
            ["power of this"],
        ),
        (
            halved,
            [r"shrinks at every step, to at most $\frac{1}{2}$ of its magnitude"],
            ["near $1$", "kept"],
        ),
        (
            decayed,
            ["which lies between $0$ and $1$, the same at every step", "and is never amplified."],
            ["explodes where", "stays near"],
        ),
        (tenths, [r"$-\frac{3}{10}$ and $\frac{3}{10}$: what it carries shrinks"], ["near $1$"]),
        (
            chained,
            [
                "No matrix lies on the direct paths from $c_{t-1}$ to $z_{t}$ and from $h_{t-1}$ to $c_{t}$. "
                "The other term leads through $A$."
            ],
            [],
        ),
        (kept, ["The Jacobian is the identity: gradients pass unchanged."], ["eigenvalue", "vanish"]),
        (alike, ["form together is the identity: gradients pass unchanged."], ["eigenvalue"]),
        (exchanged, ["eigenvalues are less than $1$"], ["identity"]),
    ],
    ids=lambda value: value.name if isinstance(value, Cell) else "",
)
def test_what_is_said_is_true_of_uncommon_cells(cell: Cell, said: list[str], unsaid: list[str]) -> None:
    test_the_words_follow_from_the_symbols(cell, said, unsaid)


def test_the_bound_by_largest_norms_holds_for_a_product() -> None:
    """The norms of what moves differ from step to step; their largest bounds all."""
    (jacobian,), sizes = step_jacobian(totalled), {"m": 4}
    product, norms = np.eye(4), []
    for seed in range(4):
        values = {**drawn(totalled, sizes, seed), "v": np.linspace(-1, 1, 4)}
        product = jacobian.evaluate(values, sizes) @ product
        slopes = 1 - evaluate(h.next, evaluate_cell(totalled, values, sizes), sizes) ** 2
        norms.append(np.linalg.norm(values["v"] * slopes) * np.sqrt(4))
    assert np.linalg.norm(product, 2) <= max(norms) ** 4
    assert min(norms) < max(norms)


def test_many_ways_are_counted() -> None:
    """A normalised LSTM has a term for every pair of ways; no sentence lists them all."""
    text = told(layer_normalised_lstm())
    assert "16 of the 20 terms that lead through weights are closed" in text
    assert OF_ONES not in text
    assert len(text) < 2000


def symbols(cell: Cell) -> str:
    """The words on signs and symbols."""
    parts = derivation_parts(derive(cell))
    return " ".join(map(prose_latex, [parts.conventions, *(row.meaning for row in parts.symbols)]))


def test_conditions_in_brackets_are_explained_where_they_are_printed() -> None:
    cases = Cell("cases", Eq(h.next, h + sr.maximum(X, Input("Y", m))))
    for cell in (cases, independent, softened, kept, CELLS["gru"]):
        parts = derivation_parts(derive(cell))
        passages = [passage for part in (*parts.sections, parts.results) for passage in part.passages]
        texts = [latex(right) for passage in passages for e in passage.equations for right in e.rights]
        is_used = any(re.search(r"(?<!\\bigl)\[ ?[^\[\]]* (=|<|>|\\[lgn]e) ", text) for text in texts)
        assert ("holds and $0$ elsewhere" in symbols(cell)) == is_used, cell.name
    assert "holds and $0$ elsewhere" in symbols(independent)
    assert "holds and $0$ elsewhere" not in symbols(cases)
    gate = Cell("gate", Eq(f, sr.softmax(A @ h)), Eq(h.next, f + X))
    assert "holds and $0$ elsewhere" in symbols(gate)  # the derivative of its softmax is told


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-5, "$10^{-5}$"), (2.5e-7, r"$2.5 \cdot 10^{-7}$"), (0.1, "0.1"), (3.0, "3"), (-1e-6, "$-10^{-6}$")],
)
def test_constants_are_set_as_mathematics(value: float, text: str) -> None:
    epsilon = Constant("epsilon", value=value)
    assert f"constant, {text} unless given" in symbols(Cell("shifted", Eq(h.next, h + epsilon * X)))


def test_names_of_cells_play_no_part() -> None:
    gru = CELLS["gru"]
    renamed = Cell("something", *(Eq(e.target, e.rhs) for e in gru.equations))
    assert told(renamed) == told(gru)
