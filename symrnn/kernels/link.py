"""Standalone modules joined into one text: what is the same in all stands once, the rest under a prefix.

A definition is a top-level statement with its decorators and the comment lines above it. It is shared if
every module that knows its name defines it by the same text, and if all definitions that it refers to are
shared as well. Shared definitions keep their names, their sections and their order. The others, and always
those of `CONTRACT`, stand once per module, and their names take its prefix in their manner. With `lstm`:

    forward -> lstm_forward    _forward -> _lstm_forward    Inputs -> LstmInputs    AXES -> LSTM_AXES

A prefix that would make a name which the file has already gets a number: `same`, under which `_sizes` would
become the shared `_same_sizes`, is `same_2`.

The text is changed nowhere else: names are replaced where the syntax tree says that they stand. Local names,
attributes, keywords of calls and strings stay, except for annotations in strings. A name that only the
running program knows (`globals()["forward"]`) is not seen.
"""

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from symrnn.declaration.normal_form import unique_name
from symrnn.errors import EmissionError
from symrnn.kernels.scopes import BLOCKS, occurrences, spelled_by, spelled_in, unquote_annotations

_TABLES = ("AXES", "INPUTS", "STATES", "PARAMETERS", "CONSTANTS", "OUTPUT")
_RECORDS = ("Inputs", "State", "Parameters", "Run", "Gradients", "Prepared", "Tape")
_VERBS = ("init", "prepare", "predict", "forward", "backward", "step")
CONTRACT = frozenset({*_TABLES, *_RECORDS, *_VERBS})
"""The public names of a kernel but `Workspace`: callers find those of each kernel under its prefix."""

_WIDTH = 104
_TITLE = re.compile(r"# ---- .+ -+")
_HOME = re.compile(r'^(_HOME = sys\.modules\.setdefault)\("(.+)", types\.ModuleType\("\2"\)\)$', re.MULTILINE)

_Lines = tuple[str, ...]
_Place = tuple[str, int, int]  # a name, its line, and its column in bytes; -1: unknown


@dataclass(frozen=True, slots=True)
class Linked:
    """The texts that make a file, without empty lines around them, and what became of the modules' names.

    `own` has a text for every prefix, `names` the new name of every name that a module defines. Nothing in
    `shared` refers to anything in `own`.
    """

    imports: str
    shared: str
    own: Mapping[str, str]
    names: Mapping[str, Mapping[str, str]]

    @property
    def text(self) -> str:
        """All of it: a module without a docstring."""
        return "\n\n\n".join(text for text in (self.imports, self.shared, *self.own.values()) if text) + "\n"


def link(
    modules: Mapping[str, str],
    *,
    home: str | None = None,
    apart: Collection[str] = CONTRACT,
    taken: Collection[str] = (),
) -> Linked:
    """The modules, {prefix: source}, joined; their docstrings and comments on imports are left out.

    `home` names the module that all compiled functions belong to, instead of one for each of the modules.
    Names in `apart` are never shared, nor is what refers to them. `taken` are the names of what else is to
    stand in the file.

    Raises:
        EmissionError: shared names or imports clash, there would be two homes, or a text cannot be read or
            changed.

    """
    if home is not None:
        line = rf'\1("{home}", types.ModuleType("{home}"))'
        modules = {prefix: _HOME.sub(line, source) for prefix, source in modules.items()}
    parts = [_part(prefix, source) for prefix, source in modules.items()]
    imports = _imports([statement for part in parts for statement in part.imports])
    shared = _shared_names(parts, apart)
    if "_HOME" not in shared and any("_HOME" in part.definitions for part in parts):
        raise EmissionError("There would be several modules _HOME for compiled functions. Give one `home`.")
    names = _new_names(parts, shared, taken)
    common = _merged(parts, shared)
    told = {(unit.title, unit.note) for unit in common}
    own = {}
    for part in parts:
        units = [unit for unit in part.units if not part.needs(unit) <= shared]
        title = f"# ---- {part.prefix} ".ljust(_WIDTH, "-")
        own[part.prefix] = _written(units, names[part.prefix], told, title) if units else ""
    return Linked(imports, _written(common, {}, set(), ""), own, names)


def own_name(prefix: str, name: str) -> str:
    """What a global name becomes under a prefix: `lstm_forward`, `LstmInputs`, `LSTM_AXES`."""
    prefix = _stem(prefix)
    stem = name.lstrip("_")
    lead = name[: len(name) - len(stem)]
    if stem.isupper():
        return f"{lead}{prefix.upper()}_{stem}"
    if stem[:1].isupper() and "_" not in stem:
        return lead + "".join(word[:1].upper() + word[1:] for word in prefix.split("_")) + stem
    return f"{lead}{prefix}_{stem}"


