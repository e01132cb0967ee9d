"""PyTorch: how it writes what a plan says, and what the target is called."""

from symrnn.declaration.operations import POINTWISE, largest
from symrnn.kernels.autodiff.library import Library, OverTime
from symrnn.kernels.autodiff.module import AutodiffPrinter, bound, contract
from symrnn.kernels.target import Target
from symrnn.kernels.torch.proving import torch_surroundings


def over_time(loop: OverTime) -> list[str]:
    """A Python loop; `unbind` and one `stack` keep autograd from padding every slice to the whole."""
    slices, names = (
        [f"torch.unbind({array})" for array, _ in loop.rows],
        ", ".join(row for _, row in loop.rows),
    )
    steps = {
        0: "t in range(T)",
        1: f"t, {names} in enumerate({''.join(slices)})",
    }.get(len(slices), f"t, ({names}) in enumerate(zip({', '.join(slices)}, strict=True))")
    after = ", ".join(there for _, there in loop.carried)
    go_on = [
        f"final = State({after})",
        "state = final if lengths is None else _chosen(t + 1 < lengths, final, state)",
    ]
    body = [
        *[f"{bound(here for here, _ in loop.carried)} = state"] * bool(loop.carried),
        *loop.body,
        *(f"{name}.append({value})" for name, value, _ in loop.kept),
        *go_on * bool(loop.carried),
    ]
    return [
        *(f"{name} = []" for name, _, _ in loop.kept),
        f"for {steps}:",
        *(f"    {line}" for line in body),
        *(
            f"{name} = torch.stack({name}) if {name} else torch.zeros((0, {shape[1:]}, **like)"
            for name, _, shape in loop.kept
        ),
    ]


LIBRARY = Library(
    name="torch",
    title="PyTorch",
    array="torch.Tensor",
    functions={f: text for f in POINTWISE if (text := f.facts.spelling.torch)},
    choose="torch.where({}, {}, {})",
    number="torch.tensor({}, **like)",
    einsum='torch.einsum("{}", {})',
    stack="torch.cat([{}], {})",
    cut="torch.split({}, {}, {})",
    cut_at=False,
    broadcast="torch.broadcast_to({}, {})",
    zeros="torch.zeros({}, **like)",
    full="torch.full({}, {}, **like)",
    identity="torch.eye({}, **like)",
    affine="torch.nn.functional.linear({x}, {W}, {b})",
    added="torch.addmm({a}, {x}, {W})",
    largest=largest.facts.spelling.torch,
    pick="_picked({}, {}, {})",
    one_hot="_one_hot({}, {}, **like)",
    like_of='{{"dtype": {0}.dtype, "device": {0}.device}}',
    like_asked="dtype=dtype, device=device",
    drawn="rng",
    counts="torch.as_tensor(lengths, device=inputs[0].device)",
    over_time=over_time,
)

PRINTER = AutodiffPrinter(LIBRARY, contract("dtype=torch.float32", "device=None"), ("torch", "t", "device"))
TARGET = Target("torch", "PyTorch", PRINTER.namer, (PRINTER.offer,), surroundings=torch_surroundings)
