"""Arithmetic modulo a prime, on NumPy arrays of whole numbers.

The prime is below 2**31, so that a product of two residues fits in 64 bits, and leaves 7 when divided by 8,
so that -1 is no square: exactly one of x and -x has a root, and roots multiply, sqrt(a) sqrt(b) = sqrt(a b).
The squares are half of all residues, and their number is prime too: each has one root of every order among
them, so that fractional powers of squares add and multiply as those of positive numbers do. The primes up to
19 are squares, so that small sizes are, as in 1 / sqrt(m) or m ** 0.3.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import ceil, floor, frexp, log10, prod
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Residues: TypeAlias = NDArray[np.int64]

PRIME = 2147146559
HALF = PRIME // 2
"""Residues up to here stand for themselves, those above for negative numbers; and the number of squares."""

FEW = 100
"""Of fewer residues Python's own powers are faster."""

CLOSE = Fraction(4, 10**16)
"""How near, relatively, a float must be to a fraction to stand for it: rounding is at most 1.2e-16."""

FEW_BITS, FEW_DIGITS, SIMPLE = 20, 8, 10**13
"""Of so few bits or digits, all are meant; numerator times denominator of a fraction with none so near."""


class Draws:
    """Random whole numbers, equal for equal seeds: NumPy's generators take longer to load than to draw."""

    def __init__(self, *seed: int) -> None:
        """Draw by `seed`."""
        self.choices = Random(str(seed)).choices

    def integers(self, low: int, high: int, shape: int | Sequence[int]) -> Residues:
        """An array of numbers from `low` to before `high`."""
        count = prod(shape) if isinstance(shape, Sequence) else shape
        return np.array(self.choices(range(low, high), k=count), np.int64).reshape(shape)


def centred(residues: Residues) -> Residues:
    """The representatives from -PRIME/2 to PRIME/2, which give an order and a sign."""
    return np.where(residues > HALF, residues - PRIME, residues)


def power(residues: Residues, exponent: int) -> Residues:
    """Residues to a whole power from 0 on."""
    if residues.size < FEW:
        raised = [pow(residue, exponent, PRIME) for residue in residues.ravel().tolist()]
        return np.array(raised, np.int64).reshape(residues.shape)
    result = np.ones_like(residues)
    square = residues
    while exponent:
        if exponent & 1:
            result = result * square % PRIME
        exponent >>= 1
        if exponent:
            square = square * square % PRIME
    return result


def inverse(residues: Residues) -> Residues:
    """1 / x; of zero it is zero."""
    return power(residues, PRIME - 2)


def root(residues: Residues) -> Residues:
    """The root of x, or of -x where x is no square; itself a square."""
    return power(residues, (PRIME + 1) // 4)


def fractional_power(residues: Residues, exponent: Fraction) -> Residues:
    """X to a power between 0 and 1, or -x where x is no square; itself a square."""
    squares = np.where(power(residues, HALF) == 1, residues, -residues % PRIME)
    return power(squares, exponent.numerator * pow(exponent.denominator, -1, HALF) % HALF)


def small_fraction(residue: int) -> Fraction | None:
    """The fraction with a small denominator that a residue stands for; None if there is none.

    Of random residues one in twenty thousand does.
    """
    for denominator in range(1, 101):
        numerator = residue * denominator % PRIME
        if numerator <= 1000 or numerator >= PRIME - 1000:
            return Fraction(numerator if numerator <= 1000 else numerator - PRIME, denominator)
    return None


def scramble(residues: Residues, salt: int) -> Residues:
    """A random but fixed map: equal residues go to equal ones, and nothing else is known of them."""
    x = np.atleast_1d(residues).astype(np.uint64)  # NumPy warns of scalars that overflow, not of arrays
    x = x + np.uint64(salt & 0xFFFFFFFFFFFFFFFF)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x ^= x >> np.uint64(31)
    return (x % np.uint64(PRIME)).astype(np.int64).reshape(np.shape(residues))


def residue(number: Fraction) -> int:
    """The residue that a fraction is."""
    return number.numerator % PRIME * pow(number.denominator, -1, PRIME) % PRIME


@cache
def residue_of_float(number: float) -> int:
    """The residue of the fraction that a float stands for: 0.1 is a tenth, 0.3333333333333333 a third."""
    return residue(_meant(number))


def _meant(number: float) -> Fraction:
    """The fraction that a float stands for.

    It is itself, where few bits say all of it, or what few digits say; else the simplest fraction that is as
    near as rounding lets it be, perhaps times a power of two or ten, if it is so simple that no other is;
    else all its digits.
    """
    exact, digits = Fraction(number), Fraction(repr(number))
    mantissa, _, _ = repr(number).partition("e")
    if abs(exact.numerator).bit_length() <= FEW_BITS:
        return exact
    if len(mantissa.replace(".", "").strip("-0")) <= FEW_DIGITS:
        return digits
    powers = Fraction(2) ** frexp(number)[1], Fraction(10) ** floor(log10(abs(number)))
    for scale in (Fraction(1), *powers):
        size = abs(exact) / scale
        near = _simplest(size * (1 - CLOSE), size * (1 + CLOSE))
        if near.numerator * near.denominator <= SIMPLE:
            return near * scale if number > 0 else -near * scale
    return digits


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator from `low` to `high`, both positive."""
    whole = ceil(low)
    if whole <= high:
        return Fraction(whole)
    return whole - 1 + 1 / _simplest(1 / (high - whole + 1), 1 / (low - whole + 1))
