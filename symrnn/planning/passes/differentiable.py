"""Let a framework that differentiates the forward pass find the derivatives that the declaration promises.

Autodiff multiplies a zero adjoint with whatever derivative stands behind it, and 0 times infinity is NaN. So
what leads to a branch of a choice is computed again for that branch alone, from 1 where it is not taken.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from sympy import Expr, Mul, Pow, S, Symbol

from symrnn.declaration.operations import (
    PointwiseFunction,
    absolute,
    maximum,
    minimum,
    power,
    relu,
    sqrt,
    stop_gradient,
    where,
)
from symrnn.planning.ir import Pointwise, array_symbol, arrays_in
from symrnn.planning.passes.draft import Draft, Line
from symrnn.planning.plan import Plan

REGIONS = ("prepare", "forward loop")
BOUNDED = (absolute, maximum, minimum, relu, stop_gradient)
"""Functions whose derivatives are finite whatever they are taken of."""

Taken = tuple[tuple[Expr, bool], ...]
"""Conditions, and whether they hold where a branch is taken."""


def differentiable(plan: Plan) -> Plan:
    """Compute what only a branch of a choice takes from finite numbers elsewhere, and half powers as powers.

    The first of its passes: every value has memory of its own, and every function a statement.
    """
    draft = Draft(plan)
    branches = _Branches(draft)
    for region in REGIONS:
        draft.regions[region] = list(chain(*map(branches.line, draft.regions[region])))
    return draft.finished("made differentiable")


class _Branches:
    """Values as branches take them, each made once."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        lines = [line for region in REGIONS for line in draft.regions[region]]
        self.defined = {s.out: s.expr for line in lines if isinstance(s := line.statement, Pointwise)}
        for line in lines:
            if line.statement.update or not isinstance(line.statement, Pointwise):
                self.defined.pop(line.statement.out, None)
        self.made: dict[tuple[str, Taken], str] = {}

    def line(self, line: Line) -> Iterator[Line]:
        """A line, after those that make what its branches take."""
        statement = line.statement
        if isinstance(statement, Pointwise):
            self.before: list[Pointwise] = []
            expr = self.rewritten(_with_powers(statement.expr), ())
            yield from (replace(line, statement=made) for made in self.before)
            line = replace(line, statement=replace(statement, expr=expr))
        yield line

    def rewritten(self, expr: Expr, taken: Taken) -> Expr:
        """An expression with its branches, and with itself where it is one."""
        if isinstance(expr, where):
            condition, one, other = expr.args
            chosen = self.rewritten(one, (*taken, (condition, True)))
            return where(condition, chosen, self.rewritten(other, (*taken, (condition, False))))
        if isinstance(expr, Symbol):
            return self.as_taken(expr, taken)
        arguments = [self.rewritten(argument, taken) for argument in expr.args]
        return expr.func(*arguments) if arguments else expr

    def as_taken(self, symbol: Symbol, taken: Taken) -> Expr:
        """A value as a branch takes it: itself, or what is computed for the branch alone."""
        if not taken or not self.is_steep(symbol.name):
            return symbol
        key = symbol.name, taken
        if key not in self.made:
            self.made[key] = name = self.fitting(symbol.name, taken)
            expr = _with_powers(self.defined[symbol.name])
            if isinstance(expr, where):
                made = self.rewritten(expr, taken)
            else:
                read = {u: self.as_taken(u, taken) for u in map(array_symbol, arrays_in(expr))}
                made = expr.xreplace(
                    {u: _finite(e, taken) for u, e in read.items()} if _is_steep(expr) else read
                )
            self.before.append(Pointwise(name, made))
        return array_symbol(self.made[key])

    def fitting(self, name: str, taken: Taken) -> str:
        """A new array for a value as a branch takes it, in the shape of both."""
        buffers = self.draft.buffers
        value = buffers[name]
        deciding = [buffers[read] for condition, _ in taken for read in arrays_in(condition)]
        shape = next((b.shape for b in (value, *deciding) if b.shape), ())
        lead = next((b.lead for b in (value, *deciding) if b.lead), "")
        return self.draft.new(f"{name}_taken", lead and "TB", shape, "value" if lead else "prepared")

    def is_steep(self, name: str) -> bool:
        """Whether a derivative in what leads to a value could be infinite, or not a number."""
        expr = self.defined.get(name)
        return expr is not None and (_is_steep(expr) or any(map(self.is_steep, arrays_in(expr))))


def _is_steep(expr: Expr) -> bool:
    """Whether an expression is more than a sum, with functions whose derivatives are bounded."""
    calls = any(not isinstance(call, BOUNDED) for call in expr.atoms(PointwiseFunction))
    products = any(sum(map(bool, map(arrays_in, part.args))) > 1 for part in expr.atoms(Mul))
    return calls or products or any(map(arrays_in, expr.atoms(Pow)))


def _finite(expr: Expr, taken: Taken) -> Expr:
    """An expression where a branch is taken, and 1 elsewhere."""
    for condition, holds in reversed(taken):
        expr = where(condition, expr, S.One) if holds else where(condition, S.One, expr)
    return expr


def _with_powers(expr: Expr) -> Expr:
    """An expression with powers for products with a root, whose derivatives are NaN at 0."""
    found = {}
    for product in expr.atoms(Mul):
        for root in (factor for factor in product.args if isinstance(factor, sqrt)):
            base = root.args[0]
            exponent = product.as_powers_dict().get(base, 0)
            if exponent:
                rest = product / root / base**exponent
                found[product] = rest * power(base, exponent + S.Half)
    return expr.xreplace(found)
