"""A cell in the place of `torch.nn.GRU`: its parameters, and its calling convention."""

from collections.abc import Mapping, Sequence
from typing import Any
from warnings import warn

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parametrize

from symrnn.declaration.axes import shape_text, size_number, size_text
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, SymrnnWarning
from symrnn.torch.sequences import Batch, batch_of, named_tensors, turned
from symrnn.torch.weights import Weights, cell_sizes, state_options


def layer(
    cell: Cell,
    *sizes: int,
    num_layers: int = 1,
    batch_first: bool = False,
    bidirectional: bool = False,
    dropout: float = 0.0,
    save: str = "all",
    backend: str = "auto",
    device: Any = None,
    dtype: Any = None,
    **named: int,
) -> "Layer":
    """A cell run over sequences, as a module that is called like `torch.nn.GRU`.

    `sizes` are the lengths of the cell's axes, in their order or by name: `layer(gru, 64, 128)`, or
    `layer(gru, n=64, m=128)`. With `num_layers`, each layer but the first takes the outputs of the one below;
    `bidirectional` adds to each one that runs from the end, whose outputs are put behind; `dropout` falls
    between layers in training. `save="states"` keeps less for the backward pass (see `symrnn.plan`).

    On the processor the cell's kernel runs, on other devices, or with `backend="torch"`, a program of
    PyTorch's own operations, which can be differentiated any number of times; with `backend="kernel"` other
    devices are refused.

    Parameters have the names of the equations, with `_l0`, `_l1_reverse` and so on where there are several
    layers, and are drawn as `init` of the kernel does, from PyTorch's seed.

    Raises:
        RequestError: sizes are missing or wrong, the layers do not fit on each other, or there is no backend
            for the device or the number type.
    """
    given = cell_sizes(cell, sizes, named, "layer")
    return Layer(
        cell,
        given,
        num_layers=num_layers,
        batch_first=batch_first,
        bidirectional=bidirectional,
        dropout=dropout,
        save=save,
        backend=backend,
        device=device,
        dtype=dtype,
    )


