"""What runs a cell: its kernel on the processor, or PyTorch's own operations."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.running.loading import load
from symrnn.torch.operators import OTHER_BACKEND, kernel_name, kernel_of, no_kernel_of, run

FLOATS = {torch.float32: np.float32, torch.float64: np.float64}
"""The number types in which kernels compute, as NumPy calls them."""

BACKENDS = _, KERNEL, PROGRAM = ("auto", "kernel", "torch")


class Runner:
    """Runs a cell over tensors (T, B, ...).

    With the backend "auto" that is the kernel on the processor, and elsewhere a program of PyTorch's own
    operations; "kernel" is never the program, and "torch" always.
    """

    def __init__(self, cell: Cell, save: str, backend: str) -> None:
        """Load the kernel, and take from it what a call needs: code that PyTorch traces finds no modules."""
        if backend not in BACKENDS:
            raise RequestError(f"There is no backend {backend!r}. Backends: {', '.join(BACKENDS)}.")
        self.cell, self.save, self.backend = cell, save, backend
        self.name = kernel_name(cell, save)
        kernel = kernel_of(self.name)
        self.inputs: dict[str, tuple[str, ...]] = dict(kernel.INPUTS)
        self.states: dict[str, tuple[str, ...]] = dict(kernel.STATES)
        self.trained = frozenset(kernel.PARAMETERS)
        self.record = kernel.State
        self.program: Callable[..., Any] | None = load(cell, "torch").forward if backend == PROGRAM else None

    def __reduce__(self) -> tuple[Any, ...]:
        return Runner, (self.cell, self.save, self.backend)  # another process loads kernels of its own

    def __deepcopy__(self, memo: dict[int, Any]) -> "Runner":
        return self

    def run(
        self, parameters: list[Tensor], inputs: list[Tensor], state: list[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Outputs (T, B, ...) and the final state.

        Raises:
            RequestError: the tensors are on several devices, or where no kernel runs, and the backend is
                "kernel".
        """
        devices = [tensor.device for tensor in (*inputs, *parameters, *state)]
        if any(device != devices[0] for device in devices):
            found = ", ".join(sorted({str(device) for device in devices}))
            raise RequestError(
                f"The tensors of {self.cell.name!r} are on several devices: {found}. Move module and inputs "
                "to one of them with .to(device)."
            )
        if self.is_kernel(inputs[0].device):
            return run(self.name, parameters, inputs, state, lengths)
        assert self.program is not None
        if lengths is not None:
            _require_steps(lengths, *inputs[0].shape[:2])
        outputs, final = self.program(tuple(parameters), tuple(inputs), tuple(state), lengths=lengths)
        return outputs, list(final)

    def is_kernel(self, device: Any) -> bool:
        """Whether the kernel runs tensors of this device; if not, the program is there afterwards.

        Raises:
            RequestError: nothing runs them.
        """
        if self.backend != PROGRAM and device.type in ("cpu", "meta"):
            return True
        if self.backend == KERNEL:
            raise RequestError(f"Kernels run on the processor, and not on {device}; {OTHER_BACKEND}.")
        if self.program is None:
            self.program = load(self.cell, "torch").forward
        return False

    def require_dtype(self, dtype: Any, device: Any) -> None:
        """Raise unless parameters can be of this number type on this device.

        Raises:
            RequestError: a kernel shall run, which computes in float32 and float64 alone.
        """
        if self.is_kernel(device) and dtype not in FLOATS:
            raise no_kernel_of(dtype)

    def fresh(self, sizes: dict[str, int], dtype: Any, device: Any) -> dict[str, Tensor]:
        """Parameters and constants as `init` of the kernel draws them."""
        return drawn(kernel_of(self.name), sizes, dtype, device)

    def returned(self, states: list[Tensor]) -> Any:
        """States as a caller gets them: one alone, several as a NamedTuple by their names."""
        return states[0] if len(states) == 1 else self.record(*states)


def drawn(module: ModuleType, sizes: dict[str, int], dtype: Any, device: Any) -> dict[str, Tensor]:
    """Parameters and constants as `init` of an emitted module draws them; the seed is PyTorch's."""
    rng = np.random.default_rng(int(torch.randint(2**63 - 1, (), device="cpu").item()))
    arrays = module.init(rng, **sizes, dtype=FLOATS.get(dtype, np.float32))
    return {name: torch.from_numpy(array).to(device, dtype) for name, array in arrays._asdict().items()}


def _require_steps(lengths: Tensor, T: int, B: int) -> None:
    """Raise unless these are numbers of steps for a batch, as a kernel does by itself."""
    if lengths.shape != (B,):
        raise RequestError(
            f"lengths has shape {tuple(lengths.shape)}; it should have {(B,)}, one number for every sample."
        )
    if not torch.compiler.is_compiling() and bool(((lengths < 0) | (lengths > T)).any()):
        raise RequestError(
            f"lengths is {lengths.tolist()}; each should be from 0 to {T}, the number of time steps."
        )
