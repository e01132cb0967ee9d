"""The house's order, read from the source: imports go one way, things are small, outside has one door."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from architecture import HOME, ROOMS, imported, module_files, own_imports
from architecture import room_of as stage
from architecture import tree_of as tree

APART = {
    "zoo": set(ROOMS) - {"errors", "places", "declaration", "models", "zoo"},  # pure declarations
    "mathematics": {"models"},
    "planning": {"comparison", "mathematics"},  # plans know derivations, not how they are told
    "kernels": {"comparison", "derivation", "mathematics"},  # kernels know plans, not derivations,
    "papers": {"planning", "kernels"},  # and papers the other way round: costs are handed over as data
    "diagrams": {"planning", "kernels"},
}
"""Rooms that stand before another in the order, and which it leaves alone all the same."""

HEAVY = (
    "layouts",
    "onnx_graphs",
    "running",
    "checking",
    "torch",
    "training",
    "distributed",
    "publishing",
    "gradients",
    "bench",
    "notebook",
    "commands",
    "fuzzing",
    "examples",
)
"""Where libraries that may be absent, or take their time to load, are imported, within functions too."""

FAMILIES = {
    f"symrnn.vocabulary.{name}"
    for name in (
        "activations",
        "contraction",
        "piecewise",
        "powers",
        "reductions",
        "structure",
        "trigonometric",
    )
}
"""What they name is public; no other file names it again."""

MODULES = module_files()
SYMBOL_MAKERS = {
    "declaration/axes.py",
    "models/equal_sizes.py",
    "declaration/quantities.py",
    "planning/ir.py",
    "validation/functions.py",
}
"""The constructors of symbols: axes, axes of joined cells, quantities, a plan's arrays, SymPy's arguments."""


def named(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_go_one_way(path: Path) -> None:
    own = stage(path)
    if own == "examples":
        return  # a user's work: it imports the face, symrnn itself
    allowed = set(ROOMS[: ROOMS.index(own) + 1]) - APART.get(own, set())
    if own in ROOMS[: ROOMS.index("zoo")]:
        allowed -= {"zoo"}
    assert own_imports(path) <= allowed


def module_name(path: Path) -> str:
    parts = path.relative_to(HOME.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_imports_go_in_a_circle() -> None:
    """Not within a stage either; what is imported for types alone counts."""
    modules = {module_name(path): path for path in MODULES}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        needed = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom):
                needed |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            elif isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names}
        graph[name] = (needed & modules.keys()) - {name}
    TopologicalSorter(graph).prepare()  # raises with the circle


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_function_imports_a_module_of_ours(path: Path) -> None:
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef):
            names = [name for node in ast.walk(function) for name in imported(node)]
            assert not [name for name in names if name.partition(".")[0] == "symrnn"], function.name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_only_rooms_of_users_import_inside_functions(path: Path) -> None:
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef) and stage(path) not in (*HEAVY, "console"):
            assert not [name for node in ast.walk(function) for name in imported(node)], function.name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_and_functions_are_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{named(path)} has {lines} lines"
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef):
            length = (function.end_lineno or 0) - function.lineno + 1
            assert length <= 60, f"{function.name} has {length} lines"


def classes_of(node: ast.expr) -> Iterator[str]:
    """The classes that the second argument of `isinstance` names."""
    if isinstance(node, ast.BinOp):
        yield from (*classes_of(node.left), *classes_of(node.right))
    elif isinstance(node, ast.Tuple):
        yield from (name for element in node.elts for name in classes_of(element))
    else:
        yield ast.unparse(node)


def asked_of(function: ast.FunctionDef) -> dict[str, set[str]]:
    """The classes that a function asks of each of its subjects."""
    asked: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            asked.setdefault(ast.unparse(node.args[0]), set()).update(classes_of(node.args[1]))
    return asked


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nobody_asks_for_many_classes(path: Path) -> None:
    """What depends on the kind of a node or a statement is its method, or an entry of a table by class."""
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef):
            for subject, classes in asked_of(function).items():
                assert len(classes) <= 3, f"{function.name} asks what {subject} is: {sorted(classes)}"


def test_a_chain_of_questions_would_be_seen() -> None:
    chain = """
def told(node):
    if isinstance(node, Add | Mul):
        return isinstance(other, Pow)
    return isinstance(node, (Pow, Symbol)) or isinstance(node, Add)
"""
    function = ast.parse(chain).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert asked_of(function) == {"node": {"Add", "Mul", "Pow", "Symbol"}, "other": {"Pow"}}


def importers(package: str) -> set[str]:
    return {
        named(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        for name in imported(node)
        if name.partition(".")[0] == package
    }


TABLES = {
    "__init__.py",  # the face
    "printing.py",  # what makes the texts of records
    "zoo/__init__.py",  # shipped cells and models
    "zoo/shelf.py",
    "commands/command_line.py",  # the commands
    "commands/rooms.py",  # what they use of the rooms
}
"""Where things are loaded when they are first asked for."""


def test_only_the_known_tables_load_when_they_are_asked() -> None:
    loaders, importing = set(), set()
    for path in (HOME / "__init__.py", *MODULES):
        for node in ast.walk(tree(path)):
            if any(name.startswith("symrnn.places") for name in imported(node)):
                loaders.add(named(path))
            if getattr(node, "attr", getattr(node, "id", "")) in (
                "import_module",
                "__import__",
                "LazyLoader",
            ):
                importing.add(named(path))
    assert loaders == TABLES
    kernels = {
        "running/loading.py",
        "torch/operators.py",
        "validation/execution.py",
        "onnx_graphs/texts.py",
    }  # which are none of ours
    targets = {"kernels/targets.py", "kernels/target_list.py"}  # they are found in their folders
    assert importing == {"places.py"} | targets | kernels


def test_jinja_has_one_door() -> None:
    assert importers("jinja2") == {"templates.py"}


def test_onnx_has_one_door() -> None:
    assert importers("onnx") == {"onnx_graphs/protos.py"}


def test_optional_libraries_are_imported_by_rooms_of_users_alone() -> None:
    for package in ("jax", "torch", "matplotlib", "typer", "rich"):
        assert all(name.split("/")[0] in (*HEAVY, "console.py") for name in importers(package))


def test_symbols_are_made_in_the_known_places() -> None:
    makers = {"Symbol", "symbols", "Dummy", "MatrixSymbol", "Wild", "__xnew__"}
    found = set()
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                callee = node.func
                name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
                if name in makers:
                    found.add(named(path))
    assert found <= SYMBOL_MAKERS


def test_no_string_goes_through_sympify() -> None:
    """`sympify("I")` is the imaginary unit: the door takes numbers and expressions."""
    calls = {
        named(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("sympify", "parse_expr")
    }
    assert calls == {"vocabulary/structure.py"}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_house_rules(path: Path) -> None:
    """No star imports but of functions, no `global`, no utils or helpers, no mutable dataclass that flows."""
    assert path.stem not in ("utils", "helpers", "common", "misc")
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Global)
        if isinstance(node, ast.ImportFrom):
            assert node.names[0].name != "*" or node.module in FAMILIES
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                text = ast.unparse(decorator)
                if text.startswith("dataclass") and not node.name.startswith("_"):
                    assert "frozen=True" in text, node.name
                    assert "slots=True" in text, node.name
