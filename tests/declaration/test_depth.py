"""Work and text grow about as the equations do, however deep these nest and however long their chains are.

What is counted is the size of what is made, never time.
"""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from latex_proofs import given_for
from latex_reader import Document
from latex_step_jacobian import prove_jacobians
from sympy import And, Eq, Expr, Gt, Or, preorder_traversal

import symrnn as sr
from symrnn import Cell, DeclarationError, Input, Parameter, State, Value, axes, maximum, sigmoid, tanh, where
from symrnn.checking.problem import draw_problem
from symrnn.declaration.depth import LEVELS, SLACK
from symrnn.declaration.digest import cell_digest
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.nodes import depth_of
from symrnn.derivation import naming
from symrnn.derivation.bounds import Bounds
from symrnn.derivation.gradient_paths import gradient_paths
from symrnn.derivation.jacobian import jacobian_lines, step_jacobian
from symrnn.derivation.numeric import evaluate_cell
from symrnn.derivation.tangent import Tangent
from symrnn.notation import breaking
from symrnn.notation.breaking import points
from symrnn.notation.nodes import Node
from symrnn.notation.parsing import parsed
from symrnn.papers.terminal import derivation_picture
from symrnn.planning.affine import affine_recurrences
from symrnn.planning.ir import Buffer, Carry, Pointwise, array_symbol

n, m = axes("n m")
x, h, b, W, v = (
    Input("x", m),
    State("h", m),
    Parameter("b", m),
    Parameter("W", m, m),
    Parameter("v", m),
)


def iterated(step: Callable[[Expr], Expr], times: int) -> Cell:
    """A cell of one equation, in which a step is applied to the state many times."""
    expr: Expr = W @ h + x
    for _ in range(times):
        expr = step(expr)
    return Cell("iterated", Eq(h.next, expr))


def nested(times: int) -> Cell:
    """One equation of many functions, each of the one before."""
    return iterated(lambda e: tanh(e + b), times)


def chained(times: int, *, of_state: bool = True) -> Cell:
    """A cell of many equations, each made of the one before."""
    made: list[Eq] = []
    last: Expr = h if of_state else x
    for i in range(times):
        value = Value(f"v_{i}")
        made.append(Eq(value, tanh(W @ last + b)))
        last = value
    return Cell("chained", *made, Eq(h.next, last + (x if of_state else h)))


def highway(layers: int) -> Cell:
    """Several highway layers in one step: the number of ways through them is a power."""
    made: list[Eq] = []
    last: Expr = h
    for i in range(layers):
        gate = Value(f"u_{i}")
        value = h.next if i == layers - 1 else Value(f"h_{i}")
        R, U = Parameter(f"R_{i}", m, m), Parameter(f"U_{i}", m, m)
        made += [
            Eq(gate, sigmoid(R @ last + W @ x)),
            Eq(value, gate * tanh(U @ last + b) + (1 - gate) * last),
        ]
        last = value
    return Cell("highway", *made)


def unfolded(steps: int, *, matrix: bool = False) -> Cell:
    """Several updates of a differential equation in one step; of a matrix its Jacobian is a linear map."""
    state = State("C", m, m) if matrix else h
    given = sr.outer(x, x) if matrix else x
    rate = Parameter("dt", init=0.3)
    made, last = [], state
    for i in range(steps):
        value = state.next if i == steps - 1 else Value(f"c_{i}")
        made.append(Eq(value, last + rate * (-last + tanh(W @ last + given))))
        last = value
    return Cell("unfolded", *made)


def nodes(exprs: list[Expr]) -> int:
    return sum(1 for expr in exprs for _ in preorder_traversal(expr))