@dataclass(frozen=True, slots=True)
class _Unit:
    """A statement at the top level, the comments around it, and the heading of its section."""

    first: int  # line number
    lines: _Lines
    gap: int  # empty lines above
    is_block: bool  # a function or a class
    title: str
    note: _Lines  # comments between the title and the section's first statement
    places: frozenset[_Place]
    binds: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A module; `definitions` has the texts of all statements that bind or change a global name."""

    prefix: str
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    units: tuple[_Unit, ...]
    definitions: Mapping[str, tuple[_Lines, ...]]
    known: frozenset[str]  # global names: defined, imported or just used
    spelled: frozenset[str]  # names of any scope

    def needs(self, unit: _Unit) -> set[str]:
        """The names defined in this module that a statement refers to or defines."""
        return {name for name, _, _ in unit.places} & self.definitions.keys()


def _shared_names(parts: Sequence[_Part], apart: Collection[str]) -> set[str]:
    shared = {name for part in parts for name in part.definitions if name not in apart}
    texts = {name: {part.definitions.get(name) for part in parts if name in part.known} for name in shared}
    shared = {name for name in shared if len(texts[name]) == 1}
    while True:
        own = [unit for part in parts for unit in part.units if not part.needs(unit) <= shared]
        if all(shared.isdisjoint(unit.binds) for unit in own):
            return shared
        shared -= {name for unit in own for name in unit.binds}


def _merged(parts: Sequence[_Part], shared: set[str]) -> list[_Unit]:
    """The shared statements, each once, behind all that stand before it in the first module that has it."""
    merged: list[_Unit] = []
    keys: list[tuple[_Lines, int]] = []
    for part in parts:
        place, seen = -1, list[_Lines]()
        for unit in (unit for unit in part.units if part.needs(unit) <= shared):
            key = unit.lines, seen.count(unit.lines)
            seen.append(unit.lines)
            place = max(place, keys.index(key)) if key in keys else place + 1
            if key not in keys:
                keys.insert(place, key)
                merged.insert(place, unit)
    return merged


def _new_names(parts: Sequence[_Part], shared: set[str], taken: Collection[str]) -> dict[str, dict[str, str]]:
    """New names by prefix; none may stand for something else already, in whatever scope.

    A module some of whose names would clash takes its prefix with a number, the first that will do.
    """
    if both := sorted(shared.intersection(taken)):
        raise EmissionError(f"All modules define {both[0]}, which is another name of the file.")
    spelled = {name for part in parts for name in part.spelled}.union(taken)
    names: dict[str, dict[str, str]] = {}
    for part in parts:
        own = [name for name in part.definitions if name not in shared]
        tried: list[str] = []
        while True:
            prefix = unique_name(part.prefix, tried)
            new = {name: own_name(prefix, name) for name in own}
            if spelled.isdisjoint(new.values()):
                break
            tried.append(prefix)
        spelled.update(new.values())
        names[part.prefix] = {name: new.get(name, name) for name in part.definitions}
    return names


def _stem(prefix: str) -> str:
    """A prefix without leading underscores: those of a name say whether the name is public."""
    stem = prefix.lstrip("_")
    return stem if stem.isidentifier() else f"part{prefix}"


def _part(prefix: str, source: str) -> _Part:
    if not prefix.isidentifier():
        raise EmissionError(f"{prefix!r} cannot be a prefix. Use a Python name.")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise EmissionError(f"The module {prefix!r} is not Python: {error}.") from error
    unquote_annotations(tree)
    imports = tuple(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    units = tuple(_units(tree, source.split("\n")))
    definitions: dict[str, tuple[_Lines, ...]] = {}
    for unit in units:
        for name in unit.binds:
            definitions[name] = (*definitions.get(name, ()), unit.lines)
    imported = {name for node in imports for alias in node.names for name in spelled_by(alias)}
    special = sorted(n for n in definitions if n in imported or (n.startswith("__") and n.endswith("__")))
    if special:
        raise EmissionError(f"The module {prefix!r} defines {special[0]}, an import or Python's own name.")
    known = imported.union(*({name for name, _, _ in unit.places} for unit in units))
    return _Part(
        prefix, imports, units, definitions, frozenset(known), frozenset(imported | spelled_in(tree))
    )


def _units(tree: ast.Module, lines: Sequence[str]) -> Iterator[_Unit]:
    """The statements of a module, without its docstring and its imports."""
    starts = [min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))) - 1 for node in tree.body]
    done, title, note = 0, "", _Lines()
    for node, start, stop in zip(tree.body, starts, [*starts[1:], None], strict=False):
        if start < done:
            raise EmissionError(f"A line has two statements, which cannot be told apart: {lines[start]}.")
        above = list(lines[done:start])
        heads = [number for number, line in enumerate(above) if _TITLE.fullmatch(line)]
        if heads:
            title, above = above[heads[-1]], above[heads[-1] + 1 :]
            length = above.index("") if "" in above else 0
            note, above = tuple(above[:length]), above[length:]
        gap = next((number for number, line in enumerate(above) if line), len(above))
        done = _end(lines, node.end_lineno or 0, stop)
        is_docstring = start == starts[0] and ast.get_docstring(tree) is not None
        if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            continue
        found = list(occurrences(node))
        places = frozenset(_place(name, at, lines) for name, at, _ in found)
        binds = frozenset(name for name, _, is_bound in found if is_bound)
        text = (*above[gap:], *lines[start:done])
        first = start - len(above[gap:]) + 1
        yield _Unit(first, text, gap, isinstance(node, BLOCKS), title, note, places, binds)


def _end(lines: Sequence[str], end: int, stop: int | None) -> int:
    """Where a statement ends with the comments behind it: indented, above a title, or a file's last."""
    behind = lines[end:stop]
    heads = [number for number, line in enumerate(behind) if _TITLE.fullmatch(line)]
    limit = heads[-1] if heads else len(behind) if stop is None else 0
    comments = [n for n, line in enumerate(behind) if line.strip() and (n < limit or line[0].isspace())]
    return end + comments[-1] + 1 if comments else end


