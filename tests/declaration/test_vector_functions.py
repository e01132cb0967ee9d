"""Softmax, logsumexp and the largest element from the equation to the compiled kernel."""

import numpy as np
import pytest
from interpretation import arguments_of, assert_same, expected, run, stages
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes
from symrnn.checking.check import check_module
from symrnn.checking.problem import draw_problem
from symrnn.errors import PlanError
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.planning.checker import check
from symrnn.planning.cost import operations
from symrnn.planning.ir import Contraction, Largest, Pointwise
from symrnn.planning.passes.draft import Draft
from symrnn.planning.plan import Plan
from symrnn.running.loading import load_source

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W, U, b, g = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m), Parameter("g", n)
DTYPES = ("float64", "float32")


def attention() -> Cell:
    """Functions of what the state gives, of what the input gives, and of parameters alone."""
    share, mixed = Value("share"), Value("mixed")
    return Cell(
        "attention",
        Eq(share, sr.softmax(U @ h + W @ x)),
        Eq(mixed, sr.softmax(b) * sr.largest(W @ x) + sr.logsumexp([h, x]) + sr.logsumexp(b)),
        Eq(h.next, sr.tanh(U @ (share * h)) + sr.largest(h) * mixed / 4 - sr.logsumexp(U @ h + W @ x) / 4),
    )


def functions() -> Cell:
    """All three side by side; `g` tells the kernel its dtype."""
    y = Value("y")
    a = g * x
    numbers = [sr.logsumexp(a) * sr.ones(1), sr.largest(a) * sr.ones(1)]
    return Cell("functions", Eq(y, sr.concatenate(*numbers, sr.softmax(a))), output=y)


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("make", [attention, functions])
def test_every_plan_agrees_with_autodiff(make: type[Cell], save: str) -> None:
    cell = make()
    problem = draw_problem(cell)
    for plan in stages(cell, save):
        assert_same(run(plan, arguments_of(problem, plan)), expected(problem, plan))


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_agree_with_autodiff(target: str) -> None:
    cell = attention()
    module = load_source(sr.emit(cell, target), f"attention_{target}")
    for T, B in ((6, 5), (1, 1), (0, 2)):
        problem = draw_problem(cell, T=T, B=B)
        for dtype in DTYPES if target == "numpy" else DTYPES[:1]:
            check_module(problem, module, dtype=dtype, target=target).raise_if_failed()


def test_a_kernel_that_recomputes_agrees_with_autodiff() -> None:
    sr.check(attention(), "numpy", save="states").raise_if_failed()


@pytest.mark.parametrize("target", TARGETS)
def test_large_numbers_infinities_and_nan(target: str) -> None:
    module = load_source(sr.emit(functions(), target), f"functions_{target}")
    inf, nan = np.inf, np.nan
    rows = {  # elements -> logsumexp, largest, softmax
        (1e4, 1e4, -1e4): (1e4 + np.log(2), 1e4, 0.5, 0.5, 0),
        (-1e4, -1e4, -1e4): (-1e4 + np.log(3), -1e4, 1 / 3, 1 / 3, 1 / 3),
        (1e30, 0, -1e30): (1e30, 1e30, 1, 0, 0),
        (-inf, 0, 0): (np.log(2), 0, 0, 0.5, 0.5),
        (-inf, -inf, -inf): (-inf, -inf, nan, nan, nan),
        (inf, 0, 0): (inf, inf, nan, nan, nan),
        (0, nan, 1): (nan, nan, nan, nan, nan),
        (nan, inf, inf): (nan, nan, nan, nan, nan),
        (0, 0, 0): (np.log(3), 0, 1 / 3, 1 / 3, 1 / 3),
    }
    wanted = np.array(list(rows.values()))
    wanted[5, 3:] = 0  # exp(-inf), beside the NaN of inf - inf
    for dtype in DTYPES:
        given = np.array([list(rows)], dtype)
        parameters = module.Parameters(np.ones(3, dtype))
        outputs, _ = module.predict(parameters, given)
        assert outputs.dtype == dtype
        found = outputs[0]
        total = found[5, 2:]
        assert np.isnan(total[0])
        found[5, 3:], kept = 0, found[5, 3:].copy()
        assert all(np.isnan(kept) | (kept == 0))
        np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-30)
        made = module.forward(parameters, given)
        gradients = module.backward(parameters, made.tape, np.ones_like(outputs))
        finite = [0, 1, 2, 3, 8]
        assert np.isfinite(gradients.inputs[0][0, finite]).all()
        assert np.isnan(gradients.inputs[0][0, [6, 7]]).all()


