"""A module carries what it uses: each private definition and each import of an emitted text is used."""

import ast
import builtins
import symtable
from collections.abc import Iterator

import pytest
from kernel_problems import ALL
from random_cells import random_cell
from sympy import Eq

from symrnn import Cell, Input, Parameter, State, axes, emit, softplus
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.zoo import MODELS

n, m = axes("n m")
h, x = State("h", m), Input("x", m)
WITHOUT_FUNCTIONS = Cell("plain", Eq(h.next, Parameter("a", m) * h + x))
CELLS = {name: ALL[name] for name in ("gru", "several", "layer", "ties", "affine", "constants")}
CELLS |= {"plain": WITHOUT_FUNCTIONS, **{str(seed): random_cell(seed) for seed in (1, 4, 5)}}


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """What a module defines and imports, by name."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield (alias.asname or alias.name).partition(".")[0], statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                yield from ((node.id, statement) for node in ast.walk(target) if isinstance(node, ast.Name))


def unused(text: str) -> set[str]:
    """The names that a module defines for nobody: not public, and used by nothing that is used."""
    tree = ast.parse(text)
    defined = dict(definitions(tree))
    uses = {name: names_in(statement) for name, statement in defined.items()}
    imports = ast.Import | ast.ImportFrom
    wanted = {name for name, made in defined.items() if name[0] != "_" and not isinstance(made, imports)}
    for statement in tree.body:
        if statement not in defined.values():
            wanted |= names_in(statement)
    while more := {used for name in wanted if name in uses for used in uses[name]} - wanted:
        wanted |= more
    return defined.keys() - wanted


def names_in(statement: ast.stmt) -> set[str]:
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for node in ast.walk(statement):  # annotations that are strings
        if isinstance(node, ast.arg | ast.AnnAssign | ast.FunctionDef):
            told = node.returns if isinstance(node, ast.FunctionDef) else node.annotation
            if isinstance(told, ast.Constant) and isinstance(told.value, str):
                names |= names_in(ast.parse(told.value).body[0])
    return names


def undefined(text: str) -> set[str]:
    """The global names that a module uses and neither defines nor imports."""
    top = symtable.symtable(text, "module", "exec")
    bound = {
        symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    bound |= {inner.get_name() for inner in top.get_children()}
    return {name for table in tables(top) for name in read_in(table)} - bound - {*dir(builtins)}


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from tables(inner)


def read_in(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that a scope reads from the module."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
            yield symbol.get_name()


@pytest.mark.parametrize("kind", [*TARGETS, "minimal"])
@pytest.mark.parametrize("name", CELLS)
def test_kernels_carry_what_they_use(name: str, kind: str) -> None:
    text = emit(CELLS[name], "numpy", contract="minimal") if kind == "minimal" else emit(CELLS[name], kind)
    assert unused(text) == set()
    assert undefined(text) == set()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_models_carry_what_they_use(name: str, target: str) -> None:
    text = emit(MODELS[name], target)
    assert unused(text) == set()
    assert undefined(text) == set()


def test_what_is_used_only_by_what_is_used_comes_along() -> None:
    softened = Cell("softened", Eq(h.next, softplus(h) + x))
    names = {name for name, _ in definitions(ast.parse(emit(softened, "numba")))}
    assert {"_softplus", "_relu", "_exp", "_split_exp", "_constants", "_fused", "ir"} <= names
    assert names.isdisjoint({"_tiles", "_tanh", "_log", "NumbaTypeError"})


def test_an_undefined_name_is_seen() -> None:
    assert undefined("import os\ndef f(a):\n    return os.path.join(a, _g(b))\n") == {"_g", "b"}


def test_an_unused_definition_is_seen() -> None:
    assert unused("import os\n_a = 1\ndef f():\n    return _a\ndef _g():\n    return _g()\n") == {"os", "_g"}
