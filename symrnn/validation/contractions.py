"""Products and sums over indices of residues, exactly."""

import numpy as np
from numpy.typing import NDArray

from symrnn.validation.prime import PRIME, Residues


def product(one: Residues, other: Residues) -> Residues:
    """`np.matmul` of two arrays."""
    left, right = ("k" if one.ndim == 1 else "ik"), ("k" if other.ndim == 1 else "kj")
    batch = "abcdefgh"[: max(one.ndim, other.ndim, 2) - 2]
    front = ["" if array.ndim < 2 else batch[len(batch) - array.ndim + 2 :] for array in (one, other)]
    output = batch + "i" * (one.ndim > 1) + "j" * (other.ndim > 1)
    return contracted(f"{front[0]}{left},{front[1]}{right}->{output}", one, other)


def contracted(spec: str, *operands: Residues) -> Residues:
    """An einsum of residues, pair by pair."""
    inputs, _, output = spec.replace(" ", "").partition("->")
    letters, arrays = inputs.split(","), list(operands)
    while len(arrays) > 1:
        needed = set(output).union(*letters[2:])
        kept = "".join(x for x in dict.fromkeys(letters[0] + letters[1]) if x in needed)
        arrays[:2] = [_pair_contracted(f"{letters[0]},{letters[1]}->{kept}", arrays[0], arrays[1])]
        letters[:2] = [kept]
    return np.asarray(np.einsum(f"{letters[0]}->{output}", arrays[0]) % PRIME)


def _pair_contracted(spec: str, one: Residues, other: Residues) -> Residues:
    """An einsum of two arrays, exactly: halves of 16 bits, whose products floats sum without rounding."""
    high, low = (one >> 16).astype(np.float64), (one & 0xFFFF).astype(np.float64)
    above, below = (other >> 16).astype(np.float64), (other & 0xFFFF).astype(np.float64)
    upper, lower = _sums(spec, high, above), _sums(spec, low, below)
    middle = _sums(spec, high, below) + _sums(spec, low, above)
    return np.asarray((((upper << 16) + middle) % PRIME * 65536 + lower) % PRIME)


def _sums(spec: str, one: NDArray[np.float64], other: NDArray[np.float64]) -> Residues:
    return np.asarray(np.einsum(spec, one, other)).astype(np.int64) % PRIME
