"""What modules have in common: a cell's kernel, and its parameters under the names of the equations."""

from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from symrnn.declaration.axes import size_number
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.models.model import Model
from symrnn.torch.runners import Runner


def cell_sizes(cell: Cell, sizes: tuple[int, ...], named: dict[str, int], call: str) -> dict[str, int]:
    """The lengths of a cell's axes, given in their order or by name.

    Raises:
        RequestError: `cell` is none, or sizes are missing, too many, or no whole numbers.
    """
    if not isinstance(cell, Cell):
        raise RequestError(
            f"{call}() takes a Cell, and got {shown(cell)}. A shipped one is symrnn.zoo.cell('gru')."
        )
    return chosen_sizes(cell, sizes, named, call)


def chosen_sizes(
    source: Cell | Model, sizes: tuple[int, ...], named: dict[str, int], call: str
) -> dict[str, int]:
    """The lengths of the axes of a cell or a model, given in their order or by name.

    Raises:
        RequestError: some are missing, too many, or no whole numbers.
    """
    axes = [axis.name for axis in source.axes]
    given = dict(zip(axes, sizes, strict=False)) | named
    fits = len(sizes) <= len(axes) and not set(axes[: len(sizes)]) & set(named) and set(given) == set(axes)
    numbers = [isinstance(size, Integral) and not isinstance(size, bool) for size in given.values()]
    if not (fits and all(numbers) and min(given.values(), default=1) > 0):
        example = ", ".join(f"{axis}={8 * (i + 1)}" for i, axis in enumerate(axes))
        got = ", ".join([*map(repr, sizes), *(f"{name}={size!r}" for name, size in named.items())])
        raise RequestError(
            f"{call}() of {source.name!r} takes the sizes {', '.join(axes) or '()'}, positive whole numbers "
            f"in this order or by name, and got {got or 'none'}. Write {call}({source.name}, {example})."
        )
    return {axis: int(size) for axis, size in given.items()}


class Weights(nn.Module):
    """A module with the parameters of cells; subclasses say how they run."""

    def __init__(
        self, cell: Cell, sizes: dict[str, int], save: str, backend: str, dtype: Any, device: Any
    ) -> None:
        """Load what runs the cell."""
        super().__init__()
        self._runner = Runner(cell, save, backend)
        self._dtype = torch.get_default_dtype() if dtype is None else dtype
        self._device = torch.get_default_device() if device is None else torch.device(device)
        self._runner.require_dtype(self._dtype, self._device)
        self.sizes = dict(sizes)
        self._states = {
            name: tuple(size_number(size, self.sizes) for size in shape)
            for name, shape in self._runner.states.items()
        }

    @property
    def cell(self) -> Cell:
        """The cell whose equations this runs."""
        return self._runner.cell

    def _draw(self, sizes: dict[str, int], suffix: str) -> tuple[str, ...]:
        """Register fresh parameters and constants; their names, in the kernel's order."""
        fresh = self._runner.fresh(sizes, self._dtype, self._device)
        return tuple(
            registered(self, name + suffix, tensor, trained=name in self._runner.trained)
            for name, tensor in fresh.items()
        )

    def _weights(self, names: tuple[str, ...]) -> list[Tensor]:
        """Parameters and constants as they are now: a parametrization may stand in their place."""
        return [getattr(self, name) for name in names]

    def extra_repr(self) -> str:
        """The cell and the sizes of its axes: `gru, n=64, m=128`."""
        return ", ".join([self.cell.name, *(f"{axis}={size}" for axis, size in self.sizes.items())])


def registered(owner: nn.Module, name: str, tensor: Tensor, *, trained: bool) -> str:
    """Register a parameter, or a constant as a buffer; the attribute that it becomes."""
    while hasattr(owner, name):  # such as `half`, a method of every module
        name += "_"
    if trained:
        owner.register_parameter(name, nn.Parameter(tensor))
    else:
        owner.register_buffer(name, tensor)
    return name


def state_options(inputs: list[Tensor], parameters: list[Tensor], dtype: Any) -> dict[str, Any]:
    """Where, and as which numbers, a state begins that nobody gave: as the parameters, if there are any."""
    numbers = [t for t in (*parameters, *inputs) if t.is_floating_point()]
    return {"dtype": numbers[0].dtype if numbers else dtype, "device": inputs[0].device}
