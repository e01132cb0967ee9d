"""What the functions of the vocabulary are on a prime field: random maps that keep the identities we rely on.

No identity of tanh, exp or log holds between random numbers by chance, so two formulas that agree on them are
the same formula. Kept on purpose are the values at 0 and 1, that tanh is odd, that exponentials are positive,
and the few identities that derived equations use: where a formula meets an argument of one, it tells what
another map must answer there (`tell`).
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from fractions import Fraction
from math import floor
from typing import TypeAlias

import numpy as np

from symrnn.errors import ValidationError
from symrnn.validation.prime import (
    PRIME,
    Residues,
    centred,
    fractional_power,
    inverse,
    power,
    root,
    scramble,
    small_fraction,
)

Map: TypeAlias = Callable[..., Residues]
Known: TypeAlias = dict[tuple[int, ...], int]

SMALL = 1 << 22
"""Exponentials are positive numbers up to here: sums of them stay positive, as they should."""

TRIES = 5

HALF_OF_ONE = (PRIME + 1) // 2

BASE = 1_234_321
"""The square whose powers are the exponentials of numbers."""


class _Told:
    """Which maps a proof has, what they must answer, and whether they were told two answers at one point."""

    def __init__(self, salt: int) -> None:
        self.salt = salt
        self.known: dict[str, Known] = {"exp": {}, "power": {}}
        self.contradicted = False


_TOLD: ContextVar[_Told] = ContextVar("what maps must answer")


def with_identities(prove: Callable[[], None]) -> None:
    """Run a proof during which maps remember what they are told; all that it compares belongs inside.

    Exponentials are small, so that two may be equal by chance, and a map may be told two answers at one
    point. A right formula may then look wrong: a proof that fails so is run again with other maps.

    Raises:
        ValidationError: what is to be proved is wrong.
    """
    for salt in range(TRIES):
        told = _Told(salt)
        token = _TOLD.set(told)
        try:
            return prove()
        except ValidationError:
            if not told.contradicted or salt == TRIES - 1:
                raise
        finally:
            _TOLD.reset(token)
    raise AssertionError("unreachable: the last try returns or raises")


def tell(name: str, arguments: tuple[Residues, ...], values: Residues) -> None:
    """Let the map `name` answer `values` at `arguments`, unless it is told something there already."""
    told = _TOLD.get()
    known = told.known[name]
    for *given, value in zip(*(array.ravel().tolist() for array in (*arguments, values)), strict=True):
        if known.setdefault(tuple(given), value) != value:
            told.contradicted = True


def _as_told(name: str, arguments: tuple[Residues, ...], values: Residues) -> Residues:
    """`values`, but what the map was told where it was."""
    known = _TOLD.get().known[name]
    if not known:
        return values
    points = zip(*(array.ravel().tolist() for array in arguments), strict=True)
    found = [known.get(point, value) for point, value in zip(points, values.ravel().tolist(), strict=True)]
    return np.array(found, np.int64).reshape(values.shape)


def _random(x: Residues, name: int) -> Residues:
    """The random map `name` of this proof."""
    return scramble(x, name + (_TOLD.get().salt << 16))


def _tanh(x: Residues) -> Residues:
    signed = centred(x)
    return np.sign(signed) * _random(abs(signed), 0x7A9) % PRIME


def _exp(x: Residues) -> Residues:
    values = np.where(x == 0, 1, _random(x, 0xE39) % SMALL + 1)
    return _as_told("exp", (x,), values)


def _log(x: Residues) -> Residues:
    return np.where(x == 1, 0, _random(x, 0x106))


def number_exp(x: Residues) -> Residues:
    """The exponential of numbers, of which SymPy multiplies several: a power of one residue for fractions."""
    fractions = [small_fraction(number) for number in x.ravel().tolist()]
    found = [
        _fraction_of(np.asarray(BASE), fraction).item() if fraction is not None else value
        for fraction, value in zip(fractions, _exp(x).ravel().tolist(), strict=True)
    ]
    return np.array(found, np.int64).reshape(x.shape)


def _power(base: Residues, exponent: Residues) -> Residues:
    """A power: by its meaning for exponents that are small fractions, else random.

    A random one keeps that x**(p + 1) is x**p times x wherever both are met. That of 0 is 0, as for p > 0.
    """
    base, exponent = np.broadcast_arrays(base, exponent)
    values = _random(base ^ _random(exponent, 0x90), 0x3)
    drawn = np.ones(base.shape, bool)
    for number in np.unique(exponent).tolist():
        if (fraction := small_fraction(number)) is not None:
            drawn &= exponent != number
            values = np.where(exponent == number, _fraction_of(base, fraction), values)
    values = np.where(base == 0, 0, values)
    if not drawn.any():
        return values
    values = np.where(drawn, _as_told("power", (base, exponent), values), values)
    base, exponent, told = base[drawn], exponent[drawn], values[drawn]
    tell("power", (base, exponent), told)
    tell("power", (base, (exponent - 1) % PRIME), told * inverse(base) % PRIME)
    tell("power", (base, (exponent + 1) % PRIME), told * base % PRIME)
    return values


def _fraction_of(base: Residues, exponent: Fraction) -> Residues:
    """A power whose exponent is known: whole powers times a root, for negative halves the inverse of both."""
    if exponent < 0 and exponent.denominator == 2:
        return inverse(_fraction_of(base, -exponent))
    whole = floor(exponent)
    raised = power(base if whole >= 0 else inverse(base), abs(whole))
    return raised * fractional_power(base, exponent - whole) % PRIME


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
