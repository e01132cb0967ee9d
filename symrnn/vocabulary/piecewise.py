"""Functions with kinks: what they do at ties is part of what they are."""

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
from sympy import Abs, And, Eq, Expr, Ge, Gt, Le, Lt, Max, Min, Mod, S, ceiling
from sympy import floor as sympy_floor
from sympy import sign as sympy_sign

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Rule, Spelling, Words, in_libraries
from symrnn.vocabulary.structure import as_operand, where

__all__ = ["absolute", "floor", "hard_sigmoid", "hard_tanh", "leaky_relu", "maximum", "minimum", "mod"]
__all__ += ["relu", "sign", "stop_gradient"]

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


class leaky_relu(PointwiseFunction):  # noqa: N801
    """x where x > 0, else x times a slope, which is 0.01 if it is left out, and at 0 the derivative.

    A parameter as the slope makes it the PReLU. Sources: Maas et al. 2013, Rectifier nonlinearities improve
    neural network acoustic models; for the PReLU, He et al. 2015, arXiv:1502.01852.
    """

    __slots__ = ()
    name = "leaky_relu"
    arity = 2
    defaults = (0.01,)
    facts = Facts(
        rules=(
            lambda d, y, a, slope: where(Gt(a, 0), d, d * slope),
            lambda d, y, a, slope: where(Gt(a, 0), ZERO, d * a),
        ),
        value=lambda x, slope: np.where(x > 0, x, slope * x),
        reference=lambda xp, x, slope: xp.where(x > 0, x, slope * x),
        number=lambda x, slope: Max(x, 0) + slope * Min(x, 0),
        formula=lambda a, slope: where(Gt(a, 0), a, slope * a),
        turns=(0.0,),
        spelling=Spelling(latex=r"\operatorname{leakyrelu}"),
        words=Words(
            definition=(
                r"$\operatorname{leakyrelu}(<a>, <q>)$ is $<a>$ where $<a> > 0$ and $<q> <a>$ elsewhere"
            ),
            derivative=(
                r", and the derivative of $\operatorname{leakyrelu}(<a>, <q>)$ by $<a>$ is $1$ where "
                r"$<a> > 0$ and $<q>$ elsewhere"
            ),
        ),
    )


def _clipped(xp: Any, x: Any, low: float, high: float) -> Any:
    """x, but not less than `low` nor more than `high`: slope 0 at both, NaN stays NaN."""
    return xp.where(x >= high, high, xp.where(x <= low, low, x))


def _between(a: Expr, low: Expr, high: Expr) -> Expr:
    """The same in terms of choices."""
    return where(Ge(a, high), high, where(Le(a, low), low, a))


class hard_tanh(PointwiseFunction):  # noqa: N801
    """max(-1, min(1, x)), with derivative 0 at -1 and 1; propagates NaN.

    Source: Collobert 2004, Large scale machine learning (thesis, Universite Paris VI).
    """

    __slots__ = ()
    name = "hard_tanh"
    facts = Facts(
        rules=(lambda d, y, a: where(And(Gt(y, -1), Lt(y, 1)), d, ZERO),),
        value=lambda x: np.clip(x, -1.0, 1.0),
        reference=lambda xp, x: _clipped(xp, x, -1.0, 1.0),
        number=lambda x: Max(-1, Min(1, x)),
        formula=lambda a: _between(a, -S.One, S.One),
        range=(-1.0, 1.0),
        at_zero=ZERO,
        limits=(S.One, -S.One),
        spelling=Spelling(
            numpy="np.minimum(np.maximum({}, -1), 1)",
            numba="_minimum(_maximum({}, -one), one)",
            latex=r"\operatorname{hardtanh}",
        ),
        words=Words(
            definition=r"$\operatorname{hardtanh}(<a>) = \max(-1, \min(1, <a>))$",
            derivative=r", and $\operatorname{hardtanh}'$ is $1$ where it is between $-1$ and $1$, else $0$",
            bound=r"$\operatorname{hardtanh}'$ is $0$ or $1$",
        ),
    )


class hard_sigmoid(PointwiseFunction):  # noqa: N801
    """max(0, min(1, x / 6 + 1 / 2)), with derivative 0 at -3 and 3; propagates NaN.

    This is the one of PyTorch, Keras 3 and Howard et al. 2019, arXiv:1905.02244. Others have other slopes:
    older Keras and ONNX by default x / 5 + 1 / 2, Courbariaux et al. 2016, arXiv:1602.02830, (x + 1) / 2:
    as (hard_tanh(2 * x / 5) + 1) / 2 and (hard_tanh(x) + 1) / 2.
    """

    __slots__ = ()
    name = "hard_sigmoid"
    facts = Facts(
        rules=(lambda d, y, a: where(And(Gt(y, 0), Lt(y, 1)), d / 6, ZERO),),
        value=lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0),
        reference=lambda xp, x: _clipped(xp, x / 6 + 0.5, 0.0, 1.0),
        number=lambda x: Max(0, Min(1, x / 6 + S.Half)),
        formula=lambda a: _between(a / 6 + S.Half, ZERO, S.One),
        range=(0.0, 1.0),
        at_zero=S.Half,
        limits=(S.One, ZERO),
        spelling=Spelling(
            numpy="np.minimum(np.maximum({} / 6 + 0.5, 0), 1)",
            numba="_minimum(_maximum({} / real(6) + real(0.5), zero), one)",
            latex=r"\operatorname{hardsigmoid}",
        ),
        words=Words(
            definition=r"$\operatorname{hardsigmoid}(<a>) = \max(0, \min(1, <a>/6 + 1/2))$",
            derivative=(
                r", and $\operatorname{hardsigmoid}'$ is $1/6$ where it is between $0$ and $1$, else $0$"
            ),
            bound=r"$\operatorname{hardsigmoid}'$ is $0$ or $\frac{1}{6}$",
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
