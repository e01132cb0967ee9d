"""Smooth functions that squash or rectify."""

from math import inf
from typing import Any

import numpy as np
from sympy import S
from sympy import exp as sympy_exp
from sympy import log as sympy_log
from sympy import tanh as sympy_tanh

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Spelling, Words
from symrnn.vocabulary.powers import expm1

__all__ = ["sigmoid", "softplus", "tanh"]


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
            numpy_once="(0.5 * np.tanh(0.5 * {}) + 0.5)",
            sign=r"\sigma",
        ),
        words=Words(
            definition=r"$\sigma(<a>) = 1/(1+e^{-<a>})$",
            derivative=r", and $\sigma' = \sigma\,(1-\sigma)$",
            bound=r"$\sigma' = \sigma\,(1-\sigma) \le \tfrac{1}{4}$",
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
        spelling=Spelling(
            numpy="np.tanh",
            numba="_tanh",
            torch="torch.tanh",
            jax="jnp.tanh",
            number="math.tanh",
            latex=r"\tanh",
        ),
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
            torch="torch.nn.functional.softplus",
            jax="jax.nn.softplus",
            numpy_once="np.logaddexp({}, 0)",
            latex=r"\operatorname{softplus}",
        ),
        words=Words(
            definition=r"$\operatorname{softplus}(<a>) = \log(1 + e^{<a>})$",
            derivative=(r", and $\operatorname{softplus}'(<a>) = 1 - e^{-\operatorname{softplus}(<a>)}$"),
        ),
    )