class Layer(Weights):
    """A cell run over sequences (see `layer`)."""

    def __init__(
        self,
        cell: Cell,
        sizes: dict[str, int],
        *,
        num_layers: int,
        batch_first: bool,
        bidirectional: bool,
        dropout: float,
        save: str,
        backend: str,
        device: Any,
        dtype: Any,
    ) -> None:
        """Make fresh parameters for all layers and directions."""
        super().__init__(cell, sizes, save, backend, dtype, device)
        if isinstance(num_layers, bool) or not isinstance(num_layers, int) or num_layers < 1:
            raise RequestError(f"num_layers is {num_layers!r}; give a whole number from 1 on.")
        if not 0 <= dropout < 1:
            raise RequestError(f"dropout is {dropout!r}; give a probability from 0 up to, not including, 1.")
        self.num_layers, self.batch_first, self.bidirectional = num_layers, batch_first, bidirectional
        self.dropout = dropout
        if dropout and num_layers == 1:
            warn(
                "dropout falls between layers, and there is one: it does nothing.",
                SymrnnWarning,
                stacklevel=3,
            )
        directions = ("", "_reverse")[: 1 + bidirectional]
        if bidirectional and not cell.output_shape:
            raise RequestError(
                f"The output of {cell.name!r} is a number, and two directions cannot be joined."
            )
        self._names: list[tuple[str, ...]] = []
        self._sizes: list[dict[str, int]] = []
        for number in range(num_layers):
            of_layer = self.sizes if number == 0 else _sizes_above(cell, self.sizes, len(directions))
            for direction in directions:
                suffix = f"_l{number}{direction}" if num_layers * len(directions) > 1 else ""
                self._names.append(self._draw(of_layer, suffix))
                self._sizes.append(of_layer)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.take([self._runner.fresh(sizes, self._dtype, "cpu") for sizes in self._sizes])

    def take(self, layers: Sequence[Mapping[str, Any]]) -> None:
        """Take arrays as parameters, by the equations' names, for each layer and direction.

        `list(weights.layers.values())` is what `symrnn.layouts.read` finds elsewhere.
        """
        with torch.no_grad():
            for names, arrays in zip(self._names, layers, strict=True):
                for own, array in zip(names, arrays.values(), strict=True):
                    tensor = torch.as_tensor(array)
                    if parametrize.is_parametrized(self, own):
                        setattr(self, own, tensor.to(getattr(self, own)))  # by its right inverse
                    else:
                        getattr(self, own).copy_(tensor)

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None) -> tuple[Any, Any]:
        """Outputs, and the states after the last step.

        `input` is a tensor (T, B, ...), (B, T, ...) with `batch_first`, (T, ...) without a batch, or a packed
        sequence; several inputs are a dict by name, or a tuple. `hx` is the initial state, zeros without it,
        (layers * directions, B, ...); several states are a tuple or a dict. `lengths` (B,) are the samples'
        numbers of steps, if they end early: beyond its end a sample's outputs are zero. The states come back
        as `hx` is, several as a NamedTuple by their names.
        """
        batch = batch_of(input, self._runner.inputs, lengths, batch_first=self.batch_first)
        parameters = [self._weights(names) for names in self._names]
        states = self._initial(hx, batch, parameters[0])
        directions = 1 + self.bidirectional
        inputs, lengths, finals = batch.inputs, batch.lengths, []
        for number in range(self.num_layers):
            made = []
            for direction in range(directions):
                place = number * directions + direction
                given = [turned(x, lengths) for x in inputs] if direction else inputs
                start = [state[place] for state in states]
                outputs, final = self._runner.run(parameters[place], given, start, lengths)
                made.append(turned(outputs, lengths) if direction else outputs)
                finals.append(final)
            outputs = torch.cat(made, -1) if directions > 1 else made[0]
            if self.dropout and number + 1 < self.num_layers:
                outputs = functional.dropout(outputs, self.dropout, self.training)
            inputs = [outputs]
        after = [torch.stack(tensors) for tensors in zip(*finals, strict=True)]
        after = [tensor.squeeze(1) if batch.single else tensor for tensor in after]
        return batch.given_back(outputs), self._runner.returned(after)

    def _initial(self, hx: Any, batch: Batch, parameters: list[Tensor]) -> list[Tensor]:
        """The initial states (layers * directions, B, ...), checked."""
        number, B = self.num_layers * (1 + self.bidirectional), batch.inputs[0].shape[1]
        if hx is None:
            options = state_options(batch.inputs, parameters, self._dtype)
            return [torch.zeros(number, B, *shape, **options) for shape in self._states.values()]
        found = named_tensors("hx", hx, tuple(self._states))
        if batch.single:
            found = [tensor.unsqueeze(1) for tensor in found]
        for (name, shape), tensor in zip(self._states.items(), found, strict=True):
            if tensor.shape != (number, B, *shape):
                lead = (number,) if batch.single else (number, B)
                got = tuple(tensor.squeeze(1).shape) if batch.single else tuple(tensor.shape)
                raise RequestError(f"hx {name} has shape {got}; it should have {(*lead, *shape)}.")
        return found

    def extra_repr(self) -> str:
        """What is not said by parameters: `gru, n=64, m=128, num_layers=2`."""
        usual = {"num_layers": 1, "batch_first": False, "bidirectional": False, "dropout": 0.0}
        options = {name: getattr(self, name) for name in usual if getattr(self, name) != usual[name]}
        return ", ".join([super().extra_repr(), *(f"{name}={value}" for name, value in options.items())])


def _sizes_above(cell: Cell, sizes: dict[str, int], directions: int) -> dict[str, int]:
    """The lengths of the axes in a layer that takes the outputs of another one.

    Raises:
        RequestError: it cannot take them.
    """
    arrives = [size_number(size_text(size), sizes) for size in cell.output_shape]
    takes = cell.shape_of(cell.inputs[0]) if len(cell.inputs) == 1 else ()
    if len(takes) == len(arrives) == 1:
        arrives[-1] *= directions
        above = {**sizes, size_text(takes[0]): arrives[0]} if takes[0].is_Symbol else sizes
        same = [size_number(size_text(size), above) for size in (*takes, *cell.output_shape)]
        if same == [arrives[0], arrives[0] // directions]:
            return above
    text = " x ".join(map(str, arrives)) or "a number"
    inputs = ", ".join(f"{q} {shape_text(cell.shape_of(q))}" for q in cell.inputs)
    raise RequestError(
        f"A layer of {cell.name!r} cannot take the outputs of the one below, {text}: that needs one input, a "
        f"vector whose size is an axis of its own. Its inputs: {inputs}."
    )
