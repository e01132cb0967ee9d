r"""What flows where in one step of a cell: a node per equation, state and input, and who reads what.

Parameters and constants, and values made of them alone, are no part of the flow. The equation of a state or
of the output is a node that shows its operation; what it gives is a node of its own at the end of the step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from sympy import Add, Expr, Mul, Pow

from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.normal_form import Equation
from symrnn.declaration.operations import (
    AT_SPECS,
    Contract,
    NamedFunction,
    concatenate,
    one_hot,
    sigmoid,
    where,
)
from symrnn.declaration.quantities import Input, NextState, Quantity, State, Value
from symrnn.declaration.reading_order import ordered_factors, ordered_terms
from symrnn.notation.building import HADAMARD, between, named, upright
from symrnn.notation.characters import MINUS, PLUS
from symrnn.notation.nodes import Face, Node, Row, Sign, Space, Word
from symrnn.notation.parsing import parsed
from symrnn.vocabulary.families import NAMED

SIGNS: dict[str, Node] = {
    name: parsed(mark)
    for name, f in NAMED.items()
    if (mark := f.facts.spelling.sign or f.facts.spelling.latex)
}
"""How a function is marked on its node."""

AFFINE, SIGMA = upright("affine"), named("σ")
LINEAR_IN: Mapping[type, float] = {Add: inf, concatenate: inf, Mul: 1, Contract: 1}
"""In how many operands at once an operation is linear; all others are in none."""
MANY = 4
"""How many signs a node has room for."""


class Role(StrEnum):
    """What a node of the diagram is."""

    INPUT = "input"
    BEFORE = "state before"
    GATE = "gate"
    VALUE = "value"
    UPDATE = "update"
    AFTER = "state after"
    OUTPUT = "output"


SOURCES, ENDS = (Role.BEFORE, Role.INPUT), (Role.AFTER, Role.OUTPUT)


@dataclass(frozen=True, slots=True)
class FlowNode:
    """A quantity or an equation: `label` is its name and `operation` what its equation does.

    An input, a state before or after and the output have no `operation`; the equation of a state or
    of the output has no label. `is_output` marks what the cell hands to the layer above.
    """

    key: str
    role: Role
    label: Node | None
    operation: Node | None
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """The nodes of a step, equations in an order in which they can be evaluated, and pairs of their keys.

    A pair is a node and one that reads it. `belts` are a state's node before the step and its equation's.
    """

    nodes: tuple[FlowNode, ...]
    pairs: tuple[tuple[str, str], ...]
    belts: tuple[tuple[str, str], ...]


def step_flow(cell: Cell, symbol: Callable[[Quantity], Node], sigma: Node = SIGMA) -> Flow:
    """The flow of a step; `symbol` gives the name of a quantity with its time."""
    fixed = {d.symbol for d in cell.definitions if d.static}
    moving = [equation for equation in _evaluation_order(cell) if equation.target not in fixed]
    marks = _Marks(cell, fixed, sigma)
    nodes = [FlowNode(key_of(q), Role.BEFORE, symbol(q), None, q == cell.output) for q in cell.states]
    nodes += [FlowNode(key_of(q), Role.INPUT, symbol(q), None) for q in cell.inputs]
    pairs: list[tuple[str, str]] = []
    for equation in moving:
        target = equation.target
        ends = isinstance(target, NextState) or target == cell.output
        key = f"{key_of(target)}:equation" if ends else key_of(target)
        label = None if ends else symbol(target)
        nodes.append(FlowNode(key, _role(equation, ends), label, marks.of(equation.computed)))
        for used in flowing(equation.computed, fixed, cell):
            made = isinstance(used, NextState) or used == cell.output
            made = made and not isinstance(used, State)
            pairs.append((f"{key_of(used)}:equation" if made else key_of(used), key))
    for state in cell.states:
        is_output = state.next == cell.output
        nodes.append(FlowNode(key_of(state.next), Role.AFTER, symbol(state.next), None, is_output))
        pairs.append((f"{key_of(state.next)}:equation", key_of(state.next)))
    if isinstance(cell.output, Value):
        nodes.append(FlowNode(key_of(cell.output), Role.OUTPUT, symbol(cell.output), None, True))
        if cell.output not in fixed:
            pairs.append((f"{key_of(cell.output)}:equation", key_of(cell.output)))
    belts = tuple((key_of(state), f"{key_of(state.next)}:equation") for state in cell.states)
    return Flow(tuple(nodes), tuple(pairs), belts)


def key_of(quantity: Quantity) -> str:
    """The name of a quantity's node."""
    return str(quantity.name)


def flowing(expr: Expr, fixed: set[Quantity], cell: Cell) -> tuple[Quantity, ...]:
    """What an equation reads of inputs, states and values that change with time, in the cell's order."""
    used = expr.atoms(Input, State, NextState, Value) - fixed
    order = [*cell.states, *cell.inputs, *(equation.target for equation in cell.equations)]
    return tuple(quantity for quantity in order if quantity in used)


