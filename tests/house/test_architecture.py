"""The picture of the house in the README is true: rooms, arrows, and walks that are really taken."""

import ast
import sys
from types import FrameType

import architecture
import pytest
from architecture import HOME, README, ROOMS, VIEWS, WALKS, own_imports
from sympy import Eq

import symrnn as sr
from symrnn import pipeline


def test_the_readme_has_the_house_as_it_is() -> None:
    text = README.read_text(encoding="utf-8")
    assert architecture.with_section(text) == text, (
        "run: PYTHONPATH=tests/tools python tests/tools/architecture.py"
    )


def test_every_module_is_in_a_room() -> None:
    assert {architecture.room_of(path) for path in architecture.module_files()} == set(ROOMS)


def test_all_imports_follow_from_the_arrows() -> None:
    above: dict[str, set[str]] = {}
    for lower, upper in architecture.arrows():
        above.setdefault(lower, set()).add(upper)
    shown = {room for arrow in architecture.arrows() for room in arrow}

    def reached(room: str) -> set[str]:
        return set().union(*({upper} | reached(upper) for upper in above.get(room, ())))

    assert {"notation", "vocabulary", "kernels", "papers", "pipeline", "commands"} <= shown
    for room in shown:
        for lower in architecture.stands_on()[room] & shown:
            assert room in reached(lower), (lower, room)


def calls(verb: object) -> list[tuple[str, str]]:
    """The functions that declaring a cell and calling a verb with it come through, each once, in order."""
    found: dict[tuple[str, str], None] = {}
    home = f"{HOME}/"

    def tell(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(home):
            for name in (code.co_qualname, code.co_qualname.split(".")[0]):
                found.setdefault((code.co_filename.removeprefix(home), name))

    n, m = sr.axes("n m")
    x, h, W = sr.Input("x", n), sr.State("h", m), sr.Parameter("W", m, m + n)
    before = sys.getprofile()
    sys.setprofile(tell)
    try:
        cell = sr.Cell("walked", Eq(h.next, sr.tanh(W @ [h, x])))
        verb(cell)  # type: ignore[operator]
    finally:
        sys.setprofile(before)
    return list(found)


@pytest.mark.parametrize(
    ("title", "verb"),
    [
        ("A declaration becomes a kernel", lambda cell: sr.load(cell, "numpy")),
        ("A declaration becomes a paper", sr.latex),
    ],
)
def test_a_walk_is_taken_in_its_order(title: str, verb: object, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.forget()
    taken = calls(verb)
    steps = [(step.file, step.name) for step in WALKS[title] if step.name != "load"]
    assert set(steps) <= set(taken)
    assert steps == sorted(steps, key=taken.index)


@pytest.mark.parametrize("step", [s for steps in (WALKS | VIEWS).values() for s in steps], ids=str)
def test_every_place_is_there(step: architecture.Step) -> None:
    names = {name for node in architecture.tree_of(HOME / step.file).body for name in defined(node)}
    assert not step.name or step.name in names


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement of a module gives to something."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def test_what_reads_the_records_imports_them() -> None:
    (title,) = (title for title in VIEWS if "function" in title)
    for step in VIEWS[title][2:]:
        assert own_imports(HOME / step.file) & {"vocabulary", "declaration"}, step.file
