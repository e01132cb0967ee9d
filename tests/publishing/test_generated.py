"""`generated/` is what symrnn writes today, byte for byte."""

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symrnn.publishing import golden
from symrnn.publishing.golden import golden_files, main

GENERATED = Path(__file__).parents[2] / "generated"
ACCEPT = "python -m symrnn.publishing.golden"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return golden_files()


def differences(folder: Path, files: dict[str, str]) -> list[str]:
    """What differs between a folder and the files that should be in it, as lines."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    found = {path for path in found if "__pycache__" not in path}
    lines = [f"missing: {path}" for path in sorted(set(files) - found)]
    lines += [f"surplus: {path}" for path in sorted(found - set(files))]
    for path in sorted(found & set(files)):
        old = (folder / path).read_bytes().decode()
        if old != files[path]:
            lines += difflib.unified_diff(
                old.splitlines(), files[path].splitlines(), f"checked in: {path}", "made now", lineterm=""
            )
    return lines


def test_generated_is_up_to_date(made: dict[str, str]) -> None:
    lines = differences(GENERATED, made)
    assert not lines, "\n".join([*lines[:200], f"Accept the change with: {ACCEPT}"])


def test_a_change_a_loss_and_a_stray_file_are_seen(
    made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "golden_files", lambda: made)
    assert main([str(tmp_path)]) == 0
    assert differences(tmp_path, made) == []
    victim = tmp_path / "gru" / "gru_plan.txt"
    victim.write_text(victim.read_text().replace("sigmoid", "sigmoidal"))
    (tmp_path / "lstm" / "lstm.tex").unlink()
    (tmp_path / "stray.txt").write_text("")
    lines = differences(tmp_path, made)
    assert "missing: lstm/lstm.tex" in lines
    assert "surplus: stray.txt" in lines
    assert any(line.startswith("-") and "sigmoidal" in line for line in lines)
    assert main([str(tmp_path)]) == 0
    assert differences(tmp_path, made) == []


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path, made: dict[str, str]) -> None:
    """This process has a seed of its own, another one every time."""
    environment = {**os.environ, "PYTHONHASHSEED": "20"}
    subprocess.run(
        [sys.executable, "-m", "symrnn.publishing.golden", str(tmp_path)], env=environment, check=True
    )
    assert differences(tmp_path, made) == []
