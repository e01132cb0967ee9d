"""Exponentials, logarithms, roots and powers."""

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
from sympy import Eq, Expr, S
from sympy import exp as sympy_exp
from sympy import log as sympy_log
from sympy import sqrt as sympy_sqrt

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Spelling, Words, in_libraries
from symrnn.vocabulary.structure import where

__all__ = ["exp", "expm1", "log", "power", "reciprocal", "sqrt"]

ZERO = S.Zero


class exp(PointwiseFunction):  # noqa: N801  (reads like the publication)
    """The exponential function."""

    __slots__ = ()
    name = "exp"
    facts = Facts(
        rules=(lambda d, y, a: d * y,),
        value=np.exp,
        reference=lambda xp, x: xp.exp(x),
        number=sympy_exp,
        equivalent=sympy_exp,
        range=(0.0, inf),
        at_zero=S.One,
        spelling=replace(in_libraries("exp", onnx="Exp"), number="math.exp", latex=r"\exp"),
        words=Words(derivative=r", and $\exp' = \exp$"),
    )


class log(PointwiseFunction):  # noqa: N801
    """The natural logarithm."""

    __slots__ = ()
    name = "log"
    facts = Facts(
        rules=(lambda d, y, a: d / a,),
        value=np.log,
        reference=lambda xp, x: xp.log(x),
        number=sympy_log,
        equivalent=sympy_log,
        at_zero_singular=("Its logarithm is infinite", "log({} + eps)"),
        spelling=replace(in_libraries("log", onnx="Log"), number="math.log", latex=r"\log"),
        words=Words(derivative=r", and $\log'(<a>) = 1/<a>$"),
    )


class sqrt(PointwiseFunction):  # noqa: N801
    """The square root."""

    __slots__ = ()
    name = "sqrt"
    facts = Facts(
        rules=(lambda d, y, a: d / (2 * y),),
        value=np.sqrt,
        reference=lambda xp, x: xp.sqrt(x),
        number=sympy_sqrt,
        range=(0.0, inf),
        at_zero_singular=("The derivative of its root is infinite", "sqrt({} + eps)"),
        spelling=replace(in_libraries("sqrt", onnx="Sqrt"), sign=r"\surd"),
        words=Words(derivative=r", and $(\sqrt{<a>}\,)' = 1/(2\sqrt{<a>}\,)$"),
    )


class reciprocal(PointwiseFunction):  # noqa: N801
    """1 / x; a quotient and a negative power become it."""

    __slots__ = ()
    name = "reciprocal"
    facts = Facts(
        rules=(lambda d, y, a: -d * y**2,),
        value=lambda x: 1.0 / x,
        reference=lambda _, x: 1 / x,
        number=lambda x: 1 / x,
        at_zero_singular=("What is divided by it is infinite", "1 / ({} + eps)"),
        spelling=Spelling(
            numpy="(1 / {})",
            numba="(one / {})",
            torch="torch.reciprocal",
            jax="jnp.reciprocal",
            onnx="Reciprocal",
            sign=r"\div",
        ),
        words=Words(derivative=r", and $(1/<a>)' = -1/<a>^{2}$"),
    )


def _power_by_base(d: Expr, y: Expr, a: Expr, p: Expr) -> Expr:
    """The rule p a**(p - 1), which is right at 0; folded back to y = a**p where that saves a call."""
    if not p.is_number:
        return d * p * where(Eq(p, 0), ZERO, power(a, p - 1))
    if p.is_Rational and p.q == 2:  # a root is as fast as a quotient
        return d * p * (sqrt(a) if p == S.Half * 3 else power(a, p - 1))
    if p < 0:
        return d * p * y / a
    return d * p * where(Eq(a, 0), ZERO if p > 1 else 1 / y, y / a)  # infinite at 0 for p < 1


def _power_by_exponent(d: Expr, y: Expr, a: Expr, p: Expr) -> Expr:
    """The rule y log(a), and 0 where a is 0: 0**p does not change with p > 0."""
    return d * y * log(where(Eq(a, 0), S.One, a))


def _power(xp: Any, x: Any, p: Any) -> Any:
    """The power x ** p: its slope by p is x ** p log(x), and 0 at x = 0; by x it is 0 for p = 0.

    At x = p = 0 JAX's own is NaN.
    """
    flat = 1 + p * xp.log(xp.where(x <= 0, 1.0, x))
    return xp.where(p == 0, flat, xp.power(x, xp.where(p == 0, 1.0, p)))


class power(PointwiseFunction):  # noqa: N801
    """x ** p, for any p but whole numbers and -1/2, 1/2, -3/2, -5/2, ..., which have forms of their own.

    Where x is negative it is NaN unless p is whole. Where x is 0, so is its derivative by p >= 0.
    """

    __slots__ = ()
    name = "power"
    arity = 2
    facts = Facts(
        rules=(_power_by_base, _power_by_exponent),
        value=np.power,
        reference=_power,
        number=lambda x, p: x**p,
        at_zero_singular=("The derivative of its power is infinite", "({} + eps)**{}"),
        spelling=Spelling(
            numpy="({} ** {})",
            numba="_power",
            torch="({} ** {})",
            jax="_power",
            onnx="Pow",
            sign=r"(\cdot)^{p}",
        ),
    )


class expm1(PointwiseFunction):  # noqa: N801
    """exp(x) - 1 without cancellation; the derivative of softplus by its output."""

    __slots__ = ()
    name = "expm1"
    facts = Facts(
        rules=(lambda d, y, a: d * (1 + y),),
        value=np.expm1,
        reference=lambda xp, x: xp.expm1(x),
        spelling=replace(in_libraries("expm1"), number="math.expm1", sign=r"\operatorname{expm1}"),
    )
