"""Cells that are not shipped, each in a small file of its own, go the whole way by the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner
from unshipped_cells import MATRIX

from symrnn.commands.command_line import app


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("matrix_memory", MATRIX),
    ],
)
def test_build_of_a_cell_in_its_own_file(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "own.py"
    path.write_text(text)
    result = CliRunner().invoke(app, ["build", str(path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "numpy: agrees" in result.output
    assert "numba: agrees" in result.output
    made = {p.name for p in (tmp_path / "out" / name).iterdir()}
    expected = {f"{name}.tex", f"{name}_plan.txt", f"{name}_numpy.py", f"{name}_numba.py"}
    assert expected <= made
