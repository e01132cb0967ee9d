"""Functions with kinks: what they do at ties is part of what they are."""

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
from sympy import Abs, Eq, Expr, Gt, Lt, Max, Min, Mod, S, ceiling
from sympy import floor as sympy_floor
from sympy import sign as sympy_sign

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Rule, Spelling, Words, in_libraries
from symrnn.vocabulary.structure import as_operand, where

__all__ = ["absolute", "floor", "maximum", "minimum", "mod", "relu", "sign", "stop_gradient"]

ZERO = S.Zero


def _relu(xp: Any, x: Any) -> Any:
    """max(x, 0): slope 0 at 0, NaN stays NaN."""
    return xp.where(x <= 0, 0.0, x)


class relu(PointwiseFunction):  # noqa: N801  (reads like the publication)
    """max(x, 0), with derivative 0 at 0; propagates NaN."""

    __slots__ = ()
    name = "relu"
    facts = Facts(
        rules=(lambda d, y, a: where(Gt(y, 0), d, ZERO),),
        value=lambda x: np.maximum(x, 0.0),
        reference=_relu,
        number=lambda x: Max(x, 0),
        range=(0.0, inf),
        at_zero=ZERO,
        spelling=Spelling(
            numpy="_relu",
            numba="_relu",
            torch="_relu",
            jax="jax.nn.relu",
            numpy_once="np.maximum({}, 0)",
            latex=r"\operatorname{relu}",
        ),
        words=Words(
            definition=r"$\operatorname{relu}(<a>) = \max(<a>, 0)$",
            derivative=r", and $\operatorname{relu}'$ is $1$ where its argument is positive, else $0$",
            bound=r"$\operatorname{relu}'$ is $0$ or $1$",
        ),
    )


class sign(PointwiseFunction):  # noqa: N801
    """-1, 0 or 1, whose gradient is 0; the derivative of the absolute value."""

    __slots__ = ()
    name = "sign"
    facts = Facts(
        rules=(None,),
        value=np.sign,
        reference=lambda xp, x: xp.sign(x),
        number=sympy_sign,
        equivalent=sympy_sign,
        range=(-1.0, 1.0),
        words=Words(definition=r"$\operatorname{sign}(<a>)$ is $-1$, $0$ or $1$"),
        spelling=replace(
            in_libraries("sign", onnx="Sign"), torch="_sign", number="np.sign", latex=r"\operatorname{sign}"
        ),
    )


def _absolute(xp: Any, x: Any) -> Any:
    """|x|: slope 0 at 0, NaN stays NaN."""
    return xp.where(x < 0, -x, xp.where(x == 0, 0.0, x))


class absolute(PointwiseFunction):  # noqa: N801
    """The absolute value, with derivative 0 at 0; Python's abs() gives it too."""

    __slots__ = ()
    name = "abs"
    facts = Facts(
        rules=(lambda d, y, a: d * sign(a),),
        value=np.abs,
        reference=_absolute,
        number=Abs,
        equivalent=Abs,
        range=(0.0, inf),
        turns=(0.0,),
        spelling=replace(
            in_libraries("abs", onnx="Abs"),
            torch="_abs",
            jax="_abs",
            number="abs",
            sign=r"\lvert\,\cdot\,\rvert",
        ),
        words=Words(
            derivative=r", and $\lvert <a>\rvert' = \operatorname{sign}(<a>)$, which is $0$ at $0$",
        ),
    )


def _taken(comparison: type) -> Rule:
    """The rule that hands on d where the comparison of a with b holds, and half of it at a tie."""
    return lambda d, y, a, b: where(comparison(a, b), d, where(Eq(a, b), d / 2, ZERO))


LARGER, SMALLER = _taken(Gt), _taken(Lt)


def _maximum(xp: Any, a: Any, b: Any) -> Any:
    """The larger of a and b, at a tie half of each; NaN stays NaN."""
    return xp.where(a > b, a, xp.where(a < b, b, 0.5 * a + 0.5 * b))


class maximum(PointwiseFunction):  # noqa: N801
    """The larger of two; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "maximum"
    arity = 2
    facts = Facts(
        rules=(LARGER, SMALLER),
        value=np.maximum,
        reference=_maximum,
        number=Max,
        equivalent=Max,
        spelling=replace(in_libraries("maximum", onnx="Max"), torch="_maximum", number="max", latex=r"\max"),
    )


def _minimum(xp: Any, a: Any, b: Any) -> Any:
    """The smaller of a and b, at a tie half of each; NaN stays NaN."""
    return xp.where(a < b, a, xp.where(a > b, b, 0.5 * a + 0.5 * b))


class minimum(PointwiseFunction):  # noqa: N801
    """The smaller of two; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "minimum"
    arity = 2
    facts = Facts(
        rules=(SMALLER, LARGER),
        value=np.minimum,
        reference=_minimum,
        number=Min,
        equivalent=Min,
        spelling=replace(in_libraries("minimum", onnx="Min"), torch="_minimum", number="min", latex=r"\min"),
    )


class stop_gradient(PointwiseFunction):  # noqa: N801
    """Its argument, with a gradient of zero."""

    __slots__ = ()
    name = "stop_gradient"
    facts = Facts(
        rules=(None,),
        value=lambda x: x,
        reference=None,
        number=lambda x: x,
        spelling=Spelling(
            numpy="{}",
            numba="{}",
            torch="_stop_gradient",
            jax="jax.lax.stop_gradient",
            onnx="Identity",
            latex=r"\operatorname{sg}",
        ),
        words=Words(definition=r"$\operatorname{sg}(<a>) = <a>$ passes no gradient back"),
    )


class floor(PointwiseFunction):  # noqa: N801
    """The largest whole number that is not above x; its gradient is 0."""

    __slots__ = ()
    name = "floor"
    facts = Facts(
        rules=(None,),
        value=np.floor,
        reference=lambda xp, x: xp.floor(x),
        number=sympy_floor,
        equivalent=sympy_floor,
        spelling=replace(
            in_libraries("floor", numba="np.floor", onnx="Floor"),
            number="math.floor",
            latex=r"\operatorname{floor}",
        ),
        words=Words(
            definition=r"$\operatorname{floor}(<a>)$ is the largest whole number that is not above $<a>$"
        ),
    )


def mod(dividend: Any, divisor: Any) -> Expr:
    """The remainder a - b * floor(a / b), which has the sign of b; `a % b` gives it too."""
    a, b = as_operand(dividend, "mod"), as_operand(divisor, "mod")
    return a - b * floor(a / b)


FORMULAS = {Mod: mod, ceiling: lambda number: -floor(-number)}
"""SymPy's functions by the formulas that mean the same."""
