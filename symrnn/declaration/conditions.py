"""Conditions of a choice: comparisons, and what joins them."""

from collections.abc import Callable

from sympy import And, Expr, Not, Or
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

JOINED = (And, Or, Not)
"""What conditions are made of conditions by."""

CONDITIONS = (Relational, *JOINED)


def with_sides(condition: Boolean, side: Callable[[Expr], Expr]) -> Boolean:
    """A condition with `side` of every side of its comparisons in their place; itself if nothing changes."""
    if not isinstance(condition, CONDITIONS):
        return condition
    if isinstance(condition, Relational):
        args = [side(arg) for arg in condition.args]
    else:
        args = [with_sides(arg, side) for arg in condition.args]
    if all(new is old for new, old in zip(args, condition.args, strict=True)):
        return condition
    return type(condition)(*args, evaluate=False)
