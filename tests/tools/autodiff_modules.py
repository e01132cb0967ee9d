"""Modules that PyTorch and JAX differentiate: their results and gradients as NumPy arrays."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from symrnn import Cell, emit
from symrnn.checking.formulas import double_precision
from symrnn.checking.uncompiled import uncompiled
from symrnn.running.loading import load_source


def torch_results(module: ModuleType, call: Any, lengths: Any = None) -> list[Any]:
    """Outputs, the final state, and all gradients of a call, by autograd."""
    import torch

    def leaves(record: Any, kind: Any) -> Any:
        tensors = (torch.tensor(array) for array in record)
        return kind(*(t.requires_grad_() if t.is_floating_point() else t for t in tensors))

    given = (leaves(call.parameters, module.Parameters), leaves(call.inputs, module.Inputs))
    given = (*given, leaves(call.state, module.State))
    ends = None if lengths is None else torch.tensor(lengths)
    outputs, final = module.forward(*given, lengths=ends)
    numbers = [leaf for record in given for leaf in record if leaf.requires_grad]
    loss = (outputs * torch.tensor(call.d_outputs)).sum()
    loss = loss + sum((a * torch.tensor(d)).sum() for a, d in zip(final, call.d_state, strict=True))
    gradients = tuple(map(torch.zeros_like, numbers))
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, numbers, allow_unused=True, materialize_grads=True)
    return [array.detach().numpy() for array in (outputs, *final, *gradients)]


def jax_results(module: ModuleType, call: Any, lengths: Any = None) -> list[Any]:
    """Outputs, the final state, and all gradients of a call, by JAX; steps are not compiled."""
    import jax

    given = (module.Parameters(*call.parameters), module.Inputs(*call.inputs), module.State(*call.state))
    adjoints = (call.d_outputs, module.State(*call.d_state))

    def differentiated(given: Any, adjoints: Any) -> Any:
        results, pull = jax.vjp(lambda *arrays: module.forward(*arrays, lengths=lengths), *given)
        return results, pull(adjoints)

    with double_precision():
        if len(call.d_outputs):
            with jax.disable_jit():
                (outputs, final), gradients = uncompiled(differentiated)(given, adjoints)
        else:
            (outputs, final), gradients = differentiated(given, adjoints)
        made = [a for record in gradients for a in record if a.dtype.kind == "f"]
        return [np.asarray(array) for array in (outputs, *final, *made)]


RESULTS: dict[str, Callable[..., list[Any]]] = {"torch": torch_results, "jax": jax_results}


def autodiff_module(cell: Cell, target: str) -> ModuleType:
    """The module of a cell for one of these frameworks."""
    return load_source(emit(cell, target), f"{cell.name}_{target}")
