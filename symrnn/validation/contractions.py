"""Products and sums over indices of residues, exactly."""

import numpy as np

from symrnn.validation.prime import PRIME, Residues


def product(one: Residues, other: Residues) -> Residues:
    """`np.matmul` of two arrays."""
    rows = one[None] if one.ndim == 1 else one
    columns = other[:, None] if other.ndim == 1 else other
    made = _summed(rows[..., :, None, :] * columns.swapaxes(-1, -2)[..., None, :, :], 1)
    made = made[..., 0, :] if one.ndim == 1 else made
    return made[..., 0] if other.ndim == 1 else made


def contracted(spec: str, *operands: Residues) -> Residues:
    """An einsum of residues, pair by pair."""
    inputs, _, output = spec.replace(" ", "").partition("->")
    letters, arrays = inputs.split(","), list(operands)
    while len(arrays) > 1:
        needed = set(output).union(*letters[2:])
        kept, summed = "", ""
        for letter in dict.fromkeys(letters[0] + letters[1]):
            kept, summed = (kept + letter, summed) if letter in needed else (kept, summed + letter)
        products = np.einsum(f"{letters[0]},{letters[1]}->{kept}{summed}", *arrays[:2])
        arrays[:2] = [_summed(products, len(summed))]
        letters[:2] = [kept]
    return np.asarray(np.einsum(f"{letters[0]}->{output}", arrays[0]) % PRIME)


def _summed(products: Residues, axes: int) -> Residues:
    """The sums along the last axes of products of two residues, each of which fits in 64 bits alone."""
    remainders = products % PRIME
    return np.asarray(remainders.sum(axis=tuple(range(-axes, 0))) % PRIME) if axes else remainders
