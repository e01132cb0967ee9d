"""Smooth functions that squash or rectify."""

from dataclasses import replace
from math import erf as erf_of_number
from math import inf
from typing import Any

import numpy as np
from sympy import Expr, Gt, Max, Min, S, pi
from sympy import erf as sympy_erf
from sympy import exp as sympy_exp
from sympy import log as sympy_log
from sympy import sqrt as sympy_sqrt
from sympy import tanh as sympy_tanh

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Spelling, Words, in_libraries
from symrnn.vocabulary.powers import exp, expm1
from symrnn.vocabulary.structure import as_operand, where

__all__ = ["elu", "erf", "gelu", "log_sigmoid", "sigmoid", "silu", "softplus", "tanh"]


def _sigmoid(xp: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    e = xp.exp(xp.where(x >= 0, -x, x))
    return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))


class sigmoid(PointwiseFunction):  # noqa: N801  (reads like the publication)
    """The logistic function 1 / (1 + exp(-x))."""

    __slots__ = ()
    name = "sigmoid"
    facts = Facts(
        rules=(lambda d, y, a: d * y * (1 - y),),
        value=lambda x: 0.5 * np.tanh(0.5 * x) + 0.5,
        reference=_sigmoid,
        number=lambda x: 1 / (1 + sympy_exp(-x)),
        range=(0.0, 1.0),
        at_zero=S.Half,
        limits=(S.One, S.Zero),
        spelling=Spelling(
            numpy="_sigmoid",
            numba="_sigmoid",
            torch="torch.sigmoid",
            jax="jax.nn.sigmoid",
            onnx="Sigmoid",
            numpy_once="(0.5 * np.tanh(0.5 * {}) + 0.5)",
            sign=r"\sigma",
        ),
        words=Words(
            definition=r"$\sigma(<a>) = 1/(1+e^{-<a>})$",
            derivative=r", and $\sigma' = \sigma\,(1-\sigma)$",
            bound=r"$\sigma' = \sigma\,(1-\sigma) \le \frac{1}{4}$",
        ),
    )


class tanh(PointwiseFunction):  # noqa: N801
    """The hyperbolic tangent."""

    __slots__ = ()
    name = "tanh"
    facts = Facts(
        rules=(lambda d, y, a: d * (1 - y**2),),
        value=np.tanh,
        reference=lambda xp, x: xp.tanh(x),
        number=sympy_tanh,
        equivalent=sympy_tanh,
        range=(-1.0, 1.0),
        at_zero=S.Zero,
        limits=(S.One, -S.One),
        spelling=replace(in_libraries("tanh", onnx="Tanh"), number="math.tanh", latex=r"\tanh"),
        words=Words(derivative=r", and $\tanh' = 1 - \tanh^{2}$", bound=r"$\tanh' = 1 - \tanh^{2} \le 1$"),
    )


