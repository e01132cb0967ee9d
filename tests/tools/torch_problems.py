"""What the tests of symrnn.torch share: kernels that are not compiled, and tensors for cells."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import pytest
import torch
from kernel_problems import ALL
from torch import Tensor

from symrnn import Cell, zoo
from symrnn.checking.problem import draw_problem
from symrnn.checking.reference import indices_of
from symrnn.running.loading import PACKAGE
from symrnn.torch.operators import kernel_name, kernel_of, run

HEADS = ("embedding", "softmax_cross_entropy", "class_cross_entropy", "layer_norm")
CELLS: dict[str, Cell] = {**ALL, **{name: zoo.cell(name) for name in HEADS}}


@contextmanager
def uncompiled() -> Iterator[None]:
    """Kernels that are loaded here run as plain Python: to compile a hundred would take many minutes."""
    mine = f"{PACKAGE}."
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(mine)}
    kernel_of.cache_clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(numba.config, "DISABLE_JIT", True)
            yield
    finally:
        for name in [name for name in sys.modules if name.startswith(mine)]:
            del sys.modules[name]
        sys.modules.update(hidden)
        kernel_of.cache_clear()


class Tensors:
    """The arguments of the operators for a cell, in float64: leaves of a graph where they have gradients."""

    def __init__(self, cell: Cell, T: int = 2, B: int = 2, seed: int = 0, save: str = "all") -> None:
        """Draw a problem, of which the reference knows the answer."""
        self.problem = draw_problem(cell, T=T, B=B, seed=seed, eager=True)
        indices = indices_of(cell)
        fixed = {*indices, *(constant.name for constant in cell.constants)}
        self.name = kernel_name(cell, save)

        def made(arrays: dict[str, Any]) -> list[Tensor]:
            return [
                torch.tensor(np.array(a, int if name in indices else None), requires_grad=name not in fixed)
                for name, a in arrays.items()
            ]

        self.parameters, self.inputs, self.state = map(
            made, (self.problem.parameters, self.problem.inputs, self.problem.state)
        )

    @property
    def leaves(self) -> list[Tensor]:
        """All tensors that have gradients."""
        return [t for t in (*self.parameters, *self.inputs, *self.state) if t.requires_grad]

    def results(self, lengths: Tensor | None = None, *leaves: Tensor) -> tuple[Tensor, ...]:
        """Outputs and final states, with other tensors in the place of the leaves."""
        given = iter(leaves or self.leaves)
        groups = [
            [next(given) if t.requires_grad else t for t in group]
            for group in (self.parameters, self.inputs, self.state)
        ]
        outputs, state = run(self.name, *groups, lengths)
        return outputs, *state

    def is_smooth(self, lengths: Tensor | None = None) -> bool:
        """Whether differences tell the gradient here: differences of several widths agree."""
        if "stop_gradient" in str(self.problem.cell):
            return False
        generator = torch.Generator().manual_seed(0)
        way = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in self.leaves]
        with torch.no_grad():
            slopes = []
            for width in (1e-6, 5e-6, 2e-5):
                ends = [
                    self.results(
                        lengths, *(t + sign * width * w for t, w in zip(self.leaves, way, strict=True))
                    )
                    for sign in (1, -1)
                ]
                slopes.append([(a - b) / (2 * width) for a, b in zip(*ends, strict=True)])
        scale = max(s.abs().max().item() for s in slopes[0] if s.numel())
        return (
            all(
                (one - other).abs().max().item() < 1e-6 * (1 + scale)
                for slope in slopes[1:]
                for one, other in zip(slope, slopes[0], strict=True)
                if one.numel()
            )
            and scale < 1e4
        )
