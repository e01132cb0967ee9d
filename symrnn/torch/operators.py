"""The operators `symrnn::forward` and `symrnn::backward`: kernels as PyTorch knows them.

A kernel goes by the name of the module in which it lies (see `symrnn.running.loaded`): a text, which
survives compilation, export and the way to another process. Its arrays are the memory of the tensors.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from symrnn.declaration.axes import size_number
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.running.loading import PACKAGE, load

Tensors: TypeAlias = list[Tensor]

OTHER_BACKEND = 'backend="torch" computes with PyTorch\'s own operations, which can do that'


def kernel_name(cell: Cell, save: str) -> str:
    """The name of a cell's kernel, loaded."""
    return load(cell, "numba", save, contract="functional").__name__.rpartition(".")[2]


@cache
def kernel_of(name: str) -> ModuleType:
    """The kernel of a name.

    Raises:
        ModuleNotFoundError: this machine does not have it; the message says how to get it.
    """
    return import_module(f"{PACKAGE}.{name}")


def run(
    name: str, parameters: Tensors, inputs: Tensors, state: Tensors, lengths: Tensor | None
) -> tuple[Tensor, Tensors]:
    """Outputs (T, B, ...) and the final state of a kernel, differentiable once and backwards.

    Raises:
        RequestError: a tangent of forward-mode differentiation arrives.
    """
    if not torch.compiler.is_compiling():
        _refuse_tangents((*parameters, *inputs, *state))
    outputs, *rest = torch.ops.symrnn.forward(name, parameters, inputs, state, lengths)
    return outputs, rest[: len(state)]


def _refuse_tangents(tensors: Iterable[Tensor]) -> None:
    """Raise if a tensor carries a tangent, of which an operator's results would know nothing."""
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise RequestError(f"Kernels differentiate backwards, not in forward mode; {OTHER_BACKEND}.")


def _arrays(tensors: Iterable[Tensor]) -> list[Any]:
    """The memory of tensors as arrays."""
    return [np.from_dlpack(tensor.detach()) for tensor in tensors]


def _steps(lengths: Tensor | None) -> Any:
    """Samples' numbers of steps as an array, if there are any."""
    return None if lengths is None else np.from_dlpack(lengths)


def _tensors(arrays: Iterable[Any]) -> Tensors:
    """Arrays as tensors in the same memory."""
    return [torch.from_numpy(array) for array in arrays]


def _forward(
    name: str,
    parameters: list[Tensor],
    inputs: list[Tensor],
    state: list[Tensor],
    lengths: Tensor | None,
) -> list[Tensor]:
    """Outputs, the final state, and what the backward pass needs."""
    outputs, final, *saved = kernel_of(name).forward(
        _arrays(parameters),
        _arrays(inputs),
        _arrays(state),
        lengths=_steps(lengths),
        threads=torch.get_num_threads(),
    )
    return _tensors((outputs, *final, *saved))


def _backward(
    name: str,
    parameters: list[Tensor],
    inputs: list[Tensor],
    state: list[Tensor],
    saved: list[Tensor],
    d_outputs: Tensor,
    d_state: list[Tensor],
    lengths: Tensor | None,
    input_gradients: bool,
) -> list[Tensor]:
    """Gradients by the parameters, by the inputs that have one, if asked for, and by the state."""
    made = kernel_of(name).backward(
        _arrays(parameters),
        _arrays(inputs),
        _arrays(state),
        _arrays(saved),
        *_arrays([d_outputs]),
        _arrays(d_state),
        lengths=_steps(lengths),
        input_gradients=input_gradients,
        threads=torch.get_num_threads(),
    )
    given = (array for array in made.inputs or () if array is not None)
    return _tensors((*made.parameters, *given, *made.state))