def test_functions_of_one_vector_share_their_exponentials() -> None:
    a, y = Value("a"), Value("y")
    cell = Cell(
        "shared", Eq(a, W @ x + b), Eq(y, sr.softmax(a) * sr.logsumexp(a) + sr.log_softmax(a)), output=y
    )
    forward = [s for block in sr.plan(cell).forward.blocks for s in block.statements]
    calls = [s for s in forward if isinstance(s, Pointwise) and s.expr.atoms(sr.exp)]
    assert (len(calls), sum(isinstance(s, Largest) for s in forward)) == (1, 1)


def test_what_parameters_alone_determine_is_prepared() -> None:
    plan = sr.plan(attention())
    prepared = [s for block in plan.prepare for s in block.statements]
    assert [s.operand for s in prepared if isinstance(s, Largest)] == ["b"]


def test_what_the_state_does_not_reach_leaves_the_loop() -> None:
    y = Value("y")
    cell = Cell("above", Eq(h.next, sr.tanh(U @ h + W @ x)), Eq(y, h.next * sr.largest(W @ x)), output=y)
    plan = sr.plan(cell)
    before = [s for block in plan.forward.before for s in block.statements]
    assert [s.operand for s in before if isinstance(s, Largest)] == ["W_x"]


def with_largest(change: dict[str, str]) -> Plan:
    """The plan of a layer whose one statement of this kind has other arrays."""
    y = Value("y")
    plan = sr.plan(Cell("layer", Eq(y, sr.largest(W @ x) * b), output=y))
    draft = Draft(plan)
    for region, lines in draft.regions.items():
        draft.regions[region] = [
            type(line)(line.statement.renamed(change), line.title, line.sources)
            if isinstance(line.statement, Largest)
            else line
            for line in lines
        ]
    return draft.finished("changed")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"W_x": "W"}, r"is no number for each vector of W \[\] \(m, n\)"),
        ({"W_x": "b"}, r"is no number for each vector of b \[\] \(m,\)"),
        ({"largest_W_x": "y"}, r"y \[TB\] \(m,\) is no number for each vector"),
    ],
)
def test_a_plan_with_the_largest_of_something_else_is_refused(change: dict[str, str], fact: str) -> None:
    assert check(with_largest({}))
    with pytest.raises(PlanError, match=fact):
        check(with_largest(change))


def test_a_largest_element_costs_a_comparison_each_and_prints() -> None:
    plan = with_largest({})
    statement = next(s for block in plan.forward.blocks for s in block.statements if isinstance(s, Largest))
    assert operations(statement, plan.table()) == m
    assert "largest_W_x (T, B) = largest(W_x)" in str(plan)
    assert not isinstance(statement, Contraction)


def test_the_document_says_what_the_functions_are() -> None:
    y = Value("y")
    document = sr.latex(
        Cell("layer", Eq(y, sr.softmax(W @ x + b) * sr.largest(x) + sr.logsumexp(x)), output=y)
    )
    for piece in (
        r"$\operatorname{softmax}(a)_{i} = e^{a_{i}}/\sum_{j} e^{a_{j}}$",
        r"\operatorname{logsumexp}(x^{\langle t\rangle})",
        r"\max(x^{\langle t\rangle})",
        r"$\max(a)$ of one vector is its largest element",
    ):
        assert piece in document
    document = sr.latex(Cell("layer", Eq(y, sr.softmax(W @ x + b)), output=y))
    assert r"\partial z_{i}/\partial a_{j} = z_{i}\,([i = j] - z_{j})" in document  # y is a name of the cell
