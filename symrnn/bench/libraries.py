"""How PyTorch and JAX write what a plan says: two records for one printer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from symrnn.declaration.operations import POINTWISE, PointwiseFunction, largest, maximum, minimum
from symrnn.kernels.interface import listed, tuple_text

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
    with what they are a step later; `kept` pairs what is collected over time with its value at t.
    """

    rows: tuple[tuple[str, str], ...]
    carried: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """How an array library writes the pieces of a program.

    `clamps` are the texts of maximum and minimum with a number, where those take arrays alone. `cut` cuts an
    array along an axis; `cut_at` tells whether it wants the places or the sizes of the parts. `affine` is a
    product with weights plus a bias per column, `added` an array (B, ...) plus a product, `largest` the
    maximum along the last axis, `pick` what indices pick along an axis, `one_hot` their unit vectors.
    """

    name: str
    title: str
    imports: tuple[str, ...]
    functions: Mapping[type[PointwiseFunction], str]
    clamps: Mapping[type[PointwiseFunction], str]
    choose: str
    einsum: str
    stack: str
    cut: str
    cut_at: bool
    broadcast: str
    full: str
    identity: str
    affine: str
    added: str
    largest: str
    pick: str
    one_hot: str
    over_time: Callable[[OverTime], list[str]]


def _names(pairs: tuple[tuple[str, str], ...]) -> tuple[list[str], list[str]]:
    """The left and the right names."""
    return [left for left, _ in pairs], [right for _, right in pairs]


def _torch_loop(parts: OverTime) -> list[str]:
    """A Python loop; `unbind` and one `stack` keep autograd from padding every slice to the whole."""
    (arrays, rows), (here, there), (kept, _) = map(_names, (parts.rows, parts.carried, parts.kept))
    slices = [f"{array}.unbind()" for array in arrays]
    steps = f"{rows[0]} in {slices[0]}" if len(rows) == 1 else "_ in range(T)"
    if len(rows) > 1:
        steps = f"{', '.join(rows)} in zip({', '.join(slices)}, strict=True)"
    lines = [f"{listed(here)} = state"] if here else []
    lines += [f"{name} = []" for name in kept]
    lines += [f"for {steps}:", *(f"    {line}" for line in parts.body)]
    lines += [f"    {name}.append({value})" for name, value in parts.kept]
    lines += [f"    {', '.join(here)} = {', '.join(there)}"] if here else []
    lines += [f"{name} = torch.stack({name})" for name in kept]
    return [*lines, f"state = {tuple_text(here)}"]


def _jax_loop(parts: OverTime) -> list[str]:
    """A scan."""
    (arrays, rows), (here, there), (kept, values) = map(_names, (parts.rows, parts.carried, parts.kept))
    lines = ["", "def at(state, rows):"]
    lines += [f"    {listed(here)} = state"] if here else []
    lines += [f"    {listed(rows)} = rows"] if rows else []
    lines += [f"    {line}" for line in parts.body]
    lines += [f"    return {tuple_text(there)}, {tuple_text(values)}", ""]
    given = tuple_text(arrays) if rows else "None, length=T"
    return [*lines, f"state, {tuple_text(kept)} = jax.lax.scan(at, state, {given})"]


TORCH = Library(
    name="torch",
    title="PyTorch",
    imports=("import torch",),
    functions={f: f.facts.spelling.torch for f in POINTWISE},
    clamps={maximum: "torch.clamp({}, min={})", minimum: "torch.clamp({}, max={})"},
    choose="torch.where({}, {}, {})",
    einsum='torch.einsum("{}", {})',
    stack="torch.cat([{}], {})",
    cut="{}.split({}, {})",
    cut_at=False,
    broadcast="torch.broadcast_to({}, {})",
    full="torch.full({}, {})",
    identity="torch.eye({})",
    affine="torch.nn.functional.linear({x}, {W}, {b})",
    added="torch.addmm({a}, {x}, {W})",
    largest=largest.facts.spelling.torch,
    pick="torch.take_along_dim({}, {}, {})",
    one_hot="torch.nn.functional.one_hot({}, {}).float()",
    over_time=_torch_loop,
)

JAX = Library(
    name="jax",
    title="JAX",
    imports=("import jax", "import jax.numpy as jnp"),
    functions={f: f.facts.spelling.jax for f in POINTWISE},
    clamps={},
    choose="jnp.where({}, {}, {})",
    einsum='jnp.einsum("{}", {})',
    stack="jnp.concatenate([{}], {})",
    cut="jnp.split({}, {}, {})",
    cut_at=True,
    broadcast="jnp.broadcast_to({}, {})",
    full="jnp.full({}, {})",
    identity="jnp.eye({})",
    affine="{x} @ {W}.T + {b}",
    added="{a} + {x} @ {W}",
    largest=largest.facts.spelling.jax,
    pick="jnp.take_along_axis({}, {}, {})",
    one_hot="jax.nn.one_hot({}, {})",
    over_time=_jax_loop,
)
LIBRARIES = {library.name: library for library in (TORCH, JAX)}
