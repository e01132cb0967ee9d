r"""The step Jacobians of the paper, read from its text, against its own backward pass with unit adjoints.

dy/dq has a row for every element of y and a column for every element of q; where the paper gives a linear
map, [\dot{q}] holds a direction and the right side is how y changes.
"""

from dataclasses import dataclass, replace

import numpy as np
from latex_mathematics import Tokens, UnreadableError, tokens_of
from latex_reader import Document, Entry, Equation
from latex_run import Given, Run
from latex_run import run as run_through
from latex_values import Array, Value

PRECISION = 1e-10
DERIVATIVE = (r"\frac", "{", r"\mathrm", "{")
DOT = (r"\dot", "{")


def prove_jacobians(document: Document, given: Given) -> int:
    """How many step Jacobians are printed; raises unless each is right at step 1 and the others are zero."""
    found = document.displayed(document.sections["Step Jacobian"])
    first = one_step(given)
    run = Run(document, first, *document.equations("body"))
    run.answer()
    states = document.called("state before")
    left = {(after.key, before.key) for after in states for before in states}
    count, told = 0, Told.at(run, found, states)
    for equation in found:
        if told.tells(equation):
            continue
        if equation.left[:4] == DERIVATIVE:
            left.remove(check(run, equation, states, told))
            count += 1
    for after, before in left:
        assert not exact(run, after, before).any(), f"no equation gives {after} by {before}"
    return count


@dataclass
class Told:
    """What is known of derivatives of values, by their printed names; later equations use them."""

    run: Run
    states: list[Entry]
    names: dict[Tokens, str]
    values: dict[str, Value]

    @staticmethod
    def at(run: Run, equations: list[Equation], states: list[Entry]) -> "Told":
        """Nothing but directions yet: one for every state that some map is a map of."""
        told = Told(run, states, dict(run.document.grammar.names), dict(run.steps[0]))
        for equation in equations:
            if equation.left[:4] == DERIVATIVE and equation.left[-1] == "]":
                (_, before), direction = sides(equation.left, run, states)
                name, by = " ".join(direction), told.values[before]
                turn = np.random.default_rng(0).uniform(-1, 1, by.array.shape)
                told.names[direction], told.values[name] = name, replace(by, array=turn)
        return told

    def tells(self, equation: Equation) -> bool:
        """Whether an equation names the derivative of a value; it is worked out and kept then."""
        left = equation.left
        is_map = left[:2] in (DOT, ("{", DOT[0])) and left not in self.names
        if not is_map and not (left[:4] == DERIVATIVE and not self.is_of_states(left)):
            return False
        self.keep(left, self.worth(equation))
        return True

    def keep(self, left: Tokens, value: Value) -> None:
        """Know a derivative by its name."""
        self.names[left] = " ".join(left)
        self.values[" ".join(left)] = value

    def is_of_states(self, left: Tokens) -> bool:
        """Whether a derivative is a step Jacobian."""
        try:
            sides(left, self.run, self.states)
        except UnreadableError:
            return False
        return True

    def worth(self, equation: Equation) -> Value:
        """The value of the right side of an equation."""
        grammar = replace(self.run.document.grammar, names=self.names)
        meaning = replace(self.run.meaning, values=self.values)
        return meaning.of(grammar.expression(equation.rights[-1]))


def one_step(given: Given) -> Given:
    """The first step alone."""
    inputs = {name: array[:1] for name, array in given.inputs.items()}
    return replace(given, inputs=inputs, d_outputs=np.zeros_like(given.d_outputs[:1]))


def check(run: Run, equation: Equation, states: list[Entry], told: Told) -> tuple[str, str]:
    """The two states of an equation, which must hold."""
    (after, before), direction = sides(equation.left, run, states)
    expected = exact(run, after, before)
    of, by = told.values[after].array, told.values[before].array
    if direction:
        expected = np.tensordot(expected, told.values[" ".join(direction)].array, by.ndim)
    found = told.worth(equation)
    shaped(found, of, by, bool(direction))
    told.keep(equation.left, found)  # it may stand in a later equation
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
