"""What the functions of the vocabulary are on a prime field: random maps that keep the identities we rely on.

No identity of tanh, exp or log holds between random numbers by chance, so two formulas that agree on them are
the same formula. Kept on purpose are the values at 0 and 1, that exponentials are positive, what tanh is in
terms of them, and the few identities that derived equations use: where a formula meets an argument of one, it
tells what the exponential must be there (`tell_exp`).
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from math import floor
from typing import TypeAlias

import numpy as np

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

BASE = 1_234_321
"""The square whose powers are the exponentials of numbers."""


_TOLD: ContextVar[dict[str, Known]] = ContextVar("what maps must answer")


@contextmanager
def identities() -> Iterator[None]:
    """A context in which maps remember what they are told; a proof needs one around all that it compares."""
    token = _TOLD.set({"exp": {}, "power": {}})
    try:
        yield
    finally:
        _TOLD.reset(token)


def tell_exp(x: Residues, values: Residues) -> None:
    """Let exponentials of x be `values`, unless they are told to be something already."""
    _tell("exp", (x,), values)


def _tell(name: str, arguments: tuple[Residues, ...], values: Residues) -> None:
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


def random_map(x: Residues, name: str, parity: int = 0, at_zero: int | None = None) -> Residues:
    """A map of which nothing is known but whether it is odd (-1) or even (1), and its value at 0."""
    signed = centred(x)
    values = scramble(abs(signed) if parity else x, zlib.crc32(name.encode()))
    values = np.sign(signed) * values % PRIME if parity < 0 else values
    return values if at_zero is None else np.where(x == 0, at_zero, values)


def _exp(x: Residues) -> Residues:
    """Random and positive. Two may be equal; what is made of them is then equal too, sigmoid and softplus."""
    values = np.where(x == 0, 1, scramble(x, 0xE39) % SMALL + 1)
    return _as_told("exp", (x,), values)


def _tanh(x: Residues) -> Residues:
    """(1 - e) / (1 + e), e = exp(-2|x|), with the sign of 2 x: what is twice a half has its sign."""
    twice = centred(2 * x % PRIME)
    e = _exp(-abs(twice) % PRIME)
    return np.sign(twice) * (1 - e) * inverse(1 + e) % PRIME


def _log(x: Residues) -> Residues:
    return np.where(x == 1, 0, scramble(x, 0x106))


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
    values = scramble(base ^ scramble(exponent, 0x90), 0x3)
    drawn = np.ones(base.shape, bool)
    for number in sorted({*exponent.ravel().tolist()}):
        if (fraction := small_fraction(number)) is not None:
            drawn &= exponent != number
            values = np.where(exponent == number, _fraction_of(base, fraction), values)
    values = np.where(base == 0, 0, values)
    if not drawn.any():
        return values
    values = np.where(drawn, _as_told("power", (base, exponent), values), values)
    base, exponent, told = base[drawn], exponent[drawn], values[drawn]
    _tell("power", (base, exponent), told)
    _tell("power", (base, (exponent - 1) % PRIME), told * inverse(base) % PRIME)
    _tell("power", (base, (exponent + 1) % PRIME), told * base % PRIME)
    return values


def _fraction_of(base: Residues, exponent: Fraction) -> Residues:
    """A power whose exponent is known: whole powers times a root, for negative halves the inverse of both."""
    if exponent < 0 and exponent.denominator == 2:
        return inverse(_fraction_of(base, -exponent))
    whole = floor(exponent)
    raised = power(base if whole >= 0 else inverse(base), abs(whole))
    return raised * fractional_power(base, exponent - whole) % PRIME


MAPS: Mapping[str, Map] = {
    "tanh": _tanh,
    "exp": _exp,
    "expm1": lambda x: (_exp(x) - 1) % PRIME,
    "log": _log,
    "log1p": lambda x: _log((1 + x) % PRIME),
    "sqrt": root,
    "power": _power,
}
"""By the names that NumPy has for them."""
