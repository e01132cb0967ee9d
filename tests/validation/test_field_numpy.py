"""NumPy on elements of the field gives what NumPy gives: numbers, shapes, and whose memory it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symrnn.validation.elements import elements, residues
from symrnn.validation.field_numpy import FieldNumpy

FLOATS = {
    "A": np.arange(1.0, 13).reshape(3, 4),
    "B": np.arange(2.0, 14).reshape(3, 4),
    "C": np.arange(24.0).reshape(2, 3, 4),
    "v": np.array([2.0, 3.0, 5.0, 7.0]),
    "z": np.array(3.0),
}
ORDER, CHOSEN = np.array([2, 0, 1]), np.array([True, False, True])

CALLS: dict[str, Callable[[Any, Any, Any, Any, Any, Any], Any]] = {
    "asarray(A)": lambda xp, A, B, C, v, z: xp.asarray(A),
    "array(A)": lambda xp, A, B, C, v, z: xp.array(A),
    "copy(A)": lambda xp, A, B, C, v, z: xp.copy(A),
    "zeros": lambda xp, A, B, C, v, z: xp.zeros((2, 3)),
    "ones of rank 0": lambda xp, A, B, C, v, z: xp.ones(()),
    "full": lambda xp, A, B, C, v, z: xp.full((2,), 7.0),
    "eye": lambda xp, A, B, C, v, z: xp.eye(3),
    "zeros_like": lambda xp, A, B, C, v, z: xp.zeros_like(A),
    "ascontiguousarray(A)": lambda xp, A, B, C, v, z: xp.ascontiguousarray(A),
    "ascontiguousarray(A.T)": lambda xp, A, B, C, v, z: xp.ascontiguousarray(A.T),
    "ascontiguousarray(z)": lambda xp, A, B, C, v, z: xp.ascontiguousarray(z),
    "ascontiguousarray(z + z)": lambda xp, A, B, C, v, z: xp.ascontiguousarray(z + z),
    "require(A)": lambda xp, A, B, C, v, z: xp.require(A, requirements="CAW"),
    "require(A.T)": lambda xp, A, B, C, v, z: xp.require(A.T, requirements="CAW"),
    "require(z)": lambda xp, A, B, C, v, z: xp.require(z, requirements="CAW"),
    "require(z + z)": lambda xp, A, B, C, v, z: xp.require(z + z, requirements="CAW"),
    "A.T": lambda xp, A, B, C, v, z: A.T,
    "v.T": lambda xp, A, B, C, v, z: v.T,
    "A.T.copy()": lambda xp, A, B, C, v, z: A.T.copy(),
    "reshape": lambda xp, A, B, C, v, z: C.reshape(6, 4),
    "reshape of A.T": lambda xp, A, B, C, v, z: A.T.reshape(-1),
    "broadcast_to": lambda xp, A, B, C, v, z: xp.broadcast_to(v, (3, 4)),
    "astype": lambda xp, A, B, C, v, z: A.astype(np.float64),
    "A[1]": lambda xp, A, B, C, v, z: A[1],
    "A[1, 2]": lambda xp, A, B, C, v, z: A[1, 2],
    "v[...]": lambda xp, A, B, C, v, z: v[...],
    "v[:, None]": lambda xp, A, B, C, v, z: v[:, None],
    "A[ORDER]": lambda xp, A, B, C, v, z: A[ORDER],
    "A[CHOSEN]": lambda xp, A, B, C, v, z: A[CHOSEN],
    "A[:] = B.T.T": lambda xp, A, B, C, v, z: A.__setitem__(slice(None), B) or A,
    "A += B": lambda xp, A, B, C, v, z: A.__iadd__(B),
    "A[:, :3] += its transpose": lambda xp, A, B, C, v, z: A[:, :3].__iadd__(A[:, :3].T),
    "add.at": lambda xp, A, B, C, v, z: xp.add.at(v, np.array([0, 0, 1]), v[:3]) or v,
    "concatenate of one": lambda xp, A, B, C, v, z: xp.concatenate([A]),
    "concatenate": lambda xp, A, B, C, v, z: xp.concatenate([A, B], axis=1),
    "concatenate into A": lambda xp, A, B, C, v, z: xp.concatenate([B[:1], B[1:]], out=A),
    "where": lambda xp, A, B, C, v, z: xp.where(A > 5, A, B),
    "where of single numbers": lambda xp, A, B, C, v, z: xp.where(z > 1, z, 2 * z),
    "einsum ij->ji": lambda xp, A, B, C, v, z: xp.einsum("ij->ji", A),
    "einsum ij->ij": lambda xp, A, B, C, v, z: xp.einsum("ij->ij", A),
    "einsum tij->tji": lambda xp, A, B, C, v, z: xp.einsum("tij->tji", C),
    "einsum ij->i": lambda xp, A, B, C, v, z: xp.einsum("ij->i", A),
    "einsum ij->": lambda xp, A, B, C, v, z: xp.einsum("ij->", A),
    "einsum ij,ij->i": lambda xp, A, B, C, v, z: xp.einsum("ij,ij->i", A, B),
    "einsum i,i->": lambda xp, A, B, C, v, z: xp.einsum("i,i->", v, v),
    "einsum of a single number": lambda xp, A, B, C, v, z: xp.einsum(",i->i", z, v),
    "tensordot": lambda xp, A, B, C, v, z: xp.tensordot(C, C, ((0, 1), (0, 1))),
    "A @ B.T": lambda xp, A, B, C, v, z: A @ B.T,
    "A @ v": lambda xp, A, B, C, v, z: A @ v,
    "v @ B.T": lambda xp, A, B, C, v, z: v @ B.T,
    "v @ v": lambda xp, A, B, C, v, z: v @ v,
    "C @ B.T": lambda xp, A, B, C, v, z: C @ B.T,
    "matmul into A": lambda xp, A, B, C, v, z: xp.matmul(B[:, :3], B[:3], out=A),
    "A.sum over all": lambda xp, A, B, C, v, z: A.sum(axis=(0, 1)),
    "A.sum": lambda xp, A, B, C, v, z: A.sum(axis=0),
    "A.sum kept": lambda xp, A, B, C, v, z: A.sum(axis=0, keepdims=True),
    "sum kept": lambda xp, A, B, C, v, z: xp.sum(A, axis=-1, keepdims=True),
    "A.max": lambda xp, A, B, C, v, z: A.max(axis=-1, initial=-np.inf),
    "max kept": lambda xp, A, B, C, v, z: xp.max(A, axis=-1, keepdims=True),
    "maximum.reduce": lambda xp, A, B, C, v, z: xp.maximum.reduce(A, axis=1),
    "maximum": lambda xp, A, B, C, v, z: xp.maximum(A, B.T.T + z),
    "abs(-A)": lambda xp, A, B, C, v, z: xp.abs(-A),
    "sign(-A)": lambda xp, A, B, C, v, z: xp.sign(-A),
    "square(z)": lambda xp, A, B, C, v, z: xp.square(z),
    "z * z - z": lambda xp, A, B, C, v, z: z * z - z,
    "z + A": lambda xp, A, B, C, v, z: z + A,
    "z**2": lambda xp, A, B, C, v, z: z**2,
    "2.0**z": lambda xp, A, B, C, v, z: 2.0**z,
    "A**2": lambda xp, A, B, C, v, z: A**2,
    "A times integers": lambda xp, A, B, C, v, z: A * np.arange(4),
    "6 * A / 3": lambda xp, A, B, C, v, z: 6 * A / 3,
    "+A": lambda xp, A, B, C, v, z: +A,
    "A > B.T.T": lambda xp, A, B, C, v, z: A > B,
    "z > 1": lambda xp, A, B, C, v, z: z > 1,
    "z + z > v": lambda xp, A, B, C, v, z: z + z > v,
    "z + z == v - 1": lambda xp, A, B, C, v, z: z + z == v - 1,
    "v / (z - 1)": lambda xp, A, B, C, v, z: 2 * v / (z - 1),
    "a single number with v": lambda xp, A, B, C, v, z: (z + z) * v - v * (z + z) + (z + z) ** 2,
    "copy of a single number": lambda xp, A, B, C, v, z: (z + z).copy(),
    "single number turned": lambda xp, A, B, C, v, z: (z + z).T,
    "single number in another shape": lambda xp, A, B, C, v, z: (z + z).reshape(1, 1),
    "sum of a single number": lambda xp, A, B, C, v, z: (z + z).sum(),
    "largest of a single number": lambda xp, A, B, C, v, z: (z + z).max(),
    "single number as float": lambda xp, A, B, C, v, z: xp.asarray((z + z).astype(np.float64)),
    "single number picked": lambda xp, A, B, C, v, z: xp.asarray(v.sum())[()],
    "isfinite": lambda xp, A, B, C, v, z: xp.isfinite(A),
}
"""What emitted kernels, their support and models call, and what their authors might call next."""


def told(found: Any, given: dict[str, Any]) -> tuple[Any, ...]:
    """The numbers, the shape, whether it is an array that can be written to, and in whose memory it lies."""
    numbers = residues(found).ravel().tolist()
    if not isinstance(found, np.ndarray):
        return numbers, np.shape(found), "a single number"
    shared = [name for name, array in given.items() if np.may_share_memory(found.view(np.ndarray), array)]
    flags = found.flags
    return numbers, found.shape, shared, flags.writeable, flags.c_contiguous


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_numpy_gives(name: str) -> None:
    plain = {key: array.copy() for key, array in FLOATS.items()}
    field = {key: elements(residues(array)) for key, array in FLOATS.items()}
    wanted, found = CALLS[name](np, **plain), CALLS[name](FieldNumpy(0), **field)
    assert told(found, {k: a.view(np.ndarray) for k, a in field.items()}) == told(wanted, plain)
    for key, array in plain.items():
        assert residues(field[key]).tolist() == residues(array).tolist(), key
