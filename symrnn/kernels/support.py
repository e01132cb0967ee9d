"""What a module brings along: of the functions and imports that any may need, those that this one uses.

They are plain Python in pieces two empty lines apart. A piece is used if the module names what it defines, or
if a piece that is used does; an import, if anything names what it binds.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from symrnn.templates import render

WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines of Python, the global names that they define, and all names that they use."""

    text: str
    defines: frozenset[str]
    uses: frozenset[str]


def with_support(
    template: str, context: Mapping[str, object], support: Mapping[str, str], imports: str | None = None
) -> str:
    """A template's text with the pieces that it uses.

    `support` has the pieces for names of the template beside those in `context`, which get them as tuples;
    `imports`, if any, are import statements, a line each, for the name "imports".
    """
    pieces = {name: _pieces(text) for name, text in support.items()}
    lines = [] if imports is None else ["imports"]
    own = render(template, {**context, **dict.fromkeys([*pieces, *lines], ())})
    used, named = _used([piece for group in pieces.values() for piece in group], set(WORD.findall(own)))
    brought: dict[str, object] = {
        name: tuple(piece.text for piece in group if piece in used) for name, group in pieces.items()
    }
    if imports is not None:
        brought["imports"] = tuple(line for line in imports.split("\n")[:-1] if _is_needed(line, named))
    return render(template, {**context, **brought})


def _used(pieces: list[_Piece], named: set[str]) -> tuple[set[_Piece], set[str]]:
    """The pieces that define what is named, or what a used piece names; and everything that is named then."""
    used: set[_Piece] = set()
    while more := [piece for piece in pieces if piece not in used and piece.defines & named]:
        used.update(more)
        named = named.union(*(piece.uses for piece in more))
    return used, named


def _is_needed(line: str, named: set[str]) -> bool:
    """Whether an import binds a name that is used; empty lines part groups."""
    bound = {alias.asname or alias.name for node in ast.parse(line).body for alias in node.names}  # type: ignore[attr-defined]
    return not bound or not bound.isdisjoint(named)


@lru_cache
def _pieces(text: str) -> tuple[_Piece, ...]:
    texts = text.strip("\n").split("\n\n\n") if text else []
    return tuple(_Piece(piece, *map(frozenset, _names(ast.parse(piece)))) for piece in texts)


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What a piece defines, and what it uses."""
    uses = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {name for statement in tree.body for name in _defined(statement)}, uses


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