def _softplus(xp: Any, x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    e = xp.exp(xp.where(x > 0, -x, x))
    return xp.where(x > 0, x, 0.0) + xp.log1p(e)


class softplus(PointwiseFunction):  # noqa: N801
    """log(1 + exp(x)), computed without overflow."""

    __slots__ = ()
    name = "softplus"
    facts = Facts(
        rules=(lambda d, y, a: -d * expm1(-y),),
        value=lambda x: np.logaddexp(x, 0.0),
        reference=_softplus,
        number=lambda x: sympy_log(1 + sympy_exp(x)),
        derivative=sigmoid,
        exponential=lambda xp, x, y: (-y, 1 - _sigmoid(xp, x)),
        range=(0.0, inf),
        at_zero=sympy_log(2),
        spelling=Spelling(
            numpy="_softplus",
            numba="_softplus",
            torch="(-torch.nn.functional.logsigmoid(-{}))",
            jax="jax.nn.softplus",
            numpy_once="np.logaddexp({}, 0)",
            latex=r"\operatorname{softplus}",
        ),
        words=Words(
            definition=r"$\operatorname{softplus}(<a>) = \log(1 + e^{<a>})$",
            derivative=(r", and $\operatorname{softplus}'(<a>) = 1 - e^{-\operatorname{softplus}(<a>)}$"),
        ),
    )


class log_sigmoid(PointwiseFunction):  # noqa: N801
    """The logarithm of the logistic function, -softplus(-x), computed without overflow."""

    __slots__ = ()
    name = "log_sigmoid"
    facts = Facts(
        rules=(lambda d, y, a: -d * expm1(y),),
        value=lambda x: -np.logaddexp(-x, 0.0),
        reference=lambda xp, x: -_softplus(xp, -x),
        number=lambda x: -sympy_log(1 + sympy_exp(-x)),
        exponential=lambda xp, x, y: (y, _sigmoid(xp, x)),
        range=(-inf, 0.0),
        at_zero=-sympy_log(2),
        spelling=Spelling(
            numpy="(-_softplus(-{}))",
            numba="(-_softplus(-{}))",
            torch="torch.nn.functional.logsigmoid",
            jax="jax.nn.log_sigmoid",
            numpy_once="(-np.logaddexp(-{}, 0))",
            latex=r"\operatorname{logsigmoid}",
        ),
        words=Words(
            definition=r"$\operatorname{logsigmoid}(<a>) = -\log(1 + e^{-<a>})$",
            derivative=r", and $\operatorname{logsigmoid}'(<a>) = 1 - e^{\operatorname{logsigmoid}(<a>)}$",
            bound=r"$\operatorname{logsigmoid}'$ is between $0$ and $1$",
        ),
    )


def _negative(xp: Any, x: Any) -> Any:
    """min(x, 0); NaN stays NaN."""
    return xp.where(x > 0, 0.0, x)


class elu(PointwiseFunction):  # noqa: N801
    """The exponential linear unit: x where x > 0, else alpha (exp(x) - 1); `alpha` is 1 if it is left out.

    Its derivative at 0 is alpha. Source: Clevert et al. 2016, arXiv:1511.07289.
    """

    __slots__ = ()
    name = "elu"
    arity = 2
    defaults = (S.One,)
    facts = Facts(
        rules=(
            lambda d, y, a, alpha: where(Gt(a, 0), d, d * (y + alpha)),
            lambda d, y, a, alpha: d * expm1(where(Gt(a, 0), S.Zero, a)),
        ),
        value=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
        reference=lambda xp, x, alpha: xp.where(x > 0, x, alpha * xp.expm1(_negative(xp, x))),
        number=lambda x, alpha: Max(x, 0) + alpha * (sympy_exp(Min(x, 0)) - 1),
        formula=lambda a, alpha: where(Gt(a, 0), a, alpha * expm1(where(Gt(a, 0), S.Zero, a))),
        turns=(0.0,),
        spelling=Spelling(latex=r"\operatorname{elu}"),
        words=Words(
            definition=(
                r"$\operatorname{elu}(<a>, <q>)$ is $<a>$ where $<a> > 0$ and $<q>\,(e^{<a>} - 1)$ elsewhere"
            ),
            derivative=(
                r", and the derivative of $<y> = \operatorname{elu}(<a>, <q>)$ by $<a>$ is $1$ where "
                r"$<a> > 0$ and $<y> + <q>$ elsewhere"
            ),
        ),
    )


ERF = '''\
def _erf(x):
    """The error function, right to the last places, by two quotients of polynomials (Cephes, S. Moshier)."""
    size = np.minimum(np.abs(x), 6)  # from there on it is 1
    square = size * size
    p = _horner(square, 9.604973739870516, 90.02601972038427, 2232.005345946843,
                7003.325141128051, 55592.30130103949)
    q = _horner(square, 1.0, 33.56171416475031, 521.3579497801527, 4594.323829709801,
                22629.000061389095, 49267.39426086359)
    r = _horner(size, 2.461969814735305e-10, 0.5641895648310689, 7.463210564422699,
                48.63719709856814, 196.5208329560771, 526.4451949954773, 934.5285271719576,
                1027.5518868951572, 557.5353353693994)
    s = _horner(size, 1.0, 13.228195115474499, 86.70721408859897, 354.9377788878199,
                975.7085017432055, 1823.9091668790973, 2246.3376081871097, 1656.6630919416134,
                557.5353408177277)
    return np.where(size < 1, x * (p / q), np.copysign(1 - np.exp(-square) * (r / s), x))


def _horner(x, *coefficients):
    """The polynomial with these coefficients, highest power first."""
    return functools.reduce(lambda value, coefficient: value * x + coefficient, coefficients)'''


class erf(PointwiseFunction):  # noqa: N801
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""

    __slots__ = ()
    name = "erf"
    facts = Facts(
        rules=(lambda d, y, a: d * exp(-(a**2)) * 2 / sympy_sqrt(pi),),
        value=np.vectorize(erf_of_number, otypes=[np.float64]),
        reference=None,
        number=sympy_erf,
        equivalent=sympy_erf,
        range=(-1.0, 1.0),
        at_zero=S.Zero,
        limits=(S.One, -S.One),
        support=ERF,
        spelling=Spelling(
            numpy="_erf",
            numba="_erf_number",
            torch="torch.erf",
            jax="jax.scipy.special.erf",
            onnx="Erf",
            number="math.erf",
            latex=r"\operatorname{erf}",
        ),
        words=Words(
            definition=r"$\operatorname{erf}(<a>) = \frac{2}{\sqrt{\pi}} \int_{0}^{<a>} e^{-t^{2}}\,d t$",
            derivative=r", and $\operatorname{erf}'(<a>) = 2 e^{-<a>^{2}} / \sqrt{\pi}$",
            bound=r"$\operatorname{erf}' \le 2 / \sqrt{\pi}$",
        ),
    )


def silu(argument: Any) -> Expr:
    """The sigmoid linear unit, a * sigmoid(a), also called swish.

    Source: Elfwing et al. 2018, arXiv:1702.03118.
    """
    a = as_operand(argument, "silu")
    return a * sigmoid(a)


def gelu(argument: Any) -> Expr:
    """The Gaussian error linear unit, a * (1 + erf(a / sqrt(2))) / 2.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """
    a = as_operand(argument, "gelu")
    return a * (1 + erf(a / sympy_sqrt(2))) / 2
