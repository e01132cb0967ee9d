"""`symrnn bench`: programs compute what kernels compute, contenders run, figures are what was measured."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL
from random_cells import random_cell, sizes_for
from rich.console import Console
from test_unshipped_cells import MATRIX, PEEPHOLE
from typer.testing import CliRunner

import symrnn
from symrnn import Cell
from symrnn.declaration.operations import POINTWISE
from symrnn.errors import EmissionError, RequestError
from symrnn.workbench import command_line
from symrnn.workbench.bench import contenders, machine, session
from symrnn.workbench.bench.contenders import FORWARD, NUMBA, NUMPY, ONNX, QUANTITIES, STEP, TORCH, TRAIN
from symrnn.workbench.bench.data import GRID, Data, Size, draw_data, parse_sizes
from symrnn.workbench.bench.figure import figure, require_figure_name
from symrnn.workbench.bench.layers import LAYERS, open_onnx, open_torch_layer
from symrnn.workbench.bench.libraries import JAX, LIBRARIES, TORCH as TORCH_LIBRARY
from symrnn.workbench.bench.processes import ContenderFailure, Worker
from symrnn.workbench.bench.programs import program
from symrnn.workbench.bench.results import (
    Bench,
    Failure,
    Memory,
    Settings,
    Spread,
    Start,
    Timing,
    Work,
)
from symrnn.workbench.bench.tables import number_text, print_bench
from symrnn.workbench.files import is_ours
from symrnn.workbench.loading import import_file
from symrnn.workbench.problem import Problem, draw_problem
from symrnn.zoo import CELLS

EXAMPLE = Path(__file__).parents[1] / "symrnn" / "examples" / "minimal_gated_unit.py"

OPEN = {"torch": contenders.open_torch, "jax": contenders.open_jax}
libraries = pytest.mark.parametrize("library", LIBRARIES.values(), ids=lambda library: library.name)

TOLERANCE = 2e-5
"""Of the largest element, float32: as for kernels at small sizes (`workbench.check`)."""


def own_cell(text: str, name: str) -> Cell:
    names: dict[str, Any] = {}
    exec(text, names)
    cell = names[name]
    assert isinstance(cell, Cell)
    return cell


OWN = {
    "mgu": own_cell(EXAMPLE.read_text(), "mgu"),
    "peephole": own_cell(PEEPHOLE, "peephole"),
    "matrix_memory": own_cell(MATRIX, "matrix_memory"),
}
CELLS_TO_TRY = {**ALL, **OWN}


def data_of(problem: Problem) -> Data:
    """The arrays of a problem, all sizes of which differ, as contenders take them."""

    def single(arrays: Mapping[str, Any], names: Any) -> dict[str, Any]:
        return {q.name: np.asarray(arrays[q.name], np.float32) for q in names}

    cell = problem.cell
    return Data(
        single(problem.parameters, cell.parameters),
        single(problem.parameters, cell.constants),
        single(problem.inputs, cell.inputs),
        single(problem.state, cell.states),
        np.asarray(problem.d_outputs, np.float32),
    )


def close(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Every result that `found` has is as expected, up to rounding."""
    largest = max(np.abs(array).max(initial=0) for array in expected.values())
    for name, array in found.items():
        assert array.shape == expected[name].shape, name
        scale = max(np.abs(expected[name]).max(initial=0), 1e-2 * largest)
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=TOLERANCE * scale, err_msg=name)


def kernel_results(cell: Cell, data: Data, folder: Path) -> dict[str, Any]:
    path = folder / f"{cell.name}_numpy.py"
    path.write_text(symrnn.emit(cell, target="numpy"))
    return contenders.open_kernel(data, path).results()


def compare(cell: Cell, library: Any, folder: Path, sizes: Mapping[str, int] | None = None) -> None:
    """Raise unless a program's outputs, gradients and steps are those of the kernel."""
    pytest.importorskip(library.name)  # PyTorch is an extra; CI installs it and refuses skipped tests
    problem = draw_problem(cell, sizes=sizes, T=4, B=3, seed=2)
    assert problem.finite
    data = data_of(problem)
    path = folder / f"{cell.name}_{library.name}.py"
    path.write_text(program(symrnn.plan(cell), library, dict(problem.sizes)))
    contender = OPEN[library.name](data, path)
    found, expected = contender.results(), kernel_results(cell, data, folder)
    assert list(found) and set(found) == set(expected) - {f"d_{name}" for name in data.constants}
    close(found, expected)
    output, _ = contender.tasks[STEP]().call()
    close({"outputs": np.asarray(output)}, {"outputs": expected["outputs"][0, :1]})
    outputs, _ = contender.tasks[FORWARD]().call()
    close({"outputs": np.asarray(outputs)}, expected)


# Programs


@libraries
@pytest.mark.parametrize("name", CELLS_TO_TRY)
def test_programs_agree_with_kernels(name: str, library: Any, tmp_path: Path) -> None:
    compare(CELLS_TO_TRY[name], library, tmp_path)


@libraries
@pytest.mark.parametrize("seed", [3, 26, 45, 52])
def test_programs_of_random_cells(seed: int, library: Any, tmp_path: Path) -> None:
    cell = random_cell(seed)
    compare(cell, library, tmp_path, sizes_for(cell))
