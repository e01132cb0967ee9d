"""Expressions of several constructs that mean more than these: powers at zero, and functions written by hand.

symrnn computes powers and their derivatives where the base is 0, and brings what would overflow as written to
a stable form.
"""

from collections.abc import Callable

import sympy
from sympy import Expr, Rational

from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import absolute, exp, log, sigmoid, softmax, softplus, sqrt, tanh, total
from symrnn.fuzzing.quantities import Pick
from symrnn.fuzzing.terms import Term

Draw = Callable[[Shape], Term]
"""What gives a drawn term of a shape."""

EXPONENTS = (Rational(3, 2), Rational(5, 2), 1.75)


def power_of_zero(pick: Pick, draw: Draw, shape: Shape) -> Term:
    """A power of what is 0 where its base is, whose derivative is finite there."""
    a = draw(shape)
    kind = pick(6)
    if kind < 3:
        exponent = EXPONENTS[kind]
        return Term(absolute(a.expr) ** exponent / 8, shape, 0.0, a.size ** float(exponent) / 8)
    if kind == 5:
        return Term(sqrt(absolute(a.expr)) ** 3 / 8, shape, 0.0, a.size**1.5 / 8)
    p = draw((shape, ())[pick(2)]).expr
    exponent = 1 + softplus(p) if kind == 3 else 2 + tanh(p)
    return Term(absolute(tanh(a.expr)) ** exponent, shape, 0.0, 1.0)


def by_hand(pick: Pick, draw: Draw, shape: Shape) -> Term:
    """What has a stable form, written as it would overflow for large arguments."""
    a = draw(shape)
    kind = pick(8 if len(shape) == 1 else 6)
    e: Callable[[Expr], Expr] = sympy.exp if pick(2) else exp
    x = a.expr
    forms: tuple[Callable[[], Term], ...] = (
        lambda: Term(1 / (1 + e(-x)), shape, 0.0, 1.0),
        lambda: Term(log(1 + e(x)), shape, 0.0, a.size + 0.7),
        lambda: Term((e(x) - e(-x)) / (e(x) + e(-x)), shape, -1.0, 1.0),
        lambda: Term(log(1 - sigmoid(x)), shape, -a.size - 0.7, 0.0),
        lambda: Term(e(x) / (e(x) + e(draw(shape).expr)), shape, 0.0, 1.0),
        lambda: Term(1 / sympy.sqrt(1 + e(-x)), shape, 0.0, 1.0),
        lambda: Term(e(x) / total(e(x)), shape, 0.0, 1.0),
        lambda: Term(log(softmax(x)), shape, -2 * a.size - 2, 0.0),
    )
    return forms[kind]()


FORMS: dict[str, Callable[[Pick, Draw, Shape], Term]] = {"power of zero": power_of_zero, "by hand": by_hand}
