"""What the README shows is true: its Python runs, its excerpt is emitted, its commands are what CI runs."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from symrnn.pipeline import emit
from symrnn.publishing.golden import with_functions
from symrnn.zoo import cell

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_blocks_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path))
    names: dict[str, object] = {}
    blocks = fenced("python")
    assert len(blocks) >= 4
    for number, block in enumerate(blocks):
        if "symrnn.torch" in block and find_spec("torch") is None:
            continue
        exec(compile(block, f"README.md block {number}", "exec"), names)
    report = names["report"]
    assert getattr(report, "passed") is True  # noqa: B009  (the block's own name)


def test_kernel_excerpt_is_in_the_emitted_file() -> None:
    excerpt = next(block for block in fenced("text") if "_multiply" in block)
    emitted = (ROOT / "generated" / "gru" / "gru_numba.py").read_text()
    assert excerpt.rstrip("\n") in emitted


def test_framework_excerpt_is_in_the_emitted_text() -> None:
    excerpt = next(block for block in fenced("text") if "torch.addmm" in block)
    assert excerpt.rstrip("\n") in emit(cell("gru"), "torch")


def test_declaration_is_the_shipped_cell() -> None:
    from symrnn.zoo import CELLS

    names: dict[str, object] = {}
    exec(compile(fenced("python")[0], "README.md", "exec"), names)
    assert names["gru"] == CELLS["gru"]


def test_there_are_exactly_two_commands_and_ci_runs_them() -> None:
    commands = fenced("bash")
    assert len(commands) == 2
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script
    assert "symrnn build gru symrnn/examples/minimal_gated_unit.py:mgu" in commands[0]
    assert "-m pytest" in commands[1]


def test_linked_files_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_functions_are_those_of_the_vocabulary() -> None:
    assert with_functions(README) == README, "run: python -m symrnn.publishing.golden"
