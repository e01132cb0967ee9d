"""Functions of a whole vector: every element of the result depends on all elements of the argument."""

from typing import Any

import numpy as np
from sympy import Eq, Expr, S

from symrnn.vocabulary.contraction import Contract
from symrnn.vocabulary.functions import Facts, Spelling, VectorFunction, Words
from symrnn.vocabulary.powers import exp
from symrnn.vocabulary.structure import as_operand, where

__all__ = ["largest", "log_softmax", "logsumexp", "softmax"]

ZERO = S.Zero


def _softmax(xp: Any, x: Any) -> Any:
    """exp(x) / sum(exp(x)) along the last axis, without overflow."""
    powers = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)


class softmax(VectorFunction):  # noqa: N801  (reads like the publication)
    """exp(a_i) / sum_j exp(a_j), without overflow: positive numbers whose sum is 1."""

    __slots__ = ()
    name = "softmax"
    gives_vector = True
    facts = Facts(
        rules=(lambda d, y, a: y * (d - Contract("i,i->", d, y)),),
        value=lambda a: np.exp(a - np.logaddexp.reduce(a)),
        reference=_softmax,
        range=(0.0, 1.0),
        spelling=Spelling(latex=r"\operatorname{softmax}"),
        words=Words(
            definition=r"$\operatorname{softmax}(<a>)_<i> = e^{<a>_<i>} / \sum_<j> e^{<a>_<j>}$",
            derivative=(
                r", and $\partial <y>_<i> / \partial <a>_<j> = <y>_<i>\,([<i> = <j>] - <y>_<j>)$ for the "
                r"softmax $<y>$ of $<a>$"
            ),
        ),
    )


def _logsumexp(xp: Any, x: Any) -> Any:
    """log(sum(exp(x))) along the last axis, without overflow."""
    top = xp.max(x, axis=-1, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    return xp.log(xp.sum(xp.exp(x - top), axis=-1)) + top[..., 0]


class logsumexp(VectorFunction):  # noqa: N801
    """log(sum_i exp(a_i)), without overflow; -inf where all elements are."""

    __slots__ = ()
    name = "logsumexp"
    facts = Facts(
        rules=(lambda d, y, a: d * exp(a - y),),
        value=np.logaddexp.reduce,
        reference=_logsumexp,
        derivative=softmax,
        exponential=lambda xp, x, y: (x - y[..., None], _softmax(xp, x)),
        spelling=Spelling(latex=r"\operatorname{logsumexp}"),
        words=Words(
            definition=r"$\operatorname{logsumexp}(<a>) = \log \sum_<i> e^{<a>_<i>}$",
            derivative=r", and its gradient is $\operatorname{softmax}(<a>)$",
        ),
    )


def _shared_by_ties(d: Expr, y: Expr, a: Expr) -> Expr:
    """Equal parts of d where a is the largest."""
    return where(Eq(a, y), d, ZERO) / Contract("i->", where(Eq(a, y), S.One, ZERO))


class largest(VectorFunction):  # noqa: N801
    """The largest element; at a tie the gradient is shared equally; propagates NaN."""

    __slots__ = ()
    name = "largest"
    facts = Facts(
        rules=(_shared_by_ties,),
        value=np.max,
        reference=lambda xp, x: xp.max(x, axis=-1),  # JAX shares the gradient among equal elements
        spelling=Spelling(torch="torch.amax({}, -1)", jax="jnp.max({}, -1)", latex=r"\max"),
        words=Words(
            definition=r"$\max(<a>)$ of one vector is its largest element",
            derivative=r", and equal largest elements share its gradient",
        ),
    )


def log_softmax(vector: Any) -> Expr:
    """The logarithm of the softmax, a - logsumexp(a): finite also where a float cannot hold the softmax."""
    a = as_operand(vector, "log_softmax")
    return a - logsumexp(a)
