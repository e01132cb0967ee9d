"""What is loaded when it is first asked for: tables lead where they say, and who asks little loads little."""

import ast
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import symrnn
from symrnn import zoo
from symrnn.commands import rooms
from symrnn.places import attributes, found_at, places_of
from symrnn.printing import PLACES, Printed
from symrnn.vocabulary.families import FAMILIES

HOME = Path(symrnn.__file__).parent
FUNCTIONS = {name for family in FAMILIES for name in family.__all__}


def seen_by_type_checkers(path: Path) -> dict[str, str]:
    """The names that a module imports for type checkers alone, with their places; not those of families."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                for alias in statement.names:
                    if alias.name != "*":
                        found[alias.asname or alias.name] = f"{statement.module}:{alias.name}"
    return found


def test_type_checkers_see_what_the_tables_lead_to() -> None:
    face = seen_by_type_checkers(HOME / "__init__.py")
    assert [face.pop(room) for room in ("layouts", "zoo")] == ["symrnn:layouts", "symrnn:zoo"]
    assert face == places_of(symrnn._NAMES)
    used = places_of(rooms.NAMES)
    assert seen_by_type_checkers(HOME / "commands" / "rooms.py") == used
    assert all(getattr(symrnn, name) is found_at(place) for name, place in face.items())
    assert all(getattr(rooms, name) is found_at(place) for name, place in used.items())
    shelf = seen_by_type_checkers(HOME / "zoo" / "__init__.py")
    for name, place in shelf.items():
        if place.startswith("symrnn.zoo"):
            assert getattr(zoo, name) is found_at(place)


def test_every_use_of_a_room_is_in_the_table_and_every_entry_is_used() -> None:
    used = {
        node.attr
        for path in (HOME / "commands").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "rooms"
    }
    assert used == {*places_of(rooms.NAMES)}


def test_what_is_public_is_found_by_every_way() -> None:
    from_star: dict[str, object] = {}
    exec("from symrnn import *", from_star)
    assert {*symrnn.__all__} == {*dir(symrnn)} == {*from_star} - {"__builtins__"}  # type: ignore[attr-defined]
    assert {"Cell", "derive", "zoo", "__version__"} | FUNCTIONS <= {*dir(symrnn)}
    assert from_star["sigmoid"] is symrnn.sigmoid
    assert from_star["zoo"] is symrnn.zoo is zoo
    assert symrnn.zoo.cell("gru") is zoo.gru
    assert pickle.loads(pickle.dumps(symrnn.Cell)) is symrnn.Cell
    assert symrnn.errors.SymrnnError is symrnn.SymrnnError  # type: ignore[attr-defined]  # a room, too


@pytest.mark.parametrize("name", ["sigmund", "_repr_html_", "__wrapped__", "a b"])
def test_what_is_not_public_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'symrnn' has no attribute '{name}'"):
        getattr(symrnn, name)


def test_a_place_that_is_not_in_a_table() -> None:
    attribute = attributes("a.module", {"total": "math:fsum", "whole": "math"})
    assert attribute("total")([1, 2]) == attribute("whole").fsum([1, 2])
    with pytest.raises(AttributeError, match=r"module 'a\.module' has no attribute 'part'"):
        attribute("part")


def test_a_record_has_the_methods_of_its_table_and_no_others() -> None:
    kinds = {kind.__name__: kind for kind in Printed.__subclasses__()}
    assert {*PLACES} <= {*kinds}
    views = ("_repr_latex_", "_repr_html_")
    for name, methods in PLACES.items():
        assert all(callable(found_at(place)) for place in methods.values())
        assert [view for view in views if hasattr(kinds[name], view)] == [v for v in views if v in methods]


MAIN = "from symrnn.commands.command_line import main; main()"
ASKED = {
    "the face": ("import symrnn; symrnn.__version__; symrnn.SymrnnError; symrnn.zoo; symrnn.Style", []),
    "the version": (MAIN, ["--version"]),
    "help": (MAIN, ["--help"]),
    "a wrong command": (MAIN, ["lst"]),
    "the list": (MAIN, ["list"]),
    "the completion of a command": (MAIN, [], "symrnn em", "1"),
    "the completion of a cell": (MAIN, [], "symrnn emit g", "2"),
    "the completion of an option": (MAIN, [], "symrnn train-text --h", "2"),
}
HEAVY = ("sympy", "numpy", "numba", "jinja2", "jax", "torch")


def modules_after(code: str, arguments: list[str], **environment: str) -> set[str]:
    """The modules that a process has loaded when it ends."""
    text = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    return {*done.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("asked", ASKED)
def test_who_asks_little_loads_little(asked: str) -> None:
    code, arguments, *completed = ASKED[asked]
    environment = {}
    if completed:
        environment = dict(zip(("COMP_WORDS", "COMP_CWORD"), completed, strict=True))
        environment["_SYMRNN_COMPLETE"] = "complete_bash"
    modules = modules_after(code, arguments, **environment)
    assert "symrnn.places" in modules
    assert not modules & {*HEAVY}
    assert not [m for m in modules if m.startswith(("symrnn.declaration", "symrnn.kernels.numpy."))]


def test_a_kernel_is_emitted_without_what_other_commands_need() -> None:
    modules = modules_after(MAIN, ["emit", "elman", "--target", "numba"])
    assert "symrnn.kernels.numba.module" in modules
    others = ("numba", "jax", "pygments", "latex2mathml", "pydantic", "concurrent.futures")
    others += ("numpy.ma", "numpy.random", "symrnn.zoo.models", "symrnn.zoo.lecture_notes")
    assert not modules & {*others}
    apart = ("papers", "diagrams", "comparison", "checking", "publishing")
    assert not [room for room in apart if f"symrnn.{room}" in modules]
