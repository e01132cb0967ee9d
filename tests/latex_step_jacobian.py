r"""The step Jacobians of the paper, read from its text, against its own backward pass with unit adjoints.

dy/dq has a row for every element of y and a column for every element of q; where the paper gives a linear
map, [\dot{q}] holds a direction and the right side is how y changes.
"""

from dataclasses import replace

import numpy as np
from latex_mathematics import Tokens, UnreadableError, tokens_of
from latex_reader import Document, Entry, Equation
from latex_run import Given, Run
from latex_run import run as run_through
from latex_values import Array, Value

PRECISION = 1e-10


def prove_jacobians(document: Document, given: Given) -> int:
    """How many step Jacobians are printed; raises unless each is right at step 1 and the others are zero."""
    found = document.displayed(document.sections["Step Jacobian"])
    first = one_step(given)
    run = Run(document, first, *document.equations("body"))
    run.answer()
    states = document.called("state before")
    left = {(after.key, before.key) for after in states for before in states}
    count = 0
    for equation in found:
        if equation.left[:4] == (r"\frac", "{", r"\mathrm", "{"):
            left.remove(check(run, equation, states))
            count += 1
    for after, before in left:
        assert not exact(run, after, before).any(), f"no equation gives {after} by {before}"
    return count


def one_step(given: Given) -> Given:
    """The first step alone."""
    inputs = {name: array[:1] for name, array in given.inputs.items()}
    return replace(given, inputs=inputs, d_outputs=np.zeros_like(given.d_outputs[:1]))


def check(run: Run, equation: Equation, states: list[Entry]) -> tuple[str, str]:
    """The two states of an equation, which must hold."""
    (after, before), direction = sides(equation.left, run, states)
    expected = exact(run, after, before)
    values, names = dict(run.steps[0]), dict(run.document.grammar.names)
    of, by = values[after].array, values[before].array
    if direction:
        turn = np.random.default_rng(0).uniform(-1, 1, by.shape)
        name = " ".join(direction)
        names[direction], values[name] = name, replace(values[before], array=turn)
        expected = np.tensordot(expected, turn, by.ndim)
    grammar = replace(run.document.grammar, names=names)
    found = replace(run.meaning, values=values).of(grammar.expression(equation.rights[-1]))
    shaped(found, of, by, bool(direction))
    limit = PRECISION * (1 + np.max(np.abs(expected)))
    error = np.max(np.abs(found.array - expected))
    assert error <= limit, f"{after} by {before} is off by {error:.2g}"
    return after, before


def shaped(found: Value, of: Array, by: Array, is_map: bool) -> None:
    """Raise unless a Jacobian has the shape that it must have: a column by a number, a row of a number."""
    shape = of.shape if is_map else (*of.shape, *by.shape)
    if not found.rank and not found.array:
        return  # zero stands for an array of zeros
    a_row = found.row and found.rank == 1
    if found.shape != shape or (not is_map and a_row != (of.ndim == 0 and by.ndim == 1)):
        raise UnreadableError(f"a derivative has shape {found.shape}, not {shape}")


def sides(left: Tokens, run: Run, states: list[Entry]) -> tuple[tuple[str, str], Tokens]:
    """The state after the step and the one before it, and the direction if there is one."""
    for after in states:
        for before in states:
            above = tokens_of(run.next(after))
            fraction = (r"\frac", "{", *tokens_of(r"\mathrm{d}"), *above, "}")
            fraction += ("{", *tokens_of(r"\mathrm{d}"), *before.name, "}")
            if left == fraction:
                return (after.key, before.key), ()
            if left[: len(fraction)] == fraction and (left[len(fraction)], left[-1]) == ("[", "]"):
                return (after.key, before.key), left[len(fraction) + 1 : -1]
    raise UnreadableError(f"{' '.join(left)} is no derivative of a state")


def exact(run: Run, after: str, before: str) -> Array:
    """The Jacobian by the backward pass: the adjoint of one state for a unit adjoint of the other."""
    zeros = {name: np.zeros_like(array) for name, array in run.given.state.items()}
    of, by = zeros[after], zeros[before]
    made = np.zeros((*of.shape, *by.shape))
    for index in np.ndindex(of.shape):
        unit = of.copy()
        unit[index] = 1.0
        given = replace(run.given, d_state={**zeros, after: unit})
        made[index] = run_through(run.document, given, "body").state[before]
    return made
