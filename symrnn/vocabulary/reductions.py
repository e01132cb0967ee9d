"""Functions of a whole vector: every element of the result depends on all elements of the argument."""

from math import hypot, inf
from typing import Any

import numpy as np
from sympy import Eq, Expr, S

from symrnn.errors import DeclarationError
from symrnn.vocabulary.contraction import Contract
from symrnn.vocabulary.functions import Facts, Spelling, VectorFunction, Words
from symrnn.vocabulary.powers import exp, sqrt
from symrnn.vocabulary.structure import as_operand, where

__all__ = ["largest", "layer_norm", "log_softmax", "logsumexp", "norm", "rms_norm", "softmax"]

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
        rules=(lambda d, y, a, n: y * (d - Contract("i,i->", d, y)),),
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
        rules=(lambda d, y, a, n: d * exp(a - y),),
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


def _shared_by_ties(d: Expr, y: Expr, a: Expr, n: Expr) -> Expr:
    """Equal parts of d where a is the largest."""
    del n
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


def _norm(xp: Any, x: Any) -> Any:
    """The root of the sum of squares along the last axis: slope 0 where it is 0."""
    squares = xp.sum(x * x, axis=-1)
    return xp.where(squares == 0, 0.0, xp.sqrt(xp.where(squares == 0, 1.0, squares)))


class norm(VectorFunction):  # noqa: N801
    """The Euclidean norm, sqrt(sum_i a_i**2), without overflow; its gradient at 0 is 0.

    It is NaN where an element is NaN or infinite.
    """

    __slots__ = ()
    name = "norm"
    facts = Facts(
        rules=(lambda d, y, a, n: d * a / where(Eq(y, 0), S.One, y),),
        value=lambda a: np.float64(hypot(*a)),
        reference=_norm,
        range=(0.0, inf),
        spelling=Spelling(latex=r"\operatorname{norm}"),
        words=Words(
            definition=r"$\operatorname{norm}(<a>) = \sqrt{\sum_<i> <a>_<i>^{2}}$",
            derivative=r", and its gradient is $<a> / \operatorname{norm}(<a>)$, or $0$ where $<a> = 0$",
        ),
    )


class _Normalising:
    """A function of a vector and of a positive number, 1e-5 if it is left out."""

    __slots__ = ()

    def __new__(cls, vector: Any, eps: Any = 1e-5) -> Any:
        """Apply the function to an expression of rank 1; a list stacks.

        Raises:
            DeclarationError: `eps` is no positive number.
        """
        name = cls.__name__
        added = as_operand(eps, name)
        if not (added.is_number and added.is_positive):
            raise DeclarationError(f"{name} got eps={eps}. Give a positive number, such as 1e-5.")
        return Expr.__new__(cls, as_operand(vector, name), added)


def _root(a: Expr, eps: Expr, n: Expr) -> Expr:
    """The root of eps and the mean of squares."""
    return sqrt(Contract("i,i->", a, a) / n + eps)


def _rms_norm(xp: Any, x: Any, eps: Any) -> Any:
    """X over that root, along the last axis."""
    return x / xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True) / x.shape[-1] + eps)


class rms_norm(_Normalising, VectorFunction):  # noqa: N801
    """a / sqrt(mean(a**2) + eps), without overflow; `eps` is a positive number, 1e-5 if it is left out.

    Gain and bias, if any, are the cell's own: `g * rms_norm(a) + b`.
    Source: Zhang and Sennrich 2019, arXiv:1910.07467.
    """

    __slots__ = ()
    name = "rms_norm"
    gives_vector = True
    facts = Facts(
        rules=(lambda d, y, a, eps, n: (d - y * Contract("i,i->", d, y) / n) / _root(a, eps, n),),
        value=lambda a, eps: a / np.hypot(hypot(*a) / np.sqrt(len(a)), np.sqrt(float(eps))),
        reference=_rms_norm,
        spelling=Spelling(latex=r"\operatorname{rmsnorm}"),
        words=Words(
            definition=(
                r"$\operatorname{rmsnorm}(<a>, <q>)$ is $<a>$ divided by the root of $<q>$ plus the mean of "
                r"the squares of its elements"
            ),
            derivative=(
                r", and the Jacobian of $<y> = \operatorname{rmsnorm}(<a>, <q>)$ is symmetric: from a vector "
                r"it takes $<y>$ times the mean of its product with $<y>$, and divides by the same root"
            ),
        ),
    )


def _layer_norm(xp: Any, x: Any, eps: Any) -> Any:
    """The same of x without its mean."""
    return _rms_norm(xp, x - xp.sum(x, axis=-1, keepdims=True) / x.shape[-1], eps)


class layer_norm(_Normalising, VectorFunction):  # noqa: N801
    """(a - mean(a)) / sqrt(variance + eps), the variance being mean((a - mean(a))**2), without overflow.

    `eps` is a positive number, 1e-5 if it is left out. Gain and bias, if any, are the cell's own:
    `g * layer_norm(a) + b`. Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    __slots__ = ()
    name = "layer_norm"
    gives_vector = True
    facts = Facts(
        rules=(
            lambda d, y, a, eps, n: (
                (d - Contract("i->", d) / n - y * Contract("i,i->", d, y) / n)
                / _root(a - Contract("i->", a) / n, eps, n)
            ),
        ),
        value=lambda a, eps: rms_norm.facts.value(a - np.mean(a), eps),
        reference=_layer_norm,
        spelling=Spelling(latex=r"\operatorname{layernorm}"),
        words=Words(
            definition=(
                r"$\operatorname{layernorm}(<a>, <q>)$ is $<a>$ without the mean of its elements, divided by "
                r"the root of $<q>$ plus the mean of the squares of what is left"
            ),
            derivative=(
                r", and the Jacobian of $<y> = \operatorname{layernorm}(<a>, <q>)$ is symmetric: from a "
                r"vector it takes its mean, and $<y>$ times the mean of its product with $<y>$, and divides "
                r"by the same root"
            ),
        ),
    )


def log_softmax(vector: Any) -> Expr:
    """The logarithm of the softmax, a - logsumexp(a): finite also where a float cannot hold the softmax."""
    a = as_operand(vector, "log_softmax")
    return a - logsumexp(a)