def _evaluation_order(cell: Cell) -> tuple[Equation, ...]:
    numbers = {definition.symbol: place for place, definition in enumerate(cell.definitions)}
    return tuple(sorted(cell.equations, key=lambda equation: numbers[equation.target]))


def _role(equation: Equation, ends: bool) -> Role:
    if ends:
        return Role.UPDATE
    return Role.GATE if isinstance(equation.computed, sigmoid) else Role.VALUE


class _Marks:
    """Tells what an equation does: its outermost function, or its operations in the order they act."""

    def __init__(self, cell: Cell, fixed: set[Quantity], sigma: Node) -> None:
        self.fixed = fixed
        self.roles = cell.roles
        self.sigma = sigma

    def of(self, expr: Expr) -> Node:
        """The mark of an equation's right side."""
        if isinstance(expr, NamedFunction) and self.moves(expr):
            return self.sign(expr)
        if not self.moves(expr):
            return upright("fixed")
        if isinstance(expr, Quantity):
            return Sign("=")
        found = list(dict.fromkeys(self.operations(expr)))
        if self.is_affine(expr) and (not found or expr.atoms(Contract)):
            return AFFINE
        shown = [mark for mark in found if mark != AFFINE]
        shown = shown if len(shown) <= MANY else [Word("⋯"), *shown[1 - MANY :]]
        # In a row of its own a sign stands for itself, not between its neighbours.
        return between(Space(5), (Row((mark,)) for mark in shown))

    def moves(self, expr: Expr) -> bool:
        """Whether an expression changes with time."""
        return bool(expr.atoms(Input, State, NextState, Value) - self.fixed)

    def sign(self, call: NamedFunction) -> Node:
        """The sign of a function."""
        if call.name == "sigmoid":
            return self.sigma
        return SIGNS.get(call.name, named(call.name))

    def is_affine(self, expr: Expr) -> bool:
        """Whether an expression is a sum of fixed multiples of what changes with time."""
        moving = [arg for arg in expr.args if self.moves(arg)]
        return len(moving) <= (entry(LINEAR_IN, expr) or 0) and all(map(self.is_affine, moving))

    def operations(self, expr: Expr) -> list[Node]:
        """The signs of what an expression does to what changes with time, innermost first."""
        if not self.moves(expr):
            return []
        args = expr.args
        if isinstance(expr, Contract):  # what a class picks with is no operation of its own
            args = tuple(arg for arg in args if not isinstance(arg, one_hot)) or args
        if isinstance(expr, Add):
            args = ordered_terms(expr, self.roles)
        elif isinstance(expr, Mul):
            args = ordered_factors(expr, self.roles)
        before = [mark for arg in args if isinstance(arg, Expr) for mark in self.operations(arg)]
        form = entry(FORMS, expr)
        return before + (form(self, expr, [arg for arg in args if self.moves(arg)]) if form else [])

    def sum(self, expr: Add, moving: list[Expr]) -> list[Node]:
        """The sign of a sum, or of a difference; none where it is a fixed shift."""
        negative = [term for term in moving if term.as_coeff_Mul()[0].is_negative]
        sign = MINUS if len(negative) == 1 and len(moving) == 2 else PLUS
        return [Sign(sign)] if len(moving) > 1 else []

    def power(self, expr: Pow, moving: list[Expr]) -> list[Node]:
        """The sign of a power."""
        return [parsed(rf"(\cdot)^{{{expr.args[1]}}}" if expr.args[1].is_Integer else r"(\cdot)^{p}")]

    def product(self, expr: Contract, moving: list[Expr]) -> Node:
        """The sign of a contraction."""
        if any(isinstance(operand, one_hot) for operand in expr.operands):
            return upright("take")
        if len(expr.operands) == 1:
            return parsed(r"\Sigma" if len(expr.output) < len(expr.letters[0]) else r"(\cdot)^{\top}")
        if len(moving) < 2:
            return AFFINE
        if len(expr.output) == len("".join(expr.letters)):
            return Sign("⊗")
        kind = "dot" if not expr.output else "matmul" if expr.spec in AT_SPECS else "einsum"
        return upright(kind)


FORMS: Mapping[type, Callable[[_Marks, Any, list[Expr]], list[Node]]] = {
    NamedFunction: lambda marks, call, moving: [marks.sign(call)],
    Add: _Marks.sum,
    Mul: lambda marks, expr, moving: [HADAMARD] if len(moving) > 1 else [],
    Pow: _Marks.power,
    Contract: lambda marks, expr, moving: [marks.product(expr, moving)],
    concatenate: lambda marks, expr, moving: [parsed(r"[\,,]")],
    where: lambda marks, expr, moving: [upright("where")],
    one_hot: lambda marks, expr, moving: [Word("e", Face.BOLD)],
}
"""The sign of an operation by its kind; `moving` are those of its arguments that change with time."""
