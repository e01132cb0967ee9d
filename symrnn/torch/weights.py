"""What modules have in common: a cell's kernel, and its parameters under the names of the equations."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from symrnn.declaration.axes import size_number
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.models.model import Model
from symrnn.torch.operators import OTHER_BACKEND, kernel_name, kernel_of, run

FLOATS = {torch.float32: np.float32, torch.float64: np.float64}
"""The number types in which kernels compute, as NumPy calls them."""


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
    if not fits or not all(type(size) is int and size > 0 for size in given.values()):
        example = ", ".join(f"{axis}={8 * (i + 1)}" for i, axis in enumerate(axes))
        got = ", ".join([*map(repr, sizes), *(f"{name}={size!r}" for name, size in named.items())])
        raise RequestError(
            f"{call}() of {source.name!r} takes the sizes {', '.join(axes) or '()'}, positive whole numbers "
            f"in this order or by name, and got {got or 'none'}. Write {call}({source.name}, {example})."
        )
    return given


class Weights(nn.Module):
    """A module with the parameters of cells; subclasses say how they run."""

    def __init__(
        self, cell: Cell, sizes: dict[str, int], save: str, backend: str, dtype: Any, device: Any
    ) -> None:
        """Load the kernel of a cell."""
        super().__init__()
        _require_backend(backend)
        self._dtype = torch.get_default_dtype() if dtype is None else dtype
        if self._dtype not in FLOATS:
            raise RequestError(
                f"Kernels compute in float32 and float64, and not in {self._dtype}. Under torch.autocast "
                "they take half precision and compute in float32."
            )
        self._device = torch.get_default_device() if device is None else torch.device(device)
        require_cpu(self._device)
        self.sizes = dict(sizes)
        self._cell, self._save = cell, save
        self._load()

    @property
    def cell(self) -> Cell:
        """The cell whose equations this runs."""
        return self._cell

    def _load(self) -> None:
        """Load the kernel, and take from it what a call needs: code that PyTorch traces finds no modules."""
        self._kernel = kernel_name(self._cell, self._save)
        kernel = kernel_of(self._kernel)
        self._inputs: dict[str, tuple[str, ...]] = dict(kernel.INPUTS)
        self._states = {
            name: tuple(size_number(size, self.sizes) for size in shape)
            for name, shape in kernel.STATES.items()
        }
        self._record = kernel.State

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_kernel", "_record")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._load()  # in this process, with this version of symrnn

    def _returned(self, states: list[Tensor]) -> Any:
        """States as a caller gets them: one alone, several as a NamedTuple by their names."""
        return states[0] if len(states) == 1 else self._record(*states)

    def _draw(self, sizes: dict[str, int], suffix: str) -> tuple[str, ...]:
        """Register fresh parameters and constants; their names, in the kernel's order."""
        kernel, names = kernel_of(self._kernel), []
        for name, tensor in self._fresh(sizes).items():
            own = name + suffix
            while hasattr(self, own):  # such as `half`, a method of every module
                own += "_"
            if name in kernel.PARAMETERS:
                self.register_parameter(own, nn.Parameter(tensor))
            else:
                self.register_buffer(own, tensor)
            names.append(own)
        return tuple(names)

    def _fresh(self, sizes: dict[str, int]) -> dict[str, Tensor]:
        """Parameters as `init` of the kernel draws them; the seed is PyTorch's."""
        kernel = kernel_of(self._kernel)
        rng = np.random.default_rng(int(torch.randint(2**63 - 1, ()).item()))
        arrays = kernel.init(rng, **sizes, dtype=FLOATS[self._dtype])
        return {name: torch.from_numpy(array).to(self._device) for name, array in arrays._asdict().items()}

    def _weights(self, names: tuple[str, ...]) -> list[Tensor]:
        """Parameters and constants by name, as they are now: a parametrization may stand in their place."""
        return [getattr(self, name) for name in names]

    def _run(
        self, names: tuple[str, ...], inputs: list[Tensor], state: list[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Outputs (T, B, ...) and the final state."""
        for tensor in inputs:
            require_cpu(tensor.device)
        return run(self._kernel, self._weights(names), inputs, state, lengths)


def require_cpu(device: Any) -> None:
    """Raise for a device on which no kernel runs.

    Raises:
        RequestError: it is no processor.
    """
    if device.type not in ("cpu", "meta"):
        raise RequestError(f"Kernels run on the processor, and not on {device}; {OTHER_BACKEND}.")


def _require_backend(backend: str) -> None:
    if backend != "kernel":
        raise RequestError(
            f"There is no backend {backend!r}. Backends: 'kernel', which runs compiled kernels."
        )