def _forward_shapes(
    name: str, parameters: Tensors, inputs: Tensors, state: Tensors, lengths: Tensor | None
) -> Tensors:
    """Empty tensors as the forward pass returns them, for PyTorch's compilers."""
    del lengths
    kernel = kernel_of(name)
    tables = {**kernel.PARAMETERS, **kernel.CONSTANTS}, kernel.INPUTS, kernel.STATES
    sizes: dict[str, Any] = axis_sizes(
        (*tables[0].values(), *tables[1].values(), *tables[2].values()),
        (
            *(p.shape for p in parameters),
            *(x.shape[2:] for x in inputs),
            *(s.shape[1:] for s in state),
        ),
    )
    sizes |= dict(zip("TB", inputs[0].shape, strict=False))
    kinds = {tensor.dtype for tensor in (*parameters, *inputs) if tensor.is_floating_point()}
    like = {"dtype": min(kinds, key=str), "device": inputs[0].device}
    shapes = [("T", "B", *kernel.OUTPUT), *(("B", *s) for s in tables[2].values()), *kernel.SAVED.values()]
    return [torch.empty([size_number(size, sizes) for size in shape], **like) for shape in shapes]


def _backward_shapes(
    name: str,
    parameters: Tensors,
    inputs: Tensors,
    state: Tensors,
    saved: Tensors,
    d_outputs: Tensor,
    d_state: Tensors,
    lengths: Tensor | None,
    input_gradients: bool,
) -> Tensors:
    """Empty tensors as the backward pass returns them."""
    del name, saved, d_state, lengths
    given = [x for x in inputs if input_gradients and x.is_floating_point()]
    return [
        torch.empty(x.shape, dtype=d_outputs.dtype, device=x.device) for x in (*parameters, *given, *state)
    ]


def axis_sizes(shapes: Iterable[Sequence[str]], found: Iterable[Sequence[int]]) -> dict[str, int]:
    """The lengths of axes, told by shapes as text and the numbers that they are."""
    pairs = [
        pair for texts, sizes in zip(shapes, found, strict=True) for pair in zip(texts, sizes, strict=True)
    ]
    known: dict[str, int] = {}
    while True:
        for text, size in pairs:
            terms = [term.split("*") for term in text.split(" + ")]
            unknown = [term for term in terms if not (term[-1].isdigit() or term[-1] in known)]
            if len(unknown) == 1:
                rest = sum(size_number("*".join(term), known) for term in terms if term != unknown[0])
                *factors, axis = unknown[0]
                known[axis] = (size - rest) // size_number("*".join(factors) or "1", known)
                break
        else:
            return known


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
    """Keep what the backward pass takes."""
    ctx.name, parameters, given, state, lengths = inputs
    ctx.counts = len(parameters), len(given), len(state), 1 + len(state)
    ctx.input_gradients = any(x.requires_grad for x in given)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(lengths, *parameters, *given, *state, *output)


def _differentiate(ctx: Any, d_output: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """The gradients by all arguments of the forward operator."""
    lengths, *kept = ctx.saved_tensors
    groups = []
    for count in ctx.counts:
        groups.append(kept[:count])
        kept = kept[count:]
    parameters, inputs, state, results = groups
    d_outputs, *d_state = (
        torch.zeros_like(result) if d is None else d.contiguous()
        for d, result in zip(d_output, results, strict=False)
    )
    made = torch.ops.symrnn.backward(
        ctx.name,
        parameters,
        inputs,
        state,
        kept,
        d_outputs,
        d_state,
        lengths,
        ctx.input_gradients,
    )
    d_parameters, made = made[: len(parameters)], iter(made[len(parameters) :])
    d_inputs = [next(made) if ctx.input_gradients and x.is_floating_point() else None for x in inputs]
    return None, d_parameters, d_inputs, list(made), None


def _keep_nothing(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
    del ctx, inputs, output


def _refuse_twice(ctx: Any, *d_output: Any) -> tuple[Any, ...]:
    """Raise: a gradient penalty, say, differentiates a gradient."""
    del ctx, d_output
    raise RequestError(
        f"Kernels are differentiated once, and this asks for the gradient of a gradient; {OTHER_BACKEND}."
    )


def _register(name: str, kernel: Any, shapes: Any, derivative: Any, keep: Any) -> None:
    """Make an operator of the processor; under autocast it computes in float32."""
    operator = torch.library.custom_op(f"symrnn::{name}", kernel, mutates_args=(), device_types="cpu")
    operator.register_fake(shapes)
    operator.register_autograd(derivative, setup_context=keep)
    operator.register_autocast("cpu", torch.float32)


_register("forward", _forward, _forward_shapes, _differentiate, _keep)
_register("backward", _backward, _backward_shapes, _refuse_twice, _keep_nothing)
