"""How a framework writes what a plan says: a record for each, for one printer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from symrnn.declaration.operations import PointwiseFunction

PRODUCTS = {
    "Bi,ij->Bj": "{0} @ {1}",
    "Bij,Bjk->Bik": "{0} @ {1}",
    "Bij,Bj->Bi": "({0} @ {1}[..., None])[..., 0]",
    "Bi,Bij->Bj": "({0}[..., None, :] @ {1})[..., 0, :]",
    "Bi,Bj->Bij": "{0}[..., :, None] * {1}[..., None, :]",
    "Bi,Bi->B": "({0} * {1}).sum(-1)",
    "i,Bi->B": "{1} @ {0}",
    "Bi,i->B": "{0} @ {1}",
    "Bi->B": "{0}.sum(-1)",
    "i->": "{0}.sum()",
    "i,i->": "{0} @ {1}",
    "i,ij->j": "{0} @ {1}",
    "ij,j->i": "{0} @ {1}",
    "ij,jk->ik": "{0} @ {1}",
    "i,j->ij": "{0}[:, None] * {1}",
    "ij->ji": "{0}.T",
}
"""Products that one would not write as an einsum, in a spelling that NumPy's heirs share."""


@dataclass(frozen=True, slots=True)
class OverTime:
    """The pieces of a time loop as text.

    `rows` pairs arrays (T, B, ...) with the names of their slices at t; `carried` pairs the states' names
    with what they are a step later; `kept` has what is collected over time, its value at t, and its shape.
    """

    rows: tuple[tuple[str, str], ...]
    carried: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str, str], ...]
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """How an array library writes the pieces of a module.

    `number` is a number as an array, `cut` cuts an array along an axis; `cut_at` tells whether it wants the
    places or the sizes of the parts. `affine` is a product with weights plus a bias per column, `added` an
    array (B, ...) plus a product, `largest` the maximum along the last axis, `pick` what indices pick along
    an axis, `one_hot` their unit vectors. In these texts `like` has the type, and the place, of what they
    make; `like_of` takes that of an array, `like_asked` has it in `init`. `drawn` is what a function that
    draws a parameter draws from, `counts` are a call's lengths as an array.
    """

    name: str
    title: str
    array: str
    functions: Mapping[type[PointwiseFunction], str]
    choose: str
    number: str
    einsum: str
    stack: str
    cut: str
    cut_at: bool
    broadcast: str
    zeros: str
    full: str
    identity: str
    affine: str
    added: str
    largest: str
    pick: str
    one_hot: str
    like_of: str
    like_asked: str
    drawn: str
    counts: str
    over_time: Callable[[OverTime], list[str]]
