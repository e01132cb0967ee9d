"""The operators `symrnn::forward` and `symrnn::backward`: kernels as PyTorch knows them.

A kernel goes by the name of the module in which it lies (see `symrnn.running.loaded`): a text, which
survives compilation, export and the way to another process. Its arrays are the memory of the tensors.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from itertools import chain
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
from symrnn.torch.threads import POOL

Tensors: TypeAlias = list[Tensor]

_KERNEL_KEYS = torch._C._dispatch_keys(torch.empty(0)).remove(torch._C.DispatchKey.AutocastCPU).raw_repr()
_KERNEL_KEYS |= torch._C.DispatchKeySet(torch._C.DispatchKey.BackendSelect).raw_repr()
"""The dispatcher's keys of a tensor in the processor's memory, when nothing else is at work."""

OTHER_BACKEND = 'backend="torch" computes with PyTorch\'s own operations, which can do that'


def no_kernel_of(dtype: torch.dtype) -> RequestError:
    """The error where kernels should compute in a number type."""
    return RequestError(
        f"Kernels compute in float32 and float64, and not in {dtype!r}. Under torch.autocast they take half "
        f"precision and compute in float32; {OTHER_BACKEND}."
    )


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
        RequestError: forward mode or a transform of `torch.func` is at work.
    """
    tensors = (*parameters, *inputs, *state)
    if not torch.compiler.is_compiling():
        _refuse_transforms(tensors)
    if _is_plain(tensors if lengths is None else (*tensors, lengths)):
        outputs, *rest = _Pass.apply(name, (len(parameters), len(inputs)), lengths, *tensors)
    else:
        outputs, *rest = torch.ops.symrnn.forward(name, parameters, inputs, state, lengths)
    return outputs, rest[: len(state)]


def _is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether an operator on these tensors would do nothing but run its kernel, now and here.

    Then its kernel is called at once, which saves a quarter of a small training step. Compilers, subclasses,
    autocast, modes and tracing are keys of PyTorch's dispatcher, or have `__torch_function__`; each of them
    wants to hear of operators.
    """
    if torch.compiler.is_compiling() or torch.overrides.has_torch_function(tensors):
        return False
    keys = torch._C._dispatch_tls_local_include_set().raw_repr()
    for tensor in tensors:
        keys |= torch._C._dispatch_keys(tensor).raw_repr()
    return not keys & ~torch._C._dispatch_tls_local_exclude_set().raw_repr() & ~_KERNEL_KEYS


def _refuse_transforms(tensors: Sequence[Tensor]) -> None:
    """Raise if a tensor carries a tangent, or is one of `torch.func`: PyTorch leads neither to operators."""
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise RequestError(f"Kernels differentiate backwards, not in forward mode; {OTHER_BACKEND}.")
    of = torch._C._functorch
    if any(of.is_functorch_wrapped_tensor(t) or of.is_legacy_batchedtensor(t) for t in tensors):
        raise RequestError(
            "Kernels are differentiated by .backward() and torch.autograd.grad(), and not by the transforms "
            "of torch.func, such as grad() and vmap(), nor with is_grads_batched=True or vectorize=True; "
            f"{OTHER_BACKEND}."
        )


class _Memory:
    """A tensor's memory, as NumPy asks for it.

    `Tensor.__dlpack__` does the same, and looks at device, stream and more before, which takes a seventh of a
    small training step. `Tensor.numpy` forbids others, such as FSDP, to give the memory back.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        del options
        return torch._C._to_dlpack_versioned(self.tensor)


def _groups(tensors: Sequence[Tensor], counts: Iterable[int]) -> list[Tensors]:
    """Tensors in groups of so many each; what is left over is the last group."""
    left, groups = list(tensors), []
    for count in counts:
        groups.append(left[:count])
        left = left[count:]
    return [*groups, left]


def _arrays(tensors: Sequence[Tensor]) -> list[Any]:
    """The memory of tensors as arrays.

    Raises:
        RequestError: they hold numbers that NumPy does not have.
    """
    try:
        return [np.from_dlpack(_Memory(tensor)) for tensor in tensors]
    except (BufferError, RuntimeError):
        if any(tensor.dtype is torch.bfloat16 for tensor in tensors):
            raise no_kernel_of(torch.bfloat16) from None
        raise


def _steps(lengths: Tensor | None) -> Any:
    """Samples' numbers of steps as an array, if there are any."""
    return None if lengths is None else _arrays([lengths])[0]


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
        threads=POOL.threads(parameters, inputs),
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
        threads=POOL.threads(parameters, inputs),
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
    """Keep what the backward pass takes: not the results, which the caller may change in place."""
    ctx.name, parameters, given, state, lengths = inputs
    results, saved = output[: 1 + len(state)], output[1 + len(state) :]
    ctx.counts = len(parameters), len(given), len(state)
    ctx.shapes = [result.shape for result in results]
    ctx.like = {"dtype": results[0].dtype, "device": results[0].device}
    ctx.input_gradients = any(x.requires_grad for x in given)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(lengths, *parameters, *given, *state, *saved)


def _differentiate(
    ctx: Any, d_output: Sequence[Tensor | None], *, were_plain: bool = False
) -> tuple[Any, ...]:
    """The gradients by all arguments of the forward operator, whose tensors `were_plain`, or perhaps not."""
    lengths, *kept = ctx.saved_tensors
    parameters, inputs, state, saved = _groups(kept, ctx.counts)
    d_outputs, *d_state = (
        torch.zeros(shape, **ctx.like) if d is None else d
        for d, shape in zip(d_output, ctx.shapes, strict=False)
    )
    read = (d_outputs, *d_state) if were_plain else (d_outputs, *d_state, *kept)
    is_last = not torch.is_grad_enabled()  # nobody differentiates what is computed here
    is_plain = is_last and _is_plain(read)
    if not (is_plain or torch.compiler.is_compiling()):
        _refuse_transforms(read)
    backward = _backward if is_plain else torch.ops.symrnn.backward
    made = backward(
        ctx.name,
        parameters,
        inputs,
        state,
        saved,
        d_outputs,
        d_state,
        lengths,
        ctx.input_gradients,
    )
    d_parameters, made = made[: len(parameters)], iter(made[len(parameters) :])
    d_inputs = [next(made) if ctx.input_gradients and x.is_floating_point() else None for x in inputs]
    return None, d_parameters, d_inputs, list(made), None


class _Pass(torch.autograd.Function):
    """The forward operator of plain tensors (see `_is_plain`)."""

    @staticmethod
    def forward(
        ctx: Any, name: str, counts: tuple[int, int], lengths: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Outputs and the final state."""
        parameters, inputs, state = _groups(tensors, counts)
        made = _forward(name, parameters, inputs, state, lengths)
        _keep(ctx, (name, parameters, inputs, state, lengths), made)
        return tuple(made[: 1 + len(state)])

    @staticmethod
    def backward(ctx: Any, *d_results: Tensor | None) -> tuple[Any, ...]:
        """The gradients by all arguments."""
        _, *gradients, _ = _differentiate(ctx, d_results, were_plain=True)
        return None, None, None, *chain(*gradients)


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
