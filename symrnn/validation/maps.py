"""What the functions of the vocabulary are on a prime field: random maps that keep the identities we rely on.

No identity of tanh, exp or log holds between random numbers by chance, so two formulas that agree on them are
the same formula. Kept on purpose are the values at 0 and 1, that tanh is odd, that exponentials are positive,
and the few identities that derived equations use: where a formula meets an argument of one, it tells what
another map must answer there (`tell`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import numpy as np

from symrnn.validation.prime import PRIME, Residues, centred, inverse, power, root, scramble

Map: TypeAlias = Callable[..., Residues]
Known: TypeAlias = dict[tuple[int, ...], int]

SMALL = 1 << 18
"""Exponentials are positive numbers up to here: sums of them stay positive, as they should."""

_TOLD: ContextVar[dict[str, Known]] = ContextVar("what maps must answer")

HALF_OF_ONE = (PRIME + 1) // 2


@contextmanager
def identities() -> Iterator[None]:
    """A context in which maps remember what they are told; a proof needs one around all that it compares."""
    token = _TOLD.set({"exp": {}, "power": {}})
    try:
        yield
    finally:
        _TOLD.reset(token)


def tell(name: str, arguments: tuple[Residues, ...], values: Residues) -> None:
    """Let the map `name` answer `values` at `arguments`, unless it is told something there already."""
    known = _TOLD.get()[name]
    for *given, value in zip(*(array.ravel().tolist() for array in (*arguments, values)), strict=True):
        known.setdefault(tuple(given), value)


def _as_told(name: str, arguments: tuple[Residues, ...], values: Residues) -> Residues:
    """`values`, but what the map was told where it was."""
    known = _TOLD.get()[name]
    if not known:
        return values
    points = zip(*(array.ravel().tolist() for array in arguments), strict=True)
    found = [known.get(point, value) for point, value in zip(points, values.ravel().tolist(), strict=True)]
    return np.array(found, np.int64).reshape(values.shape)


def _tanh(x: Residues) -> Residues:
    signed = centred(x)
    return np.sign(signed) * scramble(abs(signed), 0x7A9) % PRIME


def _exp(x: Residues) -> Residues:
    values = np.where(x == 0, 1, scramble(x, 0xE39) % SMALL + 1)
    return _as_told("exp", (x,), values)


def _log(x: Residues) -> Residues:
    return np.where(x == 1, 0, scramble(x, 0x106))


def _power(base: Residues, exponent: Residues) -> Residues:
    """A power that is not whole: x**(p + 1) is x**p times x wherever both are met, halves are roots.

    That of 0 is 0, as for every p > 0.
    """
    base, exponent = np.broadcast_arrays(base, exponent)
    mixed = scramble(base ^ scramble(exponent, 0x90), 0x3)
    values = np.where(base == 0, 0, np.where(_is_half(exponent), _half_power(base, exponent), mixed))
    values = _as_told("power", (base, exponent), values)
    tell("power", (base, exponent), values)
    tell("power", (base, (exponent - 1) % PRIME), values * inverse(base) % PRIME)
    tell("power", (base, (exponent + 1) % PRIME), values * base % PRIME)
    return values


def _is_half(exponent: Residues) -> Residues:
    """Whether an exponent is 1/2, -1/2, 3/2, ... up to some size."""
    twice = centred(2 * exponent % PRIME)
    return np.asarray((twice % 2 == 1) & (abs(twice) < 64))


def _half_power(base: Residues, exponent: Residues) -> Residues:
    """The root times a whole power; ones where the exponent is no half."""
    values = np.ones_like(base)
    for twice in np.unique(centred(2 * exponent[_is_half(exponent)] % PRIME)).tolist():
        made = root(base) * power(base, abs(twice) // 2) % PRIME
        made = made if twice > 0 else inverse(made)
        values = np.where(exponent == twice * HALF_OF_ONE % PRIME, made, values)
    return values


def sigmoid(x: Residues) -> Residues:
    """(1 + tanh(x/2)) / 2."""
    return (1 + _tanh(x * HALF_OF_ONE % PRIME)) * HALF_OF_ONE % PRIME


def relu(x: Residues) -> Residues:
    """X where it is positive, else 0."""
    return np.where(centred(x) > 0, x, 0)


def softplus(x: Residues) -> Residues:
    """relu(x) + log(1 + exp(-|x|)); exp(-softplus(x)) is then told to be 1 - sigmoid(x)."""
    y = (relu(x) + _log((1 + _exp(-abs(centred(x)) % PRIME)) % PRIME)) % PRIME
    tell("exp", (-y % PRIME,), (1 - sigmoid(x)) % PRIME)
    return y


def logsumexp(x: Residues) -> Residues:
    """Along the last axis; the exponential of x minus the result is then told to be softmax(x)."""
    top, powers, total = _exponentials(x)
    y = (top + _log(total)) % PRIME
    tell("exp", ((x - y) % PRIME,), powers * inverse(total) % PRIME)
    return y[..., 0]


def softmax(x: Residues) -> Residues:
    """Along the last axis."""
    _, powers, total = _exponentials(x)
    return powers * inverse(total) % PRIME


def _exponentials(x: Residues) -> tuple[Residues, Residues, Residues]:
    top = centred(x).max(axis=-1, keepdims=True) % PRIME
    powers = _exp((x - top) % PRIME)
    return top, powers, powers.sum(axis=-1, keepdims=True) % PRIME


def _logaddexp(one: Residues, other: Residues) -> Residues:
    """log(exp(a) + exp(b)), which is only met as the softplus of a, with b = 0."""
    if np.any(other):
        raise ValueError("np.logaddexp has a meaning here with a second argument of 0 alone.")
    return softplus(one)


MAPS: Mapping[str, Map] = {
    "tanh": _tanh,
    "exp": _exp,
    "expm1": lambda x: (_exp(x) - 1) % PRIME,
    "log": _log,
    "sqrt": root,
    "power": _power,
    "logaddexp": _logaddexp,
}
"""By the names that NumPy has for them."""
