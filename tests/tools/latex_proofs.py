"""What the tests of the paper share: cells with the reference's answer, and the comparison with a reading."""

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from latex_reader import Document, Entry
from latex_run import Answer, Given, run
from latex_values import Array
from random_cells import random_cell, sizes_for
from sympy import Add, Eq, Mul, Rational
from unshipped_cells import PEEPHOLE, everything, matrix_memory, peephole_lstm

from symrnn import Cell, Input, Parameter, State, Value, axes, exp, log, sigmoid, softmax, tanh
from symrnn.checking.problem import Problem, draw_problem
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.reverse import derive
from symrnn.examples.minimal_gated_unit import mgu
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.papers.document import latex_document
from symrnn.zoo import SHIPPED, elman

PRECISION = 1e-10
"""How far a value from the paper may be off, relative to the largest element of its array."""


def declared(text: str) -> Iterator[Cell]:
    """The cells that a file of declarations makes."""
    made: dict[str, object] = {}
    exec(text, made)
    return (value for value in made.values() if isinstance(value, Cell))


def collisions() -> Cell:
    """Names that the paper would like for itself: those of time, adjoints, axes, sizes and functions."""
    n, m = axes("n m")
    x, a, gate, sigma, delta = Input("x", n), State("a", m), Value("t"), Value("sigma"), Value("delta")
    W, B, T = Parameter("n", m, n), Parameter("B_a", m, m, latex="B"), Parameter("T_a", m, m + n, latex="T")
    return Cell(
        "collisions",
        Eq(gate, sigmoid(T @ [a, x])),
        Eq(sigma, tanh(W @ x + B @ a)),
        Eq(delta, gate * sigma),
        Eq(a.next, delta + (1 - gate) * a),
    )


def by_hand() -> Cell:
    """Equations that are computed in another form than their author's, and powers of what may be 0."""
    n, m = axes("n m")
    x, h, g, s, p = Input("x", n), State("h", m), Value("g"), Value("s"), Parameter("p")
    W, U = Parameter("W", m, n), Parameter("U", m, m)
    return Cell(
        "by_hand",
        Eq(g, 1 / (1 + exp(-(W @ x + U @ h)))),
        Eq(s, softmax(g)),
        Eq(h.next, g * abs(W @ x) ** p + log(s) / (1 + exp(-h)) - abs(U @ h) ** Rational(3, 2) * log(1 - g)),
    )


def fractions() -> Cell:
    """Quotients whose numerators are too wide for a fraction: sums and products, of arrays and of numbers."""
    m = axes("m")
    x, h, b, p, q = Input("x", m), State("h", m), Parameter("b", m), Parameter("p"), Parameter("q")
    wide = [Parameter(f"weight_{i}", m) for i in range(9)]
    numbers = [Parameter(f"number_{i}") for i in range(12)]
    below, scale = 2 + b**2, 1 + p**2 * q**2
    return Cell(
        "fractions",
        Eq(
            h.next,
            tanh(Add(*(one * x for one in wide)) / below + Add(*wide, h) / scale)
            - Mul(*(tanh(one) for one in (*wide, h))) / scale
            + Mul(*(1 + one for one in numbers)) / scale * h / 50
            + tanh(x - Add(*numbers) / scale) / (2 * below),
        ),
    )


OWN = (
    collisions(),
    by_hand(),
    fractions(),
    mgu,
    *declared(PEEPHOLE),
    peephole_lstm(),
    matrix_memory(),
    everything(),
    elman("relu"),
)
CELLS = {**SHIPPED, **{cell.name: cell for cell in OWN}}
PARTS = ("body", "results")


@cache
def derivation_of(name: str) -> Derivation:
    """The derivation of one of the cells above."""
    return derive(CELLS[name])


@cache
def document_of(name: str, style: Style = DEFAULT) -> Document:
    """The document about one of the cells above."""
    return Document(latex_document(derivation_of(name), style))


@cache
def problem_of(name: str) -> Problem:
    """Arrays for one of the cells above, and what JAX makes of them in float64."""
    return draw_problem(CELLS[name], T=3, B=2, seed=5)


@cache
def random_problem(seed: int) -> Problem:
    """The same for a random cell."""
    cell = random_cell(seed)
    return draw_problem(cell, sizes=sizes_for(cell), T=3, B=2, seed=seed)


def given_for(table: Document, problem: Problem, sample: int) -> Given:
    """One sample of a problem by printed names; tables list quantities in the order of the cell."""
    cell = problem.cell

    def named(entries: list[Entry], arrays: Iterable[Array]) -> dict[str, Array]:
        return {entry.key: array for entry, array in zip(entries, arrays, strict=True)}

    fixed = [problem.parameters[q.name] for q in (*cell.parameters, *cell.constants)]
    states = table.called("state before")
    return Given(
        {e.key: size for e, (_, size) in zip(table.called("size"), problem.sizes, strict=True)},
        named(table.called("parameter") + table.called("constant"), fixed),
        named(table.called("input"), (problem.inputs[q.name][:, sample] for q in cell.inputs)),
        named(states, (problem.state[q.name][sample] for q in cell.states)),
        problem.d_outputs[:, sample],
        named(states, (problem.d_state[q.name][sample] for q in cell.states)),
    )


def close(found: Array, expected: Array, what: str) -> None:
    """Raise unless two arrays are equal to the precision that the paper must have."""
    assert found.shape == expected.shape, f"{what}: {found.shape}, not {expected.shape}"
    limit = PRECISION * np.max(np.abs(expected), initial=0.0) + 1e-14
    error = np.max(np.abs(found - expected), initial=0.0)
    assert error <= limit, f"{what} is off by {error:.2g}"  # NaN is not below


def prove(document: Document, problem: Problem, part: str, table: Document | None = None) -> None:
    """Raise unless what a part of a document says is what autodiff says.

    `table` is the document whose table of symbols gives names their order, by default this one.
    """
    table = table or document
    with np.errstate(all="ignore"):  # branches that are not taken may be no numbers
        answers = [run(document, given_for(table, problem, b), part) for b in range(problem.B)]
    compare(table, answers, problem)


def compare(table: Document, answers: list[Answer], problem: Problem) -> None:
    """Raise unless the answers for all samples are those of the reference."""
    cell, expected = problem.cell, problem.answer
    states = [entry.key for entry in table.called("state before")]
    inputs = dict(zip((e.key for e in table.called("input")), cell.inputs, strict=True))
    parameters = [entry.key for entry in table.called("parameter")]
    for b, answer in enumerate(answers):
        close(answer.outputs, expected.outputs[:, b], "the outputs")
        for name, q in zip(states, cell.states, strict=True):
            close(answer.final_state[name], expected.final_state[q.name][b], f"the last {name}")
            close(answer.state[name], expected.state[q.name][b], f"the adjoint of the first {name}")
        for name, array in answer.inputs.items():
            close(array, expected.inputs[inputs[name].name][:, b], f"the adjoint of {name}")
    for name, q in zip(parameters, cell.parameters, strict=True):
        found = np.sum([answer.parameters[name] for answer in answers], axis=0)
        close(found, expected.parameters[q.name], f"the adjoint of {name}")