def _place(name: str, node: ast.AST, lines: Sequence[str]) -> _Place:
    """Where a name stands; it is in the line in which the node that spells it starts."""
    row, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    if isinstance(node, BLOCKS | ast.Global | ast.alias | ast.ExceptHandler):
        before = r"\bas " if isinstance(node, ast.alias | ast.ExceptHandler) else r"\b"
        found = re.compile(rf"{before}({name})\b".encode()).search(lines[row - 1].encode(), column)
        return name, row, found.start(1) if found else -1
    return name, row, column if isinstance(node, ast.Name) else -1


def _renamed(unit: _Unit, names: Mapping[str, str]) -> list[str]:
    """The lines of a statement with new names."""
    lines = [line.encode() for line in unit.lines]
    changed = [place for place in unit.places if names.get(place[0], place[0]) != place[0]]
    for name, number, column in sorted(changed, key=lambda place: place[1:], reverse=True):
        line, end = lines[number - unit.first], column + len(name.encode())
        if line[column:end] != name.encode():
            raise EmissionError(f"The name {name} cannot be replaced in: {line.decode().strip()}.")
        lines[number - unit.first] = line[:column] + names[name].encode() + line[end:]
    return [line.decode() for line in lines]


def _written(units: Iterable[_Unit], names: Mapping[str, str], told: Collection[object], title: str) -> str:
    """Statements under one title or those of their sections, without the notes that are told already."""
    lines = [title] if title else []
    seen, section, after_block = set(told), "", False
    for unit in units:
        above = [unit.title] if not title and unit.title not in ("", section) else []
        above += unit.note if (unit.title, unit.note) not in seen else ()
        if above and lines != [title] and lines:
            lines += ["", ""]
        lines += above
        least = 2 if unit.is_block or (after_block and not above) else int(lines == [title])
        lines += [""] * max(unit.gap, least) if lines else []
        lines += _renamed(unit, names)
        seen.add((unit.title, unit.note))
        section, after_block = unit.title, unit.is_block
    return "\n".join(lines)


def _imports(statements: Iterable[ast.Import | ast.ImportFrom]) -> str:
    """The union of imports, in the usual order."""
    meanings: dict[str, str] = {}
    found: dict[tuple[int, bool, str, str], set[str]] = {}
    for node in statements:
        for alias in node.names:
            text, name = ast.unparse(alias), alias.asname or alias.name.partition(".")[0]
            module, meaning = alias.name, alias.name if alias.asname else name
            if isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                meaning = f"{module}:{alias.name}"
            if name == "*" or meanings.setdefault(name, meaning) != meaning:
                raise EmissionError(f"The modules import {name!r}, which does not say what it stands for.")
            root = module.partition(".")[0]
            group = 0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2 if root else 3
            key = group, isinstance(node, ast.ImportFrom), module, text if alias.asname else ""
            found.setdefault(key, set()).add(text)
    groups: dict[int, list[str]] = {}
    for (group, is_from, module, _), texts in sorted(found.items()):
        names = ", ".join(sorted(texts, key=lambda name: (not name.isupper(), name[0].islower(), name)))
        groups.setdefault(group, []).append(f"from {module} import {names}" if is_from else f"import {names}")
    return "\n\n".join("\n".join(lines) for lines in groups.values())
