"""A cell in the place of `torch.nn.GRUCell`: one step at a time."""

from typing import Any

import torch

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.torch.sequences import named_tensors
from symrnn.torch.weights import Weights, cell_sizes, state_options


def step(
    cell: Cell,
    *sizes: int,
    save: str = "all",
    backend: str = "auto",
    device: Any = None,
    dtype: Any = None,
    **named: int,
) -> "Step":
    """A cell for one step, as a module: `output, state = module(x, state)`.

    Sizes and parameters are as in `layer`.

    Raises:
        RequestError: as in `layer`.
    """
    return Step(cell, cell_sizes(cell, sizes, named, "step"), save, backend, dtype, device)


class Step(Weights):
    """A cell for one step (see `step`)."""

    def __init__(
        self, cell: Cell, sizes: dict[str, int], save: str, backend: str, dtype: Any, device: Any
    ) -> None:
        """Make fresh parameters."""
        super().__init__(cell, sizes, save, backend, dtype, device)
        self._names = self._draw(self.sizes, "")

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The output (B, ...) and the state after the step.

        `input` is a tensor (B, ...), or without a batch; several inputs and states, and what comes back, are
        as in `Layer`.
        """
        inputs = named_tensors("input", input, tuple(self._runner.inputs))
        ranks = {x.dim() - len(shape) for x, shape in zip(inputs, self._runner.inputs.values(), strict=True)}
        if len(ranks) != 1 or not ranks <= {0, 1}:
            shapes = ", ".join(f"{name} {('B', *shape)}" for name, shape in self._runner.inputs.items())
            found = ", ".join(str(tuple(x.shape)) for x in inputs)
            raise RequestError(f"The inputs of a step have shapes {found}; they should have: {shapes}.")
        single = ranks == {0}
        lead = () if single else (inputs[0].shape[0],)
        parameters = self._weights(self._names)
        wanted = {name: (*lead, *shape) for name, shape in self._states.items()}
        if hx is None:
            options = state_options(inputs, parameters, self._dtype)
            state = [torch.zeros(shape, **options) for shape in wanted.values()]
        else:
            state = named_tensors("hx", hx, tuple(self._states))
        for (name, shape), tensor in zip(wanted.items(), state, strict=True):
            if tensor.shape != shape:
                raise RequestError(f"hx {name} has shape {tuple(tensor.shape)}; it should have {shape}.")
        if single:
            inputs, state = [x[None] for x in inputs], [s[None] for s in state]
        outputs, after = self._runner.run(parameters, [x[None] for x in inputs], state, None)
        output, after = outputs[0], [s[0] for s in after] if single else after
        return output[0] if single else output, self._runner.returned(after)
