"""JAX: how it writes what a plan says, and what the target is called."""

from symrnn.declaration.operations import POINTWISE, largest
from symrnn.kernels.autodiff.library import Library, OverTime
from symrnn.kernels.autodiff.module import AutodiffPrinter, bound, contract
from symrnn.kernels.interface import tuple_text
from symrnn.kernels.jax.proving import jax_surroundings
from symrnn.kernels.target import Target


def over_time(loop: OverTime) -> list[str]:
    """A scan; it carries the state before a step and, where samples end early, the last one after it."""
    carried = bool(loop.carried)
    here, after = bound(here for here, _ in loop.carried), ", ".join(there for _, there in loop.carried)
    made, kept = tuple_text(name for name, _, _ in loop.kept), tuple_text(value for _, value, _ in loop.kept)
    body = [
        f"{bound([*(row for _, row in loop.rows), 'ended'])} = rows",
        *[f"{here} = states[0]"] * carried,
        *loop.body,
        f"final = State({after})",
        f"return ((final,) if lengths is None else (_chosen(ended, states[0], final), final)), {kept}",
    ]
    rows = tuple_text([*(array for array, _ in loop.rows), "ended"])
    return [
        "",
        "def at(states, rows):",
        *(f"    {line}" for line in body),
        "",
        "ended = None if lengths is None else jnp.arange(1, T + 1)[:, None] >= lengths",
        "states = (state,) if lengths is None else (state, state)",
        f"(*_, final), {made} = jax.lax.scan(at, states, {rows}, length=T)",
    ]


LIBRARY = Library(
    name="jax",
    title="JAX",
    array="jax.Array",
    functions={f: text for f in POINTWISE if (text := f.facts.spelling.jax)},
    choose="jnp.where({}, {}, {})",
    number="jnp.asarray({}, **like)",
    einsum='jnp.einsum("{}", {})',
    stack="jnp.concatenate([{}], {})",
    cut="jnp.split({}, {}, {})",
    cut_at=True,
    broadcast="jnp.broadcast_to({}, {})",
    zeros="jnp.zeros({}, **like)",
    full="jnp.full({}, {}, **like)",
    identity="jnp.eye({}, **like)",
    affine="{x} @ {W}.T + {b}",
    added="{a} + {x} @ {W}",
    largest=largest.facts.spelling.jax,
    pick="_picked({}, {}, {})",
    one_hot="jax.nn.one_hot({}, {}, **like)",
    like_of='{{"dtype": {0}.dtype}}',
    like_asked="dtype=dtype",
    drawn="next(rng)",
    counts="jnp.asarray(lengths)",
    over_time=over_time,
)

PRINTER = AutodiffPrinter(LIBRARY, contract("dtype=jnp.float32"), ("jax", "jnp", "at"))
TARGET = Target("jax", "JAX", PRINTER.namer, (PRINTER.offer,), surroundings=jax_surroundings)