STEPS: dict[str, Callable[[Expr], Expr]] = {
    "a function": lambda e: tanh(e + b),
    "a gate": lambda e: b * e + (1 - b) * x,
    "a product": lambda e: W @ e,
    "a largest": lambda e: maximum(e, b) * v,
    "a choice": lambda e: where(Gt(e, b), tanh(e), x),
    "a stack": lambda e: Parameter("V", m, m + m) @ [e, x],
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_an_equation_of_300_levels_is_cut_and_means_the_same(step: Callable[[Expr], Expr]) -> None:
    cell = iterated(step, 150)
    assert max(depth_of(equation.rhs) for equation in cell.equations) <= LEVELS + SLACK + 2
    rng = np.random.default_rng(0)
    point = {q.name: 0.5 * rng.standard_normal(3) for q in (x, h, b, v)}
    point |= {"W": 0.5 * rng.standard_normal((3, 3)), "V": 0.4 * rng.standard_normal((3, 6))}
    known = {q.name for q in (*cell.inputs, *cell.states, *cell.parameters)}
    found = evaluate_cell(cell, {name: point[name] for name in known}, {"m": 3})["h.next"]
    numbers = {
        "a function": lambda e: np.tanh(e + point["b"]),
        "a gate": lambda e: point["b"] * e + (1 - point["b"]) * point["x"],
        "a product": lambda e: point["W"] @ e,
        "a largest": lambda e: np.maximum(e, point["b"]) * point["v"],
        "a choice": lambda e: np.where(e > point["b"], np.tanh(e), point["x"]),
        "a stack": lambda e: point["V"] @ np.concatenate([e, point["x"]]),
    }
    name = next(key for key, value in STEPS.items() if value is step)
    expected = point["W"] @ point["h"] + point["x"]
    for _ in range(150):
        expected = numbers[name](expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_what_stands_in_many_places_is_computed_once() -> None:
    """An equation of few levels that is long only because of its copies."""
    cell = iterated(lambda e: tanh(e) * tanh(-b * e) * tanh(v * e), 4)  # written out it has 3**4 states
    assert [str(target) for target in cell.values] == ["h_part_1", "h_part_2", "h_part_3"]
    assert nodes([equation.rhs for equation in cell.equations]) < 300


def test_shallow_equations_stay_as_they_are() -> None:
    cell = nested(3)
    assert [str(equation.target) for equation in cell.equations] == ["h.next"]


def test_conditions_that_nest_too_deeply_are_refused() -> None:
    condition = Gt(x, 0)
    for _ in range(60):
        condition = Or(And(Gt(b, 0), condition), Gt(v, 0))
    with pytest.raises(DeclarationError, match=r"In cell 'deep', equation 1 .*conditions .* levels deep"):
        Cell("deep", Eq(h.next, where(condition, x, h)))


def test_names_of_parts_do_not_grow() -> None:
    names = [definition.symbol.name for definition in nested(60).definitions]
    assert max(map(len, names)) < 50


SIZED: dict[str, tuple[Callable[[int], Cell], int]] = {
    "nested": (nested, 20),
    "chained": (chained, 10),
    "highway": (highway, 4),
    "unfolded": (unfolded, 4),
}


@pytest.mark.parametrize(("make", "count"), SIZED.values(), ids=SIZED)
def test_twice_the_equations_make_about_twice_the_text(make: Callable[[int], Cell], count: int) -> None:
    small, large = make(count), make(2 * count)
    for text in (
        lambda c: sr.emit(c, "numpy"),
        sr.latex,
        lambda c: "\n".join(jacobian_lines(step_jacobian(c))),
    ):
        assert len(text(large)) < 2.6 * len(text(small))


def test_a_long_equation_is_not_quoted_wherever_something_follows_from_it() -> None:
    def wide(gates: int) -> Cell:
        values = [Value(f"g_{i}") for i in range(gates)]
        made = [Eq(value, sigmoid(Parameter(f"U_{i}", m, m) @ h + x)) for i, value in enumerate(values)]
        return Cell("wide", *made, Eq(h.next, sum(value * h for value in values)))

    source = sr.emit(wide(60), "numpy")
    assert source.count("g_0 * h + g_1 * h") < 8  # in the header, and where it is computed
    assert "from h.next = ... in (61)" in source


def test_jacobians_of_many_ways_are_told_in_named_derivatives() -> None:
    (jacobian,) = step_jacobian(highway(8))
    assert [str(partial.of) for partial in jacobian.through[-3:]] == ["u_6", "h_6", "u_7"]
    assert nodes([jacobian.expr, *(partial.expr for partial in jacobian.through)]) < 1200
    assert len(gradient_paths(highway(8), (jacobian,))) == 3


@pytest.mark.parametrize(("measure", "uses"), [("USED_ONCE", 1), ("LEVELS", 1), ("USED_AGAIN", 2)])
def test_a_derivative_has_a_name_from_its_measure_on(
    measure: str, uses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tangent = Tangent(chained(4) if uses == 1 else highway(3))
    (direction,) = (tangent.dotted[state] for state in tangent.of.states)
    weights = naming._Weights(tangent, direction)
    sizes, levels, _ = weights.measured(naming=False)
    target = next(q for q in sizes if weights.uses[q] == uses)
    least = (levels if measure == "LEVELS" else sizes)[target]
    for name in ("USED_ONCE", "LEVELS", "USED_AGAIN"):
        monkeypatch.setattr(naming, name, 10**6)
    for threshold, named in ((least, True), (least + 1, False)):
        monkeypatch.setattr(naming, measure, threshold)
        assert (target in weights.measured(naming=True)[2]) == named


def test_named_derivatives_by_states_with_long_names_have_letters() -> None:
    """Each is marked by the state that it is the derivative by, whose letter has braces."""
    memory, zeta = State("memory", m), State("Zeta", m, latex=r"\mathbf{z}")
    values, equations = [zeta * sigmoid(memory)], []
    for i in range(6):
        u, gate = Value(f"u_{i}"), sigmoid(Parameter(f"U_{i}", m, m) @ values[-1] + b)
        equations.append(Eq(u, gate * values[-1] + (1 - gate) * x))
        values.append(u)
    ends = Eq(memory.next, values[-1]), Eq(zeta.next, values[-1] * memory)
    cell = Cell("two", *equations, *ends, output=memory.next)
    letters = {symbol_latex(part.moved) for jacobian in step_jacobian(cell) for part in jacobian.through}
    assert {r"{\dot{u}_{4}}_{\mathrm{memory}}", r"{\dot{u}_{4}}_{\mathbf{z}}"} <= letters
    document = Document(sr.latex(cell))
    assert prove_jacobians(document, given_for(document, draw_problem(cell, T=2, B=1, seed=3), 0)) == 4


@pytest.mark.parametrize(
    "cell", [highway(3), unfolded(5), unfolded(4, matrix=True), chained(30)], ids=lambda cell: cell.name
)
def test_named_derivatives_are_those_of_the_paper_and_of_differences(cell: Cell) -> None:
    (jacobian,) = step_jacobian(cell)
    assert jacobian.through
    rng, sizes = np.random.default_rng(1), {"m": 3}
    given = (*cell.inputs, *cell.states, *cell.parameters)
    point = {q.name: 0.6 * rng.standard_normal([3] * len(q.shape)) for q in given}
    found = jacobian.evaluate(point, sizes)
    state, after = cell.states[0].name, cell.states[0].next.name
    turn, small = rng.standard_normal(point[state].shape), 1e-6
    ends = [
        evaluate_cell(cell, {**point, state: point[state] + sign * small * turn}, sizes)[after]
        for sign in (1, -1)
    ]
    along = (ends[0] - ends[1]) / (2 * small)
    np.testing.assert_allclose(np.tensordot(found, turn, turn.ndim), along, rtol=1e-6, atol=1e-8)
    document = Document(sr.latex(cell))
    problem = draw_problem(cell, T=2, B=1, seed=3)
    assert prove_jacobians(document, given_for(document, problem, 0)) == 1


@pytest.mark.parametrize("cell", [nested(300), chained(150)], ids=lambda cell: cell.name)
def test_300_levels_and_150_equations_work_end_to_end(cell: Cell) -> None:
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert len(cell_digest(cell)) == 12
    assert sr.emit(cell, "numba", save="states")
    assert derivation_picture(sr.derive(cell), 100)
    rng, sizes = np.random.default_rng(0), {"m": 3}
    kernel = sr.load(cell, target="numpy")
    parameters = kernel.init(rng, **sizes, dtype=np.float64)
    parameters = parameters._replace(b=0.1 * rng.standard_normal(3))
    inputs, d_outputs = rng.standard_normal((2, 2, 3)), rng.standard_normal((2, 2, 3))

    def outputs(b: np.ndarray) -> np.ndarray:
        """By the cell's own definitions, sample by sample."""
        made = np.zeros((2, 2, 3))
        for sample in range(2):
            state = np.zeros(3)
            for t in range(2):
                point = {"W": parameters.W, "b": b, "x": inputs[t, sample], "h": state}
                known = {q.name for q in (*cell.inputs, *cell.states, *cell.parameters)}
                state = evaluate_cell(cell, {k: a for k, a in point.items() if k in known}, sizes)["h.next"]
                made[t, sample] = state
        return made

    run = kernel.forward(parameters, inputs)
    np.testing.assert_allclose(run.outputs, outputs(parameters.b), rtol=1e-9, atol=1e-12)
    found = kernel.backward(parameters, run.tape, d_outputs).parameters.b
    turn = rng.standard_normal(3)
    ends = [np.sum(d_outputs * outputs(parameters.b + sign * 1e-6 * turn)) for sign in (1, -1)]
    np.testing.assert_allclose(found @ turn, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-9)


def test_a_long_chain_has_bounds_and_words() -> None:
    cell = chained(120)
    bounds = Bounds(cell)
    assert bounds(cell.values[-1]).high == 1.0
    assert "Many ways lead through the values" in sr.latex(cell)


def test_breaking_a_formula_reads_no_further_than_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of pieces read grows as the formula does."""
    counts = []
    taken = breaking.deeper
    for terms in (200, 400):
        count = [0]

        def counted(piece: Node, count: list[int] = count) -> int:
            count[0] += 1
            return taken(piece)

        monkeypatch.setattr(breaking, "deeper", counted)
        broken = breaking.lines(parsed(" + ".join(["a_{i}"] * terms)), 300.0)
        monkeypatch.setattr(breaking, "deeper", taken)
        assert all(points(line) <= 300.0 for line in broken)
        counts.append(count[0])
    assert counts[1] < 2.3 * counts[0]


def test_a_recurrence_that_would_blow_up_is_not_called_affine() -> None:
    """What a loop's arrays hold in terms of its state is not written out without end."""
    a, c = array_symbol("a"), array_symbol("h")
    lines = [Pointwise("v_0", c * a + sr.tanh(c) * c)]
    lines += [
        Pointwise(f"v_{i}", array_symbol(f"v_{i - 1}") * (a + array_symbol(f"v_{i - 1}")))
        for i in range(1, 60)
    ]
    names = ("a", "h", "h_0", *(line.out for line in lines))
    table = {name: Buffer(name, "B", (m,), "value") for name in names}
    assert affine_recurrences(lines, [Carry("h", "v_59", "h_0")], table) == ()
