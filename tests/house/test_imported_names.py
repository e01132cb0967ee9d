"""What files of the tests take from symrnn is there, in files that only other processes run, too."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def is_there(module: str, name: str) -> bool:
    home = import_module(module)
    return hasattr(home, name) or (hasattr(home, "__path__") and find_spec(f"{module}.{name}") is not None)


def missing(source: str) -> list[str]:
    """The names that a source takes from a module of symrnn that does not have them."""
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "symrnn"
        for alias in node.names
        if not is_there(str(node.module), alias.name)
    ]


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix()
)
def test_what_is_taken_from_symrnn_is_there(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8")) == []


def test_a_name_that_went_away_would_be_seen() -> None:
    assert missing("from symrnn.pipeline import emit, no_such_verb") == ["symrnn.pipeline.no_such_verb"]
