r"""The lines of the paper that say by the chain rule where an adjoint comes from, held against differences.

A term (\partial y / \partial q)^\top \delta y says that q enters the one equation of y: that equation, as
read from the text, is varied element by element of q. Nothing of symrnn is used.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from latex_mathematics import Node, UnreadableError
from latex_reader import Document, Equation
from latex_run import Given, Run
from latex_values import Array, Value, pointwise

STEP = 1e-5
PRECISION = 1e-7


def symbols(node: Node) -> Iterator[str]:
    """The names in a tree."""
    if node.kind == "symbol":
        yield node.word
    for part in node.parts:
        yield from symbols(part)


def prove_chain(document: Document, given: Given) -> int:
    """How many adjoints are worked out by the chain rule; raises unless these lines hold at step 1."""
    run = Run(document, given, *document.equations("body"))
    run.answer()
    by_chain = [equation for equation in run.adjoints if r"\partial" in equation.rights[0]]
    for equation in by_chain:
        check_line(run, equation)
    return len(by_chain)


def check_line(run: Run, equation: Equation) -> None:
    """Raise unless the first right side of an adjoint is its value."""
    values = run.steps[0]
    name, node = run.parse(equation.left).word, run.parse(equation.rights[0])
    terms = node.parts if node.kind == "sum" else (node,)
    if any(sign != "+" for sign in node.words):
        raise UnreadableError("the chain rule has no minus signs")
    meaning = replace(run.meaning, values=values)
    found = [term_value(run, term) or meaning.of(term) for term in terms]
    total = pointwise(lambda *arrays: np.sum(arrays, axis=0), *found)
    expected = values[name].array
    error = np.max(np.abs(total.array - expected), initial=0.0)
    assert error <= PRECISION * (1 + np.max(np.abs(expected), initial=0.0)), (
        f"{name} by the chain rule: {error:.2g}"
    )


def term_value(run: Run, term: Node) -> Value | None:
    """What an adjoint gets through one equation; None if the term is no derivative."""
    parts = term.parts[::-1] if run.document.rows else term.parts
    derivative = parts[0] if term.kind == "product" and len(parts) == 2 else term
    if not run.document.rows and derivative.kind == "transpose":
        derivative = derivative.parts[0].parts[0]
    if derivative.kind != "derivative":
        return None
    above, below = derivative.words
    if parts[-1] != Node("symbol", word=f"adjoint {above}"):
        raise UnreadableError(f"the derivative of {above} does not stand beside its adjoint")
    slope = differences(run, above, below, run.steps[0][f"adjoint {above}"].array)
    return replace(run.steps[0][below], array=slope)


def differences(run: Run, above: str, below: str, weights: Array) -> Array:
    """How the equation of `above`, times `weights`, changes with every element of `below`."""
    node = equation_with(run, above, below)
    base = run.steps[0][below]
    shape = run.steps[0][above].array.shape
    made = np.zeros(base.array.shape)
    for index in np.ndindex(made.shape):
        sides = []
        for sign in (1, -1):
            moved = base.array.copy()
            moved[index] += sign * STEP
            values = {**run.steps[0], below: replace(base, array=moved)}
            sides.append(np.broadcast_to(replace(run.meaning, values=values).of(node).array, shape))
        made[index] = np.sum(weights * (sides[0] - sides[1])) / (2 * STEP)
    return made


def equation_with(run: Run, above: str, below: str) -> Node:
    """The equation of `above` in which `below` stands: as told, or as all results give it."""
    told, results = run.forward_nodes, run.parsed(run.document.equations("results")[0])
    for name, node in [*told, *results]:
        if name == above and below in symbols(node):
            return node
    raise UnreadableError(f"{below} does not stand in an equation of {above}")
