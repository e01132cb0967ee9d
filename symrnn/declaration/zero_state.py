"""Roots, logarithms and quotients that are taken at 0 in the first step, when all states are zero.

There they or their derivatives are infinite, and gradients become NaN: the norm `sqrt(h @ h)` is the usual
case. An argument counts only if it vanishes whatever inputs and parameters are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sympy import Add, Expr, Mul, Pow, S, preorder_traversal

from symrnn.declaration.nodes import entry
from symrnn.declaration.normal_form import Equation
from symrnn.declaration.operations import (
    Contract,
    Operation,
    PointwiseFunction,
    concatenate,
    largest,
    norm,
    power,
    stop_gradient,
    where,
)
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.quantities import NextState, Quantity, State, Value
from symrnn.declaration.reading_order import Roles


class ZeroState:
    """The equations of a step in which every state is zero."""

    def __init__(self, equations: Iterable[Equation]) -> None:
        """Nothing is worked out yet."""
        self.equations = tuple(equations)
        self.defined = {equation.target: equation.computed for equation in self.equations}
        self.known: dict[Quantity, Expr] = {}

    def singular_calls(self) -> Iterator[tuple[Equation, PointwiseFunction]]:
        """Calls of functions at 0, where they or their derivatives are infinite, each with its equation."""
        used = {q for e in self.equations for q in _unguarded(e.computed)}
        chosen = {q for e in self.equations for call in e.computed.atoms(where) for q in call.atoms(Value)}
        for equation in self.equations:
            if equation.target in chosen - used:  # a choice takes it or does not see it
                continue
            for part in dict.fromkeys(_seen_parts(equation.computed)):
                if isinstance(part, PointwiseFunction) and self.is_singular(part):
                    yield equation, part

    def is_singular(self, call: PointwiseFunction) -> bool:
        """Whether a function is infinite or infinitely steep at its argument."""
        if call.facts.at_zero_singular is None or self.value(call.args[0]) != 0:
            return False
        return not isinstance(call, power) or bool(call.args[1].is_number and call.args[1] < 1)

    def value(self, expr: Expr) -> Expr:
        """A number if `expr` is one in this step, whatever inputs and parameters are; else an expression."""
        form = entry(FORMS, expr)
        return expr if form is None else form(self, expr)

    def _of_symbol(self, symbol: Value | NextState) -> Expr:
        if symbol not in self.known:
            self.known[symbol] = self.value(self.defined[symbol])
        return self.known[symbol]

    def _algebra(self, expr: Expr) -> Expr:
        return expr.func(*map(self.value, expr.args))

    def _product(self, expr: Contract) -> Expr:
        return S.Zero if any(self.value(operand) == 0 for operand in expr.operands) else expr

    def _of_parts(self, expr: Operation) -> Expr:
        return S.Zero if all(self.value(operand) == 0 for operand in expr.operands) else expr

    def _pointwise(self, call: PointwiseFunction) -> Expr:
        args = [self.value(arg) for arg in call.args]
        if self.is_singular(call):  # it has its own warning; once that is heeded, this is not zero
            return call
        number = call.facts.number
        if number is None:  # it is internal, and 0 at 0
            return S.Zero if args == [0] else call
        return number(*args) if all(arg.is_number for arg in args) else call


FORMS: Mapping[type, Callable[[ZeroState, Any], Expr]] = {
    State: lambda step, state: S.Zero,
    **dict.fromkeys((Value, NextState), ZeroState._of_symbol),
    **dict.fromkeys((Add, Mul, Pow), ZeroState._algebra),
    **dict.fromkeys((concatenate, largest, norm, where), ZeroState._of_parts),
    Contract: ZeroState._product,
    PointwiseFunction: ZeroState._pointwise,
}
"""What expressions of each kind are in this step; all others stay what they are."""


def _seen_parts(expr: Expr) -> Iterator[Expr]:
    """The parts of an expression through which gradients go for every value of every condition."""
    walk = preorder_traversal(expr)
    for part in walk:
        if isinstance(part, where | stop_gradient):
            walk.skip()
        else:
            yield part


def _unguarded(expr: Expr) -> set[Quantity]:
    return {part for part in _seen_parts(expr) if isinstance(part, Value)}


def zero_state_facts(equations: Iterable[Equation], roles: Roles) -> Iterator[tuple[Equation, str]]:
    """What is wrong with each singular call, and what to write instead, with its equation."""
    for equation, call in ZeroState(equations).singular_calls():
        argument, *exponent = (plain_text(arg, roles) for arg in call.args)
        assert call.facts.at_zero_singular is not None
        fact, form = call.facts.at_zero_singular
        told = (
            f"{argument} is 0 while all states are 0, as at the first step. {fact} then, and gradients "
            f"become infinite or NaN. Write {form.format(argument, *exponent)} with a small number eps, or "
            "take care of 0 with where(...)."
        )
        yield equation, told
